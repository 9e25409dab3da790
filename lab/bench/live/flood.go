package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// floodTook is how long a flood's lines take to be written.
const floodTook = 60 * time.Second

// flood writes the deciding lines of a million distinct hosts within a minute,
// and asks for the status all the while.
func flood(s *setup) error {
	s.report.add("| hosts | maxbans | written in s | saved after s | bans | standing | refused | status p50 ms | p99 ms | max ms | unread MiB at most | bans waiting at most | CPU s | peak MiB |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	return floodOnce(s, s.n(1_000_000), s.n(100_000)) // 100,000 is the default of maxbans
}

func floodOnce(s *setup, n, maxBans int) error {
	dir, err := s.path(fmt.Sprintf("flood-%d", maxBans))
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, "node.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	d, err := startP2pban(s.p2pban, dir, fileSource(log.Name()), fmt.Sprintf("maxbans = %d", maxBans))
	if err != nil {
		return err
	}
	defer d.stop()
	w := watch(d)
	began := time.Now()
	if err := s.pour(log, n, began); err != nil {
		return err
	}
	wrote := time.Since(began)
	err = d.until("the flood to be judged, enforced and saved", 5*time.Minute, func() bool {
		st := w.latest()
		return st != nil && st.Lines >= int64(n) && st.Firewall.Waiting == 0 && st.Sources[0].Lag == 0 && d.told(s.hosts.last())
	})
	if err != nil {
		return err
	}
	saved := time.Since(began)
	w.end()
	stands, err := standing()
	if err != nil {
		return err
	}
	st, err := d.status()
	if err != nil {
		return err
	}
	j := st.Jails[0]
	s.report.add("| %d | %d | %.1f | %.1f | %d | %d | %d | %s | %s | %s | %s | %d | %.0f | %s |\n", n, maxBans, wrote.Seconds(), saved.Seconds(),
		st.Bans, stands, j.Held, ms(w.took.q(0.5)), ms(w.took.q(0.99)), ms(w.took.q(1)), mib(w.lag), w.waiting, d.cpu().Seconds(), mib(d.memory("VmHWM")))
	if stands != st.Bans {
		return fmt.Errorf("%d bans are in force and %d stand in the kernel", st.Bans, stands)
	}
	if j.Late > 0 || j.Banned < int64(n) {
		return fmt.Errorf("of %d hosts %d were banned, and %d events came too late", n, j.Banned, j.Late)
	}
	s.report.add("\n")
	for _, a := range st.Alarms {
		s.report.add("Alarm at the end: %s.\n\n", a.What)
	}
	return s.report.plot("status", "Status under the flood", ofStatus, []curve{{"p2pban status", w.took}})
}

// pour writes the deciding lines of n hosts, evenly over floodTook for a million.
func (s *setup) pour(log *os.File, n int, began time.Time) error {
	out := bufio.NewWriterSize(log, 64<<10)
	for i := range n {
		if _, err := out.WriteString(deciding(s.hosts.next(), time.Now())); err != nil {
			return err
		}
		if i%1000 == 999 {
			if err := out.Flush(); err != nil {
				return err
			}
			time.Sleep(time.Until(began.Add(floodTook * time.Duration(i) / 1_000_000)))
		}
	}
	return out.Flush()
}

// watcher asks a daemon for its status again and again.
type watcher struct {
	took    dist
	lag     int64
	waiting int
	last    chan *status // holds the latest
	stop    chan struct{}
	stopped chan struct{}
}

func watch(d *p2pban) *watcher {
	w := &watcher{last: make(chan *status, 1), stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(w.stopped)
		for {
			select {
			case <-w.stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			began := time.Now()
			st, err := d.status()
			w.took = append(w.took, time.Since(began)) // a failed one too
			if err != nil {
				continue
			}
			w.lag, w.waiting = max(w.lag, st.Sources[0].Lag), max(w.waiting, st.Firewall.Waiting)
			select {
			case <-w.last:
			default:
			}
			w.last <- st
		}
	}()
	return w
}

// latest is the last answer, or nil if none came since it was asked last.
func (w *watcher) latest() *status {
	select {
	case st := <-w.last:
		return st
	default:
		return nil
	}
}

// end stops asking; then the fields may be read.
func (w *watcher) end() { close(w.stop); <-w.stopped }
