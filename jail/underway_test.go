package jail

import (
	"testing"
	"time"
)

// What a node logs of a banned host for some time after the ban may have been under
// way: it is no sign that the ban is not enforced.
func TestUnderWay(t *testing.T) {
	s := mustSet(t, Config{Name: "j", Rules: []string{"r"}, FindTime: time.Minute, MaxRetry: 2, BanTime: time.Hour, Guard: Guard{Off: true}})
	for range 2 {
		s.Observe(event(time.Second, "192.0.2.1", 1))
	}
	for _, c := range []struct {
		after            time.Duration
		absorbed, leaked int64
	}{
		{0, 1, 0},
		{30 * time.Second, 2, 0},
		{30*time.Second + 1, 2, 1},
		{-time.Second, 3, 1},
	} {
		s.Observe(event(time.Second+c.after, "192.0.2.1", 1))
		if got, _ := s.Counts("j"); got.InForce != 1 || got.Absorbed != c.absorbed || got.AfterBan != c.leaked {
			t.Errorf("%v after the ban: %+v, want %d absorbed and %d after the ban", c.after, got, c.absorbed, c.leaked)
		}
	}
}
