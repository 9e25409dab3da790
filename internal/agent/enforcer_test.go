package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/p2pban/p2pban/firewall"
)

// brokenDoor is a backend that fails as it is told, and keeps what it is given.
type brokenDoor struct {
	mu     sync.Mutex
	errs   []error     // of the next calls, one each
	called []time.Time // when Init or Apply was called
	bans   map[netip.Prefix]time.Time
	closed bool
}

func (d *brokenDoor) next() error {
	d.called = append(d.called, time.Now())
	if len(d.errs) == 0 {
		return nil
	}
	err := d.errs[0]
	d.errs = d.errs[1:]
	return err
}

func (d *brokenDoor) Init(_ context.Context, bans []firewall.Ban) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.next(); err != nil {
		return err
	}
	d.bans = map[netip.Prefix]time.Time{}
	for _, b := range bans {
		d.bans[b.Prefix] = b.Until
	}
	return nil
}

func (d *brokenDoor) Apply(_ context.Context, c firewall.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.next(); err != nil {
		return err
	}
	for _, p := range c.Lift {
		delete(d.bans, p)
	}
	for _, b := range c.Set {
		d.bans[b.Prefix] = b.Until
	}
	return nil
}

func (d *brokenDoor) List(context.Context) ([]firewall.Ban, error) { return nil, nil }

func (d *brokenDoor) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

// truth is the bans in force, as the engine would give them.
type truth struct {
	mu   sync.Mutex
	bans map[netip.Prefix]time.Time
	e    *enforcer
}

func (tr *truth) inForce(context.Context) ([]firewall.Ban, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.e.forget()
	var out []firewall.Ban
	for p, until := range tr.bans {
		out = append(out, firewall.Ban{Prefix: p, Until: until})
	}
	return out, nil
}

// want bans hosts or lifts their bans, as the engine does.
func (tr *truth) want(ban bool, hosts ...int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	wishes := map[netip.Prefix]wish{}
	for _, n := range hosts {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}), 32)
		until := time.Now().Add(time.Hour)
		wishes[p] = wish{ban: ban, until: until}
		if delete(tr.bans, p); ban {
			tr.bans[p] = until
		}
	}
	tr.e.Want(wishes)
}

// running starts an enforcer over a door, inside a synctest bubble.
func running(t *testing.T, d *brokenDoor) *truth {
	t.Helper()
	tr := &truth{bans: map[netip.Prefix]time.Time{}}
	tr.e = newEnforcer("broken", d, slog.New(slog.DiscardHandler), tr.inForce)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- tr.e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil || !d.closed {
			t.Errorf("Run ended with %v; the door is closed: %v", err, d.closed)
		}
	})
	synctest.Wait()
	return tr
}

func (tr *truth) same(t *testing.T, d *brokenDoor) {
	t.Helper()
	if fmt.Sprint(tr.bans) != fmt.Sprint(d.bans) {
		t.Errorf("in force are %v, the door has %v", tr.bans, d.bans)
	}
}

// TestFailingDoor refuses for a while. It is tried again, more and more seldom
// but never less than every half minute; status says what is wrong and what to
// do; what was wished meanwhile, lifts too, is there once it works.
func TestFailingDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &brokenDoor{}
		tr := running(t, d)
		tr.want(true, 1, 2, 3)
		synctest.Wait()
		tr.same(t, d)

		const failures = 15
		began := len(d.called)
		for range failures {
			d.errs = append(d.errs, fmt.Errorf("the kernel: %w", firewall.ErrFull))
		}
		tr.want(true, 4)
		synctest.Wait()
		tr.want(true, 5, 6)
		tr.want(false, 1)
		synctest.Wait()
		s := tr.e.Status()
		if s.Healthy || s.Error != "the kernel: the firewall takes no more bans" || s.Waiting != 3 || tr.e.hint() == "" {
			t.Errorf("while it fails: %+v, hint %q; want its error, 3 waiting and a hint", s, tr.e.hint())
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(d.errs) > 0 {
			t.Fatalf("%d of %d failures after ten minutes: it is not tried again", failures-len(d.errs), failures)
		}
		for i, pause := range pauses(d.called[began:]) {
			want := min(firstBackoff<<i, maxBackoff)
			if pause != want {
				t.Errorf("pause %d is %v, want %v", i, pause, want)
			}
		}
		tr.same(t, d)
		if s := tr.e.Status(); !s.Healthy || s.Error != "" || s.Waiting != 0 {
			t.Errorf("once it works: %+v", s)
		}

		// The next failure begins with a short pause again.
		began = len(d.called)
		d.errs = []error{firewall.ErrBusy}
		tr.want(false, 2, 4)
		time.Sleep(time.Second)
		synctest.Wait()
		if p := pauses(d.called[began:]); len(p) != 1 || p[0] != firstBackoff {
			t.Errorf("after a later failure it waited %v, want %v", p, firstBackoff)
		}
		tr.same(t, d)
	})
}

