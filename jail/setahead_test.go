package jail

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A Set whose clock was years behind and is set forward lets everybody in, and
// remembers the repeat offenders, as one whose clock was right all the time.
func TestSetAheadEndsBansAsIfNeverBehind(t *testing.T) {
	const behind = 4 * 365 * 24 * time.Hour
	right, wrong := setBackSet(t), setBackSet(t)
	for i := range uint32(300) {
		ev := benchEvent(t0.Add(time.Duration(i)*100*time.Millisecond), hostN(i%60))
		ev.Rule, ev.Weight = "r", 3
		right.Observe(ev)
		ev.Time = ev.Time.Add(-behind)
		wrong.Observe(ev)
	}
	before := wrong.Clock()
	replaced := wrong.SetAhead(behind)
	if !wrong.Clock().Equal(before) {
		t.Errorf("the clock moved from %v to %v: there may be lines of before to read", before, wrong.Clock())
	}
	if d := cmp.Diff(inForce(wrong), byJail(replaced), compareAddrs); d != "" {
		t.Fatalf("what SetAhead gives is not what is in force:\n%s", d)
	}
	if d := cmp.Diff(timeless(inForce(right)), timeless(inForce(wrong)), compareAddrs); d != "" || len(replaced) == 0 {
		t.Fatalf("%d bans in force (-right +set ahead):\n%s", len(replaced), d)
	}
	for i := range 120 {
		now := t0.Add(time.Duration(i) * time.Second)
		a, b := right.Advance(now), wrong.Advance(now)
		if d := cmp.Diff(a, b, compareAddrs); d != "" {
			t.Fatalf("%d s later (-right +set ahead):\n%s", i, d)
		}
	}
	again := benchEvent(t0.Add(10*time.Minute), hostN(0))
	again.Rule, again.Weight = "r", 6
	a, b := right.Observe(again), wrong.Observe(again)
	if d := cmp.Diff(timeless(a), timeless(b), compareAddrs); d != "" || len(a) == 0 {
		t.Errorf("the second ban of a host, which is longer, gives %v (-right +set ahead):\n%s", a, d)
	}
}

func TestSetAheadNeverBack(t *testing.T) {
	s := setBackSet(t)
	s.Observe(event(0, "192.0.2.1", 6))
	if d := s.SetAhead(-time.Hour); d != nil || len(inForce(s)) == 0 {
		t.Errorf("set ahead by less than nothing: %v", d)
	}
}
