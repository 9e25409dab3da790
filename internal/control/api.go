// Package control is the daemon's front desk: HTTP/1.1 with JSON over a unix
// socket, so that `curl --unix-socket` is a client too. It holds the wire types,
// the server and the client, and decides nothing itself.
package control

import (
	"context"
	"net/netip"
	"time"
)

// DefaultSocket is where the daemon listens when nothing else is configured.
const DefaultSocket = "/run/p2pban/p2pban.sock"

// Ban is one ban in force, as GET /v1/bans and `bans --json` give it; the keys
// are those of a ban line of `dry-run --json`.
type Ban struct {
	Time     time.Time    `json:"time"`
	Jail     string       `json:"jail"`
	Host     netip.Addr   `json:"host"`
	Prefix   netip.Prefix `json:"prefix"`
	Until    *time.Time   `json:"until"` // null: for ever
	Failures int64        `json:"failures,omitempty"`
	// Rules counts the lines behind the ban by rule.
	Rules map[string]int `json:"rules,omitempty"`
	First *time.Time     `json:"first,omitempty"`
	Last  *time.Time     `json:"last,omitempty"`
	// Peers are peer ids seen, a bounded sample; PeerCount is how many there were.
	Peers     []string `json:"peers,omitempty"`
	PeerCount int      `json:"peer_count,omitempty"`
	// Ports and Transports are those the host came from, a bounded sample.
	Ports      []uint16 `json:"ports,omitempty"`
	Transports []string `json:"transports,omitempty"`
	// Dropped is how many packets the firewall has dropped because of the ban,
	// where it counts them.
	Dropped uint64 `json:"dropped,omitempty"`
	// Line is the line that decided.
	Line string `json:"line,omitempty"`
	// Reason is the operator's, for a ban by hand.
	Reason string `json:"reason,omitempty"`
	// Folded counts the single bans a ban of a network took in.
	Folded int `json:"folded,omitempty"`
}

// Status is the answer of GET /v1/status. Everything in it is cheap to gather.
type Status struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"` // by the clock of then, which may have been set since
	// Uptime is how long the daemon runs, in seconds, whatever is done to the clock.
	Uptime float64   `json:"uptime_seconds"`
	Now    time.Time `json:"now"`    // when all this was so: a moment ago if the daemon is busy
	Config string    `json:"config"` // path, or "built-in defaults"
	// Alarms is what needs a person, the most urgent first.
	Alarms   []Alarm        `json:"alarms"`
	Sources  []SourceStatus `json:"sources"`
	Jails    []JailStatus   `json:"jails"`
	Firewall FirewallStatus `json:"firewall"`
	// Doors are the other places bans are brought to: a node's own filters, a
	// deny list.
	Doors    []FirewallStatus `json:"doors,omitempty"`
	Lines    int64            `json:"lines"`
	Events   int64            `json:"events"`
	Rejected map[string]int64 `json:"rejected"`
	Bans     int              `json:"bans"`
}

// Up is how long the daemon runs.
func (s *Status) Up() time.Duration { return time.Duration(s.Uptime * float64(time.Second)) }

// Alarm is one thing that is wrong now, with its cause and its cure.
type Alarm struct {
	// Kind is one of AlarmKinds.
	Kind  string    `json:"kind"`
	Since time.Time `json:"since"`
	What  string    `json:"what"`
	Fix   string    `json:"fix,omitempty"`
}

// AlarmKinds are the words for Alarm.Kind, the most urgent first: what lets
// attackers through or bans the innocent, then what makes the daemon blind.
var AlarmKinds = []string{
	"firewall", "forgeable", "guard", "after-ban", "repaired",
	"source", "suppressed", "unrecognised", "silent", "late", "lag", "state",
}

