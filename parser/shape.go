package parser

import (
	"slices"
	"strings"
	"time"
)

// A node prints its canonical records from a handful of places, so that nearly
// all of a line's bytes are those of a line before it: only the time, the peer,
// the address and, for handshakes, the error differ. Reading such a line as a
// whole costs seven to fourteen times what it takes to see that it is one more of its kind.
//
// A shape is made of a line that the parser has read and found to be an offence
// (or an outbound connection), and is put together from the record's decoded
// parts. A line that is the same bytes but for a stamp, a peer id, an address
// and an error made of the plainest characters is tokenised alike by every
// framer, because they all read from left to right and none of these characters
// ends a token. What then differs is decided as accuse decides it. Whatever is
// not exactly so is left to the parser.
type shape struct {
	// pre stands before the stamp, head after it up to the peer id, or up to
	// the address in a record without a peer.
	pre, head []byte
	peer      bool
	// early is by how many seconds the stamp's wall time is ahead of UTC: the
	// zone stands in head.
	early int64
	// lead is pre and the minute of the last stamp read, which most lines share,
	// and minute when that begins.
	lead   []byte
	minute int64
	tails  []shapeTail
	next   int // the tail to give up next
}

// shapeTail is what follows the address, and what the line then is.
type shapeTail struct {
	text   []byte
	err    errForm
	reject Reject // Accepted or Outbound
	rule   string
	weight int64
	status Status
}

const (
	stampLen = len("2006-01-02T15:04:05.000")
	afterID  = " addr="
	// maxShapes and maxTails bound what is kept; a node has five call sites.
	maxShapes = 16
	maxTails  = 8
	// After firstLearned shapes and tails only one in learnEvery lines that had
	// no shape is looked at, so that lines made to have none cost little more.
	firstLearned = 64
	learnEvery   = 8
)

// shapes are the shapes that one Scanner has met.
type shapes struct {
	list    []shape
	next    int // the shape to give up next
	learned int
	last    *shapeTail // of the last line read
}

// read reads a line that has a known shape into res, of which it sets what
// Scanner.Parse promises; false for any other line.
func (k *shapes) read(p *Parser, l *Line, res *Result) bool {
	if l.Cut || l.Distrust != 0 {
		return false
	}
	reject, ok := k.quick(p, l.Text, &res.Event)
	if !ok {
		return false
	}
	if reject != Accepted {
		res.Event = Event{}
	}
	res.Reject, res.Risk, res.Continues, res.stream = reject, 0, false, lineStream{}
	return true
}

// quick reads a line that has a known shape into ev, which it writes only if
// the line is an event; false for any other line.
func (k *shapes) quick(p *Parser, text string, ev *Event) (Reject, bool) {
	if len(text) >= alwaysRead {
		return 0, false
	}
	for i := range k.list {
		s := &k.list[i]
		body, ok := s.after(text)
		if !ok {
			continue
		}
		peer, body, ok := s.cutPeer(body)
		if !ok {
			continue // a record without a peer begins like one with a peer
		}
		addr, why := quickAddr(body)
		if addr.len == 0 {
			return 0, false
		}
		t := s.tail(body[addr.len:])
		if t == nil {
			return 0, false
		}
		k.last = t
		sec, nanos, ok := s.time(text)
		switch {
		case !ok, t.reject == Accepted && why == Private && p.allowPrivate:
			return 0, false
		case t.reject != Accepted:
			return t.reject, true
		case why != Accepted:
			return why, true
		case !addr.transport.proven(t.status.Failed):
			return 0, false
		}
		// One by one: a whole Event would be made elsewhere first, and copied.
		ev.Time, ev.Rule, ev.Host = time.Unix(sec, nanos).UTC(), t.rule, addr.host
		ev.Addr, ev.Peer, ev.Weight, ev.Text = body[:addr.len], peer, t.weight, text
		ev.Port, ev.Transport = addr.port, addr.transport
		return Accepted, true
	}
	return 0, false
}

// after gives what follows the head. Whether pre stands before the stamp, time
// sees.
func (s *shape) after(text string) (string, bool) {
	at := len(s.pre) + stampLen
	end := at + len(s.head)
	if len(text) < end || text[end-1] != s.head[len(s.head)-1] || text[at:end] != string(s.head) {
		return "", false
	}
	return text[end:], true
}

