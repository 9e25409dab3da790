package conformance

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/multiformats/go-multiaddr"
)

// stampShape is what time.Parse does not insist on: two digits everywhere, and a
// point before the fraction.
var stampShape = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$`)

// checkHeader holds what stands before the record's name: time, level, source.
func checkHeader(head []field, line string) *violation {
	if len(head) != 3 || head[0].key != "time" || head[1].key != "level" || head[2].key != "source" {
		return broken(Header, 0, "a record begins with time, level and source")
	}
	if at, err := time.Parse(time.RFC3339, head[0].value); err != nil || at.Year() < 1970 || !stampShape.MatchString(head[0].value) {
		return broken(Header, head[0].at, "time must be as in RFC 3339, with its zone: 2026-01-02T03:04:05.678Z")
	}
	if !slices.Contains([]string{"DEBUG", "INFO", "WARN", "ERROR"}, head[1].value) {
		return broken(Header, head[1].at, "level must be DEBUG, INFO, WARN or ERROR")
	}
	src := &head[2]
	if strings.HasPrefix(line, "{") && !src.quoted {
		// slog's JSONHandler makes an object of it: function, file and line.
		if !strings.HasPrefix(src.value, "{") {
			return broken(JSON, src.at, "source must be a string or an object")
		}
	} else if i := strings.LastIndexByte(src.value, ':'); i <= 0 || !isNumber(src.value[i+1:]) {
		return broken(Header, src.at, "source must be a position: file:line")
	}
	if len(src.value) > MaxSource {
		return broken(Length, src.at, "source has %d bytes; at most %d", len(src.value), MaxSource)
	}
	return nil
}

func isNumber(s string) bool {
	n, err := strconv.ParseUint(s, 10, 32)
	return err == nil && n > 0 && s[0] != '+'
}

// check holds the fields of a record against the clauses, and finds its kind.
func (r *record) check() *violation {
	if bad := r.checkOrder(); bad != nil {
		return bad
	}
	for _, check := range []func() *violation{r.checkTypes, r.checkPeer, r.checkAddr, r.checkRate, r.checkKind, r.checkDirection} {
		if bad := check(); bad != nil {
			return bad
		}
	}
	return nil
}

// required are the fields that a record begins with.
func (r *record) required() []string {
	switch {
	case r.tag == status:
		return []string{"peer", "addr", "sample_rate"}
	case r.form == jsonForm:
		return []string{"peer", "addr", "component", "err", "reason"}
	}
	return []string{"peer", "addr", "component", "err", "msg"}
}

func (r *record) checkOrder() *violation {
	for i := range r.fields {
		f := &r.fields[i]
		if r.form == jsonForm && !isKey(f.key) {
			return broken(Key, f.keyAt, "%s is no key: a letter, then letters, digits and _", quoteShort(f.key))
		}
		for j := range i {
			if r.fields[j].key == f.key {
				return broken(Order, f.keyAt, "%s stands twice", f.key)
			}
		}
	}
	want := r.required()
	if _, legacy := r.get("net_addr"); legacy && r.tag == misbehaving {
		want[1] = "net_addr"
	}
	for i, key := range want {
		_, ok := r.get(key)
		switch {
		case !ok:
			return broken(Order, r.end(), "the record has no %s", key)
		case r.form == textForm && r.fields[i].key != key:
			return broken(Order, r.fields[i].keyAt, "%s stands here; the fields begin with %s", r.fields[i].key, strings.Join(want, ", "))
		}
	}
	if r.tag == misbehaving && len(r.fields) > len(want) {
		return broken(Order, r.fields[len(want)].keyAt, "%s has no further fields", misbehaving)
	}
	if f, ok := r.get("err"); ok && r.tag == status && r.form == textForm && f != &r.fields[len(r.fields)-1] {
		return broken(Order, f.keyAt, "err is the last field: nothing may follow what a peer can write")
	}
	return nil
}

// end is an offset behind the last field.
func (r *record) end() int {
	if len(r.fields) == 0 {
		return 0
	}
	f := &r.fields[len(r.fields)-1]
	return f.at + len(f.value)
}

// checkTypes holds the members of a JSON object.
func (r *record) checkTypes() *violation {
	for i := range r.fields {
		f := &r.fields[i]
		switch {
		case r.form == textForm:
		case f.key == "sample_rate" && !f.number:
			return broken(JSON, f.at, "sample_rate must be a number")
		case f.key != "sample_rate" && !f.quoted:
			return broken(JSON, f.at, "%s must be a string", f.key)
		}
	}
	return nil
}

func (r *record) checkPeer() *violation {
	f, _ := r.get("peer")
	if f.value == "" {
		return nil
	}
	if _, err := multiaddr.NewMultiaddr("/p2p/" + f.value); err != nil || strings.ContainsAny(f.value, "0OIl/") || len(f.value) > MaxPeer {
		return broken(Peer, f.at, "peer must be a peer id in base58, or empty while it is not authenticated")
	}
	return nil
}

func (r *record) checkAddr() *violation {
	f, ok := r.get("addr")
	if !ok {
		return nil // net_addr, which go-libp2p writes where it has no multiaddr
	}
	if len(f.value) > MaxAddr {
		return broken(Length, f.at, "addr has %d bytes; at most %d", len(f.value), MaxAddr)
	}
	if _, err := multiaddr.NewMultiaddr(f.value); err != nil {
		return broken(Addr, f.at, "addr must be a multiaddr: %v", err)
	}
	if strings.Contains(f.value, "/ipcidr/") {
		return broken(Addr, f.at, "addr must be a peer's address, not a network's")
	}
	return nil
}

func (r *record) checkRate() *violation {
	f, ok := r.get("sample_rate")
	if !ok {
		return nil
	}
	n, err := strconv.ParseUint(f.value, 10, 32)
	if err != nil || n < 1 || n > MaxSampleRate || strconv.FormatUint(n, 10) != f.value {
		return broken(SampleRate, f.at, "sample_rate must be a whole number from 1 to %d", MaxSampleRate)
	}
	return nil
}

func (r *record) checkKind() *violation {
	if r.tag == misbehaving {
		r.kind = kindMisbehaving
		return nil
	}
	conn, isConn := r.get("connection_status")
	hs, isHS := r.get("handshake_failure")
	switch {
	case isConn && isHS:
		return broken(Kind, hs.keyAt, "connection_status and handshake_failure in one record")
	case len(r.fields) == 3:
		return broken(Kind, r.end(), "the record does not say what happened: connection_status, handshake_failure or a kind of your own")
	case isConn && conn.value != "established":
		return broken(Kind, conn.at, "connection_status can only be established")
	case isHS && !isProtocol(hs.value):
		return broken(Kind, hs.at, "handshake_failure names a security protocol in lower case: noise, tls")
	case isConn:
		r.kind = kindConnection
	case isHS:
		r.kind = kindHandshake
	default:
		r.kind = kindOther
	}
	for _, f := range []*field{conn, hs} {
		if f != nil && r.form == textForm && f != &r.fields[3] {
			return broken(Order, f.keyAt, "%s follows sample_rate", f.key)
		}
	}
	return nil
}

// isProtocol tells whether s is the name of a protocol: lower case, digits, -.
func isProtocol(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func (r *record) checkDirection() *violation {
	dir, ok := r.get("dir")
	switch {
	case ok && dir.value != "inbound" && dir.value != "outbound":
		return broken(Direction, dir.at, "dir must be inbound or outbound")
	case !ok && r.kind == kindConnection:
		return broken(Direction, r.end(), "a connection must say its dir")
	case ok && r.kind == kindHandshake && dir.value == "outbound":
		return broken(Direction, dir.at, "failed dials are no record: the peer chose the address that was dialled")
	}
	return nil
}

// bounds holds the lengths.
func bounds(line string, r *record) *violation {
	if len(line) >= MaxLine {
		return broken(Line, MaxLine-1, "the line has %d bytes with its newline; at most %d", len(line)+1, MaxLine)
	}
	for i := range r.fields {
		f := &r.fields[i]
		limit := MaxValue
		switch f.key {
		case "addr", "net_addr":
			limit = MaxAddr
		case "err":
			limit = MaxErr
		}
		if len(f.value) > limit {
			return broken(Length, f.at, "%s has %d bytes; at most %d", f.key, len(f.value), limit)
		}
	}
	return nil
}
