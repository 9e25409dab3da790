package parser

import (
	"strings"
	"testing"
)

// A needle is text that stands in every line of its rule however it is
// encoded: not a key, which colours surround, and nothing that JSON escapes.
func TestNeedles(t *testing.T) {
	rs := Builtin()
	for _, r := range rs.Rules() {
		for i := range r.records {
			if n := r.records[i].needle(); len(n) < minNeedle || strings.ContainsAny(n, "=\"\\/\t") {
				t.Errorf("%s: needle %q", r.Name, n)
			}
		}
	}
	for in, want := range map[string]string{
		`Incoming connection error event_type="X" error_type=`: "Incoming connection error ",
		`connection from {addr} refused - x by host {host}`:    " refused - x by host ",
		`a {hole} b`: "",
	} {
		m, err := compileTemplate(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&pattern{message: m}).needle(); got != want {
			t.Errorf("needle of %q is %q, want %q", in, got, want)
		}
	}
}

// The prefilter finds what a plain search finds, wherever it stands.
func TestPrefilter(t *testing.T) {
	p := everyRule(t)
	needles := p.filter.bucket
	filler := strings.Repeat("CANONICA net/identif ncoming connectio ", 20)
	for _, bucket := range needles {
		for _, n := range bucket {
			for cut := range 40 {
				if !p.filter.match(filler[:cut] + n + filler[cut:]) {
					t.Fatalf("%q at %d is not found", n, cut)
				}
			}
		}
	}
	for cut := range len(filler) {
		if p.filter.match(filler[:cut]) {
			t.Fatalf("found something in %q", filler[:cut])
		}
	}
	if p.filter.match("") {
		t.Error("found something in nothing")
	}
}
