package jail

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/parser"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.txt; commit only what you understand")

// TestTranscripts plays testdata/*.txt. In such a file
//
//	# text                        is a comment
//	== title                      starts a scenario
//	jail NAME key=value…          adds a jail, with the keys of the configuration
//	TIME HOST [key=value…] [xN]   is one event, or N alike: weight, rule, peer, addr, line
//	TIME tick                     moves the clock
//	TIME ban PREFIX key=value…    bans by hand: for, reason, force
//	TIME unban PREFIX
//	TIME reload NAME key=value…   changes one jail's configuration, or adds a jail
//	TIME remove NAME              takes a jail out of the configuration
//	TIME protect NAME PREFIX…     replaces a list of protected prefixes
//	restart                       takes a snapshot and restores it into a new Set
//	counts NAME, show PREFIX, host ADDRESS, holding NAME, covering PREFIX
//
// TIME is a duration after the start, and the lines that are indented are the
// answer to the line before them: the decisions, or what was asked for.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want))
			if *update {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" && !*update {
				t.Errorf("%s (-file +got):\n%s", f, d)
			}
		})
	}
}

// replay gives the transcript with the answers that come now.
func replay(t *testing.T, text string) string {
	var out strings.Builder
	var p player
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if strings.HasPrefix(line, "\t") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		answer, err := p.play(strings.Fields(line), strings.HasPrefix(line, "=="))
		if err != nil {
			t.Fatalf("line %d: %q: %v", i+1, line, err)
		}
		for _, a := range answer {
			out.WriteString("\t" + a + "\n")
		}
	}
	return out.String()
}

// player is a scenario under way.
type player struct {
	jails []Config
	set   *Set
}

func (p *player) play(words []string, title bool) (answer []string, err error) {
	switch {
	case title:
		*p = player{}
		return nil, nil
	case words[0] == "jail":
		return nil, p.addJail(words[1], words[2:])
	}
	if p.set == nil {
		if p.set, err = New(p.jails, Options{}); err != nil {
			return strings.Split(err.Error(), "\n"), nil
		}
	}
	switch words[0] {
	case "restart":
		next, err := New(p.jails, Options{})
		if err != nil {
			return nil, err
		}
		_, err = next.Restore(p.set.Snapshot())
		p.set = next
		return nil, err
	case "counts":
		c, _ := p.set.Counts(words[1])
		return nonzero(reflect.ValueOf(c)), nil
	case "holding":
		return decisions(p.set.Holding(words[1], 10)), nil
	case "covering":
		return decisions(p.set.Covering(netip.MustParsePrefix(words[1]))), nil
	case "show":
		return p.show(netip.MustParsePrefix(words[1])), nil
	case "host":
		return p.host(netip.MustParseAddr(words[1])), nil
	}
	at, err := time.ParseDuration(words[0])
	if err != nil {
		return nil, err
	}
	return p.timed(t0.Add(at), words[1], words[2:])
}

func (p *player) timed(at time.Time, verb string, args []string) ([]string, error) {
	switch verb {
	case "tick":
		return decisions(p.set.Advance(at)), nil
	case "ban":
		return p.ban(at, args)
	case "unban":
		return decisions(p.set.Unban(at, netip.MustParsePrefix(args[0]))), nil
	case "protect":
		var list []netip.Prefix
		for _, a := range args[1:] {
			list = append(list, netip.MustParsePrefix(a))
		}
		return decisions(p.set.SetProtected(at, args[0], list)), nil
	case "reload", "remove":
		for i, c := range p.jails {
			if c.Name == args[0] {
				p.jails = append(p.jails[:i:i], p.jails[i+1:]...)
				break
			}
		}
		if verb == "reload" {
			if err := p.addJail(args[0], args[1:]); err != nil {
				return nil, err
			}
		}
		d, err := p.set.Reconfigure(at, p.jails)
		return decisions(d), err
	}
	return p.events(at, verb, args)
}

func (p *player) events(at time.Time, host string, args []string) ([]string, error) {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return nil, err
	}
	ev := parser.Event{Time: at, Host: addr, Rule: "r", Weight: 1}
	n := 1
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "weight":
			ev.Weight, err = strconv.ParseInt(value, 10, 64)
		case "rule":
			ev.Rule = value
		case "peer":
			ev.Peer = value
		case "addr":
			ev.Addr = value
			ev.Port, ev.Transport = parser.TransportOf(value)
		case "line":
			ev.Text = value
		default:
			n, err = strconv.Atoi(strings.TrimPrefix(a, "x"))
		}
		if err != nil {
			return nil, err
		}
	}
	var out []string
	for range n {
		out = append(out, decisions(p.set.Observe(ev))...)
	}
	return out, nil
}

func (p *player) ban(at time.Time, args []string) ([]string, error) {
	m := ManualBan{Prefix: netip.MustParsePrefix(args[0])}
	for _, a := range args[1:] {
		var err error
		switch key, value, _ := strings.Cut(a, "="); key {
		case "for":
			m.For, err = duration(value)
		case "reason":
			m.Reason = value
		case "force":
			m.Force = true
		}
		if err != nil {
			return nil, err
		}
	}
	d, err := p.set.Ban(at, m)
	var refused *RefusedError
	var bad *PrefixError
	if errors.As(err, &refused) || errors.As(err, &bad) {
		return append(decisions(d), "refused: "+err.Error()), nil
	}
	return decisions(d), err
}

