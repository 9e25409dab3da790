package state

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/p2pban/p2pban/jail"
)

// SaveDecisions makes decisions durable in one transaction: a ban is put into
// the bans in force (replacing the jail's earlier one of that prefix), an unban
// takes it out, and all go into the history, held bans too. Call it before
// telling anybody.
func (s *Store) SaveDecisions(ctx context.Context, decisions []jail.Decision) error {
	if len(decisions) == 0 {
		return nil
	}
	return s.inTx(ctx, "saving decisions in", func(tx *sql.Tx) error {
		w := s.statements.in(ctx, tx)
		for i := range decisions {
			if err := w.write(ctx, &decisions[i]); err != nil {
				return err
			}
		}
		_, err := w.trim.ExecContext(ctx, MaxHistory)
		return err
	})
}

const putBanText = `INSERT OR REPLACE INTO bans (jail, prefix, packed, sum) VALUES (?, ?, ?, ?)`

// statements are those of SaveDecisions, prepared once: for a single ban,
// parsing them would be half of the work.
type statements struct{ put, drop, record, trim *sql.Stmt }

func (s *Store) prepareStatements(ctx context.Context) error {
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.statements.put, putBanText},
		{&s.statements.drop, `DELETE FROM bans WHERE jail = ? AND prefix = ?`},
		{&s.statements.record, `INSERT INTO history (network, prefix, packed) VALUES (?, ?, ?)`},
		{&s.statements.trim, `DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?`},
	} {
		var err error
		if *p.stmt, err = s.db.PrepareContext(ctx, p.text); err != nil {
			return err
		}
	}
	return nil
}

// in gives the statements for use in a transaction, with which they end.
func (w *statements) in(ctx context.Context, tx *sql.Tx) *statements {
	return &statements{tx.StmtContext(ctx, w.put), tx.StmtContext(ctx, w.drop), tx.StmtContext(ctx, w.record), tx.StmtContext(ctx, w.trim)}
}

func (w *statements) write(ctx context.Context, d *jail.Decision) error {
	packed, err := pack(d)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", d.Action, d.Prefix, err)
	}
	prefix := d.Prefix.String()
	switch d.Action {
	case jail.Ban:
		err = putBan(ctx, w.put, d.Jail, prefix, packed)
	case jail.Unban:
		_, err = w.drop.ExecContext(ctx, d.Jail, prefix)
	}
	if err != nil {
		return err
	}
	_, err = w.record.ExecContext(ctx, network(d.Prefix.Addr()), prefix, packPast(d.Action, packed))
	return err
}

// putBan puts one ban into the bans in force.
func putBan(ctx context.Context, put *sql.Stmt, jail, prefix string, packed []byte) error {
	_, err := put.ExecContext(ctx, jail, prefix, packed, sum([]byte(jail), []byte(prefix), packed))
	return err
}

// querier is what reads: the database, or a transaction on it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

var (
	_ querier = (*sql.DB)(nil)
	_ querier = (*sql.Tx)(nil)
)

// banRows selects what readBans reads.
const banRows = `SELECT jail, prefix, packed, sum FROM bans`

// readBans reads the bans in force that a query of banRows selects.
func (s *Store) readBans(ctx context.Context, q querier, query string, args ...any) ([]jail.Decision, error) {
	u := newUnpacker()
	return s.readBansBy(ctx, q, u.unpack, query, args...)
}

// readBansBy reads bans whose bytes decode into a decision by the given function.
func (s *Store) readBansBy(ctx context.Context, q querier, decode func([]byte, *jail.Decision) error, query string, args ...any) ([]jail.Decision, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var bans []jail.Decision
	for rows.Next() {
		var name, prefix, bytes sql.RawBytes // valid until the next row
		var want int64
		if err := rows.Scan(&name, &prefix, &bytes, &want); err != nil {
			return nil, err
		}
		if sum(name, prefix, bytes) != want {
			return nil, &DamagedError{Path: s.path, Err: errors.New("the checksum of a ban does not fit")}
		}
		if len(bans) == cap(bans) {
			bans = slices.Grow(bans, max(len(bans), 16)) // append would copy a long list again and again
		}
		bans = append(bans, jail.Decision{})
		if err := decode(bytes, &bans[len(bans)-1]); err != nil {
			return nil, &DamagedError{Path: s.path, Err: fmt.Errorf("the ban of %s: %w", prefix, err)}
		}
	}
	return bans, rows.Err()
}

// BansAfter gives the next bans in force, at most limit, in the order of jail
// and prefix (as text): those behind after, or the first ones if that is nil;
// of one jail, or of all if name is empty. A long list read so, page by page,
// holds nobody else up.
func (s *Store) BansAfter(ctx context.Context, after *jail.Decision, name string, limit int) ([]jail.Decision, error) {
	var afterJail, afterPrefix string
	if after != nil {
		afterJail, afterPrefix = after.Jail, after.Prefix.String()
	}
	bans, err := s.readBans(ctx, s.db,
		banRows+` WHERE (jail, prefix) > (?, ?) AND (? = '' OR jail = ?) ORDER BY jail, prefix LIMIT ?`,
		afterJail, afterPrefix, name, name, limit)
	if err != nil {
		return nil, s.classify("listing the bans in", err)
	}
	return bans, nil
}

// sum is CRC-32C over the parts, each after its length.
func sum(parts ...[]byte) int64 {
	table := crc32.MakeTable(crc32.Castagnoli)
	var crc uint32
	for _, p := range parts {
		crc = crc32.Update(crc, table, binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		crc = crc32.Update(crc, table, p)
	}
	return int64(crc)
}
