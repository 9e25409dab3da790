package jail

import (
	"cmp"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/p2pban/p2pban/parser"
)

// setModel is the naive Set: lists and maps that are gone through, of any number of
// jails, without bounds and without the guard.
type setModel struct {
	clock     time.Time
	jails     []*jailModel
	manual    *jailModel
	protected []netip.Prefix
}

type jailModel struct {
	cfg    Config
	rank   int
	ignore []netip.Prefix
	events map[netip.Prefix][]parser.Event // not answered by a ban
	bans   map[netip.Prefix]*banModel
	past   map[netip.Prefix]*pastModel
}

type banModel struct {
	host   netip.Addr
	until  time.Time // zero for ever
	byHand bool
	wide   bool
}

type pastModel struct {
	bans   int
	forget time.Time
}

func newSetModel(jails []Config) *setModel {
	m := &setModel{manual: newJailModel(Config{Name: Manual}, len(jails))}
	for i, c := range jails {
		m.jails = append(m.jails, newJailModel(c, i))
	}
	return m
}

func newJailModel(c Config, rank int) *jailModel {
	j := &jailModel{
		cfg: c.withDefaults(), rank: rank,
		events: map[netip.Prefix][]parser.Event{}, bans: map[netip.Prefix]*banModel{}, past: map[netip.Prefix]*pastModel{},
	}
	for _, s := range c.IgnoreIP {
		if p, _, err := ParseIgnore(s); err == nil && p.IsValid() {
			j.ignore = append(j.ignore, p)
		}
	}
	return j
}

func (m *setModel) all() []*jailModel { return append(slices.Clone(m.jails), m.manual) }

// standing is a ban with where it stands.
type standing struct {
	*banModel
	jail   *jailModel
	prefix netip.Prefix
}

// lift lifts the bans that match, in an order, and gives the Unbans at a time.
func (m *setModel) lift(match func(standing) bool, order func(a, b standing) int, at func(standing) time.Time) (out []Decision) {
	var found []standing
	for _, j := range m.all() {
		for p, b := range j.bans {
			if s := (standing{b, j, p}); match(s) {
				found = append(found, s)
			}
		}
	}
	slices.SortFunc(found, func(a, b standing) int {
		return cmp.Or(order(a, b), comparePrefix(a.prefix, b.prefix), cmp.Compare(a.jail.rank, b.jail.rank))
	})
	for _, s := range found {
		delete(s.jail.bans, s.prefix)
		out = append(out, Decision{Action: Unban, Jail: s.jail.cfg.Name, Host: s.host, Prefix: s.prefix, At: at(s)})
	}
	return out
}

func anyOrder(standing, standing) int { return 0 }

func (m *setModel) atClock(standing) time.Time { return m.clock }

// pardon is lift of what need not have been banned: the hosts' earlier bans are
// forgotten.
func (m *setModel) pardon(match func(standing) bool) []Decision {
	return m.lift(func(s standing) bool {
		if match(s) {
			delete(s.jail.past, s.prefix)
			return true
		}
		return false
	}, anyOrder, m.atClock)
}

func (m *setModel) advance(now time.Time) []Decision {
	if now.After(m.clock) {
		m.clock = now
	}
	return m.lift(func(s standing) bool { return !s.until.IsZero() && !m.clock.Before(s.until) },
		func(a, b standing) int { return a.until.Compare(b.until) }, func(s standing) time.Time { return s.until })
}

// spares tells whether a jail must not ban some address of a prefix.
func (m *setModel) spares(j *jailModel, p netip.Prefix) bool {
	return slices.ContainsFunc(slices.Concat(j.ignore, m.protected), p.Overlaps)
}

