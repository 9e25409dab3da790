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
	var host netip.Addr
	var weight int64
	addr, why, detail := pat.hostField(res)
	if why == Accepted {
		why, detail = pat.wayIn(rec)
	}
	if why == Accepted {
		host, why, detail = p.hostIn(addr, pat, rec)
	}
	if why == Accepted {
		why, detail = r.proven(addr, rec)
	}
	if why == Accepted {
		weight, why, detail = r.weigh(rec)
	}
	if why == Accepted && l.Distrust != 0 {
		why, detail = Untrusted, "a stranger can write whole lines into this stream"
	}
	if res.Reject, res.Detail = why, detail; why != Accepted {
		return
	}
	peer, _ := rec.Scoped(pat.peer.scope, pat.peer.key)
	port, transport := TransportOf(addr)
	res.Event = Event{
		Time: rec.Time, Rule: r.Name, Host: host, Addr: addr, Port: port, Transport: transport, Peer: peer,
		Weight: weight, Text: l.Text,
	}
}

// hostField gives what the record holds in the host's field, which must stand
// there once and where the node puts it.
func (p *pattern) hostField(res *Result) (addr string, why Reject, detail string) {
	rec := &res.Record
	addr, ok := rec.Scoped(p.host.scope, p.host.key)
	switch {
	case !ok:
		return "", NoIP, "the record has no " + p.host.key
	case p.host.scope != "" && res.format == fmtTracingFull && rec.Fields[0].Scope != p.host.scope:
		// libp2p-swarm's span of a connection is a root (connection/pool.rs). In a
		// field of a span before it, such as the address of a host that our node
		// dialled, that host can write what reads as another span.
		return "", Forged, "the host's span is not the first one with fields"
	case rec.repeated(p.host.scope, p.host.key):
		return "", Forged, "the host's field stands twice"
	}
	return addr, Accepted, ""
}

// wayIn tells whether the record speaks of an inbound connection.
func (p *pattern) wayIn(rec *Record) (Reject, string) {
	const weDialled = "our node dialled this connection"
	if dir, ok := rec.Get("dir"); ok && rec.Tag != "" && dir == "outbound" {
		return Outbound, weDialled
	}
	if p.direction.empty() {
		return Accepted, ""
	}
	v, _ := rec.Scoped(p.direction.scope, p.direction.key)
	switch {
	case strings.EqualFold(v, "inbound"):
		return Accepted, ""
	case strings.EqualFold(v, "outbound"):
		return Outbound, weDialled
	}
	return Malformed, "the direction is neither inbound nor outbound"
}

// hostIn reads the host's field, addr, and holds it against the record's second
// mention of the host, if the rule names one.
func (p *Parser) hostIn(addr string, pat *pattern, rec *Record) (netip.Addr, Reject, string) {
	read := hostOfValue
	if rec.Tag != "" {
		read = hostOfCanonical
	}
	host, why, detail := read(addr)
	if why == Private && p.allowPrivate {
		if _, never, _ := special(host); !never {
			why, detail = Accepted, ""
		}
	}
	if why == Accepted && !pat.confirm.empty() {
		why, detail = pat.confirmed(rec, host)
	}
	return host, why, detail
}

// proven tells whether the address, by the time of the record, must be the peer's own.
func (r *Rule) proven(addr string, rec *Record) (Reject, string) {
	if r.BeforeHandshake && !overTCP(addr) {
		return Unproven, "the peer completed no handshake, and not over TCP: a stranger may have written anybody's address as his"
	}
	if _, failed := rec.Get("handshake_failure"); !ProvenWay(addr, rec.Tag != "" && failed) {
		return Unproven, "over UDP only QUIC proves an address: WebRTC's is that of the first packet, on which a stranger can write anybody's"
	}
	return Accepted, ""
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
func (r *Rule) weigh(rec *Record) (int64, Reject, string) {
	if r.weight > 0 {
		return r.weight, Accepted, ""
	}
	v, _ := rec.Get(r.Weight)
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil || n < 1 || n > MaxWeight {
		return 0, Malformed, "the weight is no number from 1 to 10000"
	}
	return int64(n), Accepted, ""
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
