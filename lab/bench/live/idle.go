package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// quietFiles is how many files are watched beside a journal.
const quietFiles = 10

// idle measures what watching costs while nothing is logged.
func idle(s *setup) error {
	j, err := startJournald(filepath.Join(s.dir, "journald"))
	if err != nil {
		return err
	}
	defer j.kill()
	s.report.add("| build | CPU %% of a core | RSS MiB |\n|---|---|---|\n")
	for _, build := range []struct{ name, program string }{{"with cgo", s.p2pban}, {"without cgo", s.static}} {
		if build.program == "" {
			continue
		}
		if err := idleOne(s, build.name, build.program, j); err != nil {
			return err
		}
	}
	return nil
}

func idleOne(s *setup, name, program string, j *journald) error {
	dir, err := s.path("idle " + name)
	if err != nil {
		return err
	}
	text := ""
	for i := range quietFiles {
		path := filepath.Join(dir, fmt.Sprintf("node%d.log", i))
		if err := os.WriteFile(path, []byte(other(i, time.Now())), 0o644); err != nil {
			return err
		}
		text += fmt.Sprintf("[source.file%d]\nfile = %q\n", i, path)
	}
	text += fmt.Sprintf("[source.journal]\nunit = %q\ndirectory = %q\n", journalUnit, j.files)
	d, err := startP2pban(program, dir, text, "")
	if err != nil {
		return err
	}
	defer d.stop()
	time.Sleep(15 * time.Second) // until the journal counts as quiet
	before, began := d.group(), time.Now()
	time.Sleep(time.Duration(s.n(20)) * time.Second)
	used := d.group().cpu - before.cpu
	s.report.add("| %s | %.2f | %s |\n", name, 100*used.Seconds()/time.Since(began).Seconds(), mib(d.group().rss))
	return nil
}