// prefix is what a host is judged by.
func (m *setModel) prefix(j *jailModel, a netip.Addr) netip.Prefix {
	whole := netip.PrefixFrom(a, a.BitLen())
	bits := j.cfg.IPv6Prefix
	switch {
	case a.Is4():
		return whole
	case netip.MustParsePrefix("2002::/16").Contains(a):
		bits = 48
	}
	p := netip.PrefixFrom(a, bits).Masked()
	for _, strangers := range []string{"64:ff9b::/96", "64:ff9b:1::/48", "2001::/32"} {
		if p.Overlaps(netip.MustParsePrefix(strangers)) {
			return whole
		}
	}
	if bits < 64 && m.spares(j, p) {
		p = netip.PrefixFrom(a, 64).Masked()
	}
	if m.spares(j, p) {
		return whole
	}
	return p
}

func (m *setModel) observe(ev parser.Event) []Decision {
	out := m.advance(ev.Time)
	holds := func(p netip.Prefix) bool { return p.Contains(ev.Host) }
	if slices.ContainsFunc(m.protected, holds) {
		return out
	}
	for _, j := range m.jails {
		switch {
		case !slices.Contains(j.cfg.Rules, ev.Rule), slices.ContainsFunc(j.ignore, holds), slices.Contains(j.cfg.IgnoreIP, ev.Peer):
		case ev.Time.Before(m.clock.Add(-j.cfg.FindTime)), slices.ContainsFunc(slices.Collect(maps.Keys(j.bans)), holds):
		default:
			out = append(out, m.judge(j, m.prefix(j, ev.Host), ev)...)
		}
	}
	return out
}

// judge counts an event in one jail.
func (m *setModel) judge(j *jailModel, p netip.Prefix, ev parser.Event) []Decision {
	start := m.clock.Add(-j.cfg.FindTime)
	in := slices.DeleteFunc(append(j.events[p], ev), func(e parser.Event) bool { return e.Time.Before(start) })
	slices.SortStableFunc(in, func(a, b parser.Event) int { return a.Time.Compare(b.Time) })
	failures, ids := int64(0), map[string]int{}
	for _, e := range in {
		failures += e.Weight
	}
	if failures >= j.cfg.MaxRetry { // the verdict rests on the latest lines
		in = in[max(0, len(in)-int(j.cfg.MaxRetry)*j.cfg.NATPeers):]
		failures = 0
		for _, e := range in {
			failures += e.Weight
		}
	}
	j.events[p] = in
	returning := 0
	for _, e := range in {
		if e.Peer == "" {
			continue
		}
		if ids[e.Peer]++; ids[e.Peer] == 2 {
			returning++
		}
	}
	if failures < j.cfg.MaxRetry*int64(max(1, min(returning, j.cfg.NATPeers))) || len(ids) < j.cfg.MinPeers {
		return nil
	}
	return m.sentence(j, p, ev.Host, failures)
}

func (m *setModel) sentence(j *jailModel, p netip.Prefix, host netip.Addr, failures int64) []Decision {
	past := j.past[p]
	if past == nil || !past.forget.After(m.clock) {
		past = &pastModel{}
	}
	b := &banModel{host: host}
	if j.cfg.BanTime != Forever {
		length := float64(j.cfg.BanTime)
		if j.cfg.Factor > 1 {
			length = min(length*math.Pow(j.cfg.Factor, float64(past.bans)), float64(j.cfg.MaxBanTime))
		}
		b.until = m.clock.Add(time.Duration(length))
	}
	if j.cfg.Factor > 1 {
		past.bans++
		if past.forget = b.until.Add(j.cfg.Memory); b.until.IsZero() {
			past.forget = m.clock.AddDate(100, 0, 0)
		}
		j.past[p] = past
	}
	delete(j.events, p)
	j.bans[p] = b
	out := []Decision{{Action: Ban, Jail: j.cfg.Name, Host: host, Prefix: p, At: m.clock, Until: b.until, Failures: failures}}
	return append(out, m.widen(j, p, host, failures)...)
}

