package agent

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// When the flow of a source's lines needs a person; see also pulse.go.
const (
	// linesUnrecognised is how many lines must have come without one that a
	// rule knows: a node that says little says little of its peers too.
	linesUnrecognised = 1000
	// unreadableLines in a row that hold a canonical record's name where or as
	// no known node writes it, for unreadableFor, are a new format.
	unreadableLines = 20
	unreadableFor   = 10 * time.Minute
	// linesWithoutTabs are enough to say that something replaces the tabs of the
	// log; tabsBack after the last of them a record that can be read says that it
	// is over.
	linesWithoutTabs = 3
	tabsBack         = 10 * time.Minute
	// linesPrivate about peers without one whose address is public are a node that
	// sees somebody else's address in place of theirs.
	linesPrivate = 1000
	// lagBytes unread, or lines lagDelay old when they are judged, for lagFor
	// without a break, mean that the daemon can't keep up.
	lagBytes = 8 << 20
	lagDelay = time.Minute
	lagFor   = time.Minute
	// suppressedFor is how long thrown away messages keep their alarm standing.
	suppressedFor = time.Hour
)

// Bounds of the lines kept to show what comes in place of the expected.
const (
	maxSamples  = 3
	sampleBytes = 200
	sampleEvery = time.Minute // the lines of one minute are alike
)

// flow is what the engine knows of how a source's lines come, beyond their
// tally. The engine's goroutine owns it.
type flow struct {
	lines, recognised pulse
	// rules counts events by rule; a source has those of the jails at most.
	rules map[string]*ruleCount
	node  nodeCounts
	// Since the last line that was recognised: how many came, how many of them
	// look like canonical records and can't be read, and some of them.
	unknown, unreadable int64
	// unreadableWhy and unreadableDetail are what the parser said of the last one.
	unreadableWhy    parser.Reject
	unreadableDetail string
	// withoutTabs counts records refused because their tabs were replaced, until
	// tabsBack after the last of them, which came at lastWithoutTabs. A source may
	// have several logs: a record of another one says nothing of this.
	withoutTabs     int64
	lastWithoutTabs time.Time
	// private counts lines that name a private address, since the last event.
	private    int64
	samples    [maxSamples]sample
	nextSample int
	sampled    time.Time
	// delay is how old the last dated line was when it was judged.
	delay time.Duration
	// lagging is since when the source lags, zero when it does not.
	lagging time.Time
	// suppressed is the source's count at the last look, and when it last grew.
	suppressed   uint64
	suppressedAt time.Time
}

type ruleCount struct{ events, failures int64 }

type sample struct {
	at   time.Time
	text string
}

func newFlow(now time.Time) flow {
	return flow{lines: pulse{began: now}, recognised: pulse{began: now}, rules: map[string]*ruleCount{}}
}

// note counts a line that was read. It allocates nothing but a sample a minute
// and a count for each rule.
func (f *flow) note(l *sources.Line, res *parser.Result, now time.Time) {
	f.lines.beat(now)
	if at := l.Time; !at.IsZero() {
		f.delay = max(0, now.Sub(at))
	} else if at := res.Record.Time; !at.IsZero() {
		f.delay = max(0, now.Sub(at))
	}
	switch res.Reject {
	case parser.Unrecognised, parser.Cut:
		f.keep(l.Text, now)
		return
	case parser.Forged, parser.Malformed:
		f.unreadable++
		f.unreadableWhy, f.unreadableDetail = res.Reject, res.Detail
		if res.TabsLost {
			f.withoutTabs++
			f.lastWithoutTabs = now
		}
		f.keep(l.Text, now)
		return
	}
	f.known(now)
	if res.Reject == parser.Untrusted {
		return // a stranger may have written it
	}
	f.node.note(res)
	switch res.Reject {
	case parser.Private:
		f.private++
	case parser.Accepted:
		f.event(&res.Event)
	}
}

// noteQuick is note for an event that was read quickly.
func (f *flow) noteQuick(l *sources.Line, ev *parser.Event, s parser.Status, now time.Time) {
	f.lines.beat(now)
	f.delay = max(0, now.Sub(ev.Time))
	if !l.Time.IsZero() {
		f.delay = max(0, now.Sub(l.Time))
	}
	f.known(now)
	if s.Tag == peerStatus {
		f.node.canonical(s, eventTransport(ev), ev.Weight)
	} else {
		f.node.offence(ev)
	}
	f.event(ev)
}

