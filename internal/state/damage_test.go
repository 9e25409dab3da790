package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/p2pban/p2pban/jail"
)

// filled makes a closed state file with some of everything, and gives its
// bytes and what was saved.
func filled(t *testing.T) ([]byte, Saved) {
	t.Helper()
	path := statePath(t)
	s := open(t, path)
	var bans []jail.Decision
	for n := range 300 {
		bans = append(bans, ban(n))
	}
	save(t, s, bans...)
	save(t, s, unban(ban(5), epoch))
	snapshot := make([]byte, 20_000)
	for i := range snapshot {
		snapshot[i] = byte(i * 7)
	}
	c := Checkpoint{Clock: epoch, Cursors: map[string]string{"kubo": "s=1"}, Snapshot: snapshot}
	if err := s.Checkpoint(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	saved := loadAll(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data, saved
}

// TestDamage damages a state file in many ways. Each time either everything
// that was saved comes back, or the file is set aside, as it was, and a fresh
// one stands in its place with what could still be read: bans as they were saved,
// and the checkpoint as it was or none. A ban of another address is the one thing
// that must never come out of a broken disk.
func TestDamage(t *testing.T) {
	data, want := filled(t)
	rounds := 60
	if testing.Short() || raceEnabled {
		rounds = 15
	}
	random := rand.New(rand.NewPCG(1, 2))
	const page = 4096
	pages := len(data) / page
	type damage struct {
		name string
		data []byte
		must bool // the damage can't be overlooked
	}
	cases := []damage{{"empty", nil, true}, {"one byte", data[:1], true}, {"another byte", []byte("\n"), true}, {"less than a page", data[:511], true}, {"text", []byte("bans = 3\n"), true}, {"no header", append(make([]byte, 100), data[100:]...), true}}
	for range rounds {
		n := random.IntN(len(data))
		cases = append(cases, damage{fmt.Sprintf("cut at %d", n), data[:n], true})

		zeroed, n := bytes.Clone(data), random.IntN(pages)
		clear(zeroed[n*page : (n+1)*page])
		cases = append(cases, damage{fmt.Sprintf("page %d zeroed", n), zeroed, false})

		noise, n := bytes.Clone(data), random.IntN(pages)
		for i := n * page; i < (n+1)*page; i++ {
			noise[i] = byte(random.Uint32())
		}
		cases = append(cases, damage{fmt.Sprintf("page %d random", n), noise, false})

		flipped, n := bytes.Clone(data), random.IntN(len(data))
		flipped[n] ^= 1 << random.IntN(8)
		cases = append(cases, damage{fmt.Sprintf("bit at %d", n), flipped, false})
	}
	whole, setAside, bans := 0, 0, 0
	for _, c := range cases {
		dir := t.TempDir()
		path := filepath.Join(dir, "state.db")
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, saved, aside, err := OpenOrSetAside(path)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		switch {
		case aside == "":
			whole++
			if diff := cmp.Diff(want, saved, compareNetip); diff != "" || c.must {
				t.Errorf("%s was not noticed (-saved +loaded):\n%.2000s", c.name, diff)
			}
		default:
			setAside++
			bans += len(saved.Bans)
			if diff := cmp.Diff(some(want.Bans, saved.Bans), saved.Bans, compareNetip); diff != "" {
				t.Errorf("%s: bans that were never saved (-saved +salvaged):\n%.2000s", c.name, diff)
			}
			if diff := cmp.Diff(want.Checkpoint, saved.Checkpoint); diff != "" && saved.Checkpoint.Snapshot != nil {
				t.Errorf("%s: the checkpoint (-saved +salvaged):\n%.2000s", c.name, diff)
			}
			if diff := cmp.Diff(saved.Bans, loadAll(t, s).Bans, compareNetip); diff != "" {
				t.Errorf("%s: the fresh file does not hold what is given:\n%.2000s", c.name, diff)
			}
			if kept, err := os.ReadFile(aside); err != nil || !bytes.Equal(kept, c.data) {
				t.Errorf("%s: what was set aside is not what was there: %v", c.name, err)
			}
			if !strings.HasPrefix(aside, path+".damaged-2") {
				t.Errorf("%s: set aside as %s", c.name, aside)
			}
		}
		save(t, s, ban(1))
		s.Close()
	}
	t.Logf("%d cases, %d without consequence, %d bans of %d salvaged", len(cases), whole, bans, setAside*len(want.Bans))
	if bans == 0 {
		t.Error("nothing was salvaged of any")
	}
}

// some gives those of the bans whose prefixes are among those of others, in their
// order: a damaged row number is no damaged ban.
func some(bans, others []jail.Decision) (out []jail.Decision) {
	for _, o := range others {
		if i := slices.IndexFunc(bans, func(b jail.Decision) bool { return o.Prefix == b.Prefix }); i >= 0 {
			out = append(out, bans[i])
		}
	}
	return out
}

// TestSalvage damages one page of many: all bans but those on it are brought over,
// and so is the checkpoint, once and for all.
func TestSalvage(t *testing.T) {
	data, want := filled(t)
	const page = 4096
	i := bytes.Index(data, []byte("11.0.0.200/32"))
	if i < 0 {
		t.Fatal("no page has the ban")
	}
	i -= i % page
	copy(data[i:i+page], make([]byte, page))
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, saved, aside, err := OpenOrSetAside(path)
	if err != nil || aside == "" {
		t.Fatalf("%q, %v: want the file set aside", aside, err)
	}
	if n := len(want.Bans) - len(saved.Bans); n == 0 || n > 40 {
		t.Errorf("%d of %d bans are missing, want those of one page", n, len(want.Bans))
	}
	if diff := cmp.Diff(some(want.Bans, saved.Bans), saved.Bans, compareNetip); diff != "" {
		t.Errorf("bans (-saved +salvaged):\n%.2000s", diff)
	}
	if diff := cmp.Diff(want.Checkpoint, saved.Checkpoint); diff != "" {
		t.Errorf("checkpoint (-saved +salvaged):\n%.2000s", diff)
	}
	lifted := unban(saved.Bans[0], epoch)
	save(t, s, lifted)
	s.Close()
	s, again, _, err := OpenOrSetAside(path) // killed before its first checkpoint
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if diff := cmp.Diff(saved.Bans[1:], again.Bans, compareNetip); diff != "" {
		t.Errorf("after another start (-want +got):\n%.2000s", diff)
	}
}

func TestOpenSaysWhatIsDamaged(t *testing.T) {
	data, _ := filled(t)
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := Open(path)
	var damaged *DamagedError
	if !errors.As(err, &damaged) || damaged.Path != path || damaged.Foreign || !strings.Contains(err.Error(), path+" is damaged") {
		t.Errorf("%v: want a DamagedError of %s", err, path)
	}
	if got, err := os.ReadFile(path); err != nil || len(got) != len(data)/2 {
		t.Errorf("Open touched the damaged file: %d bytes, %v", len(got), err)
	}
}

// TestChangedRow changes what SQLite itself can't know to be wrong.
func TestChangedRow(t *testing.T) {
	for _, change := range []string{
		`UPDATE bans SET prefix = '11.0.0.9/32' WHERE prefix = '11.0.0.1/32'`,
		`UPDATE bans SET packed = unhex(replace(hex(packed), '0B000001', '0B000009'))`,
		`UPDATE bans SET jail = 'other'`,
		`UPDATE checkpoint SET cursors = '{"kubo":"s=9"}'`,
		`UPDATE checkpoint SET clock = '2026-11-20T15:00:00Z'`,
		`UPDATE checkpoint SET holes = '{"kubo":{"unit ipfs.service":["identify-console"]}}'`,
		`UPDATE snapshot SET data = x'00'`,
		`DELETE FROM snapshot`,
		`DROP TABLE bans`,
	} {
		path := statePath(t)
		s := open(t, path)
		save(t, s, ban(1))
		c := Checkpoint{Clock: epoch, Cursors: map[string]string{"kubo": "s=1"}, Snapshot: []byte("snapshot")}
		if err := s.Checkpoint(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		if r, err := s.db.Exec(change); err != nil {
			t.Fatal(err)
		} else if n, _ := r.RowsAffected(); n == 0 && !strings.HasPrefix(change, "DROP") {
			t.Fatalf("%s: changed nothing", change)
		}
		s.Close()
		s, _, aside, err := OpenOrSetAside(path)
		if err != nil || aside == "" {
			t.Errorf("%s: %q, %v: want the file set aside", change, aside, err)
			continue
		}
		s.Close()
	}
}

// TestSetAsideTwice holds that a second damaged file does not replace the
// first, even within a second, and that the WAL goes with its database.
func TestSetAsideTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	kept := map[string]string{}
	for _, text := range []string{"one", "two", "three"} {
		for suffix, content := range map[string]string{"": text, "-wal": text + " wal"} {
			if err := os.WriteFile(path+suffix, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, _, aside, err := OpenOrSetAside(path)
		if err != nil || aside == "" {
			t.Fatalf("%q, %v", aside, err)
		}
		s.Close()
		for _, suffix := range []string{"", "-wal", "-shm"} {
			os.Remove(path + suffix) // some are gone already
		}
		kept[aside] = text
	}
	for aside, text := range kept {
		for suffix, want := range map[string]string{"": text, "-wal": text + " wal"} {
			if got, err := os.ReadFile(aside + suffix); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v; want %q", aside+suffix, got, err, want)
			}
		}
	}
	if len(kept) != 3 {
		t.Errorf("kept as %v, want three names", kept)
	}
}

// TestAsideIsBounded has a disk damage the state file at every start: the last files
// are kept, the one of this start among them.
func TestAsideIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	var want []string
	for i := range maxAside + 3 {
		old := fmt.Sprintf("%s.damaged-202001%02dT000000Z", path, i+1)
		if err := errors.Join(os.WriteFile(old, nil, 0o600), os.WriteFile(old+"-wal", nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		want = append(want, old, old+"-wal")
	}
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _, aside, err := OpenOrSetAside(path)
	if err != nil || aside == "" {
		t.Fatalf("%q, %v", aside, err)
	}
	s.Close()
	left, err := filepath.Glob(path + ".damaged-*")
	if want := append(want[2*4:], aside); err != nil || !slices.Equal(left, want) {
		t.Errorf("%q are left, want %q", left, want)
	}
}

// TestAsideIsTold names what was set aside until there is a checkpoint: a daemon
// that is killed before has not made good what was lost.
func TestAsideIsTold(t *testing.T) {
	path := statePath(t)
	reopen := func() string {
		t.Helper()
		s, _, aside, err := OpenOrSetAside(path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		save(t, s, ban(1))
		return aside
	}
	if aside := reopen(); aside != "" {
		t.Errorf("of a new file: %q", aside)
	}
	if err := errors.Join(os.Truncate(path, 1000), os.WriteFile(path+".damaged-20200101T000000Z", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	aside := reopen()
	if _, err := os.Stat(aside); err != nil {
		t.Fatal(err)
	}
	if again := reopen(); again != aside {
		t.Errorf("before a checkpoint: %q, want %q", again, aside)
	}
	s := open(t, path)
	if err := s.Checkpoint(t.Context(), Checkpoint{Snapshot: []byte("windows")}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if again := reopen(); again != "" {
		t.Errorf("after a checkpoint: %q", again)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if again := reopen(); again != "" {
		t.Errorf("after the operator deleted the state file: %q", again)
	}
}

// TestKilledWhileSettingAside is killed before the fresh file is made.
func TestKilledWhileSettingAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := setAside(path)
	if err != nil {
		t.Fatal(err)
	}
	s, _, aside, err := OpenOrSetAside(path)
	if err != nil || aside != want {
		t.Fatalf("%q, %v: want %q", aside, err, want)
	}
	s.Close()
}

// TestMarkThatIsNoMark has another user of the directory put something in the place of
// the mark that would be waited for, or read without end.
func TestMarkThatIsNoMark(t *testing.T) {
	for want, plant := range map[string]func(mark string) error{
		"is a symbolic link":    func(mark string) error { return os.Symlink(mark+".elsewhere", mark) },
		"is not a regular file": func(mark string) error { return unix.Mkfifo(mark, 0o600) },
	} {
		path := filepath.Join(t.TempDir(), "state.db")
		if err := errors.Join(os.WriteFile(path+markSuffix+".elsewhere", []byte("state.db.damaged-x"), 0o600), plant(path+markSuffix)); err != nil {
			t.Fatal(err)
		}
		if _, err := markedAside(path); err == nil || !strings.Contains(err.Error(), path+markSuffix+" "+want) {
			t.Errorf("%v, want one that says that it %s", err, want)
		}
	}
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path+markSuffix, bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if aside, err := markedAside(path); err != nil || len(filepath.Base(aside)) > maxMark {
		t.Errorf("%d bytes of a long file are the name, %v", len(filepath.Base(aside)), err)
	}
}

// TestWALGoesAsideUntouched damages the database of a process that was killed,
// whose last moments stand in the WAL only: both are kept byte for byte.
func TestWALGoesAsideUntouched(t *testing.T) {
	data, _ := filled(t)
	live := statePath(t)
	if err := os.MkdirAll(filepath.Dir(live), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(live, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, live)
	save(t, s, ban(1000))
	path := filepath.Join(t.TempDir(), "state.db")
	want := map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(live + suffix) // as a kill would leave them
		if err != nil || len(b) == 0 {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		if suffix == "" {
			clear(b[len(b)/2 : len(b)-100])
		}
		want[suffix] = b
		if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fresh, _, aside, err := OpenOrSetAside(path)
	if err != nil || aside == "" {
		t.Fatalf("%q, %v: want the file set aside", aside, err)
	}
	defer fresh.Close()
	for suffix, b := range want {
		if got, err := os.ReadFile(aside + suffix); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s: %d bytes, %v; want the %d that were there", aside+suffix, len(got), err, len(b))
		}
	}
}
