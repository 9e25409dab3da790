package parser

import (
	"fmt"
	"strings"
	"time"
)

// journalLineMax is where journald cuts a line (LineMax=48K, journald.conf(5)).
// A line of exactly this length is a cut one even where the carrier lost the
// mark.
const journalLineMax = 48 << 10

// alwaysRead is the length from which a line is read whether or not it holds
// anything a rule looks for: pieces of split lines are long, and what follows a
// piece must be known as its rest. rsyslog leaves 8090 bytes of a line, or a few
// more, where its MaxMessageSize is the default.
const alwaysRead = 8000

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
	pinned       format // fmtNone when each line is recognised
	allowPrivate bool
	filter       *prefilter
	uniform      bool // see shape
}

// New makes a Parser of the rules of rs that opts names. A name that rs does
// not have and an unknown format are errors.
func New(rs *Ruleset, opts Options) (*Parser, error) {
	p := &Parser{ruleset: rs, allowPrivate: opts.AllowPrivate}
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
		p.pinned = f
	}
	p.filter = newPrefilter(p.on)
	p.uniform = uniform(p.on)
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
	res.ref = l.Ref
	text := l.Text
	if !explain && len(text) < alwaysRead && !p.filter.match(text) {
		return
	}
	payload, full := unwrap(text, res)
	if full && !l.Cut {
		res.Continues, res.journald = true, true
		if !res.failed() {
			res.fail(Cut, max(len(payload)-1, 0), "journald cut the line at 49152 bytes")
		}
	}
	if p.head(l, payload, res) {
		p.settle(l, res, explain)
		return
	}
	if l.Head || !l.Cut && res.Reject == Cut {
		p.witness(l, payload, res)
	}
	if l.Cut {
		res.Reject, res.Detail, res.Column = Cut, "the line is a piece of a longer one", 0
		return
	}
	if !res.failed() {
		p.frame(payload, res)
	}
	p.settle(l, res, explain)
}

// witness notes the holes that the first piece of a line shows: behind the rest of
// it a stranger can have ended the line and begun one of his own. Whether it is
// the first piece, Pieces knows where l does not.
func (p *Parser) witness(l *Line, payload string, res *Result) {
	reject, detail, column := res.Reject, res.Detail, res.Column
	res.Reject, res.Detail, res.Column = Unrecognised, "", 0
	if p.frame(payload, res); res.format == fmtNone && !res.failed() {
		p.unframed(l, res)
	}
	risk := res.Risk
	res.unframe()
	res.Reject, res.Detail, res.Column, res.Risk = reject, detail, column, risk
}

// frame tries the framers on s.
func (p *Parser) frame(s string, res *Result) {
	if s == "" {
		return
	}
	shown := Risks(0) // in another format than the pinned: a stranger is not bound to it
	for i := range framers {
		fr := &framers[i]
		if fr.first != "" && strings.IndexByte(fr.first, s[0]) < 0 {
			continue
		}
		if fr.frame(s, res) {
			if p.pinned == fmtNone || p.pinned == res.format {
				res.Format = formatNames[res.format]
				res.Risk |= shown
				return
			}
			shown |= res.Risk
		}
		res.unframe()
	}
	if strings.HasPrefix(s, dialErrorLine) {
		shown |= RiskSwarm
	}
	if strings.Contains(unquoted(s), handshakeContents) {
		shown |= RiskHandshakeContents
	}
	if isLodestarRequest(s) || isGoLog(s) && holdsAnswer(s) {
		shown |= RiskAnswer
	}
	res.Risk, res.TabsLost = shown, tabsLost(s)
}

// settle gives the framed line its time, its rule and its verdict, and says of a
// damaged one, and of a long one in a syslog frame, that the rest of it may follow.
// rsyslog cuts lines and leaves no mark, and so does logger; the rest comes next, and
// begins wherever a stranger wants it to: with a head of its own where journald gave
// the line in pieces, with one that the stranger wrote where it came over TCP. What a
// node writes whole is never damaged, whatever a stranger has it say.
func (p *Parser) settle(l *Line, res *Result, explain bool) {
	res.Record.Time = lineTime(l, res)
	damaged := res.failed()
	switch {
	case res.failed():
	case res.format == fmtNone:
		p.unframed(l, res)
	default:
		p.judge(l, res, explain)
	}
	if !l.Cut && !res.stream.marks && (damaged || strings.HasPrefix(res.Carrier, "syslog") && len(l.Text) >= alwaysRead) {
		res.Continues, res.unmarked = true, true
	}
}

// levelComplaint is what go-libp2p from v0.44 on prints without a newline when
// GOLOG_LOG_LEVEL holds a level that slog does not know (gologshim).
const levelComplaint = "Failed to parse GOLOG_LOG_LEVEL: "

const tabsLostDetail = "a go-log line whose tabs became spaces on the way, so that nothing tells where its parts end: " +
	"read the log that the node itself writes, or set GOLOG_LOG_FMT=json on the node"

// unframed says what a line of no known layout is.
func (p *Parser) unframed(l *Line, res *Result) {
	if strings.Contains(l.Text, levelComplaint) {
		res.fail(Malformed, 0, "the node's complaint about GOLOG_LOG_LEVEL is glued to this line; use debug, info, warn or error there")
		return
	}
	if i := strings.Index(l.Text, tagPrefix); i >= 0 && hasCanonicalText(l.Text) {
		if res.TabsLost {
			res.fail(Forged, i-res.base, tabsLostDetail)
			return
		}
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
