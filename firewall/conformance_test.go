package firewall

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// in is a time from now, without the monotonic clock.
func in(d time.Duration) time.Time { return time.Now().Add(d).Round(0) }

// mixed is one ban of every kind.
func mixed() []Ban {
	return []Ban{
		{Prefix: pfx("192.0.2.1/32"), Until: in(time.Hour)},
		{Prefix: pfx("192.0.2.2/32")},
		{Prefix: pfx("198.51.100.0/24"), Until: in(2 * time.Hour)},
		{Prefix: pfx("2001:db8::1/128"), Until: in(time.Hour)},
		{Prefix: pfx("2001:db8:1:2::/64"), Until: in(3 * time.Hour)},
		{Prefix: pfx("2001:db8:3::/48")},
		{Prefix: pfx("2001:db8:4::/53"), Until: in(10 * time.Minute)},
	}
}

func TestInitBringsExactlyTheseBans(t *testing.T) {
	eachBackend(t, func(t *testing.T, b Backend) {
		mustInit(t, b)
		stands(t, b)
		mustInit(t, b, mixed()...)
		stands(t, b, mixed()...)
		mustInit(t, b, mixed()...)
		stands(t, b, mixed()...)
		other := []Ban{{Prefix: pfx("203.0.113.9/32"), Until: in(time.Minute)}, mixed()[2]}
		mustInit(t, b, other...)
		stands(t, b, other...)
		mustInit(t, b)
		stands(t, b)
	})
}

func TestApplySetsMovesAndLifts(t *testing.T) {
	eachBackend(t, func(t *testing.T, b Backend) {
		mustInit(t, b, Ban{Prefix: pfx("192.0.2.200/32"), Until: in(time.Hour)})
		mustApply(t, b, Change{Set: mixed()})
		mustApply(t, b, Change{Set: mixed()})
		stands(t, b, append(mixed(), Ban{Prefix: pfx("192.0.2.200/32"), Until: in(time.Hour)})...)

		host, net6 := pfx("192.0.2.1/32"), pfx("2001:db8:1:2::/64")
		for _, end := range []time.Time{in(5 * time.Hour), in(time.Minute), {}, in(30 * time.Minute)} {
			mustApply(t, b, Change{Set: []Ban{{Prefix: host, Until: end}, {Prefix: net6, Until: end}}})
			got := mustList(t, b)
			for _, p := range []netip.Prefix{host, net6} {
				if g, ok := got[p]; !ok || g.IsZero() != end.IsZero() || g.Sub(end).Abs() > endSlack {
					t.Errorf("%s ends at %v (banned: %v), want %v", p, g, ok, end)
				}
			}
		}

		var lift []netip.Prefix
		for _, ban := range mixed() {
			lift = append(lift, ban.Prefix)
		}
		mustApply(t, b, Change{Lift: lift})
		stands(t, b, Ban{Prefix: pfx("192.0.2.200/32"), Until: in(time.Hour)})
		mustApply(t, b, Change{Lift: append(lift, pfx("192.0.2.200/32"))}) // most are not banned
		stands(t, b)
		mustApply(t, b, Change{Lift: []netip.Prefix{pfx("192.0.0.0/17"), pfx("2001::/19")}}) // lengths never seen
		stands(t, b)
		mustApply(t, b, Change{})
	})
}

// fresh gives the bans with that word, and ends of their own.
func fresh(end time.Time, bans ...Ban) []Ban {
	out := slices.Clone(bans)
	for i := range out {
		out[i].Fresh, out[i].Until = true, end
	}
	return out
}

// A ban that is said to be fresh and stands is moved like any other, and what
// comes with it is done as well.
func TestFreshBans(t *testing.T) {
	eachBackend(t, func(t *testing.T, b Backend) {
		mustInit(t, b, Ban{Prefix: pfx("192.0.2.200/32"), Until: in(time.Hour)})
		bans, end := mixed(), in(2*time.Hour)
		mustApply(t, b, Change{Set: fresh(end, bans[1:]...), Lift: []netip.Prefix{pfx("192.0.2.200/32")}})
		stands(t, b, fresh(end, bans[1:]...)...)
		for _, end := range []time.Time{in(5 * time.Hour), in(time.Minute), {}} {
			mustApply(t, b, Change{Set: fresh(end, bans...), Lift: []netip.Prefix{pfx("203.0.113.1/32")}})
			stands(t, b, fresh(end, bans...)...)
		}
		mustApply(t, b, Change{Set: fresh(in(-time.Second), bans[0])})
		stands(t, b, fresh(time.Time{}, bans[1:]...)...)
	})
}

