package jail

import "time"

// Defaults gives the jails that run when no configuration names any. Each
// counts in real events (a sampled line weighs its sample rate), so one
// threshold serves nodes that log everything and nodes that log a sample.
// docs/jails.md argues each number.
func Defaults() []Config {
	return []Config{flood(), churn(), handshake(), limit(), denied(), misbehaving()}
}

// flood is the example in libp2p's documentation on DoS mitigation, 90 lines in
// 3 minutes for 10 minutes, in the events that the lines stand for: 50 a
// second. No breakage of a network makes an honest host do that, so no share of
// hosts is too large to ban.
func flood() Config {
	return Config{
		Name:     "libp2p-flood",
		Rules:    []string{"go-libp2p/connection", "go-libp2p/handshake", "go-libp2p/misbehaving"},
		FindTime: 3 * time.Minute,
		MaxRetry: 9000,
		BanTime:  10 * time.Minute,
		Guard:    Guard{Share: 1},
		MaxHosts: 250_000, MaxEvents: 1_000_000,
	}
}

// churn catches what go-libp2p's resource manager lets through for ever: since
// v0.42 it admits 0.2 connections a second for each IPv4 address and each IPv6
// /56, which shows as one sampled line in 500 s.
func churn() Config {
	return Config{
		Name:     "libp2p-churn",
		Rules:    []string{"go-libp2p/connection"},
		FindTime: 6 * time.Hour,
		MaxRetry: 2000,
		BanTime:  time.Hour, Factor: 2, MaxBanTime: 24 * time.Hour,
		IPv6Prefix: 56,
		MaxHosts:   500_000, MaxEvents: 1_000_000,
	}
}

// handshake catches hosts that fail in the handshake again and again.
func handshake() Config {
	return Config{
		Name:     "libp2p-handshake",
		Rules:    []string{"go-libp2p/handshake", "rust-libp2p/upgrade", "rust-libp2p/length-prefix", "avail/handshake"},
		FindTime: 3 * time.Hour,
		MaxRetry: 1000,
		BanTime:  time.Hour, Factor: 2, MaxBanTime: 24 * time.Hour,
		MaxHosts: 500_000, MaxEvents: 1_000_000,
	}
}

// limit catches hosts that run on against the node's own limit for an address.
// Its rules print nobody else, so that the hosts seen are the offenders, and a
// share of them is no measure of anything.
func limit() Config {
	return Config{
		Name:     "libp2p-limit",
		Rules:    []string{"js-libp2p/threshold", "go-waku/limit"},
		FindTime: time.Minute,
		MaxRetry: 60,
		BanTime:  10 * time.Minute, Factor: 2, MaxBanTime: 24 * time.Hour,
		Guard:    Guard{Share: 1},
		MaxHosts: 100_000, MaxEvents: 500_000,
	}
}

// denied catches hosts that the node itself keeps out and that come back. Its
// rules print nobody else either.
func denied() Config {
	return Config{
		Name:     "libp2p-denied",
		Rules:    []string{"js-libp2p/denied", "py-libp2p/gate", "lighthouse/banned", "grandine/banned"},
		FindTime: 10 * time.Minute,
		MaxRetry: 10,
		BanTime:  time.Hour, Factor: 2, MaxBanTime: 7 * 24 * time.Hour,
		Guard:    Guard{Share: 1},
		MaxHosts: 100_000, MaxEvents: 500_000,
	}
}

// misbehaving catches hosts that an application reports through go-libp2p, and
// that come back. The node may go on with them, and an application that is
// broken may report everybody: the guard's share holds.
func misbehaving() Config {
	c := denied()
	c.Name = "libp2p-misbehaving"
	c.Rules = []string{"go-libp2p/misbehaving"}
	c.Guard = Guard{}
	return c
}