func pauses(at []time.Time) (out []time.Duration) {
	for i := 1; i < len(at); i++ {
		out = append(out, at[i].Sub(at[i-1]))
	}
	return out
}

// TestDoorsFailAlone has two doors, one of which never works.
func TestDoorsFailAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, good := &brokenDoor{}, &brokenDoor{}
		for range 1000 {
			broken.errs = append(broken.errs, errors.New("out of order"))
		}
		a, b := running(t, broken), running(t, good)
		for n := range 50 {
			a.want(true, n)
			b.want(true, n)
			synctest.Wait()
		}
		b.same(t, good)
		if s := b.e.Status(); !s.Healthy || s.Waiting != 0 {
			t.Errorf("the good door: %+v", s)
		}
		if s := a.e.Status(); s.Healthy || s.Waiting > 50 {
			t.Errorf("the broken door: %+v; want it ill, with at most one wish a prefix", s)
		}
	})
}

// TestFloodCollapses wishes the same few hosts in and out while the door is
// busy: what is left is one wish for each, the last.
func TestFloodCollapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &brokenDoor{errs: []error{firewall.ErrBusy}}
		tr := running(t, d) // its first Init failed: it pauses
		for range 1000 {
			tr.want(true, 1, 2, 3)
			tr.want(false, 2)
		}
		if s := tr.e.Status(); s.Waiting != 3 {
			t.Errorf("%d wishes wait, want one for each of 3 hosts", s.Waiting)
		}
		time.Sleep(firstBackoff)
		synctest.Wait()
		tr.same(t, d)
		if len(d.bans) != 2 {
			t.Errorf("%d bans stand, want 2", len(d.bans))
		}
	})
}

// provenDoor is a door that can be asked what it holds.
type provenDoor struct {
	brokenDoor
	asked []time.Time
	most  int  // bans and lifts of one change
	loses bool // takes bans and does not keep them
}

func (d *provenDoor) Apply(ctx context.Context, c firewall.Change) error {
	d.most = max(d.most, len(c.Set)+len(c.Lift))
	if d.loses {
		c.Set = nil
	}
	return d.brokenDoor.Apply(ctx, c)
}

func (d *provenDoor) Verify(_ context.Context, sample []firewall.Ban) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, time.Now())
	for _, b := range sample {
		if until, ok := d.bans[b.Prefix]; !ok || !until.Equal(b.Until) {
			return fmt.Errorf("%w: %s", firewall.ErrGone, b.Prefix)
		}
	}
	return nil
}

// proven is an enforcer over such a door.
func proven(t *testing.T, d *provenDoor) *truth {
	t.Helper()
	tr := running(t, &d.brokenDoor)
	tr.e.backend = d // it waits: nothing is wished yet
	return tr
}

// TestReadsBack has a ban read back at once, and those of a burst after it not
// one by one, but all the same the last of them. One that was lifted meanwhile
// is not missed.
func TestReadsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &provenDoor{}
		tr := proven(t, d)
		for n := range 20 {
			tr.want(true, n)
			synctest.Wait()
			time.Sleep(time.Millisecond)
		}
		tr.want(false, 19)
		time.Sleep(time.Minute)
		synctest.Wait()
		tr.same(t, &d.brokenDoor)
		if p := pauses(d.asked); len(d.asked) != 1 {
			t.Errorf("read back %d times with pauses of %v; want once, for the only ban left to read was lifted", len(d.asked), p)
		}
		tr.want(true, 30)
		synctest.Wait()
		tr.want(true, 31)
		time.Sleep(time.Minute)
		synctest.Wait()
		if p := pauses(d.asked); len(p) != 2 || p[1] != proveEvery {
			t.Errorf("read back with pauses of %v; want the ban at once and the one after it %v later", p, proveEvery)
		}
		if s := tr.e.Status(); s.Repaired != 0 || !s.Healthy {
			t.Errorf("%+v: nothing was amiss", s)
		}
	})
}

// TestLostBan has a door that takes bans and does not keep them.
func TestLostBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &provenDoor{}
		tr := proven(t, d)
		tr.want(true, 1)
		synctest.Wait()
		d.loses = true
		tr.want(true, 2)
		synctest.Wait()
		d.loses = false
		time.Sleep(time.Second)
		synctest.Wait()
		tr.same(t, &d.brokenDoor) // by starting over
	})
}

