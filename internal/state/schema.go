package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/p2pban/p2pban/jail"
)

// applicationID marks the file as ours (PRAGMA application_id): "p2pb".
const applicationID = 0x70327062

// schemaVersion is PRAGMA user_version; a change of the tables raises it, and
// migrate brings older ones up to it. 1 kept bans as JSON, 2 still the history,
// 3 no holes.
const schemaVersion = 4

// Every row of bans, and the checkpoint as a whole, carries a checksum: SQLite
// notices a broken tree but not a changed byte, and a changed byte in a prefix
// would keep somebody else out.
const schema = bansTable + historyTable + `
CREATE TABLE checkpoint (
	id         INTEGER PRIMARY KEY CHECK (id = 1),
	generation INTEGER NOT NULL,
	clock      TEXT NOT NULL,
	cursors    TEXT NOT NULL, -- JSON
	sum        INTEGER NOT NULL,
	holes      TEXT NOT NULL DEFAULT '{}' -- JSON
) STRICT;

CREATE TABLE snapshot (
	generation INTEGER NOT NULL,
	part       INTEGER NOT NULL,
	data       BLOB NOT NULL,
	PRIMARY KEY (generation, part)
) STRICT;
`

// Bans lie in the order in which they were made, which is about that in which
// they end, and only their keys lie sorted. Where whole bans lay by prefix, each
// decision of a flood wrote a page of its own.
const bansTable = `
CREATE TABLE bans (
	id       INTEGER PRIMARY KEY,
	jail     TEXT NOT NULL,
	prefix   TEXT NOT NULL,
	packed   BLOB NOT NULL, -- by pack
	sum      INTEGER NOT NULL,
	UNIQUE (jail, prefix)
) STRICT;
`

const historyTable = `
CREATE TABLE history (
	id       INTEGER PRIMARY KEY,
	network  BLOB NOT NULL, -- 4 or 6, then the prefix's address
	prefix   TEXT NOT NULL,
	packed   BLOB NOT NULL  -- by packPast
) STRICT;
CREATE INDEX history_network ON history (network);
`

// tables are the names in schema.
const tables = `'bans', 'history', 'checkpoint', 'snapshot'`

// isNew tells whether the file holds nothing yet: we were killed in the moment
// of making it.
func (s *Store) isNew(ctx context.Context) (bool, error) {
	var objects, application int
	err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&objects)
	if err == nil {
		err = s.db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&application)
	}
	return objects == 0 && application == 0, err
}

// read reads everything and checks it: whether the file is ours, of a schema we
// know, and as we wrote it.
func (s *Store) read(ctx context.Context) (saved Saved, err error) {
	if empty, err := s.isNew(ctx); err != nil || empty {
		return saved, err
	}
	version, err := s.checkIdentity(ctx)
	if err != nil {
		return saved, err
	}
	if err := s.quickCheck(ctx); err != nil {
		return saved, err
	}
	if version == 1 {
		saved.Bans, err = s.readBansBy(ctx, s.db, decodeJSON, `SELECT jail, prefix, decision, sum FROM bans`)
	} else {
		saved.Bans, err = s.readBans(ctx, s.db, banRows)
	}
	if err != nil {
		return Saved{}, err
	}
	if saved.Checkpoint, err = s.loadCheckpoint(ctx, s.db, version); err != nil {
		return Saved{}, err
	}
	return saved, nil
}

func decodeJSON(text []byte, d *jail.Decision) error { return json.Unmarshal(text, d) }

