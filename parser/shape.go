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
	// early is by how much the stamp's wall time is ahead of UTC: the zone
	// stands in head.
	early time.Duration
	tails []shapeTail
	next  int // the tail to give up next
}

// shapeTail is what follows the address, and what the line then is.
type shapeTail struct {
	text   []byte
	err    errForm
	reject Reject // Accepted or Outbound
	rule   string
	weight int64
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
	minute  minute
}

// read reads a line that has a known shape into res, of which it sets what
// Scanner.Parse promises; false for any other line.
func (k *shapes) read(p *Parser, l *Line, res *Result) bool {
	if l.Cut || l.Distrust != 0 || len(l.Text) >= alwaysRead {
		return false
	}
	for i := range k.list {
		s := &k.list[i]
		body, ok := s.after(l.Text)
		if !ok {
			continue
		}
		peer, addr, tail, ok := s.split(body)
		if !ok {
			continue // a record without a peer begins like one with a peer
		}
		t := s.tail(tail)
		if t == nil {
			return false
		}
		sec, nanos, ok := k.minute.read(l.Text[len(s.pre) : len(s.pre)+stampLen])
		if !ok {
			return false
		}
		res.Event, res.Reject, res.Risk, res.Continues, res.stream = Event{}, t.reject, 0, false, lineStream{}
		if t.reject != Accepted {
			return true
		}
		host, why := quickHost(addr)
		if why == Private && p.allowPrivate {
			return false
		}
		if res.Reject = why; why == Accepted {
			at := time.Unix(sec-int64(s.early/time.Second), nanos).UTC()
			res.Event = Event{Time: at, Rule: t.rule, Host: host, Addr: addr, Peer: peer, Weight: t.weight, Text: l.Text}
		}
		return true
	}
	return false
}

// after gives what follows the head.
func (s *shape) after(text string) (string, bool) {
	at := len(s.pre) + stampLen
	end := at + len(s.head)
	if len(text) < end || text[:len(s.pre)] != string(s.pre) || text[at:end] != string(s.head) {
		return "", false
	}
	return text[end:], true
}

// split cuts the peer id and the address off the text after the head.
func (s *shape) split(body string) (peer, addr, tail string, ok bool) {
	if s.peer {
		n := run(body, peerByte)
		if n < minPeer || n > MaxPeer || !strings.HasPrefix(body[n:], afterID) {
			return "", "", "", false
		}
		peer, body = body[:n], body[n+len(afterID):]
	}
	n := run(body, addrByte)
	return peer, body[:n], body[n:], n > 0 && n <= MaxAddr && n < len(body) && body[n] == ' '
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
		l.Distrust != 0 || len(l.Text) >= alwaysRead {
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
			if p.host != (ref{"", "addr"}) || p.peer != (ref{"", "peer"}) || !p.confirm.empty() || varies(p.direction) || varies(ref{"", r.Weight}) {
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
