package state

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/jail"
)

func TestHistory(t *testing.T) {
	s := open(t, statePath(t))
	at := func(prefix string, n int) jail.Decision {
		d := ban(n)
		d.Prefix = netip.MustParsePrefix(prefix)
		d.Host = d.Prefix.Addr()
		return d
	}
	save(t, s, at("192.0.2.7/32", 1), at("192.0.2.0/24", 2), at("192.0.3.0/32", 3), at("2001:db8:0:1::/64", 4),
		at("0.0.0.0/0", 5), at("192.0.2.0/32", 6), unban(at("192.0.2.7/32", 1), epoch))
	for _, tt := range []struct {
		prefix string
		limit  int
		want   []string
	}{
		{"192.0.2.7/32", 10, []string{"192.0.2.7/32", "0.0.0.0/0", "192.0.2.0/24", "192.0.2.7/32"}},
		{"192.0.2.7/32", 2, []string{"192.0.2.7/32", "0.0.0.0/0"}},
		{"192.0.2.0/24", 10, []string{"192.0.2.7/32", "192.0.2.0/32", "0.0.0.0/0", "192.0.2.0/24", "192.0.2.7/32"}},
		{"192.0.2.255/32", 10, []string{"0.0.0.0/0", "192.0.2.0/24"}},
		{"2001:db8:0:1::9/128", 10, []string{"2001:db8:0:1::/64"}},
		{"::/0", 10, []string{"2001:db8:0:1::/64"}},
		{"2001:db8:0:2::/64", 10, nil},
		{"192.0.2.7/32", 0, nil},
		{"", 3, []string{"192.0.2.7/32", "192.0.2.0/32", "0.0.0.0/0"}},
	} {
		var prefix netip.Prefix
		if tt.prefix != "" {
			prefix = netip.MustParsePrefix(tt.prefix)
		}
		found, err := s.History(context.Background(), prefix, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range found {
			got = append(got, d.Prefix.String())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q, at most %d (-want +got):\n%s", tt.prefix, tt.limit, diff)
		}
	}
	newest, err := s.History(context.Background(), netip.MustParsePrefix("192.0.2.7/32"), 1)
	if err != nil || newest[0].Action != jail.Unban {
		t.Errorf("%v, %v: want the unban, which came last", newest, err)
	}
}

// TestHistoryIsBounded passes the bound: a block goes when the last decision in it
// lies too far back.
func TestHistoryIsBounded(t *testing.T) {
	path := statePath(t)
	s := open(t, path)
	save(t, s, ban(1), ban(2))
	save(t, s, ban(3))
	// As if as many decisions had been saved since as are remembered, but for one.
	if _, err := s.db.Exec(`UPDATE history SET id = ? WHERE id = 3`, MaxHistory); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, path)
	save(t, s, ban(4)) // now the first lies too far back, the second does not
	remembers(t, s, ban(4), ban(3), ban(2), ban(1))
	save(t, s, ban(5))
	remembers(t, s, ban(5), ban(4), ban(3))
}

// remembers holds the history to be want, newest first.
func remembers(t *testing.T, s *Store, want ...jail.Decision) {
	t.Helper()
	got, err := s.History(context.Background(), netip.Prefix{}, len(want)+1)
	if diff := cmp.Diff(want, got, compareNetip); diff != "" || err != nil {
		t.Errorf("%v; past decisions (-want +got):\n%s", err, diff)
	}
}

// TestLongHistory finds what lies far back, behind several pages of blocks.
func TestLongHistory(t *testing.T) {
	const count, size = 15_000, 3 * historyPage
	s := open(t, statePath(t))
	all := make([]jail.Decision, count)
	for i := range all {
		all[i] = ban(i)
		all[i].Evidence.Line = strings.Repeat("x", size/count)
	}
	for part := range slices.Chunk(all, 4000) {
		save(t, s, part...)
	}
	for _, n := range []int{0, 1, count / 2, count - 1} {
		found, err := s.History(context.Background(), all[n].Prefix, 2)
		if diff := cmp.Diff(all[n:][:1], found, compareNetip); diff != "" || err != nil {
			t.Errorf("number %d: %v (-want +got):\n%s", n, err, diff)
		}
	}
	slices.Reverse(all)
	remembers(t, s, all...)
}

// TestDamagedHistory has blocks that no p2pban wrote: they are refused, whole or
// cut anywhere.
func TestDamagedHistory(t *testing.T) {
	s := open(t, statePath(t))
	save(t, s, ban(1))
	var whole []byte
	if err := s.db.QueryRow(`SELECT packed FROM history`).Scan(&whole); err != nil {
		t.Fatal(err)
	}
	blocks := [][]byte{append(bytes.Clone(whole), 1), {0}, {1, 9}, bytes.Repeat([]byte{255}, 20)}
	for n := 1; n < len(whole); n++ {
		blocks = append(blocks, whole[:n])
	}
	for _, b := range blocks {
		if _, err := s.db.Exec(`UPDATE history SET packed = ?`, b); err != nil {
			t.Fatal(err)
		}
		for _, prefix := range []netip.Prefix{{}, ban(1).Prefix} {
			found, err := s.History(context.Background(), prefix, 10)
			var damaged *DamagedError
			if !errors.As(err, &damaged) {
				t.Errorf("%x: %v, %v: want a DamagedError", b, found, err)
			}
		}
	}
}
