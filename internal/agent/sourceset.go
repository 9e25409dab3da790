package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/parser"
)

// newSource makes a source; it is not open yet.
func (e *engine) newSource(spec config.Source, cfg *config.Config) (*source, error) {
	p, err := NewParser(cfg, spec.Format)
	if err != nil {
		return nil, err
	}
	now := e.now()
	s := &source{
		spec: spec, log: e.log, parser: p, trust: spec.Trust, ruleset: cfg.Ruleset, resume: e.resume(spec.Name),
		made: now, flow: newFlow(now), streams: map[string]*reader{}, holes: maps.Clone(e.holes[spec.Name]),
	}
	if s.holes == nil {
		s.holes = holes{}
	}
	for _, shown := range s.holes {
		s.risks |= shown
	}
	return s, nil
}

// openSources makes every source. One that can't be opened now is tried again
// while the others are read; only when none can is there no use in starting.
func (e *engine) openSources(cfg *config.Config) error {
	var errs []error
	for _, spec := range cfg.Sources {
		s, err := e.newSource(spec, cfg)
		if err != nil {
			return err
		}
		if err := s.open(e.cursors[spec.Name]); err != nil {
			errs = append(errs, err)
			e.log.Error("a source can't be read, trying again", "source", spec.Name, "error", err)
		}
		e.sources = append(e.sources, s)
	}
	if len(errs) == len(cfg.Sources) {
		return errors.Join(errs...)
	}
	return nil
}

// resume gives the position after the last line judged of a source that sends
// no more, once all it has sent is judged.
func (e *engine) resume(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (cursor string, err error) {
		err = e.ask(ctx, func() {
			for len(e.batches) > 0 {
				e.batch(<-e.batches)
			}
			cursor = e.cursors[name]
		})
		return cursor, err
	}
}

// NewParser makes the parser of one source: it looks for what any jail counts.
func NewParser(cfg *config.Config, format string) (*parser.Parser, error) {
	var rules []string
	for _, j := range cfg.Jails {
		rules = append(rules, j.Rules...)
	}
	slices.Sort(rules)
	return parser.New(cfg.Ruleset, parser.Options{Rules: slices.Compact(rules), Format: format})
}

// source finds a source by its name.
func (e *engine) source(name string) *source {
	i := slices.IndexFunc(e.sources, func(s *source) bool { return s.spec.Name == name })
	if i < 0 {
		return nil
	}
	return e.sources[i]
}

// sourcesCaughtUp tells whether every source has read what was there at the start.
func (e *engine) sourcesCaughtUp(now time.Time) bool {
	for _, s := range e.sources {
		if !s.caughtUp(e.started, now) {
			return false
		}
	}
	return len(e.batches) == 0
}

// behind tells whether a source has much to read yet, and is reading. Then the
// lines alone move the clock, as at the start: moved by the wall's, the windows
// would be over before the lines that belong in them are read, and a flood that
// is read late would be judged of nothing.
func (e *engine) behind(now time.Time) bool {
	for _, s := range e.sources {
		if now.Sub(s.lastLine) < quietAfter && s.stats().Lag >= lagBytes {
			return true
		}
	}
	return false
}
