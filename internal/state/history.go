package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/p2pban/p2pban/jail"
)

// MaxHistory bounds the decisions remembered; the oldest go first, blocks of them
// at once. At some 60 to 1,200 bytes each this is 240 MB at the very most; 100,000
// bans and their ends take some 40.
const MaxHistory = 200_000

const (
	// blockSize is at how many bytes a row of the history is full. What is saved
	// together lies together, so that a flood writes whole pages and no index; a
	// ban that is saved alone is a row alone.
	blockSize = 32 << 10
	// historyPage is how many bytes of the history are read before others may.
	historyPage = 4 << 20
)

const recordText = `INSERT INTO history (id, packed) VALUES (?, ?)`

// blocks writes decisions into the history.
type blocks struct {
	record *sql.Stmt // of recordText
	newest int64     // the number of the last decision added
	b      []byte    // not written yet
}

func (w *blocks) add(ctx context.Context, a jail.Action, packed []byte) error {
	w.b = appendPast(w.b, a, packed)
	w.newest++
	if len(w.b) < blockSize {
		return nil
	}
	return w.flush(ctx)
}

func (w *blocks) flush(ctx context.Context) error {
	if len(w.b) == 0 {
		return nil
	}
	_, err := w.record.ExecContext(ctx, w.newest, w.b)
	w.b = w.b[:0]
	return err
}

// History lists past decisions, newest first, at most limit of them. A prefix
// finds those on it, on hosts inside it and on networks around it; the zero
// Prefix finds all. It is searched from its newest to its oldest, some tenths of
// a second when it is full, and nobody else waits for that.
func (s *Store) History(ctx context.Context, prefix netip.Prefix, limit int) ([]jail.Decision, error) {
	f := finder{prefix: prefix.Masked(), limit: limit, before: math.MaxInt64, u: newUnpacker()}
	for len(f.found) < f.limit && f.before > 0 {
		err := f.page(ctx, s.db)
		if errors.Is(err, errPacked) {
			err = &DamagedError{Path: s.path, Err: fmt.Errorf("history: %w", err)}
		}
		if err != nil {
			return nil, s.classify("reading history in", err)
		}
	}
	return f.found, nil
}

// finder searches the history.
type finder struct {
	prefix netip.Prefix
	limit  int
	before int64 // the row from which on all was searched; 0 when all was
	found  []jail.Decision
	u      *unpacker
}

// page searches some blocks.
func (f *finder) page(ctx context.Context, q querier) error {
	rows, err := q.QueryContext(ctx, `SELECT id, packed FROM history WHERE id < ? ORDER BY id DESC`, f.before)
	if err != nil {
		return err
	}
	defer rows.Close()
	f.before = 0
	for read := 0; rows.Next(); {
		var id int64
		var b sql.RawBytes // valid until the next row
		if err := rows.Scan(&id, &b); err != nil {
			return err
		}
		if err := f.block(b); err != nil {
			return err
		}
		if read += len(b); read >= historyPage || len(f.found) == f.limit {
			f.before = id
			return nil
		}
	}
	return rows.Err()
}

// block searches one block.
func (f *finder) block(b []byte) error {
	entries, err := splitPast(b)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(entries) {
		if len(f.found) == f.limit {
			return nil
		}
		if f.prefix.IsValid() {
			p, err := f.u.pastPrefix(e)
			if err != nil {
				return err
			}
			if !p.Overlaps(f.prefix) {
				continue
			}
		}
		var d jail.Decision
		if err := f.u.unpackPast(e, &d); err != nil {
			return err
		}
		f.found = append(f.found, d)
	}
	return nil
}
