package parser

import (
	"net/netip"
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

// run gives how many bytes at the start of s are of the class.
func run(s string, class uint8) int {
	for i := range len(s) {
		if byteClasses[s[i]]&class == 0 {
			return i
		}
	}
	return len(s)
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

// quickHost is hostOfCanonical; an IPv4 address with a tcp or udp port, as most
// are, it reads by itself in a third of the time.
func quickHost(ma string) (netip.Addr, Reject) {
	if a, rest, ok := quickIPv4(ma); ok && quickTransport(rest) {
		host := netip.AddrFrom4(a)
		if _, _, isSpecial := special(host); isSpecial {
			return host, Private
		}
		return host, Accepted
	}
	host, reject, _ := hostOfCanonical(ma)
	return host, reject
}

// quickIPv4 reads "/ip4/a.b.c.d" and gives the rest.
func quickIPv4(ma string) (a [4]byte, rest string, ok bool) {
	const proto = "/ip4/"
	if !strings.HasPrefix(ma, proto) {
		return a, "", false
	}
	s := ma[len(proto):]
	for i := range a {
		v, n := uint(0), 0
		for n < len(s) && n < 3 && isDigit(s[n]) {
			v = v*10 + uint(s[n]-'0')
			n++
		}
		if n == 0 || v > 255 || n > 1 && s[0] == '0' {
			return a, "", false
		}
		a[i], s = byte(v), s[n:]
		if i < 3 {
			if s == "" || s[0] != '.' {
				return a, "", false
			}
			s = s[1:]
		}
	}
	return a, s, true
}

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
