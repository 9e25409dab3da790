package state

import (
	"context"
	"net/netip"
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

func TestHistoryIsBounded(t *testing.T) {
	s := open(t, statePath(t))
	save(t, s, ban(1))
	// As if the bound had just been passed.
	if _, err := s.db.Exec(`UPDATE history SET id = id - ?`, MaxHistory-1); err != nil {
		t.Fatal(err)
	}
	save(t, s, ban(2)) // ids go on from the highest, here 2-MaxHistory+1
	if _, err := s.db.Exec(`UPDATE history SET id = ? WHERE id = (SELECT max(id) FROM history)`, 2); err != nil {
		t.Fatal(err)
	}
	save(t, s, ban(3))
	found, err := s.History(context.Background(), netip.Prefix{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || found[0].Prefix != ban(3).Prefix || found[1].Prefix != ban(2).Prefix {
		t.Errorf("%v: want the two newest; the first lies %d ids back", found, MaxHistory)
	}
}