// TestFloodInPieces wishes thousands of bans and lifts at once: none is lost,
// and no change holds more than maxChange.
func TestFloodInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &provenDoor{}
		tr := proven(t, d)
		wishes := map[netip.Prefix]wish{}
		for n := range 3*maxChange + 1 {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)}), 32)
			wishes[p] = wish{ban: n%3 > 0, until: time.Now().Add(time.Hour)}
			if n%3 > 0 {
				tr.bans[p] = wishes[p].until
			}
		}
		tr.e.Want(wishes)
		synctest.Wait()
		tr.same(t, &d.brokenDoor)
		if d.most != maxChange {
			t.Errorf("the largest change held %d, want %d", d.most, maxChange)
		}
	})
}

// slowDoor is a backend that writes all bans with every change, which takes a second.
type slowDoor struct{ brokenDoor }

func (d *slowDoor) Apply(ctx context.Context, c firewall.Change) error {
	time.Sleep(time.Second)
	return d.brokenDoor.Apply(ctx, c)
}

// TestDoorThatBringsAllBans has a flood and then a ban every second brought to a door
// to which each change is all bans: the flood is one, and so is what comes while it
// rests.
func TestDoorThatBringsAllBans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		door := &slowDoor{}
		e := newEnforcer("door", door, slog.New(slog.DiscardHandler), func(context.Context) ([]firewall.Ban, error) { return nil, nil })
		e.whole = true
		wishes := map[netip.Prefix]wish{}
		ban := func(n int) {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)}), 32)
			wishes[p] = wish{ban: true, until: time.Now().Add(time.Hour)}
		}
		for n := range 3 * maxChange {
			ban(n)
		}
		e.Want(wishes)
		go e.Run(ctx)
		for n := range 20 {
			time.Sleep(time.Second)
			clear(wishes)
			ban(3*maxChange + n)
			e.Want(wishes)
		}
		time.Sleep(20 * time.Second)
		cancel()
		synctest.Wait()
		if len(door.bans) != 3*maxChange+20 {
			t.Errorf("%d bans stand, want %d", len(door.bans), 3*maxChange+20)
		}
		// The first start, the flood, what came while that was written and rested from
		// (11 s), and the rest.
		if n := len(door.called); n != 4 {
			t.Errorf("it was written %d times, want 4", n)
		}
	})
}

// A file is such a door, and so is a node that is asked for all its filters.
func TestWhichDoorsBringAllBans(t *testing.T) {
	kubo, err := firewall.NewKubo(firewall.KuboOptions{API: "/ip4/127.0.0.1/tcp/5001", File: filepath.Join(t.TempDir(), "filters")})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		door firewall.Backend
		want bool
	}{
		{firewall.NewDenyFile("deny.txt", nil), true},
		{kubo, true},
		{firewall.NewPrint(io.Discard), false},
	} {
		if e := newEnforcer("door", c.door, nil, nil); e.whole != c.want {
			t.Errorf("%T brings all: %v", c.door, e.whole)
		}
	}
}

// disturbedDoor is a backend that has seen something.
type disturbedDoor struct {
	brokenDoor
	seen firewall.Disturbance
}

func (d *disturbedDoor) Watch(ctx context.Context, report func(firewall.Disturbance)) error {
	report(d.seen)
	<-ctx.Done()
	return ctx.Err()
}

// TestClockWasSet has the ends of bans mended in silence: nobody is to be blamed
// where the machine slept, or got the time only after its start. Whoever changes
// them is blamed.
func TestClockWasSet(t *testing.T) {
	ends := fmt.Errorf("%w: that of 192.0.2.1/32", firewall.ErrEnds)
	for _, c := range []struct {
		seen firewall.Disturbance
		want int64
	}{
		{firewall.Disturbance{Err: ends}, 0},
		{firewall.Disturbance{Err: ends, By: "nft (pid 7)"}, 1},
		{firewall.Disturbance{Err: firewall.ErrGone}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			door := &disturbedDoor{seen: c.seen}
			e := newEnforcer("door", door, slog.New(slog.DiscardHandler), func(context.Context) ([]firewall.Ban, error) {
				return []firewall.Ban{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}}, nil
			})
			e.repair = false
			go e.Run(ctx)
			go e.Guard(ctx)
			synctest.Wait()
			if st := e.Status(); st.Repaired != c.want || (st.Disturbed != nil) != (c.want > 0) || len(door.called) != 1 {
				t.Errorf("%v: repaired %d times, disturbed %v, begun anew %d times; want %d and once", c.seen, st.Repaired, st.Disturbed, len(door.called), c.want)
			}
			cancel()
			synctest.Wait()
		})
	}
}
