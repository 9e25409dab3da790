package jail

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// encoder builds a snapshot: numbers as varints, strings and lists with their
// length before them.
type encoder struct{ b []byte }

func (e *encoder) uint(n uint64) { e.b = binary.AppendUvarint(e.b, n) }
func (e *encoder) int(n int64)   { e.b = binary.AppendVarint(e.b, n) }
func (e *encoder) count(n int)   { e.uint(uint64(n)) }

func (e *encoder) string(s string) {
	e.count(len(s))
	e.b = append(e.b, s...)
}

func (e *encoder) strings(list []string) {
	e.count(len(list))
	for _, s := range list {
		e.string(s)
	}
}

func (e *encoder) bool(v bool) {
	if v {
		e.uint(1)
	} else {
		e.uint(0)
	}
}

// prefix writes the bits, then 4 or 16 bytes; the first bit count above 128
// marks IPv4.
func (e *encoder) prefix(p netip.Prefix) {
	if a := p.Addr(); a.Is4() {
		e.uint(uint64(p.Bits()) + ipv4Mark)
		b := a.As4()
		e.b = append(e.b, b[:]...)
	} else {
		e.uint(uint64(p.Bits()))
		b := a.As16()
		e.b = append(e.b, b[:]...)
	}
}

const ipv4Mark = 129

// addr writes an address that may be invalid.
func (e *encoder) addr(a netip.Addr) {
	e.bool(a.IsValid())
	if a.IsValid() {
		e.prefix(netip.PrefixFrom(a, a.BitLen()))
	}
}

// errDamaged is what a decoder ends with when the bytes make no sense.
var errDamaged = errors.New("it is damaged: it ends or changes in the middle")

// decoder reads a snapshot and believes nothing: after the first error it gives
// zero values, and no list is longer than the bytes that are left.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() {
	d.err = errDamaged
	d.b = nil
}

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) int() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[size:]
	return n
}

// instant reads a time that toInstant could have made.
func (d *decoder) instant() instant {
	n := d.int()
	if n < 0 {
		d.fail()
		return 0
	}
	return instant(n)
}

// count reads the length of a list whose items take at least one byte each.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

// below reads a number that must be less than n.
func (d *decoder) below(n uint64) uint64 {
	v := d.uint()
	if v >= n {
		d.fail()
		return 0
	}
	return v
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.b) {
		d.fail()
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) string() string { return string(d.bytes(d.count())) }

func (d *decoder) strings() []string {
	n := d.count()
	if n == 0 {
		return nil
	}
	list := make([]string, 0, min(n, 1024))
	for range n {
		list = append(list, d.string())
	}
	return list
}

func (d *decoder) bool() bool { return d.below(2) == 1 }

func (d *decoder) prefix() netip.Prefix {
	bits, size := d.below(ipv4Mark+33), 16
	if bits >= ipv4Mark {
		bits, size = bits-ipv4Mark, 4
	}
	a, ok := netip.AddrFromSlice(d.bytes(size))
	p := netip.PrefixFrom(a, int(bits))
	if !ok || p != p.Masked() || a.Is4In6() {
		d.fail()
		return netip.Prefix{}
	}
	return p
}

func (d *decoder) addr() netip.Addr {
	if !d.bool() {
		return netip.Addr{}
	}
	return d.prefix().Addr()
}
