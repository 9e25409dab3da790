package jail

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// TestTakeOver takes over what a firewall holds: never what must not be kept
// out, whoever wrote it there.
func TestTakeOver(t *testing.T) {
	s, err := New([]Config{{Name: "a", Rules: []string{"r"}, FindTime: time.Minute, MaxRetry: 2, BanTime: time.Hour, IgnoreIP: []string{"198.51.100.7"}}},
		Options{Protected: map[string][]netip.Prefix{"gateways": {prefix("203.0.113.1/32")}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ban(t0, ManualBan{Prefix: prefix("192.0.2.1/32"), For: time.Hour, Reason: "mine"}); err != nil {
		t.Fatal(err)
	}
	decisions, refused := s.TakeOver(t0, maps.All(map[netip.Prefix]time.Time{
		prefix("192.0.2.1/32"):         t0.Add(time.Minute), // banned by hand already
		prefix("192.0.2.2/32"):         t0.Add(time.Minute),
		prefix("192.0.2.3/32"):         t0, // over
		prefix("198.18.0.7/24"):        {}, // not masked
		prefix("2001:db8::/64"):        t0.Add(time.Hour),
		prefix("198.51.100.0/24"):      {}, // takes in who is ignored
		prefix("203.0.113.1/32"):       {}, // protected
		prefix("127.0.0.1/32"):         {}, // special
		prefix("128.0.0.0/1"):          {}, // takes in special ranges
		prefix("0.0.0.0/0"):            {}, // everybody
		prefix("::ffff:192.0.2.4/128"): t0.Add(time.Minute),
	}))
	want := map[netip.Prefix]time.Time{
		prefix("192.0.2.1/32"): t0.Add(time.Hour), prefix("192.0.2.2/32"): t0.Add(time.Minute), prefix("198.18.0.0/24"): {},
		prefix("2001:db8::/64"): t0.Add(time.Hour), prefix("192.0.2.4/32"): t0.Add(time.Minute),
	}
	if got := maps.Collect(s.Prefixes()); !maps.EqualFunc(got, want, time.Time.Equal) || len(refused) != 5 || !slices.Contains(refused, prefix("203.0.113.1/32")) || len(decisions) != 4 {
		t.Errorf("in force: %v, %d decisions, %v refused; want %v, 4 and 5", got, len(decisions), refused, want)
	}
	for _, d := range decisions {
		if d.Action != Ban || d.Jail != Manual || d.Evidence.Reason != TakenOver || !d.At.Equal(t0) || d.Host.IsValid() != d.Prefix.IsSingleIP() {
			t.Errorf("%+v", d)
		}
	}
	if _, err := s.Ban(t0, ManualBan{Prefix: prefix("192.0.2.2/32"), For: time.Hour, Reason: "mine"}); err != nil {
		t.Errorf("banning anew by hand: %v", err)
	}
	if d := s.Unban(t0, prefix("2001:db8::5/128")); len(d) != 1 {
		t.Errorf("the host of a /64 that was taken over is let in by %v, want the /64 lifted", d)
	}
}

// What was taken over gives way to what is protected or ignored later, as the
// bans of jails do and those of operators do not; and after a restart.
func TestTakenOverGivesWay(t *testing.T) {
	configs := []Config{{Name: "a", Rules: []string{"r"}, FindTime: time.Minute, MaxRetry: 2, BanTime: time.Hour}}
	protected, ignored, hand := prefix("192.0.2.1/32"), prefix("192.0.2.2/32"), prefix("192.0.2.3/32")
	filled := func() *Set {
		s, err := New(configs, Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.TakeOver(t0, maps.All(map[netip.Prefix]time.Time{protected: {}, ignored: {}}))
		if _, err := s.Ban(t0, ManualBan{Prefix: hand, For: Forever}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	ignoring := slices.Clone(configs)
	ignoring[0].IgnoreIP = []string{"192.0.2.2", "192.0.2.3"}

	s := filled()
	if d := s.SetProtected(t0, "own addresses", []netip.Prefix{protected, hand}); len(d) != 1 || d[0].Prefix != protected {
		t.Errorf("protecting lifts %+v, want what was taken over of it", d)
	}
	if d, err := s.Reconfigure(t0, ignoring); err != nil || len(d) != 1 || d[0].Prefix != ignored {
		t.Errorf("ignoring lifts %+v, %v; want what was taken over of it", d, err)
	}

	next, err := New(ignoring, Options{Protected: map[string][]netip.Prefix{"own addresses": {protected, hand}}})
	if err != nil {
		t.Fatal(err)
	}
	if dropped := next.RestoreBans(slices.Collect(filled().InForce())); len(dropped) != 2 {
		t.Errorf("the restart drops %+v, want both", dropped)
	}
	if _, jails := next.Banned(hand); jails == 0 {
		t.Error("the ban by hand is gone")
	}
}

// Bans that were taken over, more of them than an operator may make, leave him
// his bans.
func TestTakenOverLeavesRoomForHands(t *testing.T) {
	s, err := New(nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := func(yield func(netip.Prefix, time.Time) bool) {
		for i := range uint32(DefaultMaxBans + 1) {
			if !yield(netip.PrefixFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 32), time.Time{}) {
				return
			}
		}
	}
	if d, refused := s.TakeOver(t0, all); len(d) != DefaultMaxBans+1 || refused != nil {
		t.Fatalf("%d taken over, %v refused", len(d), refused)
	}
	if _, err := s.Ban(t0, ManualBan{Prefix: prefix("203.0.113.9/32"), For: time.Hour}); err != nil {
		t.Error(err)
	}
}
