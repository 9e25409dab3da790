package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// banner is a program that bans by a log file.
type banner struct {
	name, what string
	// start starts it on the log at path and gives what ends it.
	start func(dir, path string) (stop func(), err error)
	// patience is for how long one of its bans is waited for.
	patience time.Duration
	// bursts is how often 500 bans are asked of it at once.
	bursts int
}

// errMissing says that a program is not installed.
var errMissing = errors.New("not installed")

func banners(s *setup) []banner {
	return []banner{
		{"bare", "a loop of inotify, read and one nftables message, which judges and keeps nothing: the floor of this machine and of Go", startBare, 10 * time.Second, 30},
		{"p2pban", version(s.p2pban, "version"), s.startOnFile, 10 * time.Second, 30},
		{"fail2ban", version("fail2ban-server", "--version"), startFail2ban, time.Minute, 3},
	}
}

func (s *setup) startOnFile(dir, path string) (func(), error) {
	d, err := startP2pban(s.p2pban, dir, fileSource(path), "")
	if err != nil {
		return nil, err
	}
	return d.stop, nil
}

// kind is one way in which a log is written.
type kind struct {
	name, title string
	measure     func(s *setup, b banner, p *probe, log *os.File) (dist, error)
}

// budget is how long one program is measured on one kind of log at most.
const budget = 15 * time.Second

func kinds() []kind {
	single := func(s *setup, b banner, p *probe) (dist, error) {
		return p.single(s.n(500), 15*time.Millisecond, budget)
	}
	return []kind{
		{"quiet", "An otherwise quiet log", func(s *setup, b banner, p *probe, _ *os.File) (dist, error) {
			return single(s, b, p)
		}},
		{"busy", "10,000 other lines a second", func(s *setup, b banner, p *probe, log *os.File) (dist, error) {
			end := make(chan struct{})
			written := noise(log, 10_000, end)
			d, err := single(s, b, p)
			close(end)
			<-written
			return d, err
		}},
		{"burst", "500 bans at once, until the last one stands", func(s *setup, b banner, p *probe, _ *os.File) (dist, error) {
			return p.bursts(500, b.bursts, budget)
		}},
	}
}

// latency measures every program on every kind of log, and p2pban on a journal.
func latency(s *setup) error {
	all := map[string][]curve{}
	for _, b := range banners(s) {
		if s.banners != "" && !strings.Contains(s.banners, b.name) {
			continue
		}
		if err := b.measure(s, all); errors.Is(err, errMissing) {
			s.report.add("- %s: %v\n", b.name, err)
		} else if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		} else {
			s.report.add("- %s: %s\n", b.name, b.what)
		}
	}
	d, err := onJournal(s)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	all["journal"] = []curve{{"p2pban", d}}
	s.report.add("\n| log | program | bans | p50 ms | p90 ms | p99 ms | max ms |\n|---|---|---|---|---|---|---|\n")
	for _, k := range append(kinds(), kind{name: "journal", title: "A journal"}) {
		for _, c := range all[k.name] {
			s.report.row(k.title, c.name, c.d)
		}
	}
	s.report.add("\n")
	for _, k := range append(kinds(), kind{name: "journal", title: "A journal"}) {
		if err := s.report.plot(k.name, k.title, ofBans, all[k.name]); err != nil {
			return err
		}
	}
	return nil
}

func (b banner) measure(s *setup, all map[string][]curve) error {
	dir, err := s.path(b.name)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, "node.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	stop, err := b.start(dir, log.Name())
	if errors.Is(err, exec.ErrNotFound) {
		return errMissing
	}
	if err != nil {
		return err
	}
	defer stop()
	p := &probe{log: log, monitor: s.monitor, hosts: &s.hosts, patience: b.patience}
	if _, err := p.one(); err != nil { // the first one is not like the others
		return err
	}
	for _, k := range kinds() {
		d, err := k.measure(s, b, p, log)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s on a %s log: p50 %s ms, p99 %s ms\n", b.name, k.name, ms(d.q(0.5)), ms(d.q(0.99)))
		all[k.name] = append(all[k.name], curve{b.name, d})
	}
	return nil
}

// onJournal measures p2pban on the journal of a unit.
func onJournal(s *setup) (dist, error) {
	j, err := startJournald(filepath.Join(s.dir, "j"))
	if err != nil {
		return nil, err
	}
	defer j.kill()
	node, err := j.stream()
	if err != nil {
		return nil, err
	}
	defer node.Close()
	dir, err := s.path("journal")
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(node, other(0, time.Now())); err != nil {
		return nil, err
	}
	d, err := startP2pban(s.p2pban, dir, fmt.Sprintf("[source.node]\nunit = %q\ndirectory = %q\n", journalUnit, j.files), "")
	if err != nil {
		return nil, err
	}
	defer d.stop()
	p := &probe{log: node, monitor: s.monitor, hosts: &s.hosts, patience: 10 * time.Second}
	if _, err := p.one(); err != nil {
		return nil, err
	}
	return p.single(s.n(300), 60*time.Millisecond, 30*time.Second)
}

func (r *report) row(log, program string, d dist) {
	r.add("| %s | %s | %d | %s | %s | %s | %s |\n", log, program, len(d), ms(d.q(0.5)), ms(d.q(0.9)), ms(d.q(0.99)), ms(d.q(1)))
}
