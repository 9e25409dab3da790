package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/netnstest"
	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/trial"
	"github.com/p2pban/p2pban/lab/world"
)

// TestMain makes this program what the lab starts in its namespaces, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"attack", "honest", "relay"}, os.Args[1]) {
		os.Exit(inside{}.Run())
	}
	if _, inside, err := receive(); err != nil {
		panic(err)
	} else if inside {
		os.Exit(netnstest.Main(m))
	}
	// Built outside: in the namespace there is no network.
	p, err := prepare(context.Background(), "", "", []string{"go"})
	if err == nil {
		err = p.hand()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(netnstest.Main(m))
}

// The attacks of the short form are paced, so that what is expected of
// everybody else does not hang on how fast the machine is.
const (
	pace = 400 // a second
	// long is for an attack that should be over in seconds.
	long = 4 * time.Minute
)

func shortTrial(attack string) trial.Trial {
	return trial.Trial{
		Victim: "go", Attack: attack, Agent: agent.P2pban,
		Before: time.Second, During: long, After: 2 * time.Second, Rate: pace,
	}
}

func testLab(t *testing.T) trial.Lab {
	t.Helper()
	netnstest.Require(t)
	netnstest.LookPath(t, "nft")
	p, _, err := receive()
	if err != nil {
		t.Fatal(err)
	}
	l, err := p.lab()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func run(t *testing.T, l trial.Lab, tr trial.Trial) *trial.Result {
	t.Helper()
	r, err := l.Run(t.Context(), tr)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ban after %.2f s, %.4f s after its line; %d of %d hostile connections got through; honest %+v",
		r.BanAfter, r.DecidedAfter, r.Reached, r.Offered, r.During)
	if len(r.Innocents) > 0 {
		t.Errorf("banned innocents: %v", r.Innocents)
	}
	if r.Accused > 0 {
		t.Errorf("%d lines are held against an innocent", r.Accused)
	}
	if r.HonestReached != r.HonestOffered || r.HonestOffered == 0 {
		t.Errorf("of %d connections of honest peers %d came to the node", r.HonestOffered, r.HonestReached)
	}
	// A peer waits 15 s before it gives up; a node that serves nobody else
	// leaves no doubt.
	if r.During.Success() < 0.8 || r.After.Success() < 0.8 {
		t.Errorf("honest peers served during the attack: %+v, after it: %+v", r.During, r.After)
	}
	return r
}

// TestAttackersAreBanned: an attack that a built-in jail is for is banned on
// the very line that reaches maxretry, and from then on nothing more of it comes
// to the node.
func TestAttackersAreBanned(t *testing.T) {
	l := testLab(t)
	for _, c := range []struct {
		attack, jail string
		lines        int // a sampled line stands for a hundred events
	}{
		{"churn", "libp2p-churn", 20},
		{"quic-churn", "libp2p-churn", 20},
		{"spray64", "libp2p-churn", 20},
		{"handshake-junk", "libp2p-handshake", 10},
		{"inject-alpn", "libp2p-handshake", 10},
	} {
		t.Run(c.attack, func(t *testing.T) {
			t.Parallel()
			r := run(t, l, shortTrial(c.attack))
			if r.BanAfter < 0 {
				t.Fatalf("no ban of the attacker in %s, with %d lines about it in the log", long, r.LinesToBan)
			}
			if len(r.Account.Bans) != 1 || r.Account.Bans[0].Jail != c.jail {
				t.Fatalf("bans: %+v, want one by %s", r.Account.Bans, c.jail)
			}
			lines := 0
			for _, n := range r.Account.Bans[0].Rules {
				lines += n
			}
			if lines != c.lines {
				t.Errorf("banned on line %d, want %d", lines, c.lines)
			}
			if r.AfterBan.Served > 0 {
				t.Errorf("of the attempts begun after the ban the node served some: %+v", r.AfterBan)
			}
			// Not after-ban, for what was under way may still be logged, and
			// nothing that hangs on how fast the machine is.
			for _, kind := range []string{"firewall", "forgeable", "guard", "source", "unrecognised", "state"} {
				if what := r.Account.Alarms[kind]; what != "" {
					t.Errorf("alarm %s: %s", kind, what)
				}
			}
		})
	}
}

// TestRelaysAnswerForNobody attacks through a relay, with jails that ban on
// the first line: the relay is the only address in the log, and is not banned.
func TestRelaysAnswerForNobody(t *testing.T) {
	l := testLab(t)
	t.Parallel()
	tr := shortTrial("relayed")
	tr.Lines = 3
	tr.Config = strictest()
	r := run(t, l, tr)
	if r.LinesToBan < tr.Lines {
		t.Fatalf("only %d lines of the relay in the log after %s", r.LinesToBan, long)
	}
	a := r.Account
	// The victim's own dial to the relay is no inbound line either.
	if a.Rejected["relayed"] < int64(tr.Lines) || len(a.Bans) > 0 {
		t.Errorf("%d bans, rejected %v, want none and at least %d relayed", len(a.Bans), a.Rejected, tr.Lines)
	}
}

// strictest makes each built-in jail for go-libp2p ban on one line, but of an
// honest visitor, of whose connections the node prints one in a hundred.
func strictest() string {
	var honest []string
	for _, a := range world.HonestSources() {
		honest = append(honest, fmt.Sprintf("%q", a))
	}
	var text strings.Builder
	for _, jail := range []string{"libp2p-churn", "libp2p-flood", "libp2p-handshake"} {
		fmt.Fprintf(&text, "[jail.%s]\nmaxretry = 100\nignoreip = [%s]\n", jail, strings.Join(honest, ", "))
	}
	return text.String()
}
