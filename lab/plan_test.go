package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/trial"
)

// TestMatrix: each attack is tried against p2pban, what is compared with
// nobody's or fail2ban's is tried against p2pban too, and no trial is there
// twice.
func TestMatrix(t *testing.T) {
	all, err := choice{kubo: true}.plan()
	if err != nil {
		t.Fatal(err)
	}
	seen, guarded := map[string]bool{}, map[string]bool{}
	for _, tr := range all {
		if seen[tr.String()+tr.Logging] {
			t.Errorf("twice: %s", tr)
		}
		seen[tr.String()+tr.Logging] = true
		if tr.Agent == agent.P2pban {
			guarded[tr.Victim+" "+tr.Attack] = true
		}
	}
	for _, tr := range all {
		if !guarded[tr.Victim+" "+tr.Attack] {
			t.Errorf("%s has nothing to be compared with", tr)
		}
	}
	for _, a := range attackNames() {
		if !guarded["go "+a] {
			t.Errorf("%s is not tried on the current go-libp2p", a)
		}
	}
}

func TestChoice(t *testing.T) {
	all, err := choice{victims: []string{"go"}, attacks: []string{"churn"}, during: time.Minute}.plan()
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range all {
		if tr.Victim != "go" || tr.Attack != "churn" || tr.During != time.Minute {
			t.Errorf("%s for %s", tr, tr.During)
		}
	}
	if !slices.ContainsFunc(all, func(tr trial.Trial) bool { return tr.Limits }) || !slices.ContainsFunc(all, func(tr trial.Trial) bool { return !tr.Limits }) {
		t.Error("the node is not tried with its limits and without")
	}
	// What the matrix does not have.
	all, err = choice{victims: []string{"rust"}, attacks: []string{"quic-churn"}, agents: []string{"none"}}.plan()
	if err != nil || len(all) != 1 || all[0].Victim != "rust" || all[0].Attack != "quic-churn" || all[0].Agent != agent.None {
		t.Errorf("%v, %v", all, err)
	}
	for _, c := range []choice{
		{victims: []string{"gone"}}, {attacks: []string{"honest"}}, {agents: []string{"sshguard"}},
		{victims: []string{"kubo"}}, {victims: []string{"rust"}, attacks: []string{"quic-churn"}},
	} {
		if all, err := c.plan(); err == nil || !strings.Contains(err.Error(), "there are") && !strings.Contains(err.Error(), "lab list") {
			t.Errorf("%+v: %v, %v; want an error that says what there is", c, all, err)
		}
	}
}

func TestList(t *testing.T) {
	var out strings.Builder
	if err := list(&out); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(attackNames(), "fail2ban-anchored", "go-old, resource manager off") {
		if !strings.Contains(out.String(), name) {
			t.Errorf("list does not name %s", name)
		}
	}
}
