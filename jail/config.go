package jail

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Config is one jail: whose events it counts, how many are too many, and what
// follows. A zero field that is not required stands for its default.
type Config struct {
	// Name is what people call it; not Manual, which is taken.
	Name string
	// Rules are full rule names ("go-libp2p/connection"), at most MaxRules.
	Rules []string
	// FindTime is the length of the closed window [clock-FindTime, clock].
	FindTime time.Duration
	// MaxRetry is how many failures, by weight, inside the window are a ban.
	MaxRetry int64
	// BanTime is the length of a first ban, or Forever.
	BanTime time.Duration

	// IgnoreIP are addresses, networks, multiaddrs and peer ids that never
	// count: "192.0.2.7", "192.0.2.0/24", "/ip4/192.0.2.7", "/p2p/12D3Koo…".
	// ParseIgnore says what each of them means.
	IgnoreIP []string

	// Factor makes each further ban of a host that much longer than the one
	// before; 1, the default, keeps them equal.
	Factor float64
	// MaxBanTime caps a ban that grew; default DefaultMaxBanTime.
	MaxBanTime time.Duration
	// Memory is how long after the end of its last ban a host's earlier bans
	// are remembered; default DefaultMemory.
	Memory time.Duration

	// IPv6Prefix is how many bits of an IPv6 address make one host; default
	// DefaultIPv6Prefix. IPv4 addresses are always judged whole.
	IPv6Prefix int
	// Widen is how many hosts of one network (IPv4 /24, IPv6 /48) must be
	// banned at the same time for the network to be banned in their place;
	// 0, the default, never.
	Widen int

	// MinPeers is how many distinct peer ids the window must show before a
	// host is banned; 0, the default, asks for none.
	MinPeers int
	// NATPeers is how many returning peer ids may share one address: a host
	// whose window shows k ids at least twice each is allowed MaxRetry times
	// k, up to this; 1, the default, allows nothing extra.
	NATPeers int

	Guard Guard

	// MaxHosts bounds the hosts that are tracked but not banned, MaxEvents the
	// lines remembered for all of them, MaxBans the bans in force.
	MaxHosts, MaxEvents, MaxBans int
}

// Guard is the eclipse guard: a ban agent that bans most of a node's peers has
// done the attacker's work. When a ban would go over Share or Rate the jail
// holds it back and says so (action "held"), and keeps judging.
type Guard struct {
	// Off turns the guard off for this jail.
	Off bool
	// Share is how much of the distinct hosts seen in any jail in about the
	// last hour may be banned in that time; default DefaultGuardShare.
	Share float64
	// Least is how many may be banned whatever their share; default
	// DefaultGuardLeast.
	Least int
	// Rate is how many may be banned in one minute; default DefaultGuardRate.
	Rate int
}

// Defaults and bounds; docs/jails.md argues each number.
const (
	DefaultMaxBanTime = 7 * 24 * time.Hour
	DefaultMemory     = 7 * 24 * time.Hour
	DefaultIPv6Prefix = 64
	DefaultGuardShare = 0.5
	DefaultGuardLeast = 16
	DefaultGuardRate  = 500
	DefaultMaxHosts   = 1_000_000
	DefaultMaxEvents  = 2_000_000
	DefaultMaxBans    = 100_000

	// MinIPv6Prefix is the widest IPv6 network that may count as one host: a
	// registry gives an operator a /32.
	MinIPv6Prefix = 32
	// MaxRules bounds the rules of one jail.
	MaxRules = 1024
	// MaxWeight is the most failures that one event can count for.
	MaxWeight = math.MaxUint32
	// maxMaxRetry keeps failures, and maxretry × natpeers, far from overflow.
	maxMaxRetry = 1 << 48
)

// Problem is one fault of a Config.
type Problem struct {
	// Jail is the jail's name, Key the key in its configuration ("findtime").
	Jail, Key string
	// Msg says what is wrong and what is expected.
	Msg string
}

func (p *Problem) Error() string { return fmt.Sprintf("jail %s: %s: %s", p.Jail, p.Key, p.Msg) }

// Validate reports everything that is wrong with c at once: nil, or an error
// whose parts (errors.Join) are all of type *Problem.
func (c Config) Validate() error {
	v := validator{jail: c.Name}
	c.validateNames(&v)
	c.validateTimes(&v)
	c.validateHosts(&v)
	c.validateBounds(&v)
	return errors.Join(v.problems...)
}

type validator struct {
	jail     string
	problems []error
}

// need records a Problem unless ok.
func (v *validator) need(ok bool, key, format string, args ...any) {
	if !ok {
		v.problems = append(v.problems, &Problem{v.jail, key, fmt.Sprintf(format, args...)})
	}
}