// checkIdentity gives the version of the schema.
func (s *Store) checkIdentity(ctx context.Context) (version int, err error) {
	var ours, application int
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (`+tables+`)`).Scan(&ours)
	if err != nil {
		return 0, err
	}
	if err := s.db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&application); err != nil {
		return 0, err
	}
	if err := s.db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return 0, err
	}
	switch {
	case application != applicationID:
		// Ours with a damaged header still has its tables.
		return 0, &DamagedError{Path: s.path, Foreign: ours < 4, Err: errors.New("it is marked as another program's database")}
	case version > schemaVersion:
		return 0, &NewerError{Path: s.path, Schema: version, Ours: schemaVersion}
	case version < 1:
		return 0, &DamagedError{Path: s.path, Err: fmt.Errorf("no p2pban ever wrote schema %d", version)}
	case ours < 4:
		return 0, &DamagedError{Path: s.path, Err: fmt.Errorf("only %d of its 4 tables are there", ours)}
	}
	return version, nil
}

// prepare makes the tables in a new file, and brings those of an old one up to
// date with what was read from it.
func (s *Store) prepare(ctx context.Context, saved *Saved) error {
	if err := s.useWAL(ctx); err != nil {
		return err
	}
	empty, err := s.isNew(ctx)
	if err != nil {
		return err
	}
	if empty {
		return s.inTx(ctx, "creating", func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, fmt.Sprintf("%s PRAGMA application_id = %d; PRAGMA user_version = %d;",
				schema, applicationID, schemaVersion))
			return err
		})
	}
	version, err := s.checkIdentity(ctx)
	if err != nil || version == schemaVersion {
		return err
	}
	return s.inTx(ctx, "bringing up to date", func(tx *sql.Tx) error { return migrate(ctx, tx, version, saved) })
}

// migrate brings an older file up to date.
func migrate(ctx context.Context, tx *sql.Tx, version int, saved *Saved) error {
	if version < 3 {
		if err := repack(ctx, tx, saved); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`ALTER TABLE checkpoint ADD COLUMN holes TEXT NOT NULL DEFAULT '{}'; PRAGMA user_version = %d`, schemaVersion))
	return err
}

// repack turns the JSON of schemas 1 and 2 into what pack and packPast make, the
// bans from what was read of them.
func repack(ctx context.Context, tx *sql.Tx, saved *Saved) error {
	_, err := tx.ExecContext(ctx, `DROP TABLE bans; DROP INDEX history_network; ALTER TABLE history RENAME TO past;`+bansTable+historyTable)
	if err != nil {
		return err
	}
	put, err := tx.PrepareContext(ctx, putBanText)
	if err != nil {
		return err
	}
	defer put.Close()
	for i := range saved.Bans {
		d := &saved.Bans[i]
		packed, err := pack(d)
		if err == nil {
			err = putBan(ctx, put, d.Jail, d.Prefix.String(), packed)
		}
		if err != nil {
			return fmt.Errorf("the ban of %s: %w", d.Prefix, err)
		}
	}
	if err := repackHistory(ctx, tx); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DROP TABLE past`)
	return err
}

// repackHistory turns the JSON of schemas 1 and 2, in the table past, into what
// packPast makes.
func repackHistory(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `SELECT id, network, prefix, decision FROM past`)
	if err != nil {
		return err
	}
	defer rows.Close()
	insert, err := tx.PrepareContext(ctx, `INSERT INTO history (id, network, prefix, packed) VALUES (?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for rows.Next() {
		var id int64
		var network []byte
		var prefix, text string
		if err := rows.Scan(&id, &network, &prefix, &text); err != nil {
			return err
		}
		var d jail.Decision
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return fmt.Errorf("history: %w", err)
		}
		packed, err := pack(&d)
		if err != nil {
			return fmt.Errorf("history: %w", err)
		}
		if _, err := insert.ExecContext(ctx, id, network, prefix, packPast(d.Action, packed)); err != nil {
			return err
		}
	}
	return rows.Err()
}

// useWAL puts the file into WAL mode, where it stays.
func (s *Store) useWAL(ctx context.Context) error {
	var mode string
	if err := s.db.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" { // a file system without shared memory
		return fmt.Errorf("its file system allows only journal mode %q, not WAL; use a local disk", mode)
	}
	return nil
}

// quickCheck has SQLite walk every page.
func (s *Store) quickCheck(ctx context.Context) error {
	rows, err := s.db.QueryContext(ctx, `PRAGMA quick_check(3)`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		if line != "ok" {
			found = append(found, line)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if found != nil {
		return &DamagedError{Path: s.path, Err: errors.New(strings.Join(found, "; "))}
	}
	return nil
}