// time reads pre and the stamp of a line that has the head.
func (s *shape) time(text string) (unix, nanos int64, ok bool) {
	n := len(s.pre) + minuteLen
	if text[:n] != string(s.lead) {
		minute, ok := minuteOf(text[len(s.pre) : len(s.pre)+stampLen])
		if !ok || text[:len(s.pre)] != string(s.pre) {
			return 0, 0, false
		}
		s.lead, s.minute = append(s.lead[:0], text[:n]...), minute-s.early
	}
	unix, nanos, ok = secondsOf(text[n:])
	return s.minute + unix, nanos, ok
}

// cutPeer cuts the peer id off the text after the head, up to the address.
func (s *shape) cutPeer(body string) (peer, rest string, ok bool) {
	if !s.peer {
		return "", body, true
	}
	n := run(body, peerByte)
	if n < minPeer || n > MaxPeer || !strings.HasPrefix(body[n:], afterID) {
		return "", "", false
	}
	return body[:n], body[n+len(afterID):], true
}

// split cuts the peer id and the address off the text after the head.
func (s *shape) split(body string) (peer, addr, tail string, ok bool) {
	if peer, body, ok = s.cutPeer(body); !ok {
		return "", "", "", false
	}
	n := addrLen(body)
	return peer, body[:n], body[n:], n > 0
}

func (s *shape) tail(text string) *shapeTail {
	for i := range s.tails {
		t := &s.tails[i]
		if t.err == errNone {
			if text == string(t.text) {
				return t
			}
		} else if n := len(t.text); len(text) > n && text[:n] == string(t.text) && t.err.fits(text[n:]) {
			return t
		}
	}
	return nil
}

// learn makes a shape of a line that the parser has read into res.
func (k *shapes) learn(p *Parser, l *Line, res *Result) {
	rec := &res.Record
	if !p.uniform || res.Reject != Accepted && res.Reject != Outbound || rec.Tag == "" || res.Carrier != "" ||
		l.Distrust != 0 || l.Cut || len(l.Text) >= alwaysRead {
		return
	}
	if k.learned++; k.learned > firstLearned && k.learned%learnEvery != 0 {
		return
	}
	layout, ok := shapeLayoutOf(res)
	if !ok {
		return
	}
	s, tail, ok := layout.shape(l.Text, rec)
	if !ok {
		return
	}
	tail.reject = res.Reject
	if res.Reject == Accepted {
		tail.rule, tail.weight = res.Event.Rule, res.Event.Weight
	}
	st := rec.Status()
	tail.status = Status{strings.Clone(st.Tag), strings.Clone(st.Connection), strings.Clone(st.Direction), strings.Clone(st.Failure), st.Failed}
	k.keep(s, tail)
}

// keep puts a shape and its tail among those known.
func (k *shapes) keep(s shape, tail shapeTail) {
	i := slices.IndexFunc(k.list, func(o shape) bool {
		return o.peer == s.peer && string(o.pre) == string(s.pre) && string(o.head) == string(s.head)
	})
	if i < 0 {
		i = len(k.list)
		if i < maxShapes {
			k.list = append(k.list, s)
		} else {
			i = k.next % maxShapes
			k.list[i] = s
			k.next++
		}
	}
	to := &k.list[i]
	if len(to.tails) < maxTails {
		to.tails = append(to.tails, tail)
		return
	}
	to.tails[to.next%maxTails] = tail
	to.next++
}

// uniform tells whether the rules ask of canonical records nothing but what a
// shape fixes, and the host and the peer where go-libp2p writes them.
func uniform(rules []*Rule) bool {
	varies := func(f ref) bool {
		return f.scope == "" && (f.key == "peer" || f.key == "addr" || f.key == "err")
	}
	for _, r := range rules {
		for i := range r.records {
			p := &r.records[i]
			if p.tag == "" {
				continue
			}
			if r.BeforeHandshake || p.host != (ref{"", "addr"}) || p.peer != (ref{"", "peer"}) || !p.confirm.empty() || varies(p.direction) || varies(ref{"", r.Weight}) {
				return false
			}
			for _, t := range p.where {
				if varies(t.field) {
					return false
				}
			}
		}
	}
	return true
}
