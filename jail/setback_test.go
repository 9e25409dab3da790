package jail

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A Set whose clock was years ahead and is set back decides from then on as
// one whose clock was right all the time.
func TestSetBackDecidesAsIfNeverAhead(t *testing.T) {
	const ahead = 4 * 365 * 24 * time.Hour
	for seed := range uint64(20) {
		right, wrong := setBackSet(t), setBackSet(t)
		rng := rand.New(rand.NewPCG(seed, 1))
		at := time.Duration(0)
		step := func(lead time.Duration) (a, b []Decision) {
			at += time.Duration(rng.IntN(2000)) * time.Millisecond
			ev := benchEvent(t0.Add(at-time.Duration(rng.IntN(3000))*time.Millisecond), hostN(uint32(rng.IntN(60))))
			ev.Rule, ev.Weight = "r", 1+rng.Int64N(3)
			a = append(right.Observe(ev), right.Advance(t0.Add(at))...)
			ev.Time = ev.Time.Add(lead)
			return a, append(wrong.Observe(ev), wrong.Advance(t0.Add(at+lead))...)
		}
		bans := 0
		for range 2000 {
			a, _ := step(ahead)
			bans += len(a)
		}
		replaced := wrong.SetBack(t0.Add(at))
		if d := cmp.Diff(inForce(wrong), byJail(replaced), compareAddrs); d != "" {
			t.Fatalf("seed %d: what SetBack gives is not what is in force:\n%s", seed, d)
		}
		if d := cmp.Diff(timeless(inForce(right)), timeless(inForce(wrong)), compareAddrs); d != "" || bans == 0 {
			t.Fatalf("seed %d, %d decisions: bans in force (-right +set back):\n%s", seed, bans, d)
		}
		for i := range 2000 {
			a, b := step(0)
			if d := cmp.Diff(timeless(a), timeless(b), compareAddrs); d != "" {
				t.Fatalf("seed %d, event %d after setting back (-right +set back):\n%s", seed, i, d)
			}
		}
	}
}

func TestSetBackNeverForward(t *testing.T) {
	s := setBackSet(t)
	s.Observe(event(0, "192.0.2.1", 1))
	if d := s.SetBack(t0.Add(time.Hour)); d != nil || !s.Clock().Equal(t0) {
		t.Errorf("set back to a later time: clock %v, %v", s.Clock(), d)
	}
}

func setBackSet(t *testing.T) *Set {
	return mustSet(t,
		Config{Name: "a", Rules: []string{"r"}, FindTime: time.Minute, MaxRetry: 6, BanTime: time.Minute, Factor: 2, Memory: time.Hour, Guard: Guard{Least: 5, Share: 0.3}},
		Config{Name: "b", Rules: []string{"r"}, FindTime: 10 * time.Minute, MaxRetry: 40, BanTime: Forever, Guard: Guard{Off: true}},
	)
}

var compareAddrs = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

// timeless drops the times of the lines that a ban rests on: those stay what
// the log said.
func timeless(list []Decision) []Decision {
	out := append([]Decision{}, list...)
	for i := range out {
		out[i].Evidence.First, out[i].Evidence.Last = time.Time{}, time.Time{}
	}
	return out
}
