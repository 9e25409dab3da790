package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
)

func TestHonestPeersAreServed(t *testing.T) {
	n := startNode(t)
	var out bytes.Buffer
	args := []string{"honest", "-source", hostile.String(), "-rate", "5", "-for", "3s"}
	for _, a := range n.addrs {
		args = append(args, "-target", a.String())
	}
	if err := Main(context.Background(), args, &out); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for d := json.NewDecoder(&out); d.More(); {
		var a Attempt
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
		if a.Outcome != Served || a.Millis <= 0 {
			t.Errorf("honest peer: %+v", a)
		}
		seen[a.Remote] = true
	}
	if len(seen) != 2 {
		t.Errorf("visited %v, want the TCP and the QUIC port", seen)
	}
}
