package state

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/jail"
)

// TestBansAfter pages through two jails and sees every ban once, in the order in
// which they were made.
func TestBansAfter(t *testing.T) {
	s, _, err := Open(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all []jail.Decision
	var want []string
	var ofB []string
	for i := range 25 {
		for _, name := range []string{"a", "b"} {
			addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			d := jail.Decision{Jail: name, Host: addr, Prefix: netip.PrefixFrom(addr, 32), At: time.Unix(1e9, 0).UTC()}
			all = append(all, d)
			want = append(want, name+" "+d.Prefix.String())
			if name == "b" {
				ofB = append(ofB, want[len(want)-1])
			}
		}
	}
	if err := s.SaveDecisions(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		jail string
		want []string
	}{{"", want}, {"b", ofB}, {"c", nil}} {
		var got []string
		var last int64
		for {
			var page []jail.Decision
			var err error
			page, last, err = s.BansAfter(t.Context(), last, c.jail, 10)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, d := range page {
				got = append(got, fmt.Sprint(d.Jail, " ", d.Prefix))
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("jail %q: %v, want %v", c.jail, got, c.want)
		}
	}
}

// TestSaveInForce replaces the bans in force: what is made, lifted and made anew
// after it finds its place, and the history is as it was.
func TestSaveInForce(t *testing.T) {
	path := statePath(t)
	s := open(t, path)
	save(t, s, ban(1), ban(2), ban(3))
	if err := s.SaveInForce(t.Context(), []jail.Decision{ban(3), ban(4), ban(5)}); err != nil {
		t.Fatal(err)
	}
	save(t, s, unban(ban(4), epoch), ban(5), ban(6))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	bans, _, err := s.BansAfter(t.Context(), 0, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]jail.Decision{ban(3), ban(5), ban(6)}, bans, compareNetip); diff != "" {
		t.Errorf("in force (-want +got):\n%s", diff)
	}
	past, err := s.History(t.Context(), netip.Prefix{}, 10)
	if err != nil || len(past) != 6 {
		t.Errorf("%d decisions in the history, %v; want the 6 that were saved as such", len(past), err)
	}
}
