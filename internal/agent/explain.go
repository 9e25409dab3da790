package agent

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// Explanation is how one line was read: a contract with programs, one object
// of `explain --json`. In JSON a line that is no known record is nothing but
// {"reject":"unrecognised"}.
type Explanation struct {
	Carrier string            `json:"carrier,omitempty"`
	Format  string            `json:"format,omitempty"`
	Time    *time.Time        `json:"time,omitempty"`
	Logger  string            `json:"logger,omitempty"`
	Record  string            `json:"record,omitempty"`
	Fields  map[string]string `json:"fields,omitempty"`
	Rule    string            `json:"rule,omitempty"`
	Host    *netip.Addr       `json:"host,omitempty"`
	Peer    string            `json:"peer,omitempty"`
	Weight  int64             `json:"weight,omitempty"`
	Reject  string            `json:"reject,omitempty"`
	Detail  string            `json:"detail,omitempty"`
	// Column is the 1-based byte where reading failed.
	Column int `json:"column,omitempty"`
	// Risks names the holes that the line shows its stream to have.
	Risks []string `json:"risks,omitempty"`

	// FieldList is Fields in the order of the line; Text is the line.
	FieldList []parser.Field `json:"-"`
	Text      string         `json:"-"`
	risks     parser.Risks
}

// MarshalJSON leaves everything out of a line that is no known record.
func (x Explanation) MarshalJSON() ([]byte, error) {
	type plain Explanation // without this method
	if x.Reject == parser.Unrecognised.String() {
		return json.Marshal(plain{Reject: x.Reject, Risks: x.Risks})
	}
	return json.Marshal(plain(x))
}

// Explainer explains the lines of one stream, as the daemon would read them,
// but for those of no interest, of which the daemon reads nothing.
type Explainer struct{ r reader }

// NewExplainer makes one; now completes stamps without a year.
func NewExplainer(p *parser.Parser, now time.Time) *Explainer {
	return &Explainer{reader{parser: p, last: now, explain: true}}
}

// Explain reads the next line.
func (e *Explainer) Explain(l sources.Line) Explanation {
	e.r.read(l, time.Time{})
	res := &e.r.result
	x := Explanation{
		Carrier: res.Carrier, Format: res.Format, Time: optional(res.Record.Time), Logger: res.Record.Logger,
		Record: cmp.Or(res.Record.Tag, res.Record.Message), Column: res.Column,
		FieldList: slices.Clone(res.Record.Fields), Text: l.Text, risks: res.Risk,
	}
	if res.Rule != nil {
		x.Rule = res.Rule.Name
	}
	for _, f := range x.FieldList {
		if x.Fields == nil {
			x.Fields = map[string]string{}
		}
		if _, ok := x.Fields[f.Key]; !ok {
			x.Fields[f.Key] = f.Value
		}
	}
	for _, r := range res.Risk.Info() {
		x.Risks = append(x.Risks, r.Name)
	}
	if res.Reject == parser.Accepted {
		host := res.Event.Host // the next line overwrites the event
		x.Host, x.Peer, x.Weight = &host, res.Event.Peer, res.Event.Weight
	} else {
		x.Reject, x.Detail = res.Reject.String(), res.Detail
	}
	return x
}

// ExplainKind is lines that were read alike.
type ExplainKind struct {
	Carrier, Format, Rule, Reject, Detail string
	Lines                                 int64
	Example                               string
}

// ExplainTally counts how the lines of a log were read.
type ExplainTally struct {
	Lines int64
	Risks parser.Risks
	kinds map[ExplainKind]*ExplainKind // by the kind without its numbers
}

// NewExplainTally makes an empty one.
func NewExplainTally() *ExplainTally {
	return &ExplainTally{kinds: map[ExplainKind]*ExplainKind{}}
}

// maxKinds bounds the kinds told apart; the details are the parser's own fixed
// texts, so that a log does not come near.
const maxKinds = 1000

// Add counts one line.
func (t *ExplainTally) Add(x *Explanation) {
	t.Lines++
	t.Risks |= x.risks
	key := ExplainKind{Carrier: x.Carrier, Format: x.Format, Rule: x.Rule, Reject: x.Reject, Detail: x.Detail}
	k := t.kinds[key]
	if k == nil {
		if len(t.kinds) >= maxKinds {
			return
		}
		kind := key
		kind.Example = strings.Clone(x.Text)
		k = &kind
		t.kinds[key] = k
	}
	k.Lines++
}

// Kinds gives every kind, events first, then by how often it was.
func (t *ExplainTally) Kinds() []ExplainKind {
	var out []ExplainKind
	for _, k := range t.kinds {
		out = append(out, *k)
	}
	slices.SortFunc(out, func(a, b ExplainKind) int {
		return cmp.Or(
			cmp.Compare(boolInt(a.Reject != ""), boolInt(b.Reject != "")),
			-cmp.Compare(a.Lines, b.Lines),
			cmp.Compare(a.Example, b.Example))
	})
	return out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
