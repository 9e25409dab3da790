package attack

import (
	"context"
	"net/netip"
	"testing"
	"time"
)

func TestChurn(t *testing.T) {
	for _, c := range []struct {
		attack string
		from   netip.Addr
		rate   float64
	}{
		{"churn", hostile, 0},
		{"churn", hostile6, 0},
		{"nat-mix", hostile, 0},
		{"slow-churn", hostile, 400}, // what it is for, but in time for a test
	} {
		n := startNode(t) // a new one: it may log late what came before
		p := n.params()
		p.Sources, p.Rate = []netip.Addr{c.from}, c.rate
		line, _ := n.until(t, c.attack, p,
			contains("msg=CANONICAL_PEER_STATUS", "/tcp/", "connection_status=established", "dir=inbound"), nil)
		accuses(t, line, "go-libp2p/connection", c.from)
	}
}

// TestSlowChurnIsSlow gives it time for many attempts of churn's and sees one.
func TestSlowChurnIsSlow(t *testing.T) {
	n := startNode(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got []Attempt
	err := slowChurn().Run(ctx, n.params(), func(a Attempt) {
		got = append(got, a)
		time.AfterFunc(2*time.Second, cancel)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Outcome != Served {
		t.Errorf("in two seconds and a little: %+v, want one attempt, served", got)
	}
}
