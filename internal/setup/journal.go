package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/p2pban/p2pban/sources"
)

// ownUnit is our own daemon, whose log quotes what others wrote.
const ownUnit = "p2pban.service"

// journal looks at every unit in the journal files of directory, or of this
// machine when it is empty.
func (l *looker) journal(ctx context.Context, directory string) {
	what := "the systemd journal"
	if directory != "" {
		what = "the journal in " + directory
	}
	l.looked(what)
	// Opening it as the daemon would gives the error that says who may read it.
	if _, err := sources.NewJournal(sources.JournalOptions{Units: []string{ownUnit}, Directory: directory}); err != nil {
		l.unseen(what, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(ctx, kindTime)
	defer cancel()
	left := maxUnits
	for _, k := range []struct{ kind, field string }{{KindUnit, "_SYSTEMD_UNIT"}, {KindUserUnit, "_SYSTEMD_USER_UNIT"}} {
		out, err := journalctl(ctx, directory, "--field="+k.field).Output()
		if err != nil {
			l.unseen(what, "journalctl: "+exitReason(err))
			return
		}
		for _, unit := range strings.Fields(string(out)) {
			if unit == ownUnit {
				continue
			}
			if left--; left < 0 || ctx.Err() != nil {
				l.unseen(what, fmt.Sprintf("it has more units than can be looked at in %v; %s and what follows were left out", kindTime, unit))
				return
			}
			l.entries(ctx, Found{Kind: k.kind, Name: unit, Directory: directory}, k.field+"="+unit)
		}
	}
}

// entryFields are what is read of an entry: the line, what tells pieces of
// lines, and who wrote it.
const entryFields = "MESSAGE,_LINE_BREAK,_STREAM_ID,_PID,CONTAINER_ID,PRIORITY,CONTAINER_PARTIAL_MESSAGE,CONTAINER_PARTIAL_ID,_COMM,_UID"

// entries reads the last entries of a unit or a container, which match.
func (l *looker) entries(ctx context.Context, f Found, match ...string) {
	ctx, cancel := context.WithTimeout(ctx, placeTime)
	defer cancel()
	since := fmt.Sprintf("--since=@%d", l.opts.Now.Add(-recent).Unix())
	cmd := journalctl(ctx, f.Directory, append(match, "--output=json", "--all", "--output-fields="+entryFields,
		fmt.Sprintf("--lines=%d", unitLines), since)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		l.unseen(f.Name, err.Error())
		return
	}
	e := l.eye(time.Time{})
	last, users := l.readEntries(f, out, e)
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		l.unseen(f.Name, fmt.Sprintf("reading its last lines took too long; %d were read", e.lines))
	case err != nil:
		l.unseen(f.Name, strings.TrimSpace("journalctl: "+err.Error()+" "+stderr.String()))
	}
	var entry struct {
		Comm string `json:"_COMM"`
	}
	_ = json.Unmarshal([]byte(last), &entry)    // without it the unit's name must do
	if e.lines > 0 && f.Kind != KindContainer { // whose image has said it
		f.Program = programOf(f.Name, entry.Comm)
	}
	if f.Kind == KindUserUnit {
		f.ofUsers(users)
	}
	l.add(f, e)
}

// readEntries gives e every line that journalctl wrote of f. last is the last entry
// as it was written, "" if there was none; users are the numbers of those who wrote
// the entries of a user unit, in order, "" among them if an entry does not say.
func (l *looker) readEntries(f Found, out io.Reader, e *eye) (last string, users []string) {
	seen := map[string]bool{}
	for b, err := range sources.Read(f.Name, out) {
		if err != nil {
			l.unseen(f.Name, err.Error())
		}
		for _, line := range b.Lines {
			e.read(line)
			if f.Kind == KindUserUnit {
				seen[userOf(line.Text)] = true
			}
		}
		if n := len(b.Lines); n > 0 {
			last = strings.Clone(b.Lines[n-1].Text)
		}
	}
	return last, slices.Sorted(maps.Keys(seen))
}

// userOf is the number of the user who wrote an entry, "" if it does not say.
func userOf(entry string) string {
	var of struct {
		UID string `json:"_UID"`
	}
	_ = json.Unmarshal([]byte(entry), &of) // an entry that was too long says nothing
	return of.UID
}

// ofUsers notes whose user unit it is. Of several users' nobody can tell which
// one is meant.
func (f *Found) ofUsers(users []string) {
	users = slices.DeleteFunc(users, func(u string) bool { return u == "" })
	if len(users) == 1 {
		f.UID = users[0]
	} else if len(users) > 1 {
		f.Notes = append(f.Notes, "several users have a unit of this name: those with the numbers "+strings.Join(users, ", "))
	}
}

func journalctl(ctx context.Context, directory string, args ...string) *exec.Cmd {
	args = append([]string{"--quiet", "--no-pager"}, args...)
	if directory != "" {
		args = append(args, "--directory="+directory)
	}
	return exec.CommandContext(ctx, "journalctl", args...)
}

// exitReason is what a program said before it failed.
func exitReason(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return strings.TrimSpace(string(exit.Stderr))
	}
	return err.Error()
}
