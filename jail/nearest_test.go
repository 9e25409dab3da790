package jail

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// Nearest orders by what is in the windows now, over all jails, and bans and
// lines that have left do not count.
func TestNearest(t *testing.T) {
	s := mustSet(t,
		Config{Name: "a", Rules: []string{"r"}, FindTime: 10 * time.Second, MaxRetry: 10, BanTime: time.Minute, Guard: Guard{Off: true}},
		Config{Name: "b", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 40, BanTime: time.Minute, Guard: Guard{Off: true}})
	s.Observe(event(0, "192.0.2.1", 9))              // will have left a's window
	s.Observe(event(5*time.Second, "192.0.2.2", 4))  // 4 of 10 and 4 of 40
	s.Observe(event(6*time.Second, "192.0.2.3", 12)) // banned by a, 12 of 40 in b
	s.Observe(event(11*time.Second, "2001:db8::1", 8))
	var got []string
	for _, h := range s.Nearest(100) {
		got = append(got, fmt.Sprintf("%s %v %d/%d", h.Jail, h.Prefix, h.Failures, h.Allowed))
	}
	want := []string{
		"a 2001:db8::/64 8/10", "a 192.0.2.2/32 4/10", "b 192.0.2.3/32 12/40",
		"b 192.0.2.1/32 9/40", "b 2001:db8::/64 8/40", "b 192.0.2.2/32 4/40",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if three := s.Nearest(3); !reflect.DeepEqual(three, s.Nearest(100)[:3]) {
		t.Errorf("the nearest three are %+v", three)
	}
	if none := s.Nearest(0); none != nil {
		t.Errorf("the nearest none are %+v", none)
	}
}

// Among more hosts than Nearest looks at it finds those that are close to a
// ban, whoever came after them.
func TestNearestOfMany(t *testing.T) {
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 1000, BanTime: time.Minute})
	r := rand.New(rand.NewPCG(5, 5))
	near := map[string]bool{}
	for range 20 {
		n := r.Uint32()
		ev := light(t0, hostN(n))
		ev.Weight = 500
		near[ev.Host.String()] = true
		s.Observe(ev)
	}
	for range 20 * nearestLooked {
		if ev := light(t0.Add(time.Second), hostN(r.Uint32())); !near[ev.Host.String()] {
			s.Observe(ev)
		}
	}
	for _, h := range s.Nearest(len(near)) {
		if !near[h.Prefix.Addr().String()] || h.Failures != 500 {
			t.Errorf("%v with %d failures is not among the nearest", h.Prefix, h.Failures)
		}
		delete(near, h.Prefix.Addr().String())
	}
	if len(near) > 0 {
		t.Errorf("not found: %v", near)
	}
}
