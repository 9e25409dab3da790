package parser

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// seedLines gives some lines of every capture: the first of each kind is worth
// more than all of one kind.
func seedLines(f *testing.F, perFile int) []string {
	files, err := filepath.Glob(filepath.Join(testdata, "captures", "*", "*.*"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no captures: %v", err)
	}
	var lines []string
	for _, file := range files {
		rel, err := filepath.Rel(testdata, file)
		if err != nil {
			f.Fatal(err)
		}
		all := readLines(f, rel)
		for i := 0; i < len(all); i += 1 + len(all)/perFile {
			if len(all[i]) < 4096 {
				lines = append(lines, all[i])
			}
		}
	}
	return lines
}

// outsideQuotes is s without its Go-quoted values.
func outsideQuotes(s string) string {
	var b strings.Builder
	for s != "" {
		before, quoted, ok := strings.Cut(s, `"`)
		b.WriteString(before)
		if !ok {
			break
		}
		n := quotedEnd(`"` + quoted)
		if n < 0 {
			b.WriteString(quoted)
			break
		}
		s = quoted[n-1:]
	}
	return b.String()
}

// checkEvent holds whatever was accepted to what must be true of it.
func checkEvent(t *testing.T, line string, res *Result) {
	ev := &res.Event
	if res.Reject != Accepted {
		if ev.Host.IsValid() || ev.Rule != "" {
			t.Fatalf("%v, but with an event %+v", res.Reject, ev)
		}
		return
	}
	host, reject, _ := hostOfValue(ev.Addr)
	if reject != Accepted || host != ev.Host || ev.Host.Is4In6() || ev.Host.Zone() != "" {
		t.Fatalf("host %v of address %q (%v)", ev.Host, ev.Addr, reject)
	}
	if name, _, ok := special(ev.Host); ok {
		t.Fatalf("host %v is %s", ev.Host, name)
	}
	if ev.Weight < 1 || ev.Weight > MaxWeight || ev.Text != line || len(ev.Peer) > MaxPeer {
		t.Fatalf("event %+v", ev)
	}
	if res.Record.Tag == "" {
		return
	}
	switch res.Format {
	case "slog-text", "go-log-console":
		if !strings.HasPrefix(res.Carrier, "docker") && !strings.HasPrefix(res.Carrier, "journalctl") && !strings.Contains(outsideQuotes(line), res.Record.Tag) {
			t.Fatalf("the record's name stands in a quoted value only: %q", line)
		}
	case "go-log-json":
		if res.Carrier != "" {
			return
		}
		var object struct{ Logger, Msg string }
		if err := json.Unmarshal([]byte(line), &object); err != nil || object.Logger != canonicalLogger || !strings.HasPrefix(object.Msg, res.Record.Tag+": peer=") {
			t.Fatalf("accepted %q (%v)", line, err)
		}
	default:
		t.Fatalf("a canonical record in format %q", res.Format)
	}
}

func FuzzFrame(f *testing.F) {
	for _, line := range seedLines(f, 6) {
		f.Add(line)
	}
	for _, text := range hostileTexts() {
		if len(text) < 1000 {
			f.Add(text)
		}
	}
	p := everyRule(f)
	f.Fuzz(func(t *testing.T, line string) {
		var res Result
		p.Parse(Line{Text: line, Ref: sampleRef}, &res)
		checkEvent(t, line, &res)
		event := res.Event
		p.Explain(Line{Text: line, Ref: sampleRef}, &res)
		checkEvent(t, line, &res)
		if event != res.Event {
			t.Fatalf("Parse gives %+v, Explain %+v", event, res.Event)
		}
		for _, enc := range others() {
			for _, l := range strings.Split(enc.encode(line), "\n") {
				if p.Parse(Line{Text: l}, &res); res.Reject == Accepted {
					t.Fatalf("%s: text in another logger's line accuses %v: %q", enc.name, res.Event.Host, l)
				}
			}
		}
	})
}

func FuzzRecord(f *testing.F) {
	for _, text := range hostileTexts() {
		if len(text) < 1000 {
			f.Add("/ip4/203.0.113.66/tcp/44788", text, "key", text)
		}
	}
	f.Add("/ip6/2001:db8::1/udp/4001/quic-v1", "EOF", "odd", "")
	p := everyRule(f)
	f.Fuzz(func(t *testing.T, addr, err, key, value string) {
		var res Result
		pair := ""
		if key != "" && !hasSpace(key) && !strings.ContainsAny(key, `="`) {
			pair = fmt.Sprintf(" %s=%q", key, value)
		}
		line := "2026-11-20T11:17:19.901Z\tINFO\tcanonical-log\ttls/transport.go:96\t" +
			fmt.Sprintf(`CANONICAL_PEER_STATUS: peer= addr=%s sample_rate=100 handshake_failure="tls" err=%q`, addr, err) + pair
		if strings.ContainsAny(addr, "\n") {
			return // the node never prints such an address
		}
		p.Parse(Line{Text: line}, &res)
		checkEvent(t, line, &res)
		host, reject := ParseHost(addr)
		if res.Reject == Accepted && (reject != Accepted || host != res.Event.Host) {
			t.Fatalf("address %q: accuses %v, its host is %v (%v)", addr, res.Event.Host, host, reject)
		}
		if reject == Accepted && pair == "" && !hasSpace(addr) && res.Reject != Accepted {
			t.Fatalf("a genuine line is %v (%s, column %d): %q", res.Reject, res.Detail, res.Column, line)
		}
		for _, enc := range encoders() {
			for _, l := range strings.Split(strings.TrimSuffix(enc.encode(err), "\n"), "\n") {
				p.Parse(Line{Text: l}, &res)
				checkEvent(t, l, &res)
				if res.Reject != Accepted || res.Event.Host.String() != trueHost {
					t.Fatalf("%s: %v %v (%s) for %q", enc.name, res.Reject, res.Event.Host, res.Detail, err)
				}
			}
		}
	})
}

func FuzzHost(f *testing.F) {
	for _, s := range []string{
		"/ip4/203.0.113.7/tcp/4001", "/ip6/2001:db8::7/udp/4001/quic-v1/webtransport", "/ip6zone/eth0/ip6/fe80::1/tcp/1",
		"/ip4/203.0.113.99/tcp/1/p2p/" + somePeer + "/p2p-circuit", "/dns4/x/tcp/1", "/ip4/1.2.3.0/ipcidr/24", "/unix/a b",
		"203.0.113.7:1", "[2001:db8::1%x]:1", "2001:db8::/32", "::ffff:1.2.3.4", `some("1.2.3.4")`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, reject := ParseHost(s)
		ma, err := multiaddr.NewMultiaddr(s)
		if reject == Accepted {
			if err != nil {
				t.Fatalf("ParseHost accepts %q, go-multiaddr does not: %v", s, err)
			}
			ip, err := manet.ToIP(ma)
			want, ok := netip.AddrFromSlice(ip)
			if err != nil || !ok || want.Unmap() != host {
				t.Fatalf("ParseHost(%q) = %v, go-multiaddr %v (%v)", s, host, ip, err)
			}
			if _, err := ma.ValueForProtocol(multiaddr.P_CIRCUIT); err == nil {
				t.Fatalf("%q goes over a relay", s)
			}
		} else if err == nil && plainHost(ma) && !ip6WithoutColon(s) && len(s) <= MaxAddr && reject != Private {
			t.Fatalf("go-multiaddr accepts %q, ParseHost says %v", s, reject)
		}
		if p, err := ParseTarget(s); err == nil && (!p.IsValid() || p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != "") {
			t.Fatalf("ParseTarget(%q) = %v", s, p)
		}
		if host, reject, _ := hostOfValue(s); reject == Accepted && !host.IsValid() {
			t.Fatalf("hostOfValue(%q) accepts nothing", s)
		}
	})
}

// ip6WithoutColon tells whether an ip6 component holds an IPv4 address, which
// go-multiaddr reads and no node prints.
func ip6WithoutColon(s string) bool {
	_, value, _ := component(s)
	return strings.HasPrefix(s, "/ip6/") && !strings.Contains(value, ":")
}

// plainHost tells whether ma begins with an IP address and is neither relayed
// nor a range.
func plainHost(ma multiaddr.Multiaddr) bool {
	for _, code := range []int{multiaddr.P_CIRCUIT, multiaddr.P_IPCIDR} {
		if _, err := ma.ValueForProtocol(code); err == nil {
			return false
		}
	}
	first, _ := multiaddr.SplitFirst(ma)
	if first == nil {
		return false
	}
	code := first.Protocol().Code
	return code == multiaddr.P_IP4 || code == multiaddr.P_IP6
}
