package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// share is how many lines in a hundred are canonical records in a mixed log.
const share = 20

// mixed writes n lines: share in a hundred are records of 200,000 hosts, none of
// which reaches a ban, the others are of no interest.
func mixed(w io.Writer, n int, r *rand.Rand) error {
	var h hosts
	for i := range n {
		text := ""
		now := time.Now()
		if r.IntN(100) < share {
			h.n = 1<<29 + uint32(r.IntN(200_000))
			text = record(h.next(), now, 1)
		} else {
			text = other(i, now)
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

// follow measures how fast a log is read: what is written while the daemon is
// held, against a dry run over the same file, and a steady stream of lines.
func follow(s *setup) error {
	dir, err := s.path("follow")
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, "node.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	d, err := startP2pban(s.p2pban, dir, fileSource(log.Name()), "")
	if err != nil {
		return err
	}
	defer d.stop()
	p := &probe{log: log, monitor: s.monitor, hosts: &s.hosts, patience: 2 * time.Minute}
	if _, err := p.one(); err != nil {
		return err
	}
	if err := catchUp(s, d, p, log); err != nil {
		return err
	}
	return steady(s, d, p, log)
}

// catchUp holds the daemon while lines are written, and measures from letting it
// go to the ban of the last line.
func catchUp(s *setup, d *p2pban, p *probe, log *os.File) error {
	lines := s.n(2_000_000)
	if err := d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	out := bufio.NewWriterSize(log, 1<<20)
	err := mixed(out, lines, rand.New(rand.NewPCG(1, 1)))
	if err == nil {
		err = out.Flush()
	}
	before, began := d.cpu(), time.Now()
	if e := d.cmd.Process.Signal(syscall.SIGCONT); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if _, err := p.one(); err != nil {
		return err
	}
	live, liveCPU := time.Since(began), d.cpu()-before
	began = time.Now()
	dry := exec.Command(s.p2pban, "dry-run", "--config", filepath.Join(d.dir, "p2pban.toml"), log.Name())
	if out, err := dry.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w: %.500s", dry.Args, err, out)
	}
	took := time.Since(began)
	dryCPU := dry.ProcessState.UserTime() + dry.ProcessState.SystemTime()
	s.report.add("| read | lines/s | CPU µs a line |\n|---|---|---|\n")
	row := func(what string, took, cpu time.Duration) {
		s.report.add("| %s | %.0f | %.2f |\n", what, float64(lines)/took.Seconds(), float64(cpu.Microseconds())/float64(lines))
	}
	row("catching up", live, liveCPU)
	row("dry run", took, dryCPU)
	return nil
}

// steady writes lines at a pace for some seconds and then measures how far
// behind the daemon is: how long the next ban takes.
func steady(s *setup, d *p2pban, p *probe, log *os.File) error {
	const perSecond = 500_000
	seconds := s.n(10)
	var text [][]byte // made before: making lines costs more than reading them
	r := rand.New(rand.NewPCG(2, 2))
	for range 100 {
		b := &chunk{}
		if err := mixed(b, perSecond/100, r); err != nil {
			return err
		}
		text = append(text, b.b)
	}
	before, began := d.cpu(), time.Now()
	for i := range seconds * 100 {
		if _, err := log.Write(text[i%len(text)]); err != nil {
			return err
		}
		time.Sleep(time.Until(began.Add(time.Duration(i+1) * 10 * time.Millisecond)))
	}
	wrote := time.Since(began)
	took, err := p.one()
	if err != nil {
		return err
	}
	n := seconds * perSecond
	s.report.add("| steady, %d s | %.0f | %.2f |\n\nThe ban of the line after these stood %s ms after its write().\n\n", seconds,
		float64(n)/wrote.Seconds(), float64((d.cpu()-before).Microseconds())/float64(n), ms(took))
	return nil
}

type chunk struct{ b []byte }

func (c *chunk) Write(p []byte) (int, error) { c.b = append(c.b, p...); return len(p), nil }
