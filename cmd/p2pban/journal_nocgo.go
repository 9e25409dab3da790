//go:build !cgo

package main

const journalBy = "journalctl"