// skip counts lines, each with its newline, that were not looked into.
func (f *flow) skip(text string, lines int, now time.Time) {
	f.lines.beat(now)
	f.unknown += int64(lines)
	first, _, _ := strings.Cut(text, "\n")
	f.sample(sources.SplitLine(first).Text, now)
}

// known notes that a line was recognised.
func (f *flow) known(now time.Time) {
	f.recognised.beat(now)
	f.unknown, f.unreadable = 0, 0
	if f.withoutTabs > 0 && now.Sub(f.lastWithoutTabs) >= tabsBack {
		f.withoutTabs = 0
	}
}

// event counts an event by its rule.
func (f *flow) event(ev *parser.Event) {
	n := f.rules[ev.Rule]
	if n == nil {
		n = &ruleCount{}
		f.rules[ev.Rule] = n
	}
	n.events++
	n.failures += ev.Weight
	f.private = 0
}

// keep counts a line that was not recognised, and keeps one now and then.
func (f *flow) keep(text string, now time.Time) {
	f.unknown++
	f.sample(text, now)
}

func (f *flow) sample(text string, now time.Time) {
	if now.Sub(f.sampled) < sampleEvery {
		return
	}
	f.sampled = now
	f.samples[f.nextSample] = sample{now, strings.Clone(text[:min(len(text), sampleBytes)])}
	f.nextSample = (f.nextSample + 1) % maxSamples
}

// seenInstead shows the lines kept since the last recognised one, the latest
// first, quoted: strangers write in them, and they go to a terminal.
func (f *flow) seenInstead() string {
	var out []string
	for i := range maxSamples {
		s := f.samples[(f.nextSample+2*maxSamples-1-i)%maxSamples]
		if s.text != "" && !s.at.Before(f.recognised.last) {
			out = append(out, strconv.Quote(s.text))
		}
	}
	return strings.Join(out, ", ")
}

// watchFlow raises what the coming of a source's lines tells. A source that is
// not read has its own alarm.
func (e *engine) watchFlow(now time.Time, s *source, st sources.Stats) {
	f := &s.flow
	read := s.state(st) == stateReading && e.caughtUp
	what, fix := "", ""
	if read {
		what, fix = f.silent(now, s.spec.Name, s.lookAt())
	}
	e.alarms.set(now, "silent", s.spec.Name, what, fix)
	what, fix = "", ""
	if s.risks != 0 {
		f.withoutTabs = 0 // a stranger can write such lines here
	}
	if read {
		what, fix = f.unrecognised(now, s.spec.Name, s.settings())
	}
	e.alarms.set(now, "unrecognised", s.spec.Name, what, fix)
	what, fix = "", ""
	if read {
		what, fix = f.late(now, s.spec.Name, st.Lag)
	}
	e.alarms.set(now, "lag", s.spec.Name, what, fix)
	what, fix = f.suppression(now, s.spec.Name, st.Suppressed)
	e.alarms.set(now, "suppressed", s.spec.Name, what, fix)
}

// silent says so when no line has come for too long.
func (f *flow) silent(now time.Time, name, look string) (what, fix string) {
	pause, tooLong := f.lines.quiet(now)
	if !tooLong {
		return "", ""
	}
	what = fmt.Sprintf("source %s: no line for %s", name, roughly(pause))
	if f.lines.longest > 0 {
		what += fmt.Sprintf("; until now its longest pause was %s", roughly(f.lines.longest))
	}
	return what, "is the node running, and does it still log here? " + look
}

