package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
)

// DefaultManualBan is how long a ban by hand lasts when nothing is said.
const DefaultManualBan = time.Hour

// desk answers the control socket by asking the engine.
type desk struct {
	engine *engine
	load   func() (*config.Config, error)
	// reloading lets one reload at a time pass: what was read last is to be in force.
	reloading sync.Mutex
	running   *config.Config // guarded by reloading: the configuration in force
	listing   sync.Mutex     // see fromJails
}

var _ control.Daemon = (*desk)(nil)

func (e *engine) status() *control.Status {
	now := e.now()
	s := &control.Status{
		Version: e.version, PID: os.Getpid(), Started: e.started, Uptime: now.Sub(e.started).Seconds(), Now: now, Config: e.configName(),
		Alarms: e.alarms.list(), Firewall: e.enforcers[0].Status(),
	}
	for _, f := range e.enforcers[1:] {
		s.Doors = append(s.Doors, f.Status())
	}
	var total Tally
	for _, src := range e.sources {
		s.Sources = append(s.Sources, src.status())
		t := src.total()
		total.add(&t)
	}
	s.Lines, s.Events, s.Rejected = total.Lines, total.Events, total.ByReason()
	for _, cfg := range e.allJails() {
		j := e.jailStatus(cfg)
		s.Jails = append(s.Jails, j)
		s.Bans += j.Bans
	}
	return s
}

// allJails are the jails of the configuration and, last and with a name alone, that
// of the bans by hand.
func (e *engine) allJails() []jail.Config {
	return append(e.jails.Jails(), jail.Config{Name: jail.Manual})
}

func (e *engine) configName() string {
	if e.config == "" {
		return "built-in defaults"
	}
	return e.config
}

func (e *engine) jailStatus(cfg jail.Config) control.JailStatus {
	c, _ := e.jails.Counts(cfg.Name)
	j := control.JailStatus{
		Name: cfg.Name, Rules: append([]string{}, cfg.Rules...), MaxRetry: cfg.MaxRetry, Hosts: c.Hosts, Bans: c.InForce, Banned: c.Bans,
		AfterBan: c.AfterBan, Late: c.Late, Ignored: c.Ignored + c.Trusted, Evicted: c.Evicted, Held: c.Held, Holding: c.Holding,
	}
	if cfg.Name != jail.Manual {
		j.FindTime, j.BanTime = config.FormatDuration(cfg.FindTime), config.FormatDuration(cfg.BanTime)
	}
	return j
}

func (d *desk) checkJail(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	var err error
	return errors.Join(d.engine.ask(ctx, func() { err = d.engine.knowsJail(name) }), err)
}

// knowsJail is an answer to the name of a jail that does not exist.
func (e *engine) knowsJail(name string) error {
	var names []string
	for _, j := range e.allJails() {
		names = append(names, j.Name)
	}
	if slices.Contains(names, name) {
		return nil
	}
	slices.Sort(names)
	return &control.Error{Status: http.StatusNotFound, What: fmt.Sprintf("there is no jail %q", name), Hint: "there are: " + strings.Join(names, ", ")}
}

// Jail describes one jail.
func (d *desk) Jail(ctx context.Context, name string) (*control.JailDetail, error) {
	var out *control.JailDetail
	var err error
	asked := d.engine.ask(ctx, func() {
		e := d.engine
		if err = e.knowsJail(name); err != nil {
			return
		}
		out = &control.JailDetail{WouldBan: []control.Ban{}}
		for _, cfg := range e.allJails() {
			if cfg.Name == name {
				out.JailStatus = e.jailStatus(cfg)
			}
		}
		for _, held := range e.jails.Holding(name, control.MaxHeld) {
			out.WouldBan = append(out.WouldBan, toBan(&held))
		}
	})
	return out, errors.Join(asked, err)
}

// Host says what every jail knows of a host.
func (d *desk) Host(ctx context.Context, target string) ([]control.HostStatus, error) {
	p, err := parser.ParseTarget(target)
	if err != nil {
		return nil, badRequest(err)
	}
	if !p.IsSingleIP() {
		return nil, badRequest(fmt.Errorf("%s is a network: name one address", p))
	}
	out := []control.HostStatus{}
	err = d.engine.ask(ctx, func() {
		for _, h := range d.engine.jails.Host(p.Addr()) {
			out = append(out, toHost(&h, p.Addr()))
		}
	})
	return out, err
}

func toHost(h *jail.HostStatus, addr netip.Addr) control.HostStatus {
	out := control.HostStatus{
		Jail: h.Jail, Prefix: h.Prefix, Failures: h.Failures, Allowed: h.Allowed, EarlierBans: h.EarlierBans, Held: h.Held,
	}
	if h.Failures > 0 {
		w := toBan(&jail.Decision{Jail: h.Jail, Host: addr, Prefix: h.Prefix, Failures: h.Failures, At: h.Evidence.First, Evidence: h.Evidence})
		out.Window = &w
	}
	if h.Ban != nil {
		b := toBan(h.Ban)
		out.Ban = &b
	}
	return out
}

