package state

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/p2pban/p2pban/jail"
)

// MaxHistory bounds the decisions remembered; the oldest go first. At some 60 to
// 1,200 bytes each this is 240 MB at the very most; 100,000 bans and their ends
// take some 40.
const MaxHistory = 200_000

// History lists past decisions, newest first, at most limit of them. A prefix
// finds those on it, on hosts inside it and on networks around it; the zero
// Prefix finds all.
func (s *Store) History(ctx context.Context, prefix netip.Prefix, limit int) ([]jail.Decision, error) {
	where, args := overlapping(prefix)
	rows, err := s.db.QueryContext(ctx,
		`SELECT packed FROM history WHERE `+where+` ORDER BY id DESC LIMIT ?`, append(args, max(limit, 0))...)
	if err != nil {
		return nil, s.classify("reading history in", err)
	}
	defer rows.Close()
	u := newUnpacker()
	var out []jail.Decision
	for rows.Next() {
		var packed sql.RawBytes // valid until the next row
		if err := rows.Scan(&packed); err != nil {
			return nil, s.classify("reading history in", err)
		}
		var d jail.Decision
		if err := u.unpackPast(packed, &d); err != nil {
			return nil, &DamagedError{Path: s.path, Err: fmt.Errorf("history: %w", err)}
		}
		out = append(out, d)
	}
	return out, s.classify("reading history in", rows.Err())
}

// overlapping is the condition that picks rows whose prefix shares addresses
// with p: those inside stand in a range of addresses, and those around it are
// one for each shorter length.
func overlapping(p netip.Prefix) (where string, args []any) {
	if !p.IsValid() {
		return "true", nil
	}
	p = p.Masked()
	// The networks stand beside the prefixes because they are what is indexed.
	var networks, prefixes []any
	for bits := range p.Bits() {
		around, _ := p.Addr().Prefix(bits) // never fails: bits is below p's own
		networks = append(networks, network(around.Addr()))
		prefixes = append(prefixes, around.String())
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", p.Bits()), ", ")
	where = `(network BETWEEN ? AND ? OR network IN (` + marks + `) AND prefix IN (` + marks + `))`
	return where, slices.Concat([]any{network(p.Addr()), network(lastAddr(p))}, networks, prefixes)
}

// network is the sort key of an address: its family, then its bytes.
func network(a netip.Addr) []byte {
	family := byte(6)
	if a.Is4() {
		family = 4
	}
	return append([]byte{family}, a.AsSlice()...)
}

// lastAddr is the highest address of a masked prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(b) // 4 or 16 bytes, as it was
	return last
}
