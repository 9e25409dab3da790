package state

import (
	"context"
	"database/sql"
	"maps"
	"net/netip"
	"net/url"
	"slices"

	"github.com/p2pban/p2pban/jail"
)

// salvage reads what can still be read of a damaged file: the bans whose checksums
// fit, and the checkpoint if its does. What is damaged is most often one page of
// many; whoever was out by another stays out.
func salvage(path string) (saved Saved) {
	s, err := connect(path, url.Values{"mode": {"ro"}})
	if err != nil {
		return saved
	}
	defer s.db.Close()
	ctx := context.Background()
	if version, err := s.checkIdentity(ctx); err != nil || version != schemaVersion {
		return saved
	}
	saved.Bans = s.wholeBans(ctx)
	if c, err := s.loadCheckpoint(ctx, s.db, schemaVersion); err == nil {
		saved.Checkpoint = c
	}
	return saved
}

// wholeBans reads the bans from both ends, each time up to a page that can't be
// read, and leaves out rows that are not as they were written.
func (s *Store) wholeBans(ctx context.Context) []jail.Decision {
	byRow := map[int64]jail.Decision{}
	for _, order := range []string{"ASC", "DESC"} {
		if s.readWhole(ctx, banRows+` ORDER BY id `+order, byRow) == nil {
			break // there is no such page
		}
	}
	type key struct {
		jail   string
		prefix netip.Prefix
	}
	last := map[key]int64{} // a damaged tree may lead to rows that were dropped
	for id, d := range byRow {
		k := key{d.Jail, d.Prefix}
		last[k] = max(last[k], id)
	}
	var bans []jail.Decision
	for _, id := range slices.Sorted(maps.Values(last)) {
		bans = append(bans, byRow[id])
	}
	return bans
}

// readWhole adds to byRow the bans that a query of banRows selects and whose
// checksums fit, up to an error.
func (s *Store) readWhole(ctx context.Context, query string, byRow map[int64]jail.Decision) error {
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	u := newUnpacker()
	for rows.Next() {
		var name, prefix, packed sql.RawBytes // valid until the next row
		var id, want int64
		var d jail.Decision
		if rows.Scan(&id, &name, &prefix, &packed, &want) == nil && sum(name, prefix, packed) == want && u.unpack(packed, &d) == nil {
			byRow[id] = d
		}
	}
	return rows.Err()
}
