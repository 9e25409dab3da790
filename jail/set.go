package jail

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/p2pban/p2pban/parser"
)

// Options are what all jails share.
type Options struct {
	// Protected are named lists of prefixes that are never banned by a jail,
	// nor by hand unless forced: "own addresses", "gateways". See SetProtected.
	Protected map[string][]netip.Prefix
}

// Set is all jails and the bans in force. It is not safe for concurrent use.
//
// Its clock is the largest time it was given, by an event or by a call.
type Set struct {
	clock     instant
	jails     []*jail
	manual    *jail
	routes    map[string]ruled
	prefixes  prefixes
	protected protected
	seen      distinct
	counts    SetCounts
	// nextEnd is at or before the first end of a ban.
	nextEnd instant
	seed    [2]uint64 // of the jails' hash tables
	// next are events made ready, places theirs; both are used again.
	next   [ahead]sighting
	places []place
	warmth uint32  // see warm
	lines  []entry // of a host that is to be banned; used again
	// recent are routes asked for lately; nextRecent is the one to give up.
	recent     [4]ruled
	nextRecent int
}

// route is one jail that counts a rule, by its place in Set.jails, and the
// rule's place in that jail.
type route struct{ jail, rule uint16 }

// New makes a Set. Its error joins every Problem of every jail.
func New(jails []Config, opts Options) (*Set, error) {
	if err := validateAll(jails); err != nil {
		return nil, err
	}
	s := &Set{seed: [2]uint64{rand.Uint64(), rand.Uint64()}}
	var err error
	if s.manual, err = newJail(Config{Name: Manual}, len(jails), s.seed); err != nil {
		return nil, err
	}
	for i, c := range jails {
		j, err := newJail(c, i, s.seed)
		if err != nil {
			return nil, fmt.Errorf("jail %s: %w", c.Name, err)
		}
		s.jails = append(s.jails, j)
	}
	s.route()
	for name, prefixes := range opts.Protected {
		s.protected.set(name, prefixes)
	}
	return s, nil
}

// MaxJails bounds the jails of one Set.
const MaxJails = 1000

func validateAll(jails []Config) error {
	var errs []error
	if len(jails) > MaxJails {
		errs = append(errs, &Problem{jails[MaxJails].Name, "name", fmt.Sprintf("one jail too many: at most %d", MaxJails)})
	}
	names := map[string]bool{}
	for _, c := range jails {
		errs = append(errs, c.Validate())
		if names[c.Name] {
			errs = append(errs, &Problem{c.Name, "name", "two jails have this name"})
		}
		names[c.Name] = true
	}
	return errors.Join(errs...)
}

// route builds the way from a rule to the jails that count it.
func (s *Set) route() {
	s.routes, s.recent = map[string]ruled{}, [len(s.recent)]ruled{}
	for n, j := range s.jails {
		for i, r := range j.cfg.Rules {
			if slices.Index(j.cfg.Rules, r) == i {
				s.routes[r] = ruled{r, append(s.routes[r].routes, route{uint16(n), uint16(i)})}
			}
		}
	}
}

// all gives every jail, the one of bans made by hand last.
func (s *Set) all() iter.Seq2[int, *jail] {
	return func(yield func(int, *jail) bool) {
		for i, j := range s.jails {
			if !yield(i, j) {
				return
			}
		}
		yield(len(s.jails), s.manual)
	}
}

// jail finds a jail by name, Manual among them.
func (s *Set) jail(name string) *jail {
	for _, j := range s.all() {
		if j.cfg.Name == name {
			return j
		}
	}
	return nil
}

// Clock is the largest time seen, zero before the first.
func (s *Set) Clock() time.Time {
	if s.clock == 0 {
		return time.Time{}
	}
	return s.clock.time()
}

// Observe counts one event, whose Time must not be zero, in every jail that
// has its rule. The Unbans that its time brings come first, in order of their
// times; then, in the order of the jails, what the event itself decides.
// It keeps no memory of the event's strings.
func (s *Set) Observe(ev parser.Event) []Decision {
	var x sighting
	s.places = s.places[:0]
	s.prepare(&x, &ev)
	return s.observe(&x, &ev, nil)
}

// sweepTick is how many idle hosts of each jail one Advance may clear away.
const sweepTick = 10_000

// Advance moves the clock to now, if that is later, and gives the Unbans that
// this brings, in order of their times.
func (s *Set) Advance(now time.Time) []Decision {
	out := s.expire(toInstant(now))
	for _, j := range s.jails {
		j.sweep(s.start(j), sweepTick)
		j.trim()
	}
	return out
}
