package jail

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

func good() Config {
	return Config{Name: "j", Rules: []string{"r"}, FindTime: time.Minute, MaxRetry: 3, BanTime: time.Hour}
}

func TestValidateNamesTheKey(t *testing.T) {
	for _, c := range []struct {
		key string
		set func(*Config)
	}{
		{"name", func(c *Config) { c.Name = "" }},
		{"name", func(c *Config) { c.Name = Manual }},
		{"name", func(c *Config) { c.Name = "a b" }},
		{"rules", func(c *Config) { c.Rules = nil }},
		{"rules", func(c *Config) { c.Rules = make([]string, MaxRules+1) }},
		{"findtime", func(c *Config) { c.FindTime = 0 }},
		{"findtime", func(c *Config) { c.FindTime = -time.Second }},
		{"maxretry", func(c *Config) { c.MaxRetry = 0 }},
		{"maxretry", func(c *Config) { c.MaxRetry = math.MaxInt64 }},
		{"bantime", func(c *Config) { c.BanTime = 0 }},
		{"bantime", func(c *Config) { c.BanTime = -time.Hour }},
		{"factor", func(c *Config) { c.Factor = 0.5 }},
		{"factor", func(c *Config) { c.Factor = math.NaN() }},
		{"factor", func(c *Config) { c.Factor = math.Inf(1) }},
		{"maxbantime", func(c *Config) { c.MaxBanTime = time.Minute }},
		{"maxbantime", func(c *Config) { c.BanTime, c.MaxBanTime = Forever, -1 }},
		{"memory", func(c *Config) { c.Memory = -1 }},
		{"ignoreip", func(c *Config) { c.IgnoreIP = []string{"example.com"} }},
		{"ipv6prefix", func(c *Config) { c.IPv6Prefix = 31 }},
		{"ipv6prefix", func(c *Config) { c.IPv6Prefix = 129 }},
		{"widen", func(c *Config) { c.Widen = 1 }},
		{"minpeers", func(c *Config) { c.MinPeers = -1 }},
		{"minpeers", func(c *Config) { c.MinPeers = 4 }},
		{"natpeers", func(c *Config) { c.NATPeers = -1 }},
		{"guardshare", func(c *Config) { c.Guard.Share = 1.5 }},
		{"guardshare", func(c *Config) { c.Guard.Share = math.NaN() }},
		{"guardleast", func(c *Config) { c.Guard.Least = -1 }},
		{"guardrate", func(c *Config) { c.Guard.Rate = -1 }},
		{"maxhosts", func(c *Config) { c.MaxHosts = -1 }},
		{"maxevents", func(c *Config) { c.MaxEvents = -1 }},
		{"maxbans", func(c *Config) { c.MaxBans = -1 }},
	} {
		bad := good()
		c.set(&bad)
		var p *Problem
		if err := bad.Validate(); !errors.As(err, &p) || p.Key != c.key {
			t.Errorf("%s: got %v", c.key, err)
		}
		if _, err := New([]Config{bad}, Options{}); err == nil {
			t.Errorf("%s: New took %+v", c.key, bad)
		}
	}
	if err := good().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateReportsAllAtOnce(t *testing.T) {
	bad := Config{Name: "j", IgnoreIP: []string{"a", "b"}}
	joined, ok := bad.Validate().(interface{ Unwrap() []error })
	if !ok {
		t.Fatal("not joined")
	}
	var keys []string
	for _, err := range joined.Unwrap() {
		p, ok := err.(*Problem)
		if !ok {
			t.Fatalf("%T", err)
		}
		keys = append(keys, p.Key)
	}
	if want := []string{"rules", "findtime", "maxretry", "bantime", "ignoreip", "ignoreip"}; !slices.Equal(keys, want) {
		t.Errorf("got %v, want %v", keys, want)
	}
}

func TestNewRefusesTwoJailsOfOneName(t *testing.T) {
	_, err := New([]Config{good(), good()}, Options{})
	if err == nil || !strings.Contains(err.Error(), "two jails have this name") {
		t.Error(err)
	}
}

func TestParseIgnore(t *testing.T) {
	const peer = "12D3KooWS6SPnxiEssNQ4ua1b5PKLxezJCwjscsZ7mfmfthtX93p"
	for _, c := range []struct{ in, prefix, peer string }{
		{"192.0.2.7", "192.0.2.7/32", ""},
		{"::ffff:192.0.2.7", "192.0.2.7/32", ""},
		{"2001:db8::7", "2001:db8::7/128", ""},
		{"192.0.2.0/24", "192.0.2.0/24", ""},
		{"::ffff:192.0.2.0/120", "192.0.2.0/24", ""},
		{"2001:db8::/32", "2001:db8::/32", ""},
		{"/ip4/192.0.2.7", "192.0.2.7/32", ""},
		{"/ip4/192.0.2.7/tcp/4001", "192.0.2.7/32", ""},
		{"/ip4/192.0.2.0/ipcidr/24", "192.0.2.0/24", ""},
		{"/ip6/2001:db8::7/udp/4001/quic-v1", "2001:db8::7/128", ""},
		{"/ip4/192.0.2.7/tcp/4001/p2p/" + peer, "192.0.2.7/32", peer},
		{"/p2p/" + peer, "", peer},
		{"/dnsaddr/bootstrap.libp2p.io/p2p/" + peer, "", peer},
		{peer, "", peer},
		{"QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"},
	} {
		prefix, id, err := ParseIgnore(c.in)
		got := ""
		if prefix.IsValid() {
			got = prefix.String()
		}
		if err != nil || got != c.prefix || id != c.peer {
			t.Errorf("%s: got %q %q, %v; want %q %q", c.in, got, id, err, c.prefix, c.peer)
		}
	}
	for _, in := range []string{
		"", "example.com", "192.0.2.7/24", "192.0.2.256", "fe80::1%eth0", "192.0.2.7:4001", "12D3KooWnotapeer",
		"/ip4/192.0.2.7/ipcidr/33", "/ipcidr/24", "/dns4/example.com/tcp/4001", "/ip4/192.0.2.7/tcp/4001/p2p/" + peer + "/p2p-circuit",
		"/p2p/" + peer + "/p2p-circuit", "/ip4/nonsense",
	} {
		if prefix, id, err := ParseIgnore(in); err == nil {
			t.Errorf("%q: taken for %v %q", in, prefix, id)
		}
	}
}

// Prefixes has each prefix once, with the latest end of its bans.
func TestPrefixes(t *testing.T) {
	long := good()
	long.Name, long.BanTime, long.MaxRetry = "long", Forever, 1
	short := good()
	short.MaxRetry = 1
	s := mustSet(t, short, long)
	s.Observe(event(0, "192.0.2.1", 1))
	if _, err := s.Ban(t0, ManualBan{Prefix: netip.MustParsePrefix("192.0.2.2/32"), For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for p, end := range s.Prefixes() {
		if _, twice := got[p.String()]; twice {
			t.Errorf("%v twice", p)
		}
		got[p.String()] = until(end)
	}
	if len(got) != 2 || got["192.0.2.1/32"] != "for ever" || got["192.0.2.2/32"] != "until 1h0m0s" {
		t.Errorf("%v", got)
	}
	if d, n := s.Banned(netip.MustParsePrefix("192.0.2.1/32")); n != 2 || d.Jail != "long" {
		t.Errorf("%v %v", d, n)
	}
	if _, n := s.Banned(netip.MustParsePrefix("192.0.2.0/24")); n != 0 {
		t.Error("a prefix around a banned one is not banned")
	}
}

// An event's strings are cloned when they are kept.
func TestObserveKeepsNoMemoryOfTheLine(t *testing.T) {
	cfg := good()
	s := mustSet(t, cfg)
	buf := []byte("PEERLINE")
	for i := range 3 {
		ev := event(time.Duration(i), "192.0.2.1", 1)
		text := unsafeString(buf)
		ev.Peer, ev.Text = text[:4], text[4:]
		s.Observe(ev)
	}
	copy(buf, "xxxxxxxx")
	for d := range s.InForce() {
		if !slices.Equal(d.Evidence.Peers, []string{"PEER"}) || d.Evidence.Line != "LINE" {
			t.Errorf("%+v", d.Evidence)
		}
		return
	}
	t.Error("no ban")
}

// unsafeString is a string on the memory of b, as a source's lines are.
func unsafeString(b []byte) string { return unsafe.String(&b[0], len(b)) }
