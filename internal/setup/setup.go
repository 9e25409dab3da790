// Package setup finds the logs of libp2p nodes on this machine and writes a
// configuration for them, or takes one over from fail2ban. It reads logs and
// configuration files, in bounded amounts and for a bounded time, and writes
// nothing but the one file it is asked for; it never talks to a node, a
// container runtime or the firewall.
package setup

import (
	"context"
	"time"

	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// Bounds of a look. A machine may have any number of logs of any size; a look
// is for finding nodes, not for reading all they ever said.
const (
	maxUnits      = 500
	maxContainers = 500
	maxFiles      = 2000
	unitLines     = 5000            // of each unit, the last ones
	fileBytes     = 4 << 20         // of each file, its end
	placeTime     = 4 * time.Second // for each unit and file
	kindTime      = time.Minute     // for all units, and again for all files
	// recent is how far back a log was written for its node to count as running.
	recent = 7 * 24 * time.Hour
)

// Kinds of places where nodes log.
const (
	KindUnit      = "unit"
	KindUserUnit  = "user unit"
	KindContainer = "container"
	KindPod       = "pod"
	KindFile      = "file"
)

// Options say where to look.
type Options struct {
	// Look are places besides the usual ones: files, globs, directories of logs,
	// directories of journal files, Docker's data directory, a directory of pods.
	Look []string
	// OnlyLook leaves the usual places out.
	OnlyLook bool
	// Ruleset is what lines are recognised by.
	Ruleset *parser.Ruleset
	Now     time.Time
}

// Found is one log of a node.
type Found struct {
	// Kind is one of the Kind constants, Name the unit, container or path.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Files are the paths or globs that a source reads for it; Directory holds
	// the journal files of a unit, empty for this machine's.
	Files     []string `json:"files,omitempty"`
	Directory string   `json:"directory,omitempty"`
	// UID is the number of the user who writes its journal entries, where a name
	// does not say who that is.
	UID string `json:"uid,omitempty"`
	// Program is the node by the names of units, programs, images and
	// directories, Implementations by the rules that recognised its lines.
	Program         string   `json:"program,omitempty"`
	Implementations []string `json:"implementations,omitempty"`
	// Lines were read. Records are those that a rule knows, Events those that
	// accuse somebody; Refused counts the others by parser.Reject.
	Lines   int64            `json:"lines"`
	Records int64            `json:"records"`
	Events  int64            `json:"events"`
	Refused map[string]int64 `json:"refused,omitempty"`
	// Formats counts the records by framing.
	Formats map[string]int64 `json:"formats,omitempty"`
	// Risks are the holes through which strangers can write whole lines here.
	Risks []Risk `json:"risks,omitempty"`
	// Missing are settings of the node without which it logs none of the lines.
	Missing []string `json:"missing_settings,omitempty"`
	Notes   []string `json:"notes,omitempty"`
	// Source is its name in the configuration; empty where Notes say why not.
	Source string `json:"source,omitempty"`
	// ByName is set for a container that a source finds by its name.
	ByName bool `json:"by_name,omitempty"`
}

// Risk is a parser.Risk for programs.
type Risk struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
	Setting string `json:"setting"`
}

// Unseen is a place that could not be looked at.
type Unseen struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Report is what a look found.
type Report struct {
	Found []Found `json:"found"`
	// Looked are the places, Unseen those of them that could not be read.
	Looked []string `json:"looked_at"`
	Unseen []Unseen `json:"not_looked_at"`
}

// Look looks for the logs of nodes. What can't be read is Unseen, never an error.
func Look(ctx context.Context, o Options) (*Report, error) {
	p, err := parser.New(o.Ruleset, parser.Options{})
	if err != nil {
		return nil, err
	}
	l := &looker{opts: o, parser: p, report: &Report{Found: []Found{}, Unseen: []Unseen{}, Looked: []string{}}, seen: map[string]bool{}}
	if !o.OnlyLook {
		l.journal(ctx, "")
		l.docker(ctx, sources.DockerRoot)
		l.pods(ctx, sources.PodLogs)
		l.files(ctx, usualFiles)
	}
	for _, path := range o.Look {
		l.path(ctx, path)
	}
	l.finish()
	return l.report, ctx.Err()
}

type looker struct {
	opts   Options
	parser *parser.Parser
	report *Report
	// seen are the paths of files that were read already.
	seen map[string]bool
}

func (l *looker) looked(what string) { l.report.Looked = append(l.report.Looked, what) }

func (l *looker) unseen(what string, why string) {
	l.report.Unseen = append(l.report.Unseen, Unseen{what, why})
}

// add keeps what was seen in a log if it is a node's.
func (l *looker) add(f Found, e *eye) {
	if e.genuine == 0 && f.Program == "" {
		return
	}
	e.describe(&f)
	if f.Records == 0 {
		missing, notes := l.silent(f)
		if missing == nil && notes == nil {
			return
		}
		f.Missing, f.Notes = missing, append(f.Notes, notes...)
	}
	l.report.Found = append(l.report.Found, f)
}
