//go:build !cgo || !linux

package sources

// openJournal reads the journal through journalctl: libsystemd needs cgo.
var openJournal = openJournalctl
