package parser

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Classes of bytes, for run.
const (
	// peerByte stands in a base58 peer id.
	peerByte = 1 << iota
	// addrByte stands in a multiaddr and ends no token in any format.
	addrByte
	// plainByte stands in a quoted value as itself: printable ASCII.
	plainByte
)

// byteClasses says for each byte what it is.
var byteClasses = func() (t [256]uint8) {
	for c := range t {
		b := byte(c)
		letter := 'a' <= b|0x20 && b|0x20 <= 'z'
		if isPeerID(strings.Repeat(string(rune(c)), minPeer)) {
			t[c] |= peerByte
		}
		if letter || isDigit(b) || strings.IndexByte("/.:_-", b) >= 0 {
			t[c] |= addrByte
		}
		if ' ' <= b && b <= '~' && b != '"' && b != '\\' {
			t[c] |= plainByte
		}
	}
	return t
}()

// run gives how many bytes at the start of s are of the class. It takes four at
// a time: a third of what a line costs went into looking at bytes one by one.
func run(s string, class uint8) int {
	i := 0
	for ; i+4 <= len(s); i += 4 {
		b := s[i : i+4]
		if byteClasses[b[0]]&byteClasses[b[1]]&byteClasses[b[2]]&byteClasses[b[3]]&class == 0 {
			break
		}
	}
	for i < len(s) && byteClasses[s[i]]&class != 0 {
		i++
	}
	return i
}

// minute is the minute of the last stamp read: most stamps are of the same.
type minute struct {
	text [len("2006-01-02T15:04:")]byte
	unix int64
}

// read reads a stamp of stampLen bytes, without a zone, as readStamp does. It
// leaves other millennia alone: a line that begins with such a year is not even
// tried as a console line.
func (m *minute) read(s string) (sec, nanos int64, ok bool) {
	const clock = len(m.text)
	if s[:clock] != string(m.text[:]) {
		at := readStamp(s, 'T')
		if at.n != stampLen || s[0] != '2' {
			return 0, 0, false
		}
		copy(m.text[:], s)
		second, _ := digits(s[clock : clock+2])
		m.unix = at.t.Unix() - int64(second)
	}
	d := [...]byte{s[clock] - '0', s[clock+1] - '0', s[clock+3] - '0', s[clock+4] - '0', s[clock+5] - '0'}
	if s[clock+2] != '.' || d[0] > 6 || d[1] > 9 || d[2] > 9 || d[3] > 9 || d[4] > 9 {
		return 0, 0, false
	}
	sec = int64(d[0])*10 + int64(d[1])
	nanos = (int64(d[2])*100 + int64(d[3])*10 + int64(d[4])) * int64(time.Millisecond)
	return m.unix + sec, nanos, sec < 61
}

// quickHost is hostOfCanonical; an address with a tcp or udp port, as most are,
// it reads by itself in a third of the time.
func quickHost(ma string) (netip.Addr, Reject) {
	host, rest, ok := quickIPv4(ma)
	if !ok {
		host, rest, ok = quickIPv6(ma)
	}
	if ok && quickTransport(rest) {
		if _, _, isSpecial := special(host); isSpecial {
			return host, Private
		}
		return host, Accepted
	}
	host, reject, _ := hostOfCanonical(ma)
	return host, reject
}

// quickIPv4 reads "/ip4/a.b.c.d" and gives the rest.
func quickIPv4(ma string) (host netip.Addr, rest string, ok bool) {
	const proto = "/ip4/"
	if !strings.HasPrefix(ma, proto) {
		return host, "", false
	}
	var a [4]byte
	s := ma[len(proto):]
	for i := range a {
		v, n := uint(0), 0
		for n < len(s) && n < 3 && isDigit(s[n]) {
			v = v*10 + uint(s[n]-'0')
			n++
		}
		if n == 0 || v > 255 || n > 1 && s[0] == '0' {
			return host, "", false
		}
		a[i], s = byte(v), s[n:]
		if i < 3 {
			if s == "" || s[0] != '.' {
				return host, "", false
			}
			s = s[1:]
		}
	}
	return netip.AddrFrom4(a), s, true
}

// quickIPv6 reads "/ip6/x:x::x" (RFC 4291 §2.2, forms 1 and 2), unmaps it and
// gives the rest.
func quickIPv6(ma string) (host netip.Addr, rest string, ok bool) {
	const proto = "/ip6/"
	if !strings.HasPrefix(ma, proto) {
		return host, "", false
	}
	s := ma[len(proto):]
	var a [16]byte
	n, gap := 0, -1 // bytes read; how many of them before ::
	if strings.HasPrefix(s, "::") {
		s, gap = s[2:], 0
	}
	for s != "" && s[0] != '/' {
		group, digits := quickHex(s)
		if digits == 0 || n == len(a) {
			return host, "", false
		}
		a[n], a[n+1] = byte(group>>8), byte(group)
		n, s = n+2, s[digits:]
		switch {
		case s == "" || s[0] == '/':
		case strings.HasPrefix(s, "::"):
			if gap >= 0 {
				return host, "", false
			}
			s, gap = s[2:], n
		case s[0] == ':' && len(s) > 1 && s[1] != '/':
			s = s[1:]
		default:
			return host, "", false
		}
	}
	if gap < 0 && n < len(a) || gap >= 0 && n == len(a) {
		return host, "", false
	}
	if gap >= 0 {
		copy(a[len(a)-(n-gap):], a[gap:n])
		clear(a[gap : len(a)-(n-gap)])
	}
	return netip.AddrFrom16(a).Unmap(), s, true
}

// quickHex reads up to four hexadecimal digits; with more it gives none.
func quickHex(s string) (v uint16, n int) {
	for n < len(s) {
		d := hexDigits[s[n]]
		if d == noHex {
			break
		}
		if n == 4 {
			return 0, 0
		}
		v = v<<4 | uint16(d)
		n++
	}
	return v, n
}

const noHex = 0xff

// hexDigits gives the value of each byte that is a hexadecimal digit.
var hexDigits = func() (t [256]uint8) {
	for c := range t {
		t[c] = noHex
		if v, err := strconv.ParseUint(string(rune(c)), 16, 8); err == nil {
			t[c] = uint8(v)
		}
	}
	return t
}()

// quickTransport tells whether s is a port and one of the commonest transports.
func quickTransport(s string) bool {
	if !strings.HasPrefix(s, "/tcp/") && !strings.HasPrefix(s, "/udp/") {
		return false
	}
	s = s[len("/tcp/"):]
	port, n := 0, 0
	for n < len(s) && n < 5 && isDigit(s[n]) {
		port = port*10 + int(s[n]-'0')
		n++
	}
	if n == 0 || port > 65535 || n > 1 && s[0] == '0' {
		return false
	}
	switch s[n:] {
	case "", "/quic-v1", "/ws", "/wss", "/quic":
		return true
	}
	return false
}
