package jail

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fullSet has something of everything that a snapshot holds.
func fullSet(t testing.TB) *Set {
	s := mustSet(t, Config{
		Name: "a", Rules: []string{"r", "q"}, FindTime: time.Minute, MaxRetry: 300, BanTime: time.Minute, Factor: 2,
		NATPeers: 2, Guard: Guard{Least: 2, Share: 0.01},
	}, Config{Name: "b", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 4000, BanTime: Forever})
	for i := range 400 {
		ev := benchEvent(t0.Add(time.Duration(i)*time.Millisecond), hostN(uint32(i%40)))
		ev.Rule = []string{"r", "q"}[i%2]
		ev.Text = "the line"
		if i%7 == 0 {
			ev.Host = netip.MustParseAddr("2001:db8:0:1::7")
		}
		s.Observe(ev)
	}
	if _, err := s.Ban(t0.Add(time.Second), ManualBan{Prefix: netip.MustParsePrefix("198.51.100.0/24"), For: Forever, Reason: "because"}); err != nil {
		t.Fatal(err)
	}
	c, _ := s.Counts("a")
	if c.InForce == 0 || c.Holding == 0 || c.Hosts == 0 {
		t.Fatalf("the set lacks something: %+v", c)
	}
	return s
}

func inForce(s *Set) []Decision {
	return byJail(slices.Collect(s.InForce()))
}

func byJail(list []Decision) []Decision {
	slices.SortFunc(list, func(a, b Decision) int {
		if n := strings.Compare(a.Jail, b.Jail); n != 0 {
			return n
		}
		return comparePrefix(a.Prefix, b.Prefix)
	})
	return list
}

func TestRestoreGivesTheSameSet(t *testing.T) {
	s := fullSet(t)
	sameSet(t, s, restarted(t, s))
}

// A snapshot without the bans' evidence and the bans saved apart give the same
// set too; bans that the snapshot knows are not counted twice.
func TestRestoreWithBansApart(t *testing.T) {
	s := fullSet(t)
	apart := inForce(s)
	snapshot := s.SnapshotPausing(func() {})
	if whole := s.Snapshot(); len(snapshot) >= len(whole) {
		t.Fatalf("%d bytes without evidence, %d with it", len(snapshot), len(whole))
	}
	next := mustSet(t, s.Jails()...)
	if _, err := next.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	if dropped := next.RestoreBans(apart); len(dropped) > 0 {
		t.Fatalf("dropped %v", dropped)
	}
	sameSet(t, s, next)
}

func sameSet(t *testing.T, s, next *Set) {
	t.Helper()
	opts := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	addr := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if d := cmp.Diff(inForce(s), inForce(next), opts, addr); d != "" {
		t.Errorf("bans (-before +after):\n%s", d)
	}
	for i := range uint32(41) {
		if a, b := s.Host(hostN(i)), next.Host(hostN(i)); !reflect.DeepEqual(a, b) {
			t.Errorf("host %v: before\n%+v\nafter\n%+v", hostN(i), a, b)
		}
	}
	if a, b := s.Holding("a", 100), next.Holding("a", 100); !reflect.DeepEqual(a, b) {
		t.Errorf("holding: before\n%+v\nafter\n%+v", a, b)
	}
	if !s.Clock().Equal(next.Clock()) {
		t.Errorf("clock %v, before %v", next.Clock(), s.Clock())
	}
	if a, b := s.Snapshot(), next.Snapshot(); len(a) != len(b) {
		t.Errorf("a snapshot of the restored set has %d bytes, that of the first %d", len(b), len(a))
	}
}

func TestRestoreRefuses(t *testing.T) {
	data := fullSet(t).Snapshot()
	future := slices.Clone(data)
	future[len(snapshotMagic)] = snapshotVersion + 1
	flipped := slices.Clone(data)
	flipped[len(data)/2] ^= 1
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "does not begin with"},
		{"something else", []byte("SQLite format 3"), "does not begin with"},
		{"only the beginning", data[:len(snapshotMagic)], "damaged"},
		{"truncated", data[:len(data)-1], "damaged"},
		{"one bit changed", flipped, "damaged"},
		{"a later version", future, "version 3, this program reads version 2"},
	} {
		s := mustSet(t)
		_, err := s.Restore(c.data)
		var e *SnapshotError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a SnapshotError with %q", c.name, err, c.want)
		}
	}
}

