package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// applicationID marks the file as ours (PRAGMA application_id): "p2pb".
const applicationID = 0x70327062

// schemaVersion is PRAGMA user_version; a change of the tables raises it.
const schemaVersion = 1

// Every row of bans, and the checkpoint as a whole, carries a checksum: SQLite
// notices a broken tree but not a changed byte, and a changed byte in a prefix
// would keep somebody else out.
const schema = `
CREATE TABLE bans (
	jail     TEXT NOT NULL,
	prefix   TEXT NOT NULL,
	decision TEXT NOT NULL, -- JSON
	sum      INTEGER NOT NULL,
	PRIMARY KEY (jail, prefix)
) STRICT, WITHOUT ROWID;

CREATE TABLE history (
	id       INTEGER PRIMARY KEY,
	network  BLOB NOT NULL, -- 4 or 6, then the prefix's address
	prefix   TEXT NOT NULL,
	decision TEXT NOT NULL  -- JSON
) STRICT;
CREATE INDEX history_network ON history (network);

CREATE TABLE checkpoint (
	id         INTEGER PRIMARY KEY CHECK (id = 1),
	generation INTEGER NOT NULL,
	clock      TEXT NOT NULL,
	cursors    TEXT NOT NULL, -- JSON
	sum        INTEGER NOT NULL
) STRICT;

CREATE TABLE snapshot (
	generation INTEGER NOT NULL,
	part       INTEGER NOT NULL,
	data       BLOB NOT NULL,
	PRIMARY KEY (generation, part)
) STRICT;
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

// check reads everything: whether the file is ours, of a schema we know, and
// as we wrote it.
func (s *Store) check(ctx context.Context) error {
	if empty, err := s.isNew(ctx); err != nil || empty {
		return err
	}
	if err := s.checkIdentity(ctx); err != nil {
		return err
	}
	if err := s.quickCheck(ctx); err != nil {
		return err
	}
	if err := s.eachBan(ctx, s.db, func([]byte) error { return nil }, banRows); err != nil {
		return err
	}
	_, err := s.loadCheckpoint(ctx, s.db)
	return err
}

func (s *Store) checkIdentity(ctx context.Context) error {
	var ours, application, version int
	err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (`+tables+`)`).Scan(&ours)
	if err != nil {
		return err
	}
	if err := s.db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&application); err != nil {
		return err
	}
	if err := s.db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	switch {
	case application != applicationID:
		// Ours with a damaged header still has its tables.
		return &DamagedError{Path: s.path, Foreign: ours < 4, Err: errors.New("it is marked as another program's database")}
	case version > schemaVersion:
		return &NewerError{Path: s.path, Schema: version, Ours: schemaVersion}
	case version < schemaVersion:
		return &DamagedError{Path: s.path, Err: fmt.Errorf("no p2pban ever wrote schema %d", version)}
	case ours < 4:
		return &DamagedError{Path: s.path, Err: fmt.Errorf("only %d of its 4 tables are there", ours)}
	}
	return nil
}

// prepare makes the tables in a new file. A change of the schema adds its step
// here.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.useWAL(ctx); err != nil {
		return err
	}
	if empty, err := s.isNew(ctx); err != nil || !empty {
		return err
	}
	return s.inTx(ctx, "creating", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, fmt.Sprintf("%s PRAGMA application_id = %d; PRAGMA user_version = %d;",
			schema, applicationID, schemaVersion))
		return err
	})
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
