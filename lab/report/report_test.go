package report

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/measure"
	"github.com/p2pban/p2pban/lab/trial"
)

// docs is where the whole run writes to.
const docs = "../../docs/lab"

// TestPageIsMadeFromResults: who changes a figure by hand, or the words
// without writing the page anew, is told.
func TestPageIsMadeFromResults(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(docs, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b Book
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(docs, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	plots, err := b.plots(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if want := b.page(plots); want != string(page) {
		t.Error("docs/lab/README.md is not what its results.json gives: go run . write in lab")
	}
	for _, f := range plots {
		if _, err := os.Stat(filepath.Join(docs, f.name)); err != nil {
			t.Error(err)
		}
	}
}

// TestPublished holds what the published run is to have shown.
func TestPublished(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(docs, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b Book
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	trials := 0
	for _, r := range b.Results {
		if r.Trial.Agent != agent.P2pban {
			continue
		}
		trials++
		if len(r.Innocents) > 0 || r.Accused > 0 {
			t.Errorf("%s: banned innocents %v, accused one by %d lines", r.Trial, r.Innocents, r.Accused)
		}
		if r.AfterBan.Served > 0 {
			t.Errorf("%s: %d connections served after the ban", r.Trial, r.AfterBan.Served)
		}
		if r.HonestReached != r.HonestOffered {
			t.Errorf("%s: of %d honest connections %d came through", r.Trial, r.HonestOffered, r.HonestReached)
		}
		if r.BanAfter < 0 && note(r) == "" {
			t.Errorf("%s: no ban, and not a word why", r.Trial)
		}
	}
	if trials == 0 || len(b.Failed) > 0 {
		t.Errorf("%d trials with p2pban, failed: %v", trials, b.Failed)
	}
}

func banned() *trial.Result {
	return &trial.Result{
		Trial:   trial.Trial{Victim: "go", Attack: "churn", Agent: agent.P2pban},
		Version: "go-libp2p v0", BanAfter: 4, DecidedAfter: 0.0014, LinesToBan: 20, Seconds: 8,
		Hostile:  measure.Summary{Tried: 2010, Served: 2000, Dropped: 10, MedianMillis: 20},
		AfterBan: measure.Summary{Tried: 10, Dropped: 10},
		Before:   measure.Summary{Tried: 4, Served: 4, MedianMillis: 8.4},
		During:   measure.Summary{Tried: 16, Served: 15, MedianMillis: 9.6},
		After:    measure.Summary{Tried: 4, Served: 4, MedianMillis: 7},

		AgentUsage:  agent.Usage{CPU: 60 * time.Millisecond, MaxBytes: 27_115_520},
		VictimUsage: agent.Usage{CPU: 1295 * time.Millisecond},
		Account:     &agent.Account{Jails: []string{"libp2p-churn"}, Lines: 20, Events: 20},
	}
}

func TestTable(t *testing.T) {
	innocent := banned()
	innocent.Trial.Agent = agent.Fail2ban
	innocent.BanAfter, innocent.DecidedAfter = -1, -1
	innocent.Innocents = []netip.Prefix{netip.MustParsePrefix("192.0.2.250/32")}
	rows := strings.Split(strings.TrimSpace(table([]*trial.Result{banned(), innocent})), "\n")
	want := []string{
		"| churn | p2pban | 4.0 s | 20 | 1.4 ms | 2000 of 2010 | 500 | 0 of 10 | 4 of 4 / 15 of 16 / 4 of 4 | 8 / 10 / 7 | 0 | 0.06 s, 27 MB | 1.3 s |",
		"| churn | fail2ban | none in 8 s | 20 | – | 2000 of 2010 | 250 | – | 4 of 4 / 15 of 16 / 4 of 4 | 8 / 10 / 7 | **192.0.2.250** | 0.06 s, 27 MB | 1.3 s |",
	}
	for i, w := range want {
		if rows[i+2] != w {
			t.Errorf("row %d:\n%s\nwant\n%s", i, rows[i+2], w)
		}
	}
	columns := strings.Count(rows[0], "|")
	for _, r := range rows {
		if strings.Count(r, "|") != columns {
			t.Errorf("%d columns instead of %d: %s", strings.Count(r, "|"), columns, r)
		}
	}
}

// TestWhyThereWasNoBan: the reason comes from what was counted.
func TestWhyThereWasNoBan(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *trial.Result)
		want   string
	}{
		"banned":  {func(*trial.Result) {}, ""},
		"relayed": {func(r *trial.Result) { r.Trial.Attack = "relayed"; r.BanAfter = -1 }, "only the relay's address"},
		"forged": {func(r *trial.Result) {
			r.BanAfter = -1
			r.Account.Alarms = map[string]string{"forgeable": "it can"}
		}, "any peer can write whole lines"},
		"deceived": {func(r *trial.Result) {
			r.Innocents = []netip.Prefix{netip.MustParsePrefix("192.0.2.250/32")}
		}, "Here p2pban was deceived"},
		"cut": {func(r *trial.Result) {
			r.BanAfter, r.Account.Events = -1, 0
			r.Account.Rejected = map[string]int64{"cut": 7}
		}, "journald cuts it"},
		"limits":   {func(r *trial.Result) { r.BanAfter = -1; r.Trial.Limits = true }, "the node guards itself"},
		"no lines": {func(r *trial.Result) { r.BanAfter = -1; r.Account.Events = 0 }, "wrote no record that names the attacker"},
		"too few":  {func(r *trial.Result) { r.BanAfter = -1 }, "maxretry was not reached"},
		"shared":   {func(r *trial.Result) { r.Shared = true }, "share the NAT's address"},
		"others":   {func(r *trial.Result) { r.BanAfter = -1; r.Trial.Agent = agent.Fail2ban }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := banned()
			c.change(r)
			if got := note(r); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
				t.Errorf("%q, want it to say %q", got, c.want)
			}
		})
	}
}

func TestWrap(t *testing.T) {
	text := strings.Repeat("word ", 50)
	for line := range strings.Lines(Wrap(text, "    ")) {
		if len(strings.TrimSuffix(line, "\n")) > width || !strings.HasPrefix(line, "    word") {
			t.Errorf("%q", line)
		}
	}
	if got := strings.Join(strings.Fields(Wrap(text, "")), " "); got != strings.TrimSpace(text) {
		t.Errorf("words were lost: %q", got)
	}
}
