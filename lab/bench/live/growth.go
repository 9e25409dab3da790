package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// growth measures what one item costs as their number grows tenfold: the
// processor time of the daemon alone, from the first line to the last ban.
func growth(s *setup) error {
	s.report.add("| what grows | number | CPU µs for each | memory MiB |\n|---|---|---|---|\n")
	now := time.Now()
	line := func(i int) string { return other(i, now) }
	var h hosts
	host := func(int) string { return record(h.next(), now, 1) }
	ban := func(int) string { return deciding(h.next(), now) }
	for _, g := range []struct {
		what string
		most int
		line func(int) string
	}{{"lines", 2_000_000, line}, {"hosts", 1_000_000, host}, {"bans", 100_000, ban}} {
		for n := s.n(g.most) / 100; n <= s.n(g.most); n *= 10 {
			if err := growOne(s, g.what, n, g.line); err != nil {
				return err
			}
		}
	}
	return nil
}

func growOne(s *setup, what string, n int, line func(int) string) error {
	dir, err := s.path(fmt.Sprintf("grow %s %d", what, n))
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "node.log"))
	if err != nil {
		return err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	d, err := startP2pban(s.p2pban, dir, fileSource(log.Name()), "")
	if err != nil {
		return err
	}
	defer d.stop()
	out := bufio.NewWriterSize(log, 1<<20)
	before := d.cpu()
	for i := range n {
		if _, err := out.WriteString(line(i)); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	err = d.until("the lines to be judged", 2*time.Minute, func() bool {
		st, err := d.status()
		return err == nil && st.Lines >= int64(n) && st.Firewall.Waiting == 0
	})
	if err != nil {
		return err
	}
	s.report.add("| %s | %d | %.2f | %s |\n", what, n, float64((d.cpu()-before).Microseconds())/float64(n), mib(d.memory("VmRSS")))
	return nil
}
