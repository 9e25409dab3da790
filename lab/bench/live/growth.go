package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// growth measures what one item costs as their number grows tenfold: the
// processor time of the daemon alone, from the first line to the last ban that
// stands and is saved.
func growth(s *setup) error {
	var costs []cost
	s.report.add("| what grows | number | CPU µs for each | memory MiB |\n|---|---|---|---|\n")
	now := time.Now()
	line := func(i int) string { return other(i, now) }
	var h hosts
	host := func(int) string { return record(h.next(), now, 1) }
	ban := func(int) string { return deciding(h.next(), now) }
	judged := func(*p2pban) bool { return true }
	saved := func(d *p2pban) bool { return d.told(h.last()) }
	for _, g := range []struct {
		what string
		most int
		line func(int) string
		done func(*p2pban) bool
	}{{"lines", 2_000_000, line, judged}, {"hosts", 1_000_000, host, judged}, {"bans", 100_000, ban, saved}} {
		for n := s.n(g.most) / 100; n <= s.n(g.most); n *= 10 {
			c, err := growOne(s, g.what, n, g.line, g.done)
			if err != nil {
				return err
			}
			costs = append(costs, c)
		}
	}
	s.report.add("\n")
	return s.report.draw("growth", "What one more costs", func(path string) error { return drawCosts(path, costs) })
}

// cost is the processor time of one of n items.
type cost struct {
	what   string
	n      int
	micros float64
}

func growOne(s *setup, what string, n int, line func(int) string, done func(*p2pban) bool) (c cost, err error) {
	dir, err := s.path(fmt.Sprintf("grow %s %d", what, n))
	if err != nil {
		return c, err
	}
	log, err := os.Create(filepath.Join(dir, "node.log"))
	if err != nil {
		return c, err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	d, err := startP2pban(s.p2pban, dir, fileSource(log.Name()), "")
	if err != nil {
		return c, err
	}
	defer d.stop()
	out := bufio.NewWriterSize(log, 1<<20)
	before := d.cpu()
	for i := range n {
		if _, err := out.WriteString(line(i)); err != nil {
			return c, err
		}
	}
	if err := out.Flush(); err != nil {
		return c, err
	}
	err = d.until("the lines to be judged", 2*time.Minute, func() bool {
		st, err := d.status()
		return err == nil && st.Lines >= int64(n) && st.Firewall.Waiting == 0 && done(d)
	})
	if err != nil {
		return c, err
	}
	c = cost{what, n, float64((d.cpu() - before).Microseconds()) / float64(n)}
	s.report.add("| %s | %d | %.2f | %s |\n", what, n, c.micros, mib(d.memory("VmRSS")))
	return c, nil
}
