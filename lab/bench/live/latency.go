package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

// dist is a distribution of durations.
type dist []time.Duration

// q is the q-quantile: the smallest value that at least q of all do not exceed.
func (d dist) q(q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(d))
	i := int(q*float64(len(s))+0.999999) - 1
	return s[min(max(i, 0), len(s)-1)]
}

// probe measures one program: from write(2) of a deciding line to the element.
type probe struct {
	log     io.Writer // each Write is one write(2)
	monitor *monitor
	hosts   *hosts
	// patience is for how long one ban is waited for.
	patience time.Duration
}

// one writes a deciding line and waits until its host is out.
func (p *probe) one() (time.Duration, error) {
	host := p.hosts.next()
	began := time.Now()
	if _, err := io.WriteString(p.log, deciding(host, began)); err != nil {
		return 0, err
	}
	at, ok := p.monitor.wait(host, p.patience)
	if !ok {
		return 0, fmt.Errorf("%s was not banned within %s", host, p.patience)
	}
	return at.Sub(began), nil
}

// single measures up to n bans one after the other, with pauses that keep step
// with nothing, for as long as the budget lasts.
func (p *probe) single(n int, pause, budget time.Duration) (dist, error) {
	var d dist
	for end := time.Now().Add(budget); len(d) < n && time.Now().Before(end); {
		time.Sleep(pause/2 + rand.N(pause))
		took, err := p.one()
		if err != nil {
			return d, err
		}
		d = append(d, took)
	}
	return d, nil
}

// burst writes the lines of size hosts at once, each by a write(2) of its own,
// and measures from the first write to the last element.
func (p *probe) burst(size int) (time.Duration, error) {
	lines, last := make([]string, size), make([]func() (time.Time, bool), size)
	now := time.Now()
	for i := range size {
		host := p.hosts.next()
		lines[i] = deciding(host, now)
		last[i] = func() (time.Time, bool) { return p.monitor.wait(host, p.patience) }
	}
	began := time.Now()
	for _, l := range lines {
		if _, err := io.WriteString(p.log, l); err != nil {
			return 0, err
		}
	}
	var took time.Duration
	for i, wait := range last {
		at, ok := wait()
		if !ok {
			return 0, fmt.Errorf("ban %d of a burst of %d did not come within %s", i, size, p.patience)
		}
		took = max(took, at.Sub(began))
	}
	return took, nil
}

func (p *probe) bursts(size, n int, budget time.Duration) (dist, error) {
	var d dist
	for end := time.Now().Add(budget); len(d) < n && time.Now().Before(end); {
		time.Sleep(rand.N(200 * time.Millisecond))
		took, err := p.burst(size)
		if err != nil {
			return d, err
		}
		d = append(d, took)
	}
	return d, nil
}

// noise writes perSecond other lines a second, spread over each second, until
// stop; each millisecond's lines by one write(2).
func noise(log *os.File, perSecond int, stop <-chan struct{}) (done chan int) {
	done = make(chan int, 1)
	go func() {
		written, began := 0, time.Now()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				done <- written
				return
			case now := <-tick.C:
				var text []byte
				for due := int(now.Sub(began).Seconds() * float64(perSecond)); written < due; written++ {
					text = append(text, other(written, now)...)
				}
				_, _ = log.Write(text) // the bans that don't come show it
			}
		}
	}()
	return done
}
