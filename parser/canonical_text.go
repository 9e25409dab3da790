package parser

import "strings"

// canonicalText reads the canonical text of go-libp2p up to v0.43, as printed
// by fmt ("CANONICAL_PEER_STATUS: peer=%s addr=%s sample_rate=%v" and then
// " %v=%q" for each pair; "CANONICAL_MISBEHAVING_PEER: peer=%s addr=%s
// component=%s err=%q msg=%q"), from the start of msg. It fills the record and
// gives the length read. tab is what may follow the text in this carrier, "" for
// nothing; at is where msg begins in the payload.
func canonicalText(msg, tab string, at int, res *Result) int {
	t := oldText{s: msg, tab: tab, at: at, res: res}
	tag, _, ok := strings.Cut(msg, ":")
	if !ok || !isCanonicalTag(tag) {
		res.fail(Forged, at, "the canonical logger prints nothing else")
		return 0
	}
	res.Record.Tag = tag
	t.pos = len(tag) + 1
	t.word("peer")
	if tag == tagMisbehaving && strings.HasPrefix(t.rest(), " net_addr=") {
		// An address that go-libp2p could not convert, printed raw: it names no
		// host, and nothing after it can be told apart.
		t.take("net_addr", t.rest()[len(" net_addr="):])
		return t.pos
	}
	t.word("addr")
	if tag == tagStatus {
		t.word("sample_rate")
		for !res.failed() && strings.HasPrefix(t.rest(), " ") && !t.over(t.rest()) {
			t.pair()
		}
	} else {
		t.component()
		t.quotedField("err")
		t.quotedField("msg")
	}
	if !res.failed() {
		checkCanonical(res, at)
	}
	return t.pos
}

// oldText is a cursor over the text.
type oldText struct {
	s   string
	tab string
	at  int
	pos int
	res *Result
}

func (t *oldText) rest() string { return t.s[t.pos:] }

func (t *oldText) fail(detail string) { t.res.fail(Malformed, t.at+t.pos, detail) }

// take adds a field whose value stands at the end of what was read of it.
func (t *oldText) take(key, value string) {
	if !t.res.add("", key, value) {
		t.res.fail(Malformed, t.at+t.pos, "too many fields")
	}
	t.pos += len(" ") + len(key) + len("=") + len(value)
}

// word reads " key=value" where the value ends at the next white space.
func (t *oldText) word(key string) {
	if t.res.failed() {
		return
	}
	v, ok := t.expect(key)
	if !ok {
		return
	}
	n := 0
	for n < len(v) && v[n] > ' ' && !t.over(v[n:]) {
		n++
	}
	t.take(key, v[:n])
}

// over tells whether the text ends at the start of s, because labels follow.
func (t *oldText) over(s string) bool {
	return t.tab != "" && s[0] == t.tab[0] && strings.HasPrefix(s, t.tab)
}

// expect gives what follows " key=", which must stand here.
func (t *oldText) expect(key string) (string, bool) {
	v, ok := strings.CutPrefix(t.rest(), " ")
	if ok {
		v, ok = strings.CutPrefix(v, key)
	}
	if ok {
		v, ok = strings.CutPrefix(v, "=")
	}
	if !ok {
		t.fail("a field of the record is missing here or in another place")
	}
	return v, ok
}

// component reads " component=text", which is not quoted and may hold spaces.
func (t *oldText) component() {
	if t.res.failed() {
		return
	}
	if v, ok := t.expect("component"); ok {
		n := strings.Index(v, " err=")
		if n < 0 || n > MaxComponent {
			t.fail("no err after the component")
			return
		}
		t.take("component", v[:n])
	}
}

// nilError is how fmt prints a nil error with %q.
const nilError = "%!q(<nil>)"

// quotedField reads ` key="value"`.
func (t *oldText) quotedField(key string) {
	if t.res.failed() {
		return
	}
	if v, ok := t.expect(key); ok {
		t.quotedValue(key, v)
	}
}

// pair reads ` key="value"` with any key, or " key=" at the end, which is what
// go-libp2p makes of an odd number of arguments.
func (t *oldText) pair() {
	v := t.rest()[1:]
	n := 0
	for n < len(v) && n <= MaxKey && v[n] > ' ' && v[n] != '=' && v[n] != '"' {
		n++
	}
	if n == 0 || n > MaxKey || n == len(v) || v[n] != '=' {
		t.fail("no key=value here")
		return
	}
	key := v[:n]
	v = v[n+1:]
	if v == "" || t.over(v) {
		t.take(key, "")
		return
	}
	t.quotedValue(key, v)
}

// quotedValue reads the value at the start of v as %q prints it.
func (t *oldText) quotedValue(key, v string) {
	if strings.HasPrefix(v, nilError) {
		t.take(key, nilError)
		return
	}
	n := -1
	if strings.HasPrefix(v, `"`) {
		n = quotedEnd(v)
	}
	if n < 0 {
		t.fail("a value that is not quoted to its end")
		return
	}
	value, ok := t.res.text.unquote(v[:n])
	if !ok {
		t.fail("a value with a bad escape")
		return
	}
	t.take(key, value)
	t.pos += n - len(value)
}