func (p *player) addJail(name string, args []string) error {
	c := Config{Name: name, Rules: []string{"r"}}
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		if err := setKey(&c, key, value); err != nil {
			return err
		}
	}
	p.jails = append(p.jails, c)
	return nil
}

// setKey sets what the key of that name sets in the configuration.
func setKey(c *Config, key, value string) error {
	lists := map[string]*[]string{"rules": &c.Rules, "ignoreip": &c.IgnoreIP}
	times := map[string]*time.Duration{
		"findtime": &c.FindTime, "bantime": &c.BanTime, "maxbantime": &c.MaxBanTime, "memory": &c.Memory,
	}
	floats := map[string]*float64{"factor": &c.Factor, "guardshare": &c.Guard.Share}
	ints := map[string]*int{
		"ipv6prefix": &c.IPv6Prefix, "widen": &c.Widen, "minpeers": &c.MinPeers, "natpeers": &c.NATPeers,
		"guardleast": &c.Guard.Least, "guardrate": &c.Guard.Rate,
		"maxhosts": &c.MaxHosts, "maxevents": &c.MaxEvents, "maxbans": &c.MaxBans,
	}
	var err error
	switch {
	case lists[key] != nil:
		*lists[key] = strings.Split(value, ",")
	case times[key] != nil:
		*times[key], err = duration(value)
	case floats[key] != nil:
		*floats[key], err = strconv.ParseFloat(value, 64)
	case ints[key] != nil:
		*ints[key], err = strconv.Atoi(value)
	case key == "maxretry":
		c.MaxRetry, err = strconv.ParseInt(value, 10, 64)
	case key == "guard":
		c.Guard.Off = value == "false"
	default:
		err = fmt.Errorf("unknown key %q", key)
	}
	return err
}

func duration(s string) (time.Duration, error) {
	if s == "-1" {
		return Forever, nil
	}
	return time.ParseDuration(s)
}

// decisions writes each as "10s ban ssh 192.0.2.1 until 1m10s (3 failures)".
func decisions(list []Decision) []string {
	var out []string
	for _, d := range list {
		s := fmt.Sprintf("%v %v %s %s", d.At.Sub(t0), d.Action, d.Jail, target(d.Host, d.Prefix))
		if d.Action != Unban {
			s += " " + until(d.Until)
		}
		if d.Failures > 0 {
			s += fmt.Sprintf(" (%d failures)", d.Failures)
		}
		if d.Evidence.Folded > 0 {
			s += fmt.Sprintf(" (in place of %d bans)", d.Evidence.Folded)
		}
		out = append(out, s)
	}
	return out
}

func until(t time.Time) string {
	if t.IsZero() {
		return "for ever"
	}
	return "until " + t.Sub(t0).String()
}

// target is the address, or the prefix with the address that decided.
func target(host netip.Addr, p netip.Prefix) string {
	switch {
	case p.IsSingleIP():
		return p.Addr().String()
	case host.IsValid():
		return fmt.Sprintf("%v by %v", p, host)
	}
	return p.String()
}

func (p *player) show(prefix netip.Prefix) []string {
	var out []string
	for d := range p.set.InForce() {
		if d.Prefix == prefix {
			out = append(append(out, decisions([]Decision{d})...), evidence(d.Evidence)...)
		}
	}
	return out
}

func evidence(e Evidence) []string {
	out := []string{fmt.Sprintf("  rules %v", e.Rules)}
	if !e.First.IsZero() {
		out = append(out, fmt.Sprintf("  from %v to %v", e.First.Sub(t0), e.Last.Sub(t0)))
	}
	if e.PeerCount > 0 {
		out = append(out, fmt.Sprintf("  %d peers %v", e.PeerCount, e.Peers))
	}
	if len(e.Ports) > 0 {
		out = append(out, fmt.Sprintf("  ports %v, %v", e.Ports, e.Transports))
	}
	if e.Line != "" {
		out = append(out, "  line "+e.Line)
	}
	if e.Reason != "" {
		out = append(out, "  reason "+e.Reason)
	}
	return out
}

func (p *player) host(a netip.Addr) []string {
	var out []string
	for _, h := range p.set.Host(a) {
		s := fmt.Sprintf("%s %v: %d of %d failures, %d earlier bans", h.Jail, h.Prefix, h.Failures, h.Allowed, h.EarlierBans)
		if h.Held {
			s += ", held"
		}
		if h.Ban != nil {
			s += ", banned " + until(h.Ban.Until)
		}
		out = append(out, s)
	}
	return out
}

// nonzero lists the numbers that are not 0, in their order.
func nonzero(v reflect.Value) []string {
	var out []string
	for i := range v.NumField() {
		if f := v.Field(i); f.CanInt() && f.Int() != 0 {
			out = append(out, fmt.Sprintf("%s %d", v.Type().Field(i).Name, f.Int()))
		}
	}
	return []string{strings.Join(out, ", ")}
}