func (m *setModel) widen(j *jailModel, p netip.Prefix, host netip.Addr, failures int64) []Decision {
	net, ok := network(p)
	if j.cfg.Widen == 0 || !ok || m.spares(j, net) {
		return nil
	}
	wide, singles := &banModel{host: host, wide: true}, 0
	forEver := false
	single := func(s standing) bool {
		of, ok := network(s.prefix)
		return s.jail == j && ok && of == net
	}
	for q, b := range j.bans {
		if !single(standing{b, j, q}) {
			continue
		}
		singles++
		forEver = forEver || b.until.IsZero()
		if b.until.After(wide.until) {
			wide.until = b.until
		}
	}
	if singles < j.cfg.Widen {
		return nil
	}
	if forEver {
		wide.until = time.Time{}
	}
	out := []Decision{{Action: Ban, Jail: j.cfg.Name, Host: host, Prefix: net, At: m.clock, Until: wide.until, Failures: failures}}
	out = append(out, m.lift(single, anyOrder, m.atClock)...)
	j.bans[net] = wide
	return out
}

func (m *setModel) ban(now time.Time, x ManualBan) []Decision {
	out := m.advance(now)
	b := &banModel{byHand: true}
	if x.For != Forever {
		b.until = m.clock.Add(x.For)
	}
	if x.Prefix.IsSingleIP() {
		b.host = x.Prefix.Addr()
	}
	m.manual.bans[x.Prefix] = b
	return append(out, Decision{Action: Ban, Jail: Manual, Host: b.host, Prefix: x.Prefix, At: m.clock, Until: b.until})
}

func (m *setModel) unban(now time.Time, p netip.Prefix) []Decision {
	out := m.advance(now)
	lifted := m.pardon(func(s standing) bool { return s.prefix == p })
	if len(lifted) == 0 && p.IsSingleIP() {
		lifted = m.pardon(func(s standing) bool { return s.prefix.Contains(p.Addr()) && s.jail != m.manual && !s.wide })
	}
	return append(out, lifted...)
}

func (m *setModel) protect(now time.Time, list []netip.Prefix) []Decision {
	out := m.advance(now)
	m.protected = list
	for _, p := range list {
		around := func(s standing) bool { return !s.byHand && s.prefix.Overlaps(p) && s.prefix.Bits() <= p.Bits() }
		out = append(out, m.pardon(around)...)
		out = append(out, m.pardon(func(s standing) bool { return !s.byHand && s.prefix.Overlaps(p) })...)
	}
	return out
}

func (m *setModel) reconfigure(now time.Time, jails []Config) []Decision {
	out := m.advance(now)
	next := newSetModel(jails)
	for _, old := range m.jails {
		i := slices.IndexFunc(next.jails, func(n *jailModel) bool { return n.cfg.Name == old.cfg.Name })
		if i < 0 {
			out = append(out, m.lift(func(s standing) bool { return s.jail == old }, anyOrder, m.atClock)...)
			continue
		}
		next.jails[i].takeOver(old)
	}
	m.jails, m.manual.rank = next.jails, next.manual.rank
	for _, j := range m.jails {
		out = append(out, m.pardon(func(s standing) bool { return s.jail == j && m.spares(j, s.prefix) })...)
	}
	return out
}

// takeOver keeps what of another configuration's still has a meaning.
func (j *jailModel) takeOver(old *jailModel) {
	j.bans = old.bans
	if j.cfg.Factor > 1 && old.cfg.Factor > 1 {
		j.past = old.past
	}
	for p, list := range old.events {
		if p.Addr().Is6() && j.cfg.IPv6Prefix != old.cfg.IPv6Prefix {
			continue
		}
		j.events[p] = slices.DeleteFunc(list, func(e parser.Event) bool { return !slices.Contains(j.cfg.Rules, e.Rule) })
	}
}

// move moves bans, and what is remembered of earlier ones, by a time; the windows
// too where the clock went back.
func (m *setModel) move(by time.Duration, windows bool) {
	for _, j := range m.all() {
		for _, b := range j.bans {
			if !b.until.IsZero() {
				b.until = b.until.Add(by)
			}
		}
		for p, past := range j.past {
			if past.forget.After(m.clock) {
				past.forget = past.forget.Add(by)
			} else {
				delete(j.past, p)
			}
		}
		for _, list := range j.events {
			for i := range list {
				if windows {
					list[i].Time = list[i].Time.Add(by)
				}
			}
		}
	}
}