// badRequest is an answer to what can't be meant.
func badRequest(err error) error {
	return &control.Error{Status: http.StatusBadRequest, What: err.Error()}
}

// Ban puts a prefix out by hand.
func (d *desk) Ban(ctx context.Context, r control.BanRequest) ([]control.Ban, error) {
	prefix, err := parser.ParseTarget(r.Target)
	if err != nil {
		return nil, badRequest(err)
	}
	length := DefaultManualBan
	if r.For != "" {
		if length, err = config.ParseBanTime(r.For); err != nil {
			return nil, badRequest(fmt.Errorf("for: %w", err))
		}
	}
	var bans []control.Ban
	var refused, notSaved error
	err = d.engine.ask(ctx, func() {
		e := d.engine
		var decisions []jail.Decision
		decisions, refused = e.jails.Ban(e.now(), jail.ManualBan{Prefix: prefix, For: length, Reason: r.Reason, Force: r.Force})
		if refused != nil {
			return
		}
		e.settle(decisions)
		for i := range decisions {
			if decisions[i].Action == jail.Ban {
				bans = append(bans, toBan(&decisions[i]))
			}
		}
		notSaved = e.notSaved(prefix.String() + " is banned")
	})
	if err := errors.Join(err, notSaved); err != nil {
		return nil, err
	}
	return bans, refusal(refused)
}

// notSaved says of what was done by hand just now that the state file refuses it: no
// line of a log will bring it back.
func (e *engine) notSaved(did string) error {
	if e.refused == nil {
		return nil
	}
	return &control.Error{
		Status: http.StatusInsufficientStorage,
		What:   fmt.Sprintf("%s, but that is lost if the daemon ends now, for it can't be saved: %v", did, e.refused),
		Hint:   stateCure(e.refused, e.store.Path()) + "; then it is saved by itself",
	}
}

// refusal says how to overrule what the jails refused.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	e := &control.Error{Status: http.StatusConflict, What: err.Error()}
	var r *jail.RefusedError
	if errors.As(err, &r) {
		e.Hint = "--force bans it all the same"
	}
	return e
}

// Unban lets prefixes in again.
func (d *desk) Unban(ctx context.Context, r control.UnbanRequest) (*control.UnbanReply, error) {
	if r.All == (len(r.Targets) > 0) {
		return nil, badRequest(errors.New("name targets, or all"))
	}
	targets := make([]netip.Prefix, len(r.Targets))
	for i, t := range r.Targets {
		var err error
		if targets[i], err = parser.ParseTarget(t); err != nil {
			return nil, badRequest(err)
		}
	}
	reply := &control.UnbanReply{Lifted: []netip.Prefix{}, NotBanned: []string{}}
	var notSaved error
	err := d.engine.ask(ctx, func() {
		e := d.engine
		if r.All {
			for _, b := range e.listBans() {
				targets = append(targets, b.Prefix)
			}
		}
		// What time has ended is not what the operator lifts.
		e.settle(e.jails.Advance(e.now()))
		found := e.unban(targets, reply)
		for i, name := range r.Targets {
			e.noteStillOut(name, targets[i], found[i], reply)
		}
		e.checkpointDue = true
		if len(reply.Lifted) > 0 {
			notSaved = e.notSaved(fmt.Sprintf("let in again: %d", len(reply.Lifted)))
		}
	})
	return reply, errors.Join(err, notSaved)
}

// unban lifts what stands on the targets and inside them, notes what was lifted, and
// tells of each target whether anything was found. All is saved at once: after a flood
// it may be hundreds of thousands of bans, and each save waits for the disk.
func (e *engine) unban(targets []netip.Prefix, reply *control.UnbanReply) (found []bool) {
	var lifted []jail.Decision
	for _, p := range targets {
		before := len(lifted)
		lifted = append(lifted, e.jails.Unban(e.now(), p)...)
		for _, d := range e.jails.Covering(p) {
			if d.Prefix.Bits() > p.Bits() {
				lifted = append(lifted, e.jails.Unban(e.now(), d.Prefix)...)
			}
		}
		found = append(found, len(lifted) > before)
	}
	e.settle(lifted)
	seen := make(map[netip.Prefix]bool, len(lifted))
	for _, d := range lifted {
		if !seen[d.Prefix] {
			seen[d.Prefix] = true
			reply.Lifted = append(reply.Lifted, d.Prefix)
		}
	}
	return found
}

// noteStillOut notes what there is to say of the target called name: that a ban of a
// wider network still keeps it out, or that it was not banned.
func (e *engine) noteStillOut(name string, p netip.Prefix, found bool, reply *control.UnbanReply) {
	if wider := e.jails.Covering(p); len(wider) > 0 {
		if reply.Covered == nil {
			reply.Covered = map[string]netip.Prefix{}
		}
		reply.Covered[name] = wider[0].Prefix
	} else if !found {
		reply.NotBanned = append(reply.NotBanned, name)
	}
}

// Events subscribes to what happens from now on.
func (d *desk) Events() (<-chan control.Event, func()) { return d.engine.bus.subscribe() }
