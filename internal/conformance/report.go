package conformance

import (
	"slices"
	"strings"
)

// Point is one thing that an output should show before its writer calls it
// conforming.
type Point struct {
	// Clause is what it exercises.
	Clause Clause
	// Name says what was shown.
	Name string
	// How says how to make such a record.
	How string

	shown func(r *record, v *Verdict) bool
}

// Points gives every point, in the order of the clauses.
func Points() []Point { return slices.Clone(points) }

var points = []Point{
	{Quoting, "a quoted value", "an err with a space in it, such as any real one", func(r *record, _ *Verdict) bool {
		return slices.ContainsFunc(r.fields, func(f field) bool { return f.quoted && f.value != "" })
	}},
	{Escape, "an escaped character", "an err with a newline or a quote in it", func(r *record, _ *Verdict) bool {
		return slices.ContainsFunc(r.fields, func(f field) bool { return f.escapes })
	}},
	{Escape, "a hostile text", "each text of testdata/canonical/hostile.json as the err, best through a peer that sends it", func(r *record, _ *Verdict) bool {
		f, ok := r.get("err")
		return ok && strings.Contains(f.value, Victim)
	}},
	{Length, "an err cut to its limit", "an err of 60 kB", func(r *record, _ *Verdict) bool {
		f, ok := r.get("err")
		return ok && len(f.value) > MaxErr-16 // cut at a character, perhaps with a mark
	}},
	{Peer, "an authenticated peer", "an established connection", func(r *record, _ *Verdict) bool {
		f, _ := r.get("peer")
		return f.value != ""
	}},
	{Peer, "a peer not authenticated yet", "a handshake that fails", func(r *record, _ *Verdict) bool {
		f, _ := r.get("peer")
		return f.value == ""
	}},
	{Addr, "an IPv4 address", "a peer on /ip4", func(r *record, _ *Verdict) bool { return r.addrHas("/ip4/") }},
	{Addr, "an IPv6 address", "a peer on /ip6", func(r *record, _ *Verdict) bool { return r.addrHas("/ip6/") }},
	{Addr, "a relayed connection", "a peer that comes through a relay: its addr holds /p2p-circuit", func(_ *record, v *Verdict) bool {
		return v.Nobody == "relayed"
	}},
	{SampleRate, "a sampled record", "a sample_rate above 1, if you sample at all", func(r *record, _ *Verdict) bool {
		f, ok := r.get("sample_rate")
		return ok && f.value != "1"
	}},
	{Kind, "an established connection", "connection_status=established", isKind(kindConnection)},
	{Kind, "a failed handshake", "handshake_failure=noise or tls", isKind(kindHandshake)},
	{Kind, "a peer that the application calls misbehaving", "CANONICAL_MISBEHAVING_PEER, if you write it", isKind(kindMisbehaving)},
	{Direction, "an inbound connection", "a peer that dials you", hasDir("inbound")},
	{Direction, "an outbound connection", "a peer that you dial", hasDir("outbound")},
}

func isKind(kind string) func(*record, *Verdict) bool {
	return func(r *record, _ *Verdict) bool { return r.kind == kind }
}

func hasDir(dir string) func(*record, *Verdict) bool {
	return func(r *record, _ *Verdict) bool {
		f, ok := r.get("dir")
		return ok && f.value == dir
	}
}

func (r *record) addrHas(component string) bool {
	f, ok := r.get("addr")
	return ok && strings.HasPrefix(f.value, component)
}

// Report counts what an output held.
type Report struct {
	// Lines counts all lines, Records those that are records or pretend to be;
	// of these Failed violate a clause.
	Lines, Records, Failed int64
	// Kinds counts the conforming records by kind.
	Kinds map[string]int64
	// Exercised counts for each clause the conforming records that put it to the
	// test, Violated those that broke it.
	Exercised, Violated map[Clause]int64
	// Shown counts for each of Points the conforming records that show it.
	Shown []int64
}

// NewReport makes an empty one.
func NewReport() *Report {
	return &Report{
		Kinds: map[string]int64{}, Exercised: map[Clause]int64{}, Violated: map[Clause]int64{},
		Shown: make([]int64, len(points)),
	}
}

// always are the clauses that every record of a form puts to the test.
var always = map[string][]Clause{
	textForm: {Line, Header, Tag, Order, Key},
	jsonForm: {Line, Header, Tag, Order, Key, JSON},
}

// Add counts one line.
func (t *Report) Add(v *Verdict) {
	t.Lines++
	if v.Record == "" {
		return
	}
	t.Records++
	if v.Clause != "" {
		t.Failed++
		t.Violated[v.Clause]++
		return
	}
	t.Kinds[v.Kind]++
	exercised := map[Clause]bool{}
	for _, c := range always[v.Form] {
		exercised[c] = true
	}
	for i := range points {
		if p := &points[i]; p.shown(v.rec, v) {
			t.Shown[i]++
			exercised[p.Clause] = true
		}
	}
	for c := range exercised {
		t.Exercised[c]++
	}
}

// Missing are the points that no conforming record has shown.
func (t *Report) Missing() []Point {
	var out []Point
	for i := range points {
		if t.Shown[i] == 0 {
			out = append(out, points[i])
		}
	}
	return out
}
