package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/p2pban/p2pban/jail"
)

// Checkpoint is how far everything was read and what the jail made of it,
// taken at one moment.
type Checkpoint struct {
	// Clock is the jail's clock; zero if it has seen no event.
	Clock time.Time
	// Cursors says by source name where to read on.
	Cursors map[string]string
	// Holes says by source and stream which holes, by their names, the lines
	// before the cursor have shown.
	Holes map[string]map[string][]string
	// Snapshot is the jail's own, opaque here.
	Snapshot []byte
}

// Saved is what a state file holds.
type Saved struct {
	// Bans are the bans in force when last saved, as they were made, with
	// those whose end has come since: the jail lifts them itself.
	Bans []jail.Decision
	// Checkpoint is the last one that was completed; zero if there was none.
	Checkpoint Checkpoint
}

// snapshotPart is the size of the rows a snapshot is cut into, in bytes. Each
// is a transaction of its own, so that a ban never waits for a large snapshot.
const snapshotPart = 1 << 20

// Checkpoint replaces the last checkpoint. Whenever the process is killed, the
// file holds either the old one or the new one, whole. The caller doesn't
// change c until it returns.
func (s *Store) Checkpoint(ctx context.Context, c Checkpoint) error {
	s.checkpointing.Lock()
	defer s.checkpointing.Unlock()
	cursors, err := json.Marshal(c.Cursors)
	if err != nil {
		return s.classify("saving a checkpoint in", err)
	}
	holes := []byte(noHoles)
	if len(c.Holes) > 0 {
		if holes, err = json.Marshal(c.Holes); err != nil {
			return s.classify("saving a checkpoint in", err)
		}
	}
	clock := c.Clock.UTC().Format(time.RFC3339Nano)
	var last int64
	err = s.db.QueryRowContext(ctx, `SELECT generation FROM checkpoint`).Scan(&last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s.classify("saving a checkpoint in", err)
	}
	// An earlier call may have been broken off; its parts must not mix with ours.
	if err := s.dropSnapshotsExcept(ctx, last); err != nil {
		return err
	}
	if err := s.writeSnapshot(ctx, last+1, c.Snapshot); err != nil {
		return err
	}
	err = s.inTx(ctx, "saving a checkpoint in", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`INSERT OR REPLACE INTO checkpoint (id, generation, clock, cursors, sum, holes) VALUES (1, ?, ?, ?, ?, ?)`,
			last+1, clock, string(cursors), checkpointSum(clock, cursors, c.Snapshot, holes), string(holes))
		return err
	})
	if err != nil {
		return err
	}
	if !s.unmarked {
		err := os.Remove(s.path + markSuffix) // what can't be removed now the next one tries
		s.unmarked = err == nil || errors.Is(err, fs.ErrNotExist)
	}
	return s.dropSnapshotsExcept(ctx, last+1)
}

// noHoles is the column holes where there are none.
const noHoles = "{}"

// checkpointSum leaves out holes where there are none: older files have no such
// column.
func checkpointSum(clock string, cursors, snapshot, holes []byte) int64 {
	if string(holes) == noHoles {
		return sum([]byte(clock), cursors, snapshot)
	}
	return sum([]byte(clock), cursors, snapshot, holes)
}

func (s *Store) writeSnapshot(ctx context.Context, generation int64, data []byte) error {
	for part := 0; len(data) > 0; part++ {
		n := min(len(data), snapshotPart)
		_, err := s.db.ExecContext(ctx,
			`INSERT INTO snapshot (generation, part, data) VALUES (?, ?, ?)`, generation, part, data[:n])
		s.leaveRoom(ctx)
		if err != nil {
			return s.classify("saving a checkpoint in", err)
		}
		data = data[n:]
	}
	return nil
}

// dropSnapshotsExcept deletes the parts of other generations, one at a time.
func (s *Store) dropSnapshotsExcept(ctx context.Context, generation int64) error {
	for {
		r, err := s.db.ExecContext(ctx, `DELETE FROM snapshot WHERE rowid =
			(SELECT rowid FROM snapshot WHERE generation <> ? LIMIT 1)`, generation)
		if err != nil {
			return s.classify("saving a checkpoint in", err)
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return s.classify("saving a checkpoint in", err)
		}
	}
}

func (s *Store) loadCheckpoint(ctx context.Context, q querier, version int) (Checkpoint, error) {
	var c Checkpoint
	var generation, want int64
	var clock, cursors, holes string
	column := "holes"
	if version < 4 {
		column = "'" + noHoles + "'"
	}
	err := q.QueryRowContext(ctx, `SELECT generation, clock, cursors, sum, `+column+` FROM checkpoint`).
		Scan(&generation, &clock, &cursors, &want, &holes)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	if c.Snapshot, err = loadSnapshot(ctx, q, generation); err != nil {
		return c, err
	}
	if checkpointSum(clock, []byte(cursors), c.Snapshot, []byte(holes)) != want {
		return c, &DamagedError{Path: s.path, Err: errors.New("the checksum of the checkpoint does not fit")}
	}
	if c.Clock, err = time.Parse(time.RFC3339Nano, clock); err != nil {
		return c, &DamagedError{Path: s.path, Err: fmt.Errorf("the checkpoint's clock: %w", err)}
	}
	if err := json.Unmarshal([]byte(cursors), &c.Cursors); err != nil {
		return c, &DamagedError{Path: s.path, Err: fmt.Errorf("the checkpoint's cursors: %w", err)}
	}
	if holes == noHoles {
		return c, nil
	}
	if err := json.Unmarshal([]byte(holes), &c.Holes); err != nil {
		return c, &DamagedError{Path: s.path, Err: fmt.Errorf("the checkpoint's holes: %w", err)}
	}
	return c, nil
}

func loadSnapshot(ctx context.Context, q querier, generation int64) ([]byte, error) {
	rows, err := q.QueryContext(ctx, `SELECT data FROM snapshot WHERE generation = ? ORDER BY part`, generation)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []byte
	for rows.Next() {
		var part sql.RawBytes
		if err := rows.Scan(&part); err != nil {
			return nil, err
		}
		if cap(out)-len(out) < len(part) {
			out = slices.Grow(out, max(len(part), len(out))) // a long one is not copied for each part
		}
		out = append(out, part...)
	}
	return out, rows.Err()
}
