package state

import (
	"context"
	"testing"

	"github.com/p2pban/p2pban/jail"
)

func batch(first, size int) []jail.Decision {
	out := make([]jail.Decision, size)
	for i := range out {
		out[i] = ban(first + i)
	}
	return out
}

func BenchmarkSaveOne(b *testing.B) {
	s := open(b, statePath(b))
	n := 0
	for b.Loop() {
		save(b, s, ban(n))
		n++
	}
}

func BenchmarkSave1000(b *testing.B) {
	s := open(b, statePath(b))
	n := 0
	for b.Loop() {
		save(b, s, batch(n, 1000)...)
		n += 1000
	}
}

// with100k makes a state file of 100,000 bans.
func with100k(b *testing.B) string {
	path := statePath(b)
	s := open(b, path)
	for n := 0; n < 100_000; n += 1000 {
		save(b, s, batch(n, 1000)...)
	}
	s.Close()
	return path
}

func BenchmarkOpen100k(b *testing.B) {
	path := with100k(b)
	for b.Loop() {
		s, saved, err := Open(path)
		if err != nil || len(saved.Bans) != 100_000 {
			b.Fatal(len(saved.Bans), err)
		}
		s.Close()
	}
}

func BenchmarkCheckpoint16MiB(b *testing.B) {
	s := open(b, statePath(b))
	c := Checkpoint{Clock: epoch, Snapshot: make([]byte, 16<<20)}
	b.SetBytes(int64(len(c.Snapshot)))
	for b.Loop() {
		if err := s.Checkpoint(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}
