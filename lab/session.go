package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/session"
	"github.com/p2pban/p2pban/lab/trial"
	"github.com/p2pban/p2pban/lab/victims"
)

// The recorded attack is slow enough to watch.
const (
	recordedRate = 200 // a second
	recordedLong = time.Minute
	frameEvery   = time.Second
)

// sessionFlags are those of `session`.
type sessionFlags struct{ out, p2pban string }

func parseSession(args []string) (f sessionFlags, err error) {
	fs := flag.NewFlagSet("session", flag.ContinueOnError)
	fs.StringVar(&f.out, "out", defaultOut+"/session.svg", "write the recording to this `file`")
	fs.StringVar(&f.p2pban, "p2pban", "", "use this `program` instead of building one")
	return f, fs.Parse(args)
}

// prepareSession builds, outside, what recordSession needs inside.
func prepareSession(ctx context.Context, args []string) (prepared, error) {
	f, err := parseSession(args)
	if err != nil {
		return prepared{}, err
	}
	return prepare(ctx, f.p2pban, "", []string{string(victims.Go)})
}

// recordSession records what an operator sees while an attack runs.
func recordSession(ctx context.Context, args []string, p prepared) error {
	f, err := parseSession(args)
	if err != nil {
		return err
	}
	l, err := p.lab()
	if err != nil {
		return err
	}
	var scenes []session.Scene
	var failed error
	l.Beside = func(ctx context.Context, dir string) {
		scenes, failed = record(ctx, recorder{ctx, l.P2pban, dir})
	}
	_, err = l.Run(ctx, trial.Trial{
		Victim: "go", Attack: "churn", Agent: agent.P2pban, Rate: recordedRate,
		Before: calm, During: recordedLong, After: calm,
	})
	if err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	if err := os.MkdirAll(filepath.Dir(f.out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(f.out, []byte(session.SVG("p2pban during a connection flood: top, bans, status", scenes)), 0o644)
}

// recorder runs p2pban's commands at the daemon set up in a directory.
type recorder struct {
	ctx         context.Context
	p2pban, dir string
}

// scene runs a command and shows it as an operator would have typed it.
func (r recorder) scene(shown string, length time.Duration, args ...string) (session.Scene, error) {
	args = append(args, "--socket", agent.Socket(r.dir))
	text, err := exec.CommandContext(r.ctx, r.p2pban, args...).CombinedOutput()
	if err != nil {
		return session.Scene{}, fmt.Errorf("%s: %w: %s", shown, err, text)
	}
	return session.Scene{Command: shown, Text: r.clean(string(text)), For: length}, nil
}

// clean puts another in place of the lab's own directory, which says nothing to
// anyone, and keeps the columns behind it where they are.
func (r recorder) clean(text string) string {
	const shown = "/var/log/node"
	room := strings.Repeat(" ", max(0, len(r.dir)-len(shown)))
	return regexp.MustCompile(regexp.QuoteMeta(r.dir)+`(\S*)`).ReplaceAllString(text, shown+"${1}"+room)
}

// record shows top until there is a ban, and then the ban.
func record(ctx context.Context, r recorder) (scenes []session.Scene, err error) {
	for left := 2; left > 0 && ctx.Err() == nil; {
		s, err := r.scene("p2pban top", frameEvery, "top", "--once", "--every", frameEvery.String())
		if err != nil {
			return nil, err
		}
		scenes = append(scenes, s)
		// The first line of top tells how many bans are in force.
		if first, _, _ := strings.Cut(s.Text, "\n"); !strings.Contains(first, " 0 bans ") {
			left--
		}
	}
	for _, name := range []string{"bans", "status"} {
		s, err := r.scene("p2pban "+name, 5*time.Second, name)
		if err != nil {
			return nil, err
		}
		scenes = append(scenes, s)
	}
	return scenes, nil
}
