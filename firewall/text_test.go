package firewall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "rewrite the golden files; review the difference")

// noon is when the golden transactions happen.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

type goldenStep struct {
	init   []Ban
	change Change
}

var goldens = map[string]struct {
	options Options
	steps   []goldenStep
}{
	"empty": {steps: []goldenStep{{}}},
	"every-kind": {steps: []goldenStep{{init: []Ban{
		{Prefix: pfx("192.0.2.1/32"), Until: noon.Add(10 * time.Minute)},
		{Prefix: pfx("192.0.2.2/32")},
		{Prefix: pfx("192.0.2.3/32"), Until: noon.Add(26*time.Hour + 3*time.Minute + 4*time.Second + 5*time.Millisecond)},
		{Prefix: pfx("192.0.2.4/32"), Until: noon.Add(time.Microsecond)},
		{Prefix: pfx("192.0.2.5/32"), Until: noon},
		{Prefix: pfx("198.51.100.0/24"), Until: noon.Add(time.Hour)},
		{Prefix: pfx("2001:db8::1/128"), Until: noon.Add(time.Hour)},
		{Prefix: pfx("2001:db8:1:2::/64"), Until: noon.Add(90 * time.Second)},
		{Prefix: pfx("2001:db8:3::/53")},
	}}}},
	"changes": {steps: []goldenStep{
		{init: []Ban{{Prefix: pfx("192.0.2.1/32"), Until: noon.Add(time.Hour)}}},
		{change: Change{
			Set: []Ban{
				{Prefix: pfx("192.0.2.1/32"), Until: noon.Add(2 * time.Hour)},
				{Prefix: pfx("2001:db8:1:2::/64"), Until: noon.Add(time.Minute)},
				{Prefix: pfx("192.0.2.9/32"), Until: noon.Add(-time.Minute)},
			},
			Lift: []netip.Prefix{pfx("192.0.2.7/32"), pfx("10.0.0.0/8")},
		}},
		{change: Change{Set: []Ban{{Prefix: pfx("198.51.100.0/24"), Until: noon.Add(time.Hour)}}}},
		{change: Change{Lift: []netip.Prefix{pfx("198.51.100.0/24")}}},
	}},
	"ports": {
		options: Options{Ports: []uint16{4001, 4002}},
		steps: []goldenStep{
			{init: []Ban{{Prefix: pfx("192.0.2.1/32"), Until: noon.Add(time.Hour)}}},
			{change: Change{Set: []Ban{{Prefix: pfx("2001:db8::/32")}}}},
		},
	},
	"claimed": {
		options: Options{comment: "kept by p2pban pid 1 uid 0 at @p2pban-A"},
		steps:   []goldenStep{{init: []Ban{{Prefix: pfx("192.0.2.1/32"), Until: noon.Add(time.Hour)}}}},
	},
	"udp-only": {
		options: Options{Protocols: []Protocol{UDP}},
		steps:   []goldenStep{{init: []Ban{{Prefix: pfx("192.0.2.1/32"), Until: noon.Add(time.Hour)}}}},
	},
}

// printed is what the printer writes for a golden's steps.
func printed(t testing.TB, name string) []byte {
	t.Helper()
	g := goldens[name]
	var out bytes.Buffer
	p := NewPrint(&out)
	p.Options = g.options
	p.Options.Now = func() time.Time { return noon }
	for i, s := range g.steps {
		if i == 0 {
			mustInit(t, p, s.init...)
			continue
		}
		mustApply(t, p, s.change)
	}
	return out.Bytes()
}

func TestTransactionText(t *testing.T) {
	for name := range goldens {
		t.Run(name, func(t *testing.T) {
			got := printed(t, name)
			path := filepath.Join("testdata", name+".nft")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("the transaction changed (-golden +now):\n%s", diff)
			}
		})
	}
}

// nftRuleset is what nft lists of our table, without handles, counters' values
// and what is left of timeouts.
func nftRuleset(t testing.TB) any {
	t.Helper()
	var list struct {
		Nftables []map[string]any `json:"nftables"`
	}
	if err := json.Unmarshal([]byte(run(t, "", "nft", "-j", "list", "table", "inet", tableName)), &list); err != nil {
		t.Fatal(err)
	}
	out := make([]any, 0, len(list.Nftables))
	for _, o := range list.Nftables {
		if _, meta := o["metainfo"]; !meta {
			out = append(out, scrub(o))
		}
	}
	return out
}

