package state

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/jail"
)

// FuzzUnpack reads arbitrary bytes: they are refused, or what comes out is a
// ban that packs into bytes which give it again.
func FuzzUnpack(f *testing.F) {
	var all jail.Decision
	t := new(testing.T)
	fill(t, reflect.ValueOf(&all).Elem())
	all.Action = jail.Ban
	for _, d := range []jail.Decision{{}, ban(1), all} {
		b, err := pack(nil, &d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
		f.Add(append(b, 0))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d, again jail.Decision
		if newUnpacker().unpack(b, &d) != nil {
			return
		}
		packed, err := pack(nil, &d)
		if err != nil {
			t.Fatal(err)
		}
		if err := newUnpacker().unpack(packed, &again); err != nil {
			t.Fatalf("%x gave %+v, whose bytes %x are refused", b, d, packed)
		}
		if diff := cmp.Diff(d, again, compareNetip); diff != "" {
			t.Errorf("%x (-first +again):\n%s", b, diff)
		}
	})
}

func TestCutBanIsRefused(t *testing.T) {
	d := ban(1)
	whole, err := pack(nil, &d)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if err := newUnpacker().unpack(whole[:n], new(jail.Decision)); err == nil {
			t.Errorf("%d of %d bytes were taken for a ban", n, len(whole))
		}
	}
	if err := newUnpacker().unpack(append(whole, 0), new(jail.Decision)); err == nil {
		t.Error("a byte too many was overlooked")
	}
}

// TestBytesThatAreNoBan has a row whose checksum fits but that no p2pban wrote.
func TestBytesThatAreNoBan(t *testing.T) {
	path := statePath(t)
	s := open(t, path)
	bytes := []byte("no ban")
	_, err := s.db.Exec(putBanText, 1, "libp2p-flood", "11.0.0.1/32", bytes, sum([]byte("libp2p-flood"), []byte("11.0.0.1/32"), bytes))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, _, err = Open(path)
	var damaged *DamagedError
	if !errors.As(err, &damaged) || damaged.Foreign || !errors.Is(err, errPacked) {
		t.Errorf("%v: want a DamagedError", err)
	}
}

// TestOlderSchemas opens files that older p2pbans wrote: everything comes back
// and is there again at the next start, when the file has become one of ours.
func TestOlderSchemas(t *testing.T) {
	for _, name := range []string{"schema1.db", "schema2.db", "schema3.db", "schema4.db"} {
		t.Run(name, func(t *testing.T) { testOlder(t, name) })
	}
}

func testOlder(t *testing.T, name string) {
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	byHand := jail.Decision{Jail: jail.Manual, Prefix: netip.MustParsePrefix("2001:db8::/64"), At: epoch, Evidence: jail.Evidence{Reason: "by hand"}}
	want := Saved{
		Bans:       []jail.Decision{ban(1), byHand},
		Checkpoint: Checkpoint{Clock: epoch, Cursors: map[string]string{"kubo": "s=1"}, Snapshot: []byte("snapshot")},
	}
	if name == "schema4.db" { // the first with holes
		want.Checkpoint.Holes = map[string]map[string][]string{"kubo": {"unit ipfs.service": {"identify-console"}}}
	}
	for _, when := range []string{"the first time", "once it is up to date", "with one ban more and one less"} {
		s, got, err := Open(path)
		if err != nil {
			t.Fatal(when, err)
		}
		if diff := cmp.Diff(want, got, compareNetip); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		past, err := s.History(context.Background(), netip.MustParsePrefix("11.0.0.2/32"), 10)
		if diff := cmp.Diff([]jail.Decision{unban(ban(2), epoch), ban(2)}, past, compareNetip); diff != "" || err != nil {
			t.Errorf("%s: %v; past decisions (-want +got):\n%s", when, err, diff)
		}
		if when == "once it is up to date" {
			save(t, s, ban(3), unban(byHand, epoch))
			want.Bans = []jail.Decision{ban(1), ban(3)}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamagedSchema1 changes one byte of a ban in an older file: it is noticed
// as it would be in one of ours, and the file is not brought up to date.
func TestDamagedSchema1(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "schema1.db"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := connect(path, url.Values{})
	if err == nil {
		_, err = s.db.Exec(`UPDATE bans SET decision = replace(decision, '"11.0.0.1"', '"11.0.0.9"')`)
		s.db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	fresh, saved, aside, err := OpenOrSetAside(path)
	if err != nil || aside == "" || len(saved.Bans) > 0 {
		t.Fatalf("%d bans, %q, %v: want the file set aside", len(saved.Bans), aside, err)
	}
	fresh.Close()
}
