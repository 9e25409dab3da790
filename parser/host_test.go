package parser

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

const somePeer = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"

// The shapes of addresses that nodes print, and whom each names.
func TestParseHost(t *testing.T) {
	const certhash = "/certhash/uEiA2K5MWlcfDgQwAhbj56pQBdr6tE5pReohztXGn0BlFOA"
	for _, c := range []struct {
		addr   string
		host   string
		reject Reject
	}{
		{"/ip4/203.0.113.7/tcp/4001", "203.0.113.7", Accepted},
		{"/ip4/203.0.113.7/udp/4001/quic-v1", "203.0.113.7", Accepted},
		{"/ip4/203.0.113.7/udp/4001/quic", "203.0.113.7", Accepted},
		{"/ip4/203.0.113.7/udp/4001", "203.0.113.7", Accepted},
		{"/ip4/203.0.113.7/tcp/4001/", "203.0.113.7", Accepted}, // as go-multiaddr reads it
		{"/ip4/203.0.113.7/tcp/443/tls/sni/x.example/ws", "203.0.113.7", Accepted},
		{"/ip4/203.0.113.7/tcp/4001/p2p/" + somePeer, "203.0.113.7", Accepted},
		{"/ip4/203.0.113.7/udp/4001/quic-v1/webtransport" + certhash + certhash, "203.0.113.7", Accepted},
		{"/ip4/203.0.113.7/udp/4001/webrtc-direct" + certhash, "203.0.113.7", Accepted},
		{"/ip6/2001:db8::7/tcp/4001/wss", "2001:db8::7", Accepted},
		{"/ip6/::ffff:203.0.113.5/tcp/4001", "203.0.113.5", Accepted},
		{"/ip6/::ffff:cb00:7105/tcp/4001", "203.0.113.5", Accepted},
		// Translated addresses name whoever the translator is; the jail bans them
		// as single addresses.
		{"/ip6/64:ff9b::cb00:7109/tcp/4001", "64:ff9b::cb00:7109", Accepted},
		{"/ip6/2002:cb00:7109::1/tcp/4001", "2002:cb00:7109::1", Accepted},
		{"/ip6zone/eth0/ip6/2001:db8::7/tcp/4001", "2001:db8::7", Accepted},

		{"/ip6zone/eth0/ip6/fe80::1/tcp/4001", "", Private},
		{"/ip6/64:ff9b::a00:1/tcp/4001", "", Private},
		{"/ip6/2002:7f00:1::1/udp/4001/quic-v1", "", Private},
		{"/ip6/fec0::1/tcp/4001", "", Private},
		{"/ip4/198.18.0.1/tcp/4001", "", Private},
		{"/ip4/127.0.0.1/tcp/4001", "", Private},
		{"/ip4/10.1.2.3/tcp/4001", "", Private},
		{"/ip4/172.31.0.1/tcp/4001", "", Private},
		{"/ip4/192.168.0.1/tcp/4001", "", Private},
		{"/ip4/100.127.0.1/tcp/4001", "", Private},
		{"/ip4/169.254.1.1/tcp/4001", "", Private},
		{"/ip4/224.0.0.1/tcp/4001", "", Private},
		{"/ip4/255.255.255.255/tcp/4001", "", Private},
		{"/ip4/0.0.0.0/tcp/4001", "", Private},
		{"/ip6/::/tcp/4001", "", Private},
		{"/ip6/::1/tcp/4001", "", Private},
		{"/ip6/fd00::1/tcp/4001", "", Private},
		{"/ip6/ff02::1/tcp/4001", "", Private},
		{"/ip6/::ffff:127.0.0.1/tcp/4001", "", Private},

		{"/ip4/203.0.113.99/tcp/4001/p2p/" + somePeer + "/p2p-circuit", "", Relayed},
		{"/ip4/203.0.113.99/tcp/4001/p2p/" + somePeer + "/p2p-circuit/p2p/" + somePeer, "", Relayed},
		{"/p2p-circuit", "", Relayed},

		{"/dns4/example.com/tcp/443/wss", "", NoIP},
		{"/dns/fe80::5481:f9ff:fe00:4d29%vga/tcp/38356/ws", "", NoIP},
		{"/dnsaddr/x/ip4/8.8.8.8", "", NoIP},
		{"/unix/tmp/p2p.sock", "", NoIP},
		{"/unix/tmp/my sock addr=/ip4/8.8.8.8", "", NoIP},
		{"/memory/1234", "", NoIP},
		{"/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234", "", NoIP},
		{"/p2p/" + somePeer, "", NoIP},
		{"", "", NoIP},

		{"/ip4/203.0.113.0/ipcidr/24", "", Malformed},
		{"/ip4/203.0.113.7/tcp/70000", "", Malformed},
		{"/ip4/203.0.113.7/tcp/", "", Malformed},
		{"/ip4/203.0.113.7/x", "", Malformed},
		{"/ip4/203.0.113.007/tcp/1", "", Malformed},
		{"/ip4/203.0.113.7x/tcp/1", "", Malformed},
		{"/ip4/::1/tcp/1", "", Malformed},
		{"/ip6/203.0.113.7/tcp/1", "", Malformed},
		{"/ip6/fe80::1%eth0/tcp/1", "", Malformed},
		{"/ip6zone//ip6/fe80::1/tcp/1", "", Malformed},
		{"203.0.113.7", "", Malformed},
		{"x/ip4/203.0.113.7/tcp/1", "", Malformed},
		{"/ip4/203.0.113.7/tcp/1" + strings.Repeat("/ws", MaxAddr), "", Malformed},
	} {
		host, reject := ParseHost(c.addr)
		if reject != c.reject || reject == Accepted && host.String() != c.host {
			t.Errorf("ParseHost(%q) = %v, %v; want %v, %v", c.addr, host, reject, c.host, c.reject)
		}
	}
}