// SourceStatus is one log source.
type SourceStatus struct {
	Name string `json:"name"`
	// What is the source in words: "unit ipfs.service".
	What string `json:"what"`
	// State is "starting" until the source has looked at its log for the first
	// time and "reading" from then on: what is written once it says so is read.
	// Else it is what is wrong: "waiting for …", "trouble: …", "failed: …".
	State string `json:"state"`
	Lines int64  `json:"lines"`
	// Events counts lines that became events.
	Events    int64      `json:"events"`
	Cut       int64      `json:"cut"`
	LastLine  *time.Time `json:"last_line"`
	LastEvent *time.Time `json:"last_event"`
	// LastRecognised is when a line last was a record that a rule knows,
	// whether or not it accused anybody.
	LastRecognised *time.Time `json:"last_recognised"`
	// Suppressed counts messages that journald threw away (its rate limit).
	Suppressed int64 `json:"suppressed,omitempty"`
	// Lag is how many bytes are waiting to be read, where the source knows.
	Lag int64 `json:"lag_bytes"`
}

// JailStatus is one jail.
type JailStatus struct {
	Name     string   `json:"name"`
	Rules    []string `json:"rules"`
	FindTime string   `json:"findtime,omitempty"` // empty for bans by hand
	MaxRetry int64    `json:"maxretry,omitempty"`
	BanTime  string   `json:"bantime,omitempty"`
	// Hosts is how many hosts have failures in memory.
	Hosts int `json:"hosts"`
	Bans  int `json:"bans"`
	// Banned is how many bans there were since the start.
	Banned int64 `json:"banned"`
	// AfterBan counts events of hosts banned for more than 30 seconds: enforcement
	// leaks.
	AfterBan int64 `json:"after_ban"`
	Late     int64 `json:"late"`
	Ignored  int64 `json:"ignored"`
	// Evicted counts hosts forgotten because the table was full.
	Evicted int64 `json:"evicted"`
	// Holding is how many bans the eclipse guard holds back now, Held how many
	// it has held back since the start.
	Holding int   `json:"holding"`
	Held    int64 `json:"held"`
}

// JailDetail is one jail with the hosts whose bans its eclipse guard holds back.
type JailDetail struct {
	JailStatus
	// WouldBan are the hosts that the guard holds back, at most MaxHeld of them, the
	// one that was quiet longest first.
	WouldBan []Ban `json:"would_ban"`
}

// MaxHeld bounds JailDetail.WouldBan.
const MaxHeld = 100

// HostStatus is what one jail knows of a host.
type HostStatus struct {
	Jail string `json:"jail"`
	// Prefix is what the host is judged by in this jail.
	Prefix netip.Prefix `json:"prefix"`
	// Failures are in the window now; the host is banned at Allowed.
	Failures int64 `json:"failures"`
	Allowed  int64 `json:"allowed"`
	// EarlierBans are remembered and make the next ban longer; one in force is among them.
	EarlierBans int  `json:"earlier_bans,omitempty"`
	Held        bool `json:"held,omitempty"`
	// Window is what the failures in the window rest on.
	Window *Ban `json:"window,omitempty"`
	// Ban is the ban in force, on the host or on a network around it.
	Ban *Ban `json:"ban,omitempty"`
}

// FirewallStatus is the enforcer.
type FirewallStatus struct {
	Backend string `json:"backend"`
	// Healthy is false from a failed change until the next good one.
	Healthy bool   `json:"healthy"`
	Error   string `json:"error,omitempty"`
	// Waiting is how many prefixes are yet to be brought to the kernel.
	Waiting  int   `json:"waiting"`
	Applied  int64 `json:"applied"`
	Repaired int64 `json:"repaired"`
	// Disturbed is when somebody else last changed our rules, which was
	// repaired, and Disturbance what was done, and by whom as far as is known.
	Disturbed   *time.Time `json:"disturbed,omitempty"`
	Disturbance string     `json:"disturbance,omitempty"`
	LastApplied *time.Time `json:"last_applied"`
	// SocketsKilled is how many connections of banned hosts were destroyed, and
	// SocketError why the last attempt failed, where kill_sockets asks for it.
	SocketsKilled uint64 `json:"sockets_killed,omitempty"`
	SocketError   string `json:"socket_error,omitempty"`
}

