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

// schemaVersion is PRAGMA user_version; a change of the tables raises it, and
// migrate brings older ones up to it. 1 kept bans as JSON, 2 still the history,
// 3 no holes; up to 4 the keys of bans lay sorted in the file, and every decision
// of the history was a row in an index.
const schemaVersion = 5

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
// they end: a flood writes the end of the table and takes from its beginning.
// Which row is whose stands in memory, see index.
const bansTable = `
CREATE TABLE bans (
	id       INTEGER PRIMARY KEY,
	jail     TEXT NOT NULL,
	prefix   TEXT NOT NULL,
	packed   BLOB NOT NULL, -- by pack
	sum      INTEGER NOT NULL
) STRICT;
`

const historyTable = `
CREATE TABLE history (
	id       INTEGER PRIMARY KEY, -- the number of the last decision in it
	packed   BLOB NOT NULL        -- decisions, by appendPast
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

// read reads everything and checks it: whether the file is ours, of a schema we
// know, and as we wrote it. ids are the rows of the bans.
func (s *Store) read(ctx context.Context) (saved Saved, ids []int64, err error) {
	if empty, err := s.isNew(ctx); err != nil || empty {
		return saved, nil, err
	}
	version, err := s.checkIdentity(ctx)
	if err != nil {
		return saved, nil, err
	}
	if err := s.quickCheck(ctx); err != nil {
		return saved, nil, err
	}
	switch version {
	case 1:
		saved.Bans, ids, err = s.readBansBy(ctx, s.db, decodeJSON, `SELECT 0, jail, prefix, decision, sum FROM bans`)
	case 2:
		saved.Bans, ids, err = s.readBans(ctx, s.db, `SELECT 0, jail, prefix, packed, sum FROM bans`)
	default:
		saved.Bans, ids, err = s.readBans(ctx, s.db, banRows)
	}
	if err == nil {
		saved.Checkpoint, err = s.loadCheckpoint(ctx, s.db, version)
	}
	if err != nil {
		return Saved{}, nil, err
	}
	return saved, ids, nil
}

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
// date with what was read from it: saved, and the rows of the bans, ids.
func (s *Store) prepare(ctx context.Context, saved *Saved, ids []int64) error {
	if err := s.useWAL(ctx); err != nil {
		return err
	}
	empty, err := s.isNew(ctx)
	if err != nil {
		return err
	}
	if empty {
		err = s.inTx(ctx, "creating", func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, fmt.Sprintf("%s PRAGMA application_id = %d; PRAGMA user_version = %d;",
				schema, applicationID, schemaVersion))
			return err
		})
		if err != nil {
			return err
		}
	}
	version, err := s.checkIdentity(ctx)
	if err != nil {
		return err
	}
	if version < schemaVersion {
		err = s.inTx(ctx, "bringing up to date", func(tx *sql.Tx) error { return migrate(ctx, tx, version, saved, ids) })
		if err != nil {
			return err
		}
	}
	s.index = newIndex(saved.Bans, ids)
	return s.db.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM history`).Scan(&s.newest)
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
