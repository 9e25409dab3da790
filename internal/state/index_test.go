package state

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/jail"
)

// TestRandomDecisions saves random decisions on few hosts, many together, fails
// now and then, and starts again: each time the bans in force are those that a
// plain list of them gives, in the order in which they were made, and the history
// is all that was saved.
func TestRandomDecisions(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	path := statePath(t)
	s := open(t, path)
	var want, past []jail.Decision
	for round := range 60 {
		decisions := make([]jail.Decision, 1+random.IntN(20))
		for i := range decisions {
			decisions[i] = randomDecision(random)
		}
		if round%5 == 4 { // the disk is full
			if err := failing(t, s, decisions); err == nil {
				t.Fatal("a save without a table to save in worked")
			}
		}
		save(t, s, decisions...)
		for _, d := range decisions {
			want = apply(want, d)
		}
		past = append(past, decisions...)
		if round%7 == 6 {
			s.Close()
			s = open(t, path)
		}
		if diff := cmp.Diff(want, loadAll(t, s).Bans, compareNetip); diff != "" {
			t.Fatalf("round %d (-want +got):\n%s", round, diff)
		}
	}
	slices.Reverse(past)
	remembers(t, s, past...)
}

func randomDecision(random *rand.Rand) jail.Decision {
	d := ban(random.IntN(12))
	d.Jail = []string{"libp2p-flood", "libp2p-churn"}[random.IntN(2)]
	d.Failures = random.Int64N(1000)
	switch random.IntN(5) {
	case 0, 1:
		return unban(d, epoch)
	case 2:
		d.Action = jail.Held
	}
	return d
}

// apply is what one decision makes of the bans in force.
func apply(bans []jail.Decision, d jail.Decision) []jail.Decision {
	if d.Action == jail.Held {
		return bans
	}
	bans = slices.DeleteFunc(bans, func(b jail.Decision) bool { return b.Jail == d.Jail && b.Prefix == d.Prefix })
	if d.Action == jail.Ban {
		bans = append(bans, d)
	}
	return bans
}

// failing saves decisions while the last statement of a save is impossible: all
// that came before it in the transaction is undone.
func failing(t *testing.T, s *Store, decisions []jail.Decision) error {
	t.Helper()
	rename := func(from, to string) {
		if _, err := s.db.Exec(`ALTER TABLE ` + from + ` RENAME TO ` + to); err != nil {
			t.Fatal(err)
		}
	}
	rename("history", "elsewhere")
	err := s.SaveDecisions(context.Background(), decisions)
	rename("elsewhere", "history")
	return err
}

// TestShortBanHasNoRow makes and lifts a ban within one save: it stands in the
// history alone. One lifted later leaves no row either.
func TestShortBanHasNoRow(t *testing.T) {
	s := open(t, statePath(t))
	save(t, s, ban(1), ban(2), unban(ban(1), epoch))
	save(t, s, ban(3))
	save(t, s, unban(ban(2), epoch))
	var ids []int64
	for _, b := range []jail.Decision{ban(1), ban(2), ban(3)} {
		if id := s.index.ids[s.index.key(b.Jail, b.Prefix)]; id != 0 {
			ids = append(ids, id)
		}
	}
	if !slices.Equal(ids, []int64{2}) || len(s.index.ids) != 1 {
		t.Errorf("rows %v of %d known: want row 2 alone, for the first ban never had one", ids, len(s.index.ids))
	}
	remembers(t, s, unban(ban(2), epoch), ban(3), unban(ban(1), epoch), ban(2), ban(1))
}

func TestRangesOfRows(t *testing.T) {
	var moves []move
	for _, from := range []int64{7, 3, 0, 4, 9, 5, 0, 10} {
		moves = append(moves, move{from: from})
	}
	want := [][2]int64{{3, 5}, {7, 7}, {9, 10}}
	if diff := cmp.Diff(want, left(moves)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := left(nil); got != nil {
		t.Errorf("%v of no moves", got)
	}
}
