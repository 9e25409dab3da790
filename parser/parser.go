package parser

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// journalLineMax is where journald cuts a line (LineMax=48K, journald.conf(5)).
// A line of exactly this length is a cut one even where the carrier lost the
// mark.
const journalLineMax = 48 << 10

// alwaysRead is the length from which a line is read whether or not it holds
// anything a rule looks for: pieces of split lines are long, and what follows a
// piece must be known as its rest.
const alwaysRead = 8 << 10

// Options say what a Parser believes and accepts.
type Options struct {
	// Rules are the full names of the rules in force; nil means all that are on
	// by default.
	Rules []string
	// AllowPrivate accepts loopback, private, CGNAT and link-local hosts.
	// Unspecified, multicast, broadcast and reserved ones are always refused.
	AllowPrivate bool
	// Format pins the framing ("slog-text"); empty means that it is recognised
	// line by line.
	Format string
}

// Parser reads lines. It is immutable and safe for concurrent use.
type Parser struct {
	ruleset      *Ruleset
	on           []*Rule
	framers      []framer
	allowPrivate bool
	filter       *prefilter
}

// New makes a Parser of the rules of rs that opts names. A name that rs does
// not have and an unknown format are errors.
func New(rs *Ruleset, opts Options) (*Parser, error) {
	p := &Parser{ruleset: rs, allowPrivate: opts.AllowPrivate, framers: framers[:]}
	names := opts.Rules
	if names == nil {
		names, _ = rs.Expand([]string{"*"})
	}
	for _, name := range names {
		r := rs.Lookup(name)
		if r == nil {
			return nil, rs.unknown(name)
		}
		p.on = append(p.on, r)
	}
	if opts.Format != "" {
		f, ok := formatByName(opts.Format)
		if !ok {
			return nil, fmt.Errorf("no format %q; there are %s", opts.Format, strings.Join(Formats(), ", "))
		}
		p.framers = nil
		for _, fr := range framers {
			if slices.Contains(fr.formats, f) {
				fr.formats = []format{f}
				p.framers = append(p.framers, fr)
			}
		}
	}
	p.filter = newPrefilter(p.on)
	return p, nil
}

// Parse reads one line into res, which it overwrites. Lines that hold nothing
// that a rule in force looks for are Unrecognised after one pass over their
// bytes.
func (p *Parser) Parse(l Line, res *Result) { p.parse(&l, res, false) }

// Explain is Parse for people: it reads every line, says what an ordinary one
// is made of, and names rules that are not in force.
func (p *Parser) Explain(l Line, res *Result) { p.parse(&l, res, true) }

func (p *Parser) parse(l *Line, res *Result, explain bool) {
	res.reset()
	text := l.Text
	if !explain && len(text) < alwaysRead && !p.filter.match(text) {
		return
	}
	if l.Cut {
		res.Reject, res.Detail = Cut, "the line is a piece of a longer one"
		return
	}
	if len(text) == journalLineMax {
		res.Continues = true
		res.fail(Cut, len(text)-1, "journald cut the line at 49152 bytes")
		return
	}
	payload := strings.TrimSuffix(text, "\r")
	f := p.frame(payload, res)
	p.settle(f, l, res, explain)
}

// frame tries the framers on s.
func (p *Parser) frame(s string, res *Result) format {
	if s == "" {
		return fmtNone
	}
	for i := range p.framers {
		fr := &p.framers[i]
		if strings.IndexByte(fr.first, s[0]) < 0 || !fr.frame(s, res) {
			res.Record.Fields = res.Record.Fields[:0]
			continue
		}
		res.Format = formatNames[fr.formats[0]]
		return fr.formats[0]
	}
	return fmtNone
}

// settle gives the framed line its time, its rule and its verdict.
func (p *Parser) settle(f format, l *Line, res *Result, explain bool) {
	res.Record.Time = lineTime(l, res)
	if res.failed() {
		return
	}
	if f == fmtNone {
		p.unframed(l, res)
		return
	}
	p.judge(f, l, res, explain)
}

// unframed says what a line of no known layout is.
func (p *Parser) unframed(l *Line, res *Result) {
	if i := strings.Index(l.Text, tagPrefix); i >= 0 && hasCanonicalText(l.Text) {
		res.fail(Forged, i-res.base, "a canonical record's name in a line that no node writes so")
		return
	}
	res.Reject, res.Detail = Unrecognised, "no known layout"
}

// lineTime chooses among the line's own time, its carrier's and the source's.
func lineTime(l *Line, res *Result) time.Time {
	switch {
	case !res.Record.Time.IsZero():
		return res.Record.Time
	case res.carried.full:
		return res.carried.time
	case !l.Time.IsZero():
		return l.Time
	}
	return res.carried.time
}
