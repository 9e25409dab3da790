package state

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	// walBytes is what the WAL grows to before its pages are moved into the database:
	// a flood of bans writes the same pages again and again, and moving them seldom
	// has a decision take a sixth less. It may become longer by one transaction.
	walBytes = walPages * 4096 // 64 MiB
	walPages = 16_000
	// shortBytes is how long it may be on any disk.
	shortBytes = 256 << 10
	// fullBytes is how little room makes a failure of the disk one of the room: SQLite
	// wants 32 KiB at once for its index of the WAL, and pages by the dozen.
	fullBytes = 1 << 20
)

// leaveRoom moves the WAL into the database where it is longer than what is free
// on the disk. It must be done in time: a WAL that has taken the last room can't be
// moved any more, for the database needs some to grow, and then nothing can be
// saved, though all that is to be kept may need a hundredth of that. What fails
// here leaves the WAL as it is, and is tried again after the next save.
func (s *Store) leaveRoom(ctx context.Context) {
	var st unix.Statfs_t
	if unix.Statfs(filepath.Dir(s.path), &st) != nil {
		return
	}
	free := st.Bavail * uint64(st.Bsize)
	if st.Blocks == 0 || free >= walBytes { // not known, or enough
		return
	}
	wal, err := os.Stat(s.path + "-wal")
	if err == nil && uint64(wal.Size()) > max(shortBytes, free) {
		s.db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	}
}

// full tells whether the disk of a directory has no room, for data or for files.
func full(dir string) bool {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return false
	}
	return st.Blocks > 0 && st.Bavail*uint64(st.Bsize) < fullBytes || st.Files > 0 && st.Ffree == 0
}
