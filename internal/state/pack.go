package state

import (
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/p2pban/p2pban/jail"
)

// A ban in force is kept as bytes, not as JSON: a start reads every one of
// them, and JSON took 10 µs for each where this takes 0.4, which was half of
// what a start with 100,000 bans cost. So is the history, which a flood writes
// twice for every ban. Numbers are varints, texts and lists have their length before
// them, times are seconds and nanoseconds since 1970, and the fields stand in
// the order of jail.Decision. There is no version in it: schemaVersion says
// which of them are there.

// pack appends the bytes of a ban to b.
func pack(b []byte, d *jail.Decision) ([]byte, error) {
	ev := &d.Evidence
	p := packer{b: b}
	p.string(d.Jail)
	p.binary(d.Host)
	p.binary(d.Prefix)
	p.time(d.At)
	p.time(d.Until)
	p.int(d.Failures)
	p.count(len(ev.Rules))
	for _, rule := range slices.Sorted(maps.Keys(ev.Rules)) {
		p.string(rule)
		p.count(ev.Rules[rule])
	}
	p.time(ev.First)
	p.time(ev.Last)
	p.strings(ev.Peers)
	p.count(ev.PeerCount)
	p.count(len(ev.Ports))
	for _, port := range ev.Ports {
		p.count(int(port))
	}
	p.strings(ev.Transports)
	p.string(ev.Line)
	p.string(ev.Reason)
	p.count(ev.Folded)
	return p.b, p.err
}

// appendPast appends an entry of the history to b: how long it is, its action,
// which for a ban in force goes without saying, and what pack makes.
func appendPast(b []byte, a jail.Action, packed []byte) []byte {
	b = binary.AppendUvarint(b, uint64(1+len(packed)))
	return append(append(b, byte(a)), packed...)
}

// splitPast gives the entries that appendPast made, the oldest first.
func splitPast(b []byte) (entries [][]byte, err error) {
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, errPacked
		}
		entries = append(entries, b[size:][:n])
		b = b[size:][n:]
	}
	return entries, nil
}

type packer struct {
	b       []byte
	err     error
	scratch [32]byte
}

func (p *packer) int(n int64) { p.b = binary.AppendVarint(p.b, n) }
func (p *packer) count(n int) { p.int(int64(n)) }

func (p *packer) string(s string) {
	p.count(len(s))
	p.b = append(p.b, s...)
}

func (p *packer) strings(list []string) {
	p.count(len(list))
	for _, s := range list {
		p.string(s)
	}
}

func (p *packer) time(t time.Time) {
	p.int(t.Unix())
	p.int(int64(t.Nanosecond()))
}

// binary is for addresses and prefixes, which may be invalid.
func (p *packer) binary(v interface{ AppendBinary([]byte) ([]byte, error) }) {
	b, err := v.AppendBinary(p.scratch[:0])
	p.err = errors.Join(p.err, err)
	p.count(len(b))
	p.b = append(p.b, b...)
}

// errPacked says that bytes are no ban. Their checksum fitted, so it was not
// the disk that changed them.
var errPacked = errors.New("its bytes are not those of a ban")

// unpacker is the inverse of pack, for many bans after each other.
type unpacker struct {
	b   []byte
	bad bool
	// names are the texts that many bans have in common: jails, rules, transports.
	names map[string]string
}

func newUnpacker() *unpacker { return &unpacker{names: map[string]string{}} }

// unpack reads b into d, which is zero, and keeps nothing of it.
func (u *unpacker) unpack(b []byte, d *jail.Decision) error {
	u.b, u.bad = b, false
	ev := &d.Evidence
	d.Jail = u.name()
	u.binary(&d.Host)
	u.binary(&d.Prefix)
	d.At, d.Until = u.time(), u.time()
	d.Failures = u.int()
	if n := u.count(); n > 0 {
		ev.Rules = make(map[string]int, n)
		for range n {
			rule := u.name()
			ev.Rules[rule] = int(u.int())
		}
	}
	ev.First, ev.Last = u.time(), u.time()
	ev.Peers = u.list((*unpacker).string)
	ev.PeerCount = int(u.int())
	if n := u.count(); n > 0 {
		ev.Ports = make([]uint16, n)
		for i := range ev.Ports {
			ev.Ports[i] = uint16(u.int())
		}
	}
	ev.Transports = u.list((*unpacker).name)
	ev.Line, ev.Reason = u.string(), u.string()
	ev.Folded = int(u.int())
	if u.bad || len(u.b) > 0 {
		return errPacked
	}
	return nil
}

// unpackPast is unpack for an entry of the history.
func (u *unpacker) unpackPast(b []byte, d *jail.Decision) error {
	if len(b) == 0 || b[0] > byte(jail.Held) {
		return errPacked
	}
	d.Action = jail.Action(b[0])
	return u.unpack(b[1:], d)
}

// pastPrefix is the prefix of an entry of the history, without reading all of it.
func (u *unpacker) pastPrefix(b []byte) (p netip.Prefix, err error) {
	if len(b) == 0 {
		return p, errPacked
	}
	u.b, u.bad = b[1:], false
	u.bytes() // the jail
	u.bytes() // the host
	u.binary(&p)
	if u.bad {
		return p, errPacked
	}
	return p, nil
}

func (u *unpacker) int() int64 {
	n, size := binary.Varint(u.b)
	if size <= 0 {
		u.bad = true
		u.b = nil
		return 0
	}
	u.b = u.b[size:]
	return n
}

// count reads the length of what follows, each part of which has at least one
// byte: bytes that are no ban must not make us ask for memory.
func (u *unpacker) count() int {
	n := u.int()
	if n < 0 || n > int64(len(u.b)) {
		u.bad = true
		u.b = nil
		return 0
	}
	return int(n)
}

// bytes are good until the next unpack.
func (u *unpacker) bytes() []byte {
	n := u.count()
	out := u.b[:n]
	u.b = u.b[n:]
	return out
}

func (u *unpacker) string() string { return string(u.bytes()) }

func (u *unpacker) name() string {
	b := u.bytes()
	s, ok := u.names[string(b)]
	if !ok {
		s = string(b)
		u.names[s] = s
	}
	return s
}

func (u *unpacker) list(read func(*unpacker) string) []string {
	n := u.count()
	if n == 0 {
		return nil
	}
	out := make([]string, n)
	for i := range out {
		out[i] = read(u)
	}
	return out
}

func (u *unpacker) time() time.Time {
	seconds, nanoseconds := u.int(), u.int()
	return time.Unix(seconds, nanoseconds).UTC()
}

func (u *unpacker) binary(v interface{ UnmarshalBinary([]byte) error }) {
	if v.UnmarshalBinary(u.bytes()) != nil {
		u.bad = true
	}
}