// seal gives a body what surrounds a snapshot, so that only the decoder stands
// against it.
func seal(body []byte) []byte {
	data := binary.AppendUvarint([]byte(snapshotMagic), snapshotVersion)
	data = append(data, body...)
	return binary.LittleEndian.AppendUint32(data, checksum(data))
}

// FuzzRestore decodes bodies that pass the checksum: whatever they say, the
// decoder gives an error or a Set that works on.
func FuzzRestore(f *testing.F) {
	data := fullSet(f).Snapshot()
	body := data[len(snapshotMagic)+1 : len(data)-crc32.Size]
	f.Add(body)
	f.Add(body[:len(body)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) { tryBody(t, body) })
}

func tryBody(t *testing.T, body []byte) {
	s := mustSet(t, Config{Name: "a", Rules: []string{"q", "r"}, FindTime: time.Minute, MaxRetry: 300, BanTime: time.Minute, Factor: 2})
	if _, err := s.Restore(seal(body)); err != nil {
		return
	}
	for i := range 10 {
		s.Observe(benchEvent(s.Clock().Add(time.Duration(i)*time.Second), hostN(uint32(i))))
	}
	s.Advance(s.Clock().Add(time.Hour))
	s.Snapshot()
}

// TestRestoreDamagedBodies is the fuzz target on a few thousand damaged bodies.
func TestRestoreDamagedBodies(t *testing.T) {
	data := fullSet(t).Snapshot()
	body := data[len(snapshotMagic)+1 : len(data)-crc32.Size]
	r := rand.New(rand.NewPCG(7, 7))
	for range 2000 {
		b := slices.Clone(body)
		for range 1 + r.IntN(4) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		tryBody(t, b[:len(b)-r.IntN(2)*r.IntN(len(b))])
	}
}

// TestRestoreLarge: a million hosts and a hundred thousand bans come back, all
// of them.
func TestRestoreLarge(t *testing.T) {
	hosts, bans := 1_000_000, 100_000
	if raceEnabled {
		hosts, bans = 100_000, 10_000
	}
	s := bigSet(t, hosts, bans)
	next := mustSet(t, bigJail())
	got, err := next.Restore(s.Snapshot())
	if err != nil || got.Hosts != hosts || got.Bans != bans || len(got.Dropped) != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	// The next event of each bans it, as before the restart.
	for i := range uint32(hosts) {
		if i%1000 == 0 {
			if d := bansOf(next.Observe(benchEvent(next.Clock(), hostN(i)))); len(d) != 1 || d[0].Failures != 200 {
				t.Fatalf("host %d: %v", i, d)
			}
		}
	}
}

// RestoreBans takes the bans that were saved apart and later: those lifted
// since the snapshot stay lifted, those set since are in force and count.
func TestRestoreBans(t *testing.T) {
	cfg := Config{Name: "j", Rules: []string{"r"}, FindTime: time.Hour, MaxRetry: 2, BanTime: time.Minute, Factor: 2}
	s := mustSet(t, cfg)
	s.Observe(event(0, "192.0.2.1", 2))
	s.Observe(event(0, "192.0.2.2", 1))
	snapshot := s.Snapshot()
	s.Unban(t0.Add(time.Second), netip.MustParsePrefix("192.0.2.1/32"))
	s.Observe(event(2*time.Second, "192.0.2.2", 1))
	saved := inForce(s)

	next := mustSet(t, cfg)
	if _, err := next.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	gone := Decision{Action: Ban, Jail: "gone", Prefix: netip.MustParsePrefix("192.0.2.9/32"), At: t0}
	if dropped := next.RestoreBans(append(saved, gone)); len(dropped) != 1 || dropped[0].Jail != "gone" {
		t.Fatalf("dropped %v", dropped)
	}
	if got := inForce(next); len(got) != 1 || got[0].Prefix != netip.MustParsePrefix("192.0.2.2/32") {
		t.Fatalf("in force: %v", got)
	}
	// Its window was emptied by that ban, and the ban counts for the next.
	next.Advance(t0.Add(time.Hour))
	if d := next.Observe(event(time.Hour, "192.0.2.2", 1)); d != nil {
		t.Fatalf("the window survived its ban: %v", d)
	}
	d := next.Observe(event(time.Hour, "192.0.2.2", 1))
	if len(d) != 1 || d[0].Until.Sub(d[0].At) != 2*time.Minute {
		t.Fatalf("the ban did not grow: %v", d)
	}
}
