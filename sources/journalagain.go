package sources

import (
	"context"
	"errors"
	"os"
	"time"
)

// A journalctl that follows can stand still before an entry that is there: the
// library in it has the race that libsystemd.more tells of (measured with systemd
// 252: an entry written just when journalctl looks for the one before stayed
// unseen until the next one), and it may hang. So whether the journal has grown
// since journalctl last said something is looked at from outside, and if it says no
// more, another one is started behind the last entry.
const (
	// lookAgainEvery is how often that is looked at.
	lookAgainEvery = time.Second
	// standsStill is how long a journal must not have grown: journalctl is told
	// of new entries within 250 ms, and an entry more wakes it.
	standsStill = 2 * time.Second
	// restartEvery bounds how often another one is started: a journal grows by
	// entries that are not ours too, and each opens all files of the journal.
	restartEvery = 30 * time.Second
)

// errPositionGone says that the entry behind which another journalctl was to go
// on is no more.
var errPositionGone = errors.New("journalctl: the entry read last was deleted")

// await waits until there is something to read.
func (c *journalctl) await(ctx context.Context) error {
	for {
		if err := c.pipe.SetReadDeadline(time.Now().Add(c.again.every)); err != nil {
			return err
		}
		_, err := c.out.Peek(1)
		if err == nil {
			return c.pipe.SetReadDeadline(time.Time{})
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return errors.Join(err, c.ended())
		}
		if !c.again.due(time.Now(), c.heard, c.began, grewAt(c.directory)) {
			continue
		}
		c.close()
		switch found, err := c.follow(ctx, c.cursor); {
		case err != nil:
			return err
		case !found:
			return errPositionGone
		}
	}
}

// pace are the times of looking again; tests have none to spare.
type pace struct{ every, still, restart time.Duration }

var usualPace = pace{lookAgainEvery, standsStill, restartEvery}

// due says whether another journalctl is to be started: heard is when the last
// entry came, began when this one was started, grew when the journal grew last.
func (p pace) due(now, heard, began, grew time.Time) bool {
	return grew.After(heard) && grew.After(began) && now.Sub(grew) > p.still && now.Sub(began) > p.restart
}

// grewAt is when the files that journald writes to now have grown last. It tells
// so itself (journal-file.c, journal_file_post_change: ftruncate to the size the
// file has), for what is written through a mapping changes no time.
func grewAt(directory string) (latest time.Time) {
	for _, path := range activeJournals(directory) {
		if info, err := os.Stat(path); err == nil && info.ModTime().After(latest) {
			latest = info.ModTime()
		}
	}
	return latest
}