// BanRequest is the body of POST /v1/ban.
type BanRequest struct {
	// Target is an address, a CIDR prefix or a multiaddr.
	Target string `json:"target"`
	// For is a duration with its unit ("1h", "7d"); empty: 1h; "-1": for ever.
	For    string `json:"for,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Force overrules the refusal of private, own and ignored addresses.
	Force bool `json:"force,omitempty"`
}

// UnbanRequest is the body of POST /v1/unban.
type UnbanRequest struct {
	Targets []string `json:"targets,omitempty"`
	All     bool     `json:"all,omitempty"`
}

// UnbanReply says what came of each target.
type UnbanReply struct {
	// Lifted lists the prefixes let in again.
	Lifted []netip.Prefix `json:"lifted"`
	// NotBanned lists targets on which there was no ban.
	NotBanned []string `json:"not_banned"`
	// Covered maps a target that is still out to the wider ban that covers it.
	Covered map[string]netip.Prefix `json:"covered,omitempty"`
}

// ReloadReply says what a reload changed, in sentences.
type ReloadReply struct {
	Changes []string `json:"changes"`
}

// Event is one line of GET /v1/events.
type Event struct {
	// Type is "ban", "unban", "held" (by the eclipse guard), "alarm",
	// "alarm-over" or "lost".
	Type string    `json:"type"`
	Time time.Time `json:"time"`
	Ban  *Ban      `json:"ban,omitempty"`
	// Alarm is set for alarms.
	Alarm *Alarm `json:"alarm,omitempty"`
	// Lost says how many events this reader missed by being slow.
	Lost int64 `json:"lost,omitempty"`
}

// Past is one decision of the history.
type Past struct {
	// Action is "ban", "unban" or "held".
	Action string `json:"action"`
	Ban
}

// Bounds of lists that are asked for with a limit.
const (
	// DefaultHistory is how many decisions are given when nothing is said,
	// MaxHistory the most that are: while they are read, no ban is saved.
	DefaultHistory = 100
	MaxHistory     = 1000
	// MaxNearest bounds the hosts of GET /v1/nearest.
	MaxNearest = 64
)

// Error is what every refused request is answered with.
type Error struct {
	Status int    `json:"-"`
	What   string `json:"error"`
	Hint   string `json:"hint,omitempty"`
}

// Error gives what and, on a second line, the hint.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.What
	}
	return e.What + "\n" + e.Hint
}

// Daemon is what the server fronts. Each call may be made from any goroutine.
type Daemon interface {
	Status(ctx context.Context) (*Status, error)
	// Jail describes one jail, Host what every jail knows of a host.
	Jail(ctx context.Context, name string) (*JailDetail, error)
	Host(ctx context.Context, target string) ([]HostStatus, error)
	// History gives past decisions, newest first, at most limit: about target,
	// networks around it and hosts in it, or all if target is empty; one that is
	// saved meanwhile may come twice.
	History(ctx context.Context, target string, limit int) ([]Past, error)
	// Nearest gives at most limit hosts with failures in a window, the one that
	// is nearest to its ban first. Of more than 1000 hosts in a jail it looks at
	// those that were nearest at their last event.
	Nearest(ctx context.Context, limit int) ([]HostStatus, error)
	// Bans calls yield for each ban in force, of one jail if named, oldest first; one
	// that is made anew meanwhile may come twice.
	Bans(ctx context.Context, jail string, yield func(Ban) error) error
	Ban(ctx context.Context, r BanRequest) ([]Ban, error)
	Unban(ctx context.Context, r UnbanRequest) (*UnbanReply, error)
	Reload(ctx context.Context) (*ReloadReply, error)
	// Events gives events from now on until stop is called; the channel is
	// bounded and events that find it full are counted, not waited for.
	Events() (events <-chan Event, stop func())
}
