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
	s.saving.Lock()
	defer s.saving.Unlock()
	defer s.leaveRoom(ctx)
	moves := s.index.moves(decisions)
	newest := s.newest + int64(len(decisions))
	err := s.inTx(ctx, "saving decisions in", func(tx *sql.Tx) error {
		w := s.statements.in(ctx, tx)
		for _, ids := range left(moves) {
			if _, err := w.drop.ExecContext(ctx, ids[0], ids[1]); err != nil {
				return err
			}
		}
		if err := w.write(ctx, decisions, moves, s.newest); err != nil {
			return err
		}
		_, err := w.trim.ExecContext(ctx, newest-MaxHistory)
		return err
	})
	if err == nil {
		s.index.take(moves)
		s.newest = newest
	}
	return err
}

// SaveInForce makes the bans in force exactly these, in one transaction, and
// leaves the history as it is: for a caller that has not kept every decision
// that led to them.
func (s *Store) SaveInForce(ctx context.Context, bans []jail.Decision) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	defer s.leaveRoom(ctx)
	ids := make([]int64, len(bans))
	err := s.inTx(ctx, "saving the bans in force in", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM bans`); err != nil {
			return err
		}
		return writeBans(ctx, tx, bans, ids)
	})
	if err == nil {
		s.index = newIndex(bans, ids)
	}
	return err
}

const putBanText = `INSERT INTO bans (id, jail, prefix, packed, sum) VALUES (?, ?, ?, ?, ?)`

// statements are those of SaveDecisions, prepared once: for a single ban,
// parsing them would be half of the work.
type statements struct{ put, drop, record, trim *sql.Stmt }

func (s *Store) prepareStatements(ctx context.Context) error {
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.statements.put, putBanText},
		{&s.statements.drop, `DELETE FROM bans WHERE id BETWEEN ? AND ?`},
		{&s.statements.record, recordText},
		{&s.statements.trim, `DELETE FROM history WHERE id <= ?`},
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

// write puts decisions into the history, after the newest there, and the bans
// among them that moves give a row into it.
func (w *statements) write(ctx context.Context, decisions []jail.Decision, moves []move, newest int64) error {
	history := blocks{record: w.record, newest: newest}
	var packed []byte
	for i := range decisions {
		d := &decisions[i]
		var err error
		if packed, err = pack(packed[:0], d); err != nil {
			return fmt.Errorf("%s of %s: %w", d.Action, d.Prefix, err)
		}
		if err := history.add(ctx, d.Action, packed); err != nil {
			return err
		}
		if len(moves) == 0 || moves[0].of != i {
			continue
		}
		if id := moves[0].to; id != 0 {
			if err := putBan(ctx, w.put, id, d, packed); err != nil {
				return err
			}
		}
		moves = moves[1:]
	}
	return history.flush(ctx)
}

// putBan puts one ban into the bans in force.
func putBan(ctx context.Context, put *sql.Stmt, id int64, d *jail.Decision, packed []byte) error {
	prefix := d.Prefix.String()
	_, err := put.ExecContext(ctx, id, d.Jail, prefix, packed, sum([]byte(d.Jail), []byte(prefix), packed))
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
const banRows = `SELECT id, jail, prefix, packed, sum FROM bans`

// readBans reads the bans in force that a query of banRows selects, and the rows
// they lie in.
func (s *Store) readBans(ctx context.Context, q querier, query string, args ...any) ([]jail.Decision, []int64, error) {
	u := newUnpacker()
	return s.readBansBy(ctx, q, u.unpack, query, args...)
}

// readBansBy reads bans whose bytes decode into a decision by the given function.
func (s *Store) readBansBy(ctx context.Context, q querier, decode func([]byte, *jail.Decision) error, query string, args ...any) (bans []jail.Decision, ids []int64, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, prefix, bytes sql.RawBytes // valid until the next row
		var id, want int64
		if err := rows.Scan(&id, &name, &prefix, &bytes, &want); err != nil {
			return nil, nil, err
		}
		if sum(name, prefix, bytes) != want {
			return nil, nil, &DamagedError{Path: s.path, Err: errors.New("the checksum of a ban does not fit")}
		}
		if len(bans) == cap(bans) {
			bans = slices.Grow(bans, max(len(bans), 16)) // append would copy a long list again and again
		}
		bans, ids = append(bans, jail.Decision{}), append(ids, id)
		if err := decode(bytes, &bans[len(bans)-1]); err != nil {
			return nil, nil, &DamagedError{Path: s.path, Err: fmt.Errorf("the ban of %s: %w", prefix, err)}
		}
	}
	return bans, ids, rows.Err()
}

// BansAfter gives the next bans in force, at most limit, in the order in which
// they were made: those behind after, or the first ones if that is 0; of one
// jail, or of all if name is empty. last is where the next call goes on. A long
// list read so, page by page, holds nobody else up; a ban that is made anew
// meanwhile may stand in it twice.
func (s *Store) BansAfter(ctx context.Context, after int64, name string, limit int) (bans []jail.Decision, last int64, err error) {
	bans, ids, err := s.readBans(ctx, s.db, banRows+` WHERE id > ? AND (? = '' OR jail = ?) ORDER BY id LIMIT ?`, after, name, name, limit)
	if err != nil {
		return nil, after, s.classify("listing the bans in", err)
	}
	if len(ids) > 0 {
		after = ids[len(ids)-1]
	}
	return bans, after, nil
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
