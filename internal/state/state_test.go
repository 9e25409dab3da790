package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/jail"
)

var epoch = time.Date(2026, 11, 20, 14, 0, 0, 123456789, time.UTC)

// compareNetip lets cmp compare addresses, whose fields are hidden.
var compareNetip = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// open opens a state file that must be right, and closes it with the test.
func open(t testing.TB, path string) *Store {
	t.Helper()
	s, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func statePath(t testing.TB) string { return filepath.Join(t.TempDir(), "lib", "state.db") }

// ban is the n-th of many different bans.
func ban(n int) jail.Decision {
	host := netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), byte(n)})
	at := epoch.Add(time.Duration(n) * time.Second)
	return jail.Decision{
		Action: jail.Ban, Jail: "libp2p-flood", Host: host, Prefix: netip.PrefixFrom(host, 32),
		At: at, Until: at.Add(10 * time.Minute), Failures: 9000,
		Evidence: jail.Evidence{
			Rules: map[string]int{"go-libp2p/connection": 90}, First: at.Add(-time.Minute), Last: at,
			Peers: []string{"12D3KooWS6SPnxiEssNQ4ua1b5PKLxezJCwjscsZ7mfmfthtX93p"}, PeerCount: 1,
			Ports: []uint16{4001}, Transports: []string{"tcp"}, Line: fmt.Sprintf("line %d", n),
		},
	}
}

func unban(d jail.Decision, at time.Time) jail.Decision {
	return jail.Decision{Action: jail.Unban, Jail: d.Jail, Host: d.Host, Prefix: d.Prefix, At: at}
}

func save(t testing.TB, s *Store, decisions ...jail.Decision) {
	t.Helper()
	if err := s.SaveDecisions(context.Background(), decisions); err != nil {
		t.Fatal(err)
	}
}

func loadAll(t testing.TB, s *Store) Saved {
	t.Helper()
	saved, _, err := s.read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

// fill sets every field of a struct, and of what is in it, to something that
// is not its zero value: a field that is added later is in the test by itself.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(epoch))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("2001:db8::7")))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.MustParsePrefix("2001:db8::/64")))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				t.Fatalf("%s.%s would not be saved", v.Type(), v.Type().Field(i).Name)
			}
			fill(t, v.Field(i))
		}
	case reflect.String:
		v.SetString("é \"quoted\" \x00 text of " + v.Type().String())
	case reflect.Int, reflect.Int64:
		v.SetInt(1 << 40)
	case reflect.Uint16, reflect.Uint8:
		v.SetUint(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0))
		fill(t, v.Index(1))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key)
		fill(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1.5)
	default:
		t.Fatalf("teach this test about %s", v.Type())
	}
}

func TestEveryFieldOfABanSurvives(t *testing.T) {
	var d jail.Decision
	fill(t, reflect.ValueOf(&d).Elem())
	d.Action = jail.Ban
	path := statePath(t)
	s := open(t, path)
	save(t, s, d)
	s.Close()
	s = open(t, path)
	if diff := cmp.Diff([]jail.Decision{d}, loadAll(t, s).Bans, compareNetip); diff != "" {
		t.Errorf("(-saved +loaded):\n%s", diff)
	}
	want := []jail.Decision{d} // the newest first
	for _, action := range []jail.Action{jail.Unban, jail.Held} {
		d.Action = action
		save(t, s, d)
		want = slices.Insert(want, 0, d)
	}
	past, err := s.History(context.Background(), netip.Prefix{}, 10)
	if diff := cmp.Diff(want, past, compareNetip); diff != "" || err != nil {
		t.Errorf("%v (-saved +remembered):\n%s", err, diff)
	}
}

func TestBansInForce(t *testing.T) {
	path := statePath(t)
	s := open(t, path)
	forever := ban(2)
	forever.Until = time.Time{}
	longer := ban(1)
	longer.Until = longer.Until.Add(time.Hour)
	other := ban(1)
	other.Jail = "libp2p-churn"
	held := ban(4)
	held.Action = jail.Held
	save(t, s, ban(1), forever, ban(3), other, held)
	save(t, s, longer, unban(ban(3), epoch), unban(ban(99), epoch))
	save(t, s)

	network := jail.Decision{Action: jail.Ban, Jail: jail.Manual, Prefix: netip.MustParsePrefix("198.51.100.0/24"), At: epoch}
	save(t, s, network)

	want := []jail.Decision{forever, other, longer, network} // as they were made
	for range 2 {
		if diff := cmp.Diff(want, loadAll(t, s).Bans, compareNetip); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		s.Close()
		s = open(t, path)
	}
}

func TestBadText(t *testing.T) {
	s := open(t, statePath(t))
	d := ban(1)
	d.Evidence.Line = "a\xffb"
	save(t, s, d)
	if got := loadAll(t, s).Bans[0].Evidence.Line; got != d.Evidence.Line {
		t.Errorf("line %q of the ban in force, want it as it was", got)
	}
	past, err := s.History(context.Background(), d.Prefix, 1)
	if err != nil || len(past) != 1 || past[0].Evidence.Line != d.Evidence.Line {
		t.Errorf("%v, %v: want the line of the past one as it was", past, err)
	}
}

