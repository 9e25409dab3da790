package parser

import (
	"math/bits"
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

// run gives how many bytes at the start of s are of the class.
func run(s string, class uint8) int {
	i := 0
	if haveTeddy {
		i = vectorRun(s, &vectorClasses[class])
	}
	for i < len(s) && byteClasses[s[i]]&class != 0 {
		i++
	}
	return i
}

// vectorClass says for each low nibble of a byte, a bit for each high one, which
// bytes are of a class, all of them ASCII; twice, as in teddyMasks.
type vectorClass [32]uint8

var vectorClasses = func() (t [plainByte + 1]vectorClass) {
	for _, class := range [...]uint8{peerByte, addrByte, plainByte} {
		for c := range 0x80 {
			if byteClasses[c]&class != 0 {
				t[class][c&15] |= 1 << (c >> 4)
				t[class][16+c&15] |= 1 << (c >> 4)
			}
		}
	}
	return t
}()

// minuteLen is how much of a stamp most lines share with the one before.
const minuteLen = len("2006-01-02T15:04:")

// minuteOf gives the time at which the minute of a stamp of stampLen bytes begins, if
// readStamp reads the stamp. It leaves other millennia alone: a line that
// begins with such a year is not even tried as a console line.
func minuteOf(stamp string) (unix int64, ok bool) {
	at := readStamp(stamp, 'T')
	if at.n != stampLen || stamp[0] != '2' {
		return 0, false
	}
	second, _ := digits(stamp[minuteLen : minuteLen+2])
	return at.t.Unix() - int64(second), true
}

// secondsOf reads what follows the minute in a stamp, "05.000".
func secondsOf(s string) (sec, nanos int64, ok bool) {
	_ = s[5]
	d := [...]byte{s[0] - '0', s[1] - '0', s[3] - '0', s[4] - '0', s[5] - '0'}
	if s[2] != '.' || d[0] > 6 || d[1] > 9 || d[2] > 9 || d[3] > 9 || d[4] > 9 {
		return 0, 0, false
	}
	sec = int64(d[0])*10 + int64(d[1])
	nanos = (int64(d[2])*100 + int64(d[3])*10 + int64(d[4])) * int64(time.Millisecond)
	return sec, nanos, sec < 61
}

// placed is an address at the beginning of a text.
type placed struct {
	host      netip.Addr
	port      uint16
	transport Transport
	len       int // of the multiaddr in bytes, 0 if there is none
}

// quickAddr reads the address that s begins with, which ends before a space.
func quickAddr(s string) (placed, Reject) {
	host, n := quickIPv4(s)
	if n == 0 {
		host, n = quickIPv6(s)
	}
	if n > 0 {
		if port, transport, m := quickTransport(s[n:]); m > 0 {
			return placed{host, port, transport, n + m}, strangerOrPrivate(host)
		}
	}
	if n = addrLen(s); n == 0 {
		return placed{}, Malformed
	}
	host, why, _ := hostOfCanonical(s[:n])
	port, transport := TransportOf(s[:n])
	return placed{host, port, transport, n}, why
}

// addrLen is the length of the address that s begins with; 0 if it is too long or
// does not end before a space.
func addrLen(s string) int {
	if n := run(s, addrByte); n <= MaxAddr && n < len(s) && s[n] == ' ' {
		return n
	}
	return 0
}

// quickIPv4 reads "/ip4/a.b.c.d", and gives its length; 0 if s begins with
// something else. Digits are looked at together, four bytes at a time: how many there
// are of a number nobody can foresee, least the processor's branch predictor.
func quickIPv4(s string) (netip.Addr, int) {
	const proto = "/ip4/"
	if len(s) < len(proto)+4*4 || s[:len(proto)] != proto {
		return netip.Addr{}, 0
	}
	at, host, bad := len(proto), uint32(0), uint32(0)
	for i := range 4 {
		if at > len(s)-4 {
			return netip.Addr{}, 0
		}
		b := s[at : at+4]
		x := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		x ^= 0x30303030 // digits become 0 to 9
		n := bits.TrailingZeros32(((x+0x76767676)|x)&0x80808080) / 8
		if n == 0 || n == 4 {
			return netip.Addr{}, 0
		}
		d := x << (32 - 8*n) // the digits in the highest bytes
		v := (d>>8&0xff)*100 + (d>>16&0xff)*10 + d>>24
		bad |= (255 - v) >> 31
		if n > 1 && b[0] == '0' {
			bad = 1
		}
		host = host<<8 | v
		if at += n; i < 3 {
			if b[n] != '.' {
				return netip.Addr{}, 0
			}
			at++
		}
	}
	if bad != 0 {
		return netip.Addr{}, 0
	}
	return netip.AddrFrom4([4]byte{byte(host >> 24), byte(host >> 16), byte(host >> 8), byte(host)}), at
}

// quickIPv6 reads "/ip6/x:x::x/" (RFC 4291 §2.2, forms 1 and 2), unmaps it and
// gives its length without the last slash; 0 if ma begins with something else.
func quickIPv6(ma string) (host netip.Addr, length int) {
	const proto = "/ip6/"
	if !strings.HasPrefix(ma, proto) {
		return host, 0
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
			return host, 0
		}
		a[n], a[n+1] = byte(group>>8), byte(group)
		n, s = n+2, s[digits:]
		switch {
		case s == "" || s[0] == '/':
		case strings.HasPrefix(s, "::"):
			if gap >= 0 {
				return host, 0
			}
			s, gap = s[2:], n
		case s[0] == ':' && len(s) > 1 && s[1] != '/':
			s = s[1:]
		default:
			return host, 0
		}
	}
	if gap < 0 && n < len(a) || gap >= 0 && n == len(a) {
		return host, 0
	}
	if gap >= 0 {
		copy(a[len(a)-(n-gap):], a[gap:n])
		clear(a[gap : len(a)-(n-gap)])
	}
	return netip.AddrFrom16(a).Unmap(), len(ma) - len(s)
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

// quickTransport reads a port and one of the commonest transports, up to a
// space, and gives their length; 0 if s begins with something else.
func quickTransport(s string) (port uint16, t Transport, length int) {
	const proto = "/tcp/"
	if len(s) < len(proto)+8 {
		return 0, 0, 0
	}
	udp := s[:len(proto)] == "/udp/"
	if !udp && s[:len(proto)] != proto {
		return 0, 0, 0
	}
	b := s[len(proto) : len(proto)+8]
	x := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
	x ^= 0x3030303030303030 // digits become 0 to 9
	n := bits.TrailingZeros64(((x+0x7676767676767676)|x)&0x8080808080808080) / 8
	if n == 0 || n > 5 || b[0] == '0' {
		return 0, 0, 0
	}
	x <<= 64 - 8*n // the digits in the highest bytes; now by twos, fours, eight
	x = x * (10<<8 + 1) >> 8 & 0x00ff00ff00ff00ff
	x = x * (100<<16 + 1) >> 16 & 0x0000ffff0000ffff
	x = x * (10000<<32 + 1) >> 32
	if x > 65535 {
		return 0, 0, 0
	}
	port, n = uint16(x), n+len(proto)
	switch rest := s[n:]; { // constants: compared without a call
	case rest[0] == ' ' && udp:
		return port, firstUDP, n
	case rest[0] == ' ':
		return port, firstTCP, n
	case udp && strings.HasPrefix(rest, "/quic-v1 "):
		return port, quicV1, n + len("/quic-v1")
	case !udp && strings.HasPrefix(rest, "/ws "):
		return port, tcpWS, n + len("/ws")
	case !udp && strings.HasPrefix(rest, "/wss "):
		return port, tcpWSS, n + len("/wss")
	case udp && strings.HasPrefix(rest, "/quic "):
		return port, udpQUIC, n + len("/quic")
	}
	return 0, 0, 0
}
