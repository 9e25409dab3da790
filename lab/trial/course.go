package trial

import (
	"math"
	"time"

	"github.com/p2pban/p2pban/lab/attack"
	"github.com/p2pban/p2pban/lab/measure"
)

// course cuts a trial into seconds.
func course(hostile, honest []attack.Attempt, first, began, done time.Time) []Second {
	var all []Second
	for t := int(math.Floor(began.Sub(first).Seconds())); ; t++ {
		from := first.Add(time.Duration(t) * time.Second)
		if !from.Before(done) {
			return all
		}
		to := from.Add(time.Second)
		bad, good := measure.Summarise(hostile, from, to), measure.Summarise(honest, from, to)
		all = append(all, Second{
			T: t, Served: bad.Served, Failed: bad.Tried - bad.Served,
			Honest: good.Tried, HonestServed: good.Served, HonestMillis: good.MedianMillis,
		})
	}
}
