package state

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/p2pban/p2pban/jail"
)

// SaveDecisions makes decisions durable in one transaction: a ban is put into
// the bans in force (replacing the jail's earlier one of that prefix), an unban
// takes it out, and all go into the history, held bans too. Call it before
// enforcing.
//
// Text that is no valid UTF-8 comes back with U+FFFD for each bad byte.
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

// statements are those of SaveDecisions, prepared once: for a single ban,
// parsing them would be half of the work.
type statements struct{ put, drop, record, trim *sql.Stmt }

func (s *Store) prepareStatements(ctx context.Context) error {
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.statements.put, `INSERT OR REPLACE INTO bans (jail, prefix, decision, sum) VALUES (?, ?, ?, ?)`},
		{&s.statements.drop, `DELETE FROM bans WHERE jail = ? AND prefix = ?`},
		{&s.statements.record, `INSERT INTO history (network, prefix, decision) VALUES (?, ?, ?)`},
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
	text, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", d.Action, d.Prefix, err)
	}
	prefix := d.Prefix.String()
	switch d.Action {
	case jail.Ban:
		_, err = w.put.ExecContext(ctx, d.Jail, prefix, string(text), sum([]byte(d.Jail), []byte(prefix), text))
	case jail.Unban:
		_, err = w.drop.ExecContext(ctx, d.Jail, prefix)
	}
	if err != nil {
		return err
	}
	_, err = w.record.ExecContext(ctx, network(d.Prefix.Addr()), prefix, string(text))
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

// banRows is what eachBan reads.
const banRows = `SELECT jail, prefix, decision, sum FROM bans`

// eachBan gives the JSON of the bans that a query of banRows selects. Its
// memory is valid until f returns.
func (s *Store) eachBan(ctx context.Context, q querier, f func(decision []byte) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, prefix, text sql.RawBytes
		var want int64
		if err := rows.Scan(&name, &prefix, &text, &want); err != nil {
			return err
		}
		if sum(name, prefix, text) != want {
			return &DamagedError{Path: s.path, Err: errors.New("the checksum of a ban does not fit")}
		}
		if err := f(text); err != nil {
			return err
		}
	}
	return rows.Err()
}

// loadBans reads the bans in force that a query of banRows selects.
func (s *Store) loadBans(ctx context.Context, q querier, query string, args ...any) (bans []jail.Decision, err error) {
	err = s.eachBan(ctx, q, func(text []byte) error {
		var d jail.Decision
		if err := json.Unmarshal(text, &d); err != nil {
			return &DamagedError{Path: s.path, Err: fmt.Errorf("a ban: %w", err)}
		}
		bans = append(bans, d)
		return nil
	}, query, args...)
	return bans, err
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
	bans, err := s.loadBans(ctx, s.db,
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