func (c Config) validateNames(v *validator) {
	v.need(c.Name != "", "name", "missing: a jail needs a name")
	v.need(c.Name != Manual, "name", "%q is the name of the bans made by hand; choose another", Manual)
	v.need(len(c.Name) <= 64 && !strings.ContainsFunc(c.Name, notNameRune), "name",
		"%q: expected at most 64 letters, digits, '-', '_' and '.'", c.Name)
	v.need(len(c.Rules) > 0, "rules", "missing: name at least one rule, for example \"go-libp2p/*\"")
	v.need(len(c.Rules) <= MaxRules, "rules", "%d rules, at most %d", len(c.Rules), MaxRules)
}

func notNameRune(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
}

func (c Config) validateTimes(v *validator) {
	v.need(c.FindTime > 0, "findtime", "%v: expected a duration above zero, for example \"3m\"", c.FindTime)
	v.need(c.MaxRetry >= 1 && c.MaxRetry <= maxMaxRetry, "maxretry", "%d: expected 1 to %d", c.MaxRetry, int64(maxMaxRetry))
	v.need(c.BanTime > 0 || c.BanTime == Forever, "bantime",
		"%v: expected a duration above zero, for example \"10m\", or \"-1\" for ever", c.BanTime)
	v.need(c.Factor == 0 || c.Factor >= 1 && !math.IsInf(c.Factor, 0), "factor", "%v: expected 1 (no growth) or more", c.Factor)
	v.need(c.MaxBanTime == 0 || c.MaxBanTime > 0 && c.MaxBanTime >= c.BanTime, "maxbantime",
		"%v: expected at least bantime (%v)", c.MaxBanTime, c.BanTime)
	v.need(c.Memory >= 0, "memory", "%v: expected a duration, for example \"168h\"", c.Memory)
}

func (c Config) validateHosts(v *validator) {
	for _, s := range c.IgnoreIP {
		if _, _, err := ParseIgnore(s); err != nil {
			v.need(false, "ignoreip", "%v", err)
		}
	}
	v.need(c.IPv6Prefix == 0 || c.IPv6Prefix >= MinIPv6Prefix && c.IPv6Prefix <= 128, "ipv6prefix",
		"%d: expected %d to 128 bits", c.IPv6Prefix, MinIPv6Prefix)
	v.need(c.Widen == 0 || c.Widen >= 2, "widen", "%d: expected 0 (never) or at least 2 hosts", c.Widen)
	v.need(c.MinPeers >= 0, "minpeers", "%d: expected 0 or more", c.MinPeers)
	v.need(int64(c.MinPeers) <= c.MaxRetry*int64(max(c.NATPeers, 1)), "minpeers",
		"%d: a window of %d failures can't show that many", c.MinPeers, c.MaxRetry)
	v.need(c.NATPeers >= 0 && c.NATPeers <= 1000, "natpeers", "%d: expected 1 (nothing extra) to 1000", c.NATPeers)
}

func (c Config) validateBounds(v *validator) {
	v.need(c.Guard.Share >= 0 && c.Guard.Share <= 1, "guardshare", "%v: expected a share above 0 and up to 1", c.Guard.Share)
	v.need(c.Guard.Least >= 0, "guardleast", "%d: expected 1 or more", c.Guard.Least)
	v.need(c.Guard.Rate >= 0, "guardrate", "%d: expected 1 or more bans a minute", c.Guard.Rate)
	v.need(c.MaxHosts >= 0 && c.MaxHosts <= 1<<30, "maxhosts", "%d: expected 1 to %d", c.MaxHosts, 1<<30)
	v.need(c.MaxEvents >= 0, "maxevents", "%d: expected 1 or more", c.MaxEvents)
	v.need(c.MaxBans >= 0, "maxbans", "%d: expected 1 or more", c.MaxBans)
}

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	c.Factor = orDefault(c.Factor, 1)
	c.MaxBanTime = orDefault(c.MaxBanTime, max(DefaultMaxBanTime, c.BanTime))
	c.Memory = orDefault(c.Memory, DefaultMemory)
	c.IPv6Prefix = orDefault(c.IPv6Prefix, DefaultIPv6Prefix)
	c.NATPeers = orDefault(c.NATPeers, 1)
	c.Guard.Share = orDefault(c.Guard.Share, DefaultGuardShare)
	c.Guard.Least = orDefault(c.Guard.Least, DefaultGuardLeast)
	c.Guard.Rate = orDefault(c.Guard.Rate, DefaultGuardRate)
	c.MaxHosts = orDefault(c.MaxHosts, DefaultMaxHosts)
	c.MaxEvents = orDefault(c.MaxEvents, DefaultMaxEvents)
	c.MaxBans = orDefault(c.MaxBans, DefaultMaxBans)
	return c
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}