// unrecognised says so when lines come and none is one that a rule knows, or
// when it is plain why some are not, or when none says who a peer is.
func (f *flow) unrecognised(now time.Time, name, settings string) (what, fix string) {
	if f.withoutTabs >= linesWithoutTabs {
		return fmt.Sprintf("source %s: %d canonical records are refused because the tabs between their parts became something else on the way; whom they accuse is not seen", name, f.withoutTabs),
			"let p2pban read the log that the node itself writes (its journal unit, its file, its container), not a copy that went through a terminal or a filter; or set GOLOG_LOG_FMT=json on the node"
	}
	if f.private >= linesPrivate {
		return fmt.Sprintf("source %s: its last %d lines that accuse a host all name private addresses, which are never banned", name, f.private), publicAddresses
	}
	pause, tooLong := f.recognised.quiet(now)
	newFormat := f.unreadable >= unreadableLines && pause >= unreadableFor
	if !newFormat && (!tooLong || f.unknown < linesUnrecognised) {
		return "", ""
	}
	what = fmt.Sprintf("source %s: none of its %d lines in %s is one that the rules know", name, f.unknown, roughly(pause))
	if newFormat {
		what += fmt.Sprintf("; %d of them have a canonical record's name and can't be read, the last because: %s, %s", f.unreadable, f.unreadableWhy, f.unreadableDetail)
	}
	if seen := f.seenInstead(); seen != "" {
		what += "; seen instead: " + seen
	}
	fix = "was the node upgraded, or what it logs changed? `p2pban explain FILE` says how its lines are read"
	if settings != "" {
		fix += "; the node needs\n" + settings
	}
	return what, fix
}

// publicAddresses is what to do about a log in which no peer has an address of its own.
const publicAddresses = "does something put its own address in place of the peers' (docker-proxy, rootless Podman, a load balancer, another NAT)? Then nobody from outside can be told from another: let the node use the host's network, or have the addresses passed on"

// late says so when the daemon does not keep up with the source.
func (f *flow) late(now time.Time, name string, unread int64) (what, fix string) {
	// Where the bytes unread are not known (the journal) every line has its
	// carrier's time. An old line of a quiet source says nothing of now.
	old := unread < 0 && f.delay >= lagDelay && now.Sub(f.lines.last) < lagFor
	if unread < lagBytes && !old {
		f.lagging = time.Time{}
		return "", ""
	}
	if f.lagging.IsZero() {
		f.lagging = now
	}
	if now.Sub(f.lagging) < lagFor {
		return "", ""
	}
	what = fmt.Sprintf("source %s: its lines are judged late, and bans come late with them", name)
	if unread > 0 {
		what += fmt.Sprintf("; %d MiB are unread", unread>>20)
	}
	if old {
		what += fmt.Sprintf("; the last line was %s old", roughly(f.delay))
	}
	return what, "no line is lost as long as the log is kept. Is the machine short of CPU, or are the node's loggers set to more than the rules need? After a restart on a long log this ends by itself"
}

// suppression says so when journald threw messages away.
func (f *flow) suppression(now time.Time, name string, count uint64) (what, fix string) {
	if count > f.suppressed {
		f.suppressedAt = now
	}
	f.suppressed = count
	if f.suppressedAt.IsZero() || now.Sub(f.suppressedAt) >= suppressedFor {
		return "", ""
	}
	return fmt.Sprintf("source %s: journald threw %d messages away because the node logged faster than its rate limit; who attacks in them is not seen", name, count),
		raiseLimit
}

// roughly writes a duration as people say it.
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f hours", d.Hours())
	}
	return fmt.Sprintf("%.1f days", d.Hours()/24)
}

// lookAt says how an operator looks at what a source reads.
func (s *source) lookAt() string {
	spec := s.spec
	terms := slices.Clone(spec.Matches)
	for _, u := range spec.Units {
		terms = append(terms, "--unit="+u)
	}
	for _, u := range spec.UserUnits {
		terms = append(terms, "_SYSTEMD_USER_UNIT="+u)
	}
	if spec.Directory != "" {
		terms = append(terms, "--directory="+spec.Directory)
	}
	if len(terms) > 0 {
		return "`journalctl --lines=5 " + strings.Join(terms, " ") + "`"
	}
	// What is followed now says more than a glob or a container's name.
	files := s.stats().Following
	if len(files) == 0 {
		return "look at " + s.what()
	}
	return "`tail -n 5 " + strings.Join(files[:min(len(files), maxLookAt)], " ") + "`"
}

// maxLookAt bounds the files of one command that is proposed.
const maxLookAt = 5

// settings is what makes the node print the lines that this source gave before,
// one implementation a line; empty when it never gave any.
func (s *source) settings() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.flow.rules)) {
		if r := s.ruleset.Lookup(name); r != nil {
			if line := r.Implementation + ": " + r.Setting; !slices.Contains(out, line) {
				out = append(out, line)
			}
		}
	}
	return strings.Join(out, "\n")
}