func TestCheckpoint(t *testing.T) {
	path := statePath(t)
	s := open(t, path)
	if diff := cmp.Diff(Checkpoint{}, loadAll(t, s).Checkpoint); diff != "" {
		t.Errorf("before the first (-want +got):\n%s", diff)
	}
	for _, c := range []Checkpoint{
		{Clock: epoch, Cursors: map[string]string{"kubo": "s=1;i=2", "lotus": "x"}, Snapshot: bytes.Repeat([]byte("0123456789"), snapshotPart/4)},
		{Clock: epoch.Add(time.Nanosecond), Cursors: map[string]string{"kubo": "s=1;i=3"}, Snapshot: []byte{0, 1, 255}},
		{Cursors: map[string]string{"kubo": "s=1;i=4"}, Holes: map[string]map[string][]string{"kubo": {"unit ipfs.service": {"identify-console"}}}},
		{Cursors: map[string]string{}},
		{Snapshot: make([]byte, snapshotPart)}, // exactly one part
	} {
		if err := s.Checkpoint(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		s.Close()
		s = open(t, path)
		got := loadAll(t, s).Checkpoint
		if !bytes.Equal(got.Snapshot, c.Snapshot) || !got.Clock.Equal(c.Clock) || !maps.Equal(got.Cursors, c.Cursors) || !reflect.DeepEqual(got.Holes, c.Holes) {
			t.Errorf("loaded %v, %v, %v and %d bytes; saved %v, %v, %v and %d bytes",
				got.Clock, got.Cursors, got.Holes, len(got.Snapshot), c.Clock, c.Cursors, c.Holes, len(c.Snapshot))
		}
		var parts, want int
		if err := s.db.QueryRow(`SELECT count(*) FROM snapshot`).Scan(&parts); err != nil {
			t.Fatal(err)
		}
		want = (len(c.Snapshot) + snapshotPart - 1) / snapshotPart
		if parts != want {
			t.Errorf("%d parts of snapshots in the file, want the %d of the last", parts, want)
		}
	}
}

// TestBrokenOffCheckpoint breaks a checkpoint off between its parts: the last
// one holds, and the next is not mixed with the remains.
func TestBrokenOffCheckpoint(t *testing.T) {
	s := open(t, statePath(t))
	first := Checkpoint{Clock: epoch, Cursors: map[string]string{"a": "1"}, Snapshot: []byte("first")}
	if err := s.Checkpoint(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	if err := s.writeSnapshot(context.Background(), 2, bytes.Repeat([]byte("x"), 3*snapshotPart)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, loadAll(t, s).Checkpoint); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	second := Checkpoint{Clock: epoch, Cursors: map[string]string{"a": "2"}, Snapshot: []byte("second")}
	if err := s.Checkpoint(context.Background(), second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(second, loadAll(t, s).Checkpoint); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFullDisk has SQLite run out of room: the save fails whole, what was
// saved stays, and saving works again when there is room.
func TestFullDisk(t *testing.T) {
	s := open(t, statePath(t))
	save(t, s, ban(1))
	var pages int
	if err := s.db.QueryRow(`PRAGMA page_count`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit := func(n int) {
		t.Helper()
		if _, err := s.db.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, n)); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages + 2)
	var many []jail.Decision
	for n := range 500 {
		many = append(many, ban(n+10))
	}
	if err := s.SaveDecisions(context.Background(), many); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("saving 500 bans in two pages: %v, want no room", err)
	}
	if err := s.Checkpoint(context.Background(), Checkpoint{Snapshot: make([]byte, 1<<20)}); err == nil {
		t.Fatal("a snapshot fitted into two pages")
	}
	if n := len(loadAll(t, s).Bans); n != 1 {
		t.Errorf("%d bans after the failed save, want the 1 from before", n)
	}
	limit(1 << 30)
	save(t, s, many...)
	if n := len(loadAll(t, s).Bans); n != 501 {
		t.Errorf("%d bans, want 501", n)
	}
}

func TestManyBans(t *testing.T) {
	count := 100_000
	if testing.Short() || raceEnabled {
		count = 20_000
	}
	path := statePath(t)
	s := open(t, path)
	for first := 0; first < count; first += 1000 {
		var batch []jail.Decision
		for n := range 1000 {
			batch = append(batch, ban(first+n))
		}
		save(t, s, batch...)
	}
	s.Close()
	s, saved, aside, err := OpenOrSetAside(path)
	if err != nil || aside != "" {
		t.Fatal(aside, err)
	}
	defer s.Close()
	bans := saved.Bans
	if len(bans) != count {
		t.Fatalf("%d bans, want %d", len(bans), count)
	}
	seen := map[netip.Prefix]bool{}
	for _, b := range bans {
		seen[b.Prefix] = true
	}
	for n := range count {
		if !seen[ban(n).Prefix] {
			t.Fatalf("%v is missing", ban(n).Prefix)
		}
	}
}