func TestHostOfValue(t *testing.T) {
	for v, want := range map[string]string{
		"203.0.113.7":               "203.0.113.7",
		"203.0.113.7:4001":          "203.0.113.7",
		"[2001:db8::7]:4001":        "2001:db8::7",
		"[2001:db8::7%eth0]:4001":   "2001:db8::7",
		"2001:db8::50":              "2001:db8::50", // whole, not cut at its last colon
		`some("203.0.113.7")`:       "203.0.113.7",
		"ok(203.0.113.7)":           "203.0.113.7",
		"ok(2001:db8::50)":          "2001:db8::50",
		"ok(x)":                     "malformed",
		"/ip4/203.0.113.7/tcp/4001": "203.0.113.7",
		"::ffff:203.0.113.7":        "203.0.113.7",
		"203.0.113.7, 8.8.8.8":      "malformed",
		"example.com":               "malformed",
		"some(\"x\")":               "malformed",
		"[fe80::1%eth0]:4001":       "private",
	} {
		host, reject, _ := hostOfValue(v)
		got := reject.String()
		if reject == Accepted {
			got = host.String()
		}
		if got != want {
			t.Errorf("hostOfValue(%q) = %v, want %v", v, got, want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for s, want := range map[string]string{
		"192.0.2.7":                      "192.0.2.7/32",
		" 192.0.2.7 ":                    "192.0.2.7/32",
		"192.0.2.7:4001":                 "192.0.2.7/32",
		"2001:db8::7":                    "2001:db8::7/128",
		"[2001:db8::7]:4001":             "2001:db8::7/128",
		"::ffff:192.0.2.7":               "192.0.2.7/32",
		"192.0.2.0/24":                   "192.0.2.0/24",
		"::ffff:192.0.2.0/120":           "192.0.2.0/24",
		"2001:db8::/48":                  "2001:db8::/48",
		"10.0.0.0/8":                     "10.0.0.0/8",
		"/ip4/198.51.100.7":              "198.51.100.7/32",
		"/ip4/198.51.100.7/tcp/4001":     "198.51.100.7/32",
		"/ip6/2001:db8::7/udp/1/quic-v1": "2001:db8::7/128",
		"/ip4/192.0.2.0/ipcidr/24":       "192.0.2.0/24",
	} {
		got, err := ParseTarget(s)
		if err != nil || got != netip.MustParsePrefix(want) {
			t.Errorf("ParseTarget(%q) = %v, %v; want %s", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"":                         "no address",
		"example.com":              "is no address; want one like",
		"192.0.2.5/24":             "write 192.0.2.0/24, or 192.0.2.5 for the one address",
		"192.0.2.0/33":             "is no prefix",
		"::ffff:0.0.0.0/80":        "write the IPv4 prefix",
		"fe80::1%eth0":             "without %eth0",
		"/dns4/example.com":        "a name is never resolved",
		"/ip4/192.0.2.0/ipcidr/x":  "is no multiaddr",
		"/ip4/192.0.2.5/ipcidr/24": "write 192.0.2.0/24",
		"/ip4/1.2.3.4/tcp/1/p2p/" + somePeer + "/p2p-circuit": "the relay's, not the peer's",
		"/p2p/" + somePeer: "no IP address",
	} {
		if got, err := ParseTarget(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseTarget(%q) = %v, %v; want an error with %q", s, got, err, want)
		}
	}
}

func TestSpecial(t *testing.T) {
	for s, want := range map[string]string{
		"127.0.0.1": "loopback", "::1": "loopback", "10.0.0.1": "private", "fd00::1": "private",
		"100.64.0.1": "CGNAT", "169.254.0.1": "link-local", "fe80::1%eth0": "link-local",
		"239.0.0.1": "multicast", "ff02::1": "multicast", "0.0.0.0": "unspecified", "::": "unspecified",
		"198.18.0.1": "benchmark", "198.19.255.255": "benchmark", "192.0.0.4": "protocol", "fec0::1": "site-local", "100::1": "discard",
		"::8.8.8.8": "reserved", "64:ff9b:1::808:808": "NAT64",
		// What stands behind a translator.
		"64:ff9b::a00:1": "private", "64:ff9b::7f00:1": "loopback", "2002:a00:1::1": "private", "2002:7f00:1::1": "loopback", "2002:c612:1::1": "benchmark",
		"64:ff9b::808:808": "", "2002:808:808::1": "", "2003:a00:1::1": "", "198.20.0.1": "", "192.0.1.1": "", "100:0:0:1::1": "",
		"255.255.255.255": "broadcast", "240.0.0.1": "reserved", "::ffff:10.0.0.1": "private",
		// The documentation ranges are ordinary addresses to a node.
		"192.0.2.1": "", "198.51.100.1": "", "203.0.113.1": "", "2001:db8::1": "", "8.8.8.8": "", "100.128.0.1": "",
	} {
		if name, _, ok := special(netip.MustParseAddr(s)); name != want || ok != (want != "") {
			t.Errorf("special(%s) = %q, %v; want %q", s, name, ok, want)
		}
	}
}

func TestAllowPrivate(t *testing.T) {
	line := func(addr string) Line {
		return Line{Text: "time=2026-11-20T11:17:22.191Z level=INFO source=/x/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer=" +
			somePeer + " addr=" + addr + " sample_rate=100 connection_status=established dir=inbound"}
	}
	p := newParser(t, Options{AllowPrivate: true})
	var res Result
	for addr, want := range map[string]Reject{
		"/ip4/127.0.0.1/tcp/1": Accepted, "/ip4/10.0.0.1/tcp/1": Accepted, "/ip6/fe80::1/tcp/1": Accepted,
		"/ip4/0.0.0.0/tcp/1": Private, "/ip4/224.0.0.1/tcp/1": Private, "/ip4/255.255.255.255/tcp/1": Private,
	} {
		if p.Parse(line(addr), &res); res.Reject != want {
			t.Errorf("%s: %v, want %v", addr, res.Reject, want)
		}
	}
}

// The short cut by the first byte hides no range: both ends of each, and what
// lies around them, are found as by looking at all ranges.
func TestSpecialByFirstByte(t *testing.T) {
	slow := func(a netip.Addr) bool {
		for _, r := range specialRanges {
			if r.prefix.Contains(a) {
				return true
			}
		}
		return false
	}
	for b := range 256 {
		for _, rest := range [...]byte{0, 1, 15, 16, 31, 32, 63, 64, 100, 127, 128, 168, 191, 192, 254, 255} {
			v4 := netip.AddrFrom4([4]byte{byte(b), rest, rest, rest})
			v6 := netip.AddrFrom16([16]byte{0: byte(b), 1: rest, 15: rest})
			for _, a := range [...]netip.Addr{v4, v6} {
				if _, _, ok := special(a); ok != slow(a) {
					t.Errorf("special(%v) = %v", a, ok)
				}
			}
		}
	}
	for _, r := range specialRanges {
		i := slices.IndexFunc(specialRanges, func(o specialRange) bool { return o.prefix.Contains(r.prefix.Addr()) })
		if name, _, ok := special(r.prefix.Addr()); !ok || name != specialRanges[i].name {
			t.Errorf("special(%v) = %q, %v", r.prefix.Addr(), name, ok)
		}
	}
}