func scrub(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range []string{"handle", "expires"} {
			delete(v, k)
		}
		for k := range v {
			v[k] = scrub(v[k])
		}
	case []any:
		v = slices.DeleteFunc(v, endsAtOnce)
		for i := range v {
			v[i] = scrub(v[i])
		}
		slices.SortStableFunc(v, compareElements)
		return v // which may be shorter
	}
	return v
}

// endsAtOnce tells whether v is a set's element that lasts less than a second: it may
// be gone before it is listed. What it was sent with stands in the golden text.
func endsAtOnce(v any) bool {
	m, _ := v.(map[string]any)
	elem, _ := m["elem"].(map[string]any)
	return elem["timeout"] == float64(0)
}

// compareElements orders set elements, which nft lists in hash order.
func compareElements(a, b any) int {
	ma, oka := a.(map[string]any)
	mb, okb := b.(map[string]any)
	if !oka || !okb || ma["elem"] == nil || mb["elem"] == nil {
		return 0
	}
	ja, _ := json.Marshal(ma["elem"])
	jb, _ := json.Marshal(mb["elem"])
	return bytes.Compare(ja, jb)
}

// The text and what goes over netlink are the same: nft, given the text, ends
// in the state the netlink backend made.
func TestTextAndNetlinkAgree(t *testing.T) {
	for name, g := range goldens {
		t.Run(name, func(t *testing.T) {
			o := g.options
			o.Now = func() time.Time { return noon }
			b := newNFTables(t, o)
			for i, s := range g.steps {
				if i == 0 {
					mustInit(t, b, s.init...)
					continue
				}
				mustApply(t, b, s.change)
			}
			sent := nftRuleset(t)

			text := string(printed(t, name))
			run(t, text, "nft", "--check", "-f", "-")
			run(t, "", "nft", "flush", "ruleset")
			run(t, text, "nft", "-f", "-")
			read := nftRuleset(t)
			if diff := cmp.Diff(read, sent); diff != "" {
				t.Errorf("nft -f and netlink differ (-nft +netlink):\n%s", diff)
			}
		})
	}
}

// nft takes the text of a fresh ban once, as the kernel does what is sent for it.
func TestFreshText(t *testing.T) {
	b := newNFTables(t, Options{})
	mustInit(t, b)
	tx, _, err := b.plan.change(Change{Set: fresh(in(time.Hour), Ban{Prefix: pfx("192.0.2.1/32")}, Ban{Prefix: pfx("2001:db8::/64")})}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	run(t, tx.String(), "nft", "-f", "-")
	stands(t, b, fresh(in(time.Hour), Ban{Prefix: pfx("192.0.2.1/32")}, Ban{Prefix: pfx("2001:db8::/64")})...)
	if err := b.sender.send(t.Context(), tx); !errors.Is(err, unix.EEXIST) {
		t.Errorf("sent again: %v, want EEXIST", err)
	}
}

func TestTextOfALargeChangeLoads(t *testing.T) {
	var out bytes.Buffer
	p := NewPrint(&out)
	mustInit(t, p, until(hosts(3*maxElements+1), in(time.Hour))...)
	mustApply(t, p, Change{Set: mixed()})
	run(t, out.String(), "nft", "--check", "-f", "-")
}

func TestPrinterReportsAFailingWriter(t *testing.T) {
	p := NewPrint(failingWriter{})
	if err := p.Init(context.Background(), mixed()); err == nil {
		t.Error("Init into a failing writer succeeded")
	}
	if got := mustList(t, p); len(got) != 0 {
		t.Errorf("%d bans stand after a failed Init", len(got))
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestSetNames(t *testing.T) {
	for _, s := range []struct {
		prefix, name string
	}{
		{"192.0.2.1/32", "ipv4"}, {"192.0.2.0/24", "ipv4_24"}, {"2001:db8::1/128", "ipv6"}, {"2001:db8::/64", "ipv6_64"}, {"2001:db8::/32", "ipv6_32"},
	} {
		id := setOf(pfx(s.prefix))
		if id.String() != s.name {
			t.Errorf("the set of %s is %s, want %s", s.prefix, id, s.name)
		}
		if back, ok := parseSetID(s.name); !ok || back != id {
			t.Errorf("%s is read as %v (%v), want %v", s.name, back, ok, id)
		}
	}
	for _, name := range []string{"", "ports", "protocols", "ipv5", "ipv4_32", "ipv4_", "ipv6_128", "ipv4_024"} {
		if id, ok := parseSetID(name); ok {
			t.Errorf("%q is read as the set %v", name, id)
		}
	}
}
