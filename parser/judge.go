package parser

import (
	"net/netip"
	"strconv"
	"strings"
)

// judge finds the rule for a framed record and turns it into an Event or a
// reason. The first rule in force that accepts the record wins; failing that,
// the first that knows it gives the reason.
func (p *Parser) judge(l *Line, res *Result, explain bool) {
	fields := len(res.Record.Fields)
	known := false
	for _, r := range p.on {
		for i := range r.records {
			pat := &r.records[i]
			if !pat.identifies(res) {
				continue
			}
			if !pat.holds(res) {
				res.Record.Fields = res.Record.Fields[:fields]
				known = true
				continue
			}
			res.Rule = r
			p.accuse(r, pat, l, res)
			return
		}
	}
	switch {
	case known || res.Record.Tag != "":
		res.Reject, res.Detail = NoRule, "no rule in force calls this record an offence"
	case hasCanonicalText(l.Text):
		at := strings.Index(l.Text, tagPrefix)
		res.fail(Forged, at-res.base, "a canonical record's name inside another logger's text")
	default:
		res.Reject, res.Detail = Unrecognised, "an ordinary line: no rule names its record"
	}
	if explain && (res.Reject == NoRule || res.Reject == Unrecognised) {
		p.ruleset.explainUnused(res)
	}
}

// accuse turns a record that a rule matched into an Event, or says why not.
func (p *Parser) accuse(r *Rule, pat *pattern, l *Line, res *Result) {
	rec := &res.Record
	reject := func(why Reject, detail string) { res.Reject, res.Detail = why, detail }
	addr, ok := rec.Scoped(pat.host.scope, pat.host.key)
	switch {
	case !ok:
		reject(NoIP, "the record has no "+pat.host.key)
		return
	case pat.host.scope != "" && res.format == fmtTracingFull && rec.Fields[0].Scope != pat.host.scope:
		// libp2p-swarm's span of a connection is a root (connection/pool.rs). In a
		// field of a span before it, such as the address of a host that our node
		// dialled, that host can write what reads as another span.
		reject(Forged, "the host's span is not the first one with fields")
		return
	case rec.repeated(pat.host.scope, pat.host.key):
		reject(Forged, "the host's field stands twice")
		return
	}
	if dir, ok := rec.Get("dir"); ok && rec.Tag != "" && dir == "outbound" {
		reject(Outbound, "our node dialled this connection")
		return
	}
	if why, detail := pat.wayIn(rec); why != Accepted {
		reject(why, detail)
		return
	}
	read := hostOfValue
	if rec.Tag != "" {
		read = hostOfCanonical
	}
	host, why, detail := read(addr)
	if why == Private && p.allowPrivate {
		if _, never, _ := special(host); !never {
			why = Accepted
		}
	}
	if why == Accepted && !pat.confirm.empty() {
		why, detail = pat.confirmed(rec, host)
	}
	if why != Accepted {
		reject(why, detail)
		return
	}
	if r.BeforeHandshake && !overTCP(addr) {
		reject(Unproven, "the peer completed no handshake, and not over TCP: a stranger may have written anybody's address as his")
		return
	}
	weight, ok := r.weigh(rec)
	if !ok {
		reject(Malformed, "the weight is no number from 1 to 10000")
		return
	}
	if l.Distrust != 0 {
		reject(Untrusted, "a stranger can write whole lines into this stream")
		return
	}
	peer, _ := rec.Scoped(pat.peer.scope, pat.peer.key)
	res.Reject, res.Detail = Accepted, ""
	port, transport := TransportOf(addr)
	res.Event = Event{
		Time: rec.Time, Rule: r.Name, Host: host, Addr: addr, Port: port, Transport: transport, Peer: peer,
		Weight: weight, Text: l.Text,
	}
}

// wayIn tells whether the record speaks of an inbound connection.
func (p *pattern) wayIn(rec *Record) (Reject, string) {
	if p.direction.empty() {
		return Accepted, ""
	}
	v, _ := rec.Scoped(p.direction.scope, p.direction.key)
	switch {
	case strings.EqualFold(v, "inbound"):
		return Accepted, ""
	case strings.EqualFold(v, "outbound"):
		return Outbound, "our node dialled this connection"
	}
	return Malformed, "the direction is neither inbound nor outbound"
}

// confirmed tells whether the record's second mention of the host agrees.
func (p *pattern) confirmed(rec *Record, host netip.Addr) (Reject, string) {
	v, _ := rec.Scoped(p.confirm.scope, p.confirm.key)
	second, why, detail := hostOfValue(v)
	switch {
	case why == Relayed || why == NoIP:
		return why, detail
	case second != host:
		return Forged, "the line names two different hosts"
	}
	return Accepted, ""
}

// weigh gives how many events the record stands for.
func (r *Rule) weigh(rec *Record) (int64, bool) {
	if r.weight > 0 {
		return r.weight, true
	}
	v, ok := rec.Get(r.Weight)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(v, 10, 32)
	return int64(n), err == nil && n >= 1 && n <= MaxWeight
}

// explainUnused says for people whether a rule that is not in force, or a
// reason to have none, speaks of the record.
func (rs *Ruleset) explainUnused(res *Result) {
	fields := len(res.Record.Fields)
	for _, r := range rs.rules {
		for i := range r.records {
			if !r.records[i].identifies(res) {
				continue
			}
			if r.records[i].holds(res) {
				res.Rule, res.Reject = r, NoRule
				res.Detail = "the rule for this record, " + r.Name + ", is not in force"
				return
			}
			res.Record.Fields = res.Record.Fields[:fields]
		}
	}
	for i := range rs.noRules {
		n := &rs.noRules[i]
		for j := range n.records {
			if n.records[j].identifies(res) {
				res.Reject, res.Detail = NoRule, "no rule for this record, because "+n.Because
				return
			}
		}
	}
}
