package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/p2pban/p2pban/jail"
)

// migrate brings a file of an older schema up to date. The bans, whose checksums
// fitted, are written anew from saved; ids becomes their rows.
func migrate(ctx context.Context, tx *sql.Tx, version int, saved *Saved, ids []int64) error {
	_, err := tx.ExecContext(ctx, `DROP TABLE bans; DROP INDEX history_network; ALTER TABLE history RENAME TO past;`+bansTable+historyTable)
	if err != nil {
		return err
	}
	if err := writeBans(ctx, tx, saved.Bans, ids); err != nil {
		return err
	}
	if err := rewriteHistory(ctx, tx, version); err != nil {
		return err
	}
	if version < 4 {
		if _, err := tx.ExecContext(ctx, `ALTER TABLE checkpoint ADD COLUMN holes TEXT NOT NULL DEFAULT '{}'`); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf(`DROP TABLE past; PRAGMA user_version = %d`, schemaVersion))
	return err
}

// writeBans fills the table of bans and sets ids to the rows.
func writeBans(ctx context.Context, tx *sql.Tx, bans []jail.Decision, ids []int64) error {
	put, err := tx.PrepareContext(ctx, putBanText)
	if err != nil {
		return err
	}
	defer put.Close()
	var packed []byte
	for i := range bans {
		d := &bans[i]
		ids[i] = int64(i) + 1
		if packed, err = pack(packed[:0], d); err == nil {
			err = putBan(ctx, put, ids[i], d, packed)
		}
		if err != nil {
			return fmt.Errorf("the ban of %s: %w", d.Prefix, err)
		}
	}
	return nil
}

// rewriteHistory puts into blocks what stands row by row in the table past: JSON
// in schemas 1 and 2, then an action and what pack makes.
func rewriteHistory(ctx context.Context, tx *sql.Tx, version int) error {
	column, read := "packed", readPacked
	if version < 3 {
		column, read = "decision", packJSON
	}
	rows, err := tx.QueryContext(ctx, `SELECT `+column+` FROM past ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	record, err := tx.PrepareContext(ctx, recordText)
	if err != nil {
		return err
	}
	defer record.Close()
	w := blocks{record: record}
	for rows.Next() {
		var past sql.RawBytes
		if err := rows.Scan(&past); err != nil {
			return err
		}
		action, packed, err := read(past)
		if err == nil {
			err = w.add(ctx, action, packed)
		}
		if err != nil {
			return fmt.Errorf("history: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return w.flush(ctx)
}

func readPacked(past []byte) (jail.Action, []byte, error) {
	if len(past) == 0 {
		return 0, nil, errPacked
	}
	return jail.Action(past[0]), past[1:], nil
}

func packJSON(text []byte) (jail.Action, []byte, error) {
	var d jail.Decision
	if err := decodeJSON(text, &d); err != nil {
		return 0, nil, err
	}
	packed, err := pack(nil, &d)
	return d.Action, packed, err
}

func decodeJSON(text []byte, d *jail.Decision) error { return json.Unmarshal(text, d) }
