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

// schemaVersion is PRAGMA user_version. A change of the tables raises it and
// adds its step to prepare.
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

// prepare checks that the file is ours, whole and of a schema we know, and
// makes the tables in a new one.
func (s *Store) prepare(ctx context.Context) error {
	var tables, application, version int
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil {
		return err
	}
	if err := s.db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&application); err != nil {
		return err
	}
	if err := s.db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	switch {
	case tables == 0 && application == 0:
		return s.create(ctx)
	case application != applicationID:
		return s.notOurs(ctx)
	case version > schemaVersion:
		return &NewerError{Path: s.path, Schema: version, Ours: schemaVersion}
	case version < schemaVersion:
		return &DamagedError{Path: s.path, Err: fmt.Errorf("no p2pban ever wrote schema %d", version)}
	}
	return s.quickCheck(ctx)
}

func (s *Store) create(ctx context.Context) error {
	return s.inTx(ctx, "creating", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, fmt.Sprintf("%s PRAGMA application_id = %d; PRAGMA user_version = %d;",
			schema, applicationID, schemaVersion))
		return err
	})
}

// notOurs tells another program's database from ours with a damaged header:
// ours still has its tables.
func (s *Store) notOurs(ctx context.Context) error {
	var ours int
	err := s.db.QueryRowContext(ctx,
		`SELECT count(*) FROM sqlite_schema WHERE name IN ('bans', 'history', 'checkpoint', 'snapshot')`).Scan(&ours)
	if err != nil {
		return err
	}
	return &DamagedError{Path: s.path, Foreign: ours < 4, Err: errors.New("its application id is another program's")}
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
