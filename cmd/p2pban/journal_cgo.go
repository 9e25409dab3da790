//go:build cgo

package main

const journalBy = "libsystemd"