func TestOverlappingBansAreIndependent(t *testing.T) {
	wide := Ban{Prefix: pfx("198.51.100.0/24"), Until: in(time.Hour)}
	inner := Ban{Prefix: pfx("198.51.100.64/26"), Until: in(2 * time.Hour)}
	host := Ban{Prefix: pfx("198.51.100.65/32")}
	around := Ban{Prefix: pfx("198.51.0.0/16"), Until: in(time.Minute)}
	wide6 := Ban{Prefix: pfx("2001:db8::/32"), Until: in(time.Hour)}
	inner6 := Ban{Prefix: pfx("2001:db8:0:1::/64"), Until: in(time.Minute)}
	all := []Ban{wide, inner, host, around, wide6, inner6}
	eachBackend(t, func(t *testing.T, b Backend) {
		mustInit(t, b, all...)
		stands(t, b, all...)
		mustInit(t, b)
		for _, ban := range all {
			mustApply(t, b, Change{Set: []Ban{ban}})
		}
		stands(t, b, all...)
		mustApply(t, b, Change{Lift: []netip.Prefix{wide.Prefix}, Set: []Ban{{Prefix: inner.Prefix}}})
		stands(t, b, Ban{Prefix: inner.Prefix}, host, around, wide6, inner6)
		mustApply(t, b, Change{Lift: []netip.Prefix{host.Prefix, around.Prefix, wide6.Prefix}})
		stands(t, b, Ban{Prefix: inner.Prefix}, inner6)
	})
}

func TestEndedBans(t *testing.T) {
	eachBackend(t, func(t *testing.T, b Backend) {
		p, q := pfx("192.0.2.1/32"), pfx("2001:db8:1::/64")
		mustInit(t, b, Ban{Prefix: p, Until: in(-time.Second)}, Ban{Prefix: q, Until: in(time.Hour)})
		stands(t, b, Ban{Prefix: q, Until: in(time.Hour)})
		// Moving an end into the past ends the ban; the old end must not stay.
		mustApply(t, b, Change{Set: []Ban{{Prefix: p, Until: in(-time.Hour)}, {Prefix: q, Until: in(-time.Hour)}}})
		stands(t, b)
	})
}

func TestBanEndsByItself(t *testing.T) {
	eachBackend(t, func(t *testing.T, b Backend) {
		stays := Ban{Prefix: pfx("192.0.2.9/32"), Until: in(time.Hour)}
		mustInit(t, b, stays, Ban{Prefix: pfx("192.0.2.1/32"), Until: in(300 * time.Millisecond)})
		mustApply(t, b, Change{Set: []Ban{
			{Prefix: pfx("2001:db8::/64"), Until: in(300 * time.Millisecond)},
			{Prefix: pfx("10.1.0.0/16"), Until: in(300 * time.Millisecond)},
		}})
		eventually(t, "three bans of 300 ms end", func() bool { return len(mustList(t, b)) == 1 })
		stands(t, b, stays)
	})
}

func TestManyInOneApply(t *testing.T) {
	const n = 5003 // more than five statements' worth, and no multiple of one
	v4 := hosts(n)
	eachBackend(t, func(t *testing.T, b Backend) {
		mustInit(t, b)
		want := until(v4, in(time.Hour))
		for i, p := range v4 {
			a := p.Addr().As4()
			b64 := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, a[1], a[2], a[3]})
			want = append(want, Ban{Prefix: netip.PrefixFrom(b64, 64), Until: in(time.Hour)})
			if i%2 == 0 {
				want = append(want, Ban{Prefix: netip.PrefixFrom(b64, 128)})
			}
		}
		mustApply(t, b, Change{Set: want})
		stands(t, b, want...)
		mustApply(t, b, Change{Set: want})
		stands(t, b, want...)
		mustInit(t, b, want...)
		stands(t, b, want...)
		mustApply(t, b, Change{Lift: v4})
		stands(t, b, want[n:]...)
	})
}

func TestOnePrefixTwiceInABatch(t *testing.T) {
	eachBackend(t, func(t *testing.T, b Backend) {
		p := pfx("192.0.2.1/32")
		twice := []Ban{{Prefix: p, Until: in(time.Minute)}, {Prefix: p, Until: in(time.Hour)}}
		mustInit(t, b, twice...)
		stands(t, b, twice[1])
		slices.Reverse(twice)
		mustApply(t, b, Change{Set: twice})
		stands(t, b, twice[1])
		mustApply(t, b, Change{Lift: []netip.Prefix{p, p}})
		stands(t, b)
	})
}

func TestPrefixesAreCleaned(t *testing.T) {
	eachBackend(t, func(t *testing.T, b Backend) {
		mustInit(t, b, Ban{Prefix: pfx("192.0.2.77/24")}, Ban{Prefix: pfx("::ffff:203.0.113.5/128")})
		mustApply(t, b, Change{Set: []Ban{{Prefix: pfx("2001:db8::77/64")}, {Prefix: pfx("::ffff:203.0.113.64/122")}}})
		stands(t, b, Ban{Prefix: pfx("192.0.2.0/24")}, Ban{Prefix: pfx("203.0.113.5/32")},
			Ban{Prefix: pfx("2001:db8::/64")}, Ban{Prefix: pfx("203.0.113.64/26")})
		mustApply(t, b, Change{Lift: []netip.Prefix{pfx("192.0.2.1/24"), pfx("::ffff:203.0.113.5/128")}})
		stands(t, b, Ban{Prefix: pfx("2001:db8::/64")}, Ban{Prefix: pfx("203.0.113.64/26")})
	})
}

func TestImpossiblePrefixChangesNothing(t *testing.T) {
	eachBackend(t, func(t *testing.T, b Backend) {
		ctx := context.Background()
		stays := Ban{Prefix: pfx("192.0.2.1/32"), Until: in(time.Hour)}
		mustInit(t, b, stays)
		for _, p := range []netip.Prefix{{}, pfx("0.0.0.0/0"), pfx("::/0"), pfx("::ffff:0:0/96")} {
			good := Ban{Prefix: pfx("192.0.2.2/32")}
			if err := b.Init(ctx, []Ban{good, {Prefix: p}}); !errors.Is(err, ErrBadPrefix) {
				t.Errorf("Init with %v: %v, want ErrBadPrefix", p, err)
			}
			if err := b.Apply(ctx, Change{Set: []Ban{good, {Prefix: p}}}); !errors.Is(err, ErrBadPrefix) {
				t.Errorf("Apply with %v: %v, want ErrBadPrefix", p, err)
			}
			if err := b.Apply(ctx, Change{Set: []Ban{good}, Lift: []netip.Prefix{p}}); !errors.Is(err, ErrBadPrefix) {
				t.Errorf("Apply lifting %v: %v, want ErrBadPrefix", p, err)
			}
		}
		stands(t, b, stays)
	})
}

func TestApplyBeforeInit(t *testing.T) {
	eachBackend(t, func(t *testing.T, b Backend) {
		err := b.Apply(context.Background(), Change{Set: mixed()})
		if !errors.Is(err, ErrGone) {
			t.Errorf("Apply before Init: %v, want ErrGone", err)
		}
		mustInit(t, b, mixed()...)
		stands(t, b, mixed()...)
	})
}

func TestAFarEndIsKept(t *testing.T) {
	// 60 days is beyond what an ipset timeout can hold.
	far := []Ban{{Prefix: pfx("192.0.2.1/32"), Until: in(60 * 24 * time.Hour)}, {Prefix: pfx("2001:db8::/64"), Until: in(250 * 365 * 24 * time.Hour)}}
	eachBackend(t, func(t *testing.T, b Backend) {
		mustInit(t, b, far...)
		stands(t, b, far...)
		mustInit(t, b)
		mustApply(t, b, Change{Set: far})
		stands(t, b, far...)
	})
}
