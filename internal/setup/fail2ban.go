package setup

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/p2pban/p2pban/parser"
)

// Fail2banDir is where fail2ban has its configuration.
const Fail2banDir = "/etc/fail2ban"

// What became of a setting.
const (
	Taken   = "taken"   // means the same here
	Changed = "changed" // written otherwise, or with other numbers
	Dropped = "dropped" // has no counterpart
	Fault   = "fault"   // is not what its author meant, to fail2ban
)

// Item is one setting of fail2ban and what became of it.
type Item struct {
	// Where is "jail.local:7".
	Where string `json:"where,omitempty"`
	// Setting and Value are fail2ban's.
	Setting string `json:"setting"`
	Value   string `json:"value,omitempty"`
	// What is Taken, Changed, Dropped or Fault.
	What string `json:"what"`
	// Became is the setting of p2pban, Why the reason.
	Became string `json:"became,omitempty"`
	Why    string `json:"why,omitempty"`
}

// TakenJail is one jail of fail2ban that is about libp2p.
type TakenJail struct {
	Name string `json:"jail"`
	// Enabled is false for a jail that fail2ban does not run either: it is not
	// taken over.
	Enabled bool   `json:"enabled"`
	Items   []Item `json:"settings"`
}

// Migration is fail2ban's configuration as p2pban's.
type Migration struct {
	// Read are the files, in the order in which they count.
	Read  []string    `json:"read"`
	Jails []TakenJail `json:"jails"`
	// Left are enabled jails about other things: fail2ban keeps them.
	Left  []string `json:"left_to_fail2ban"`
	Notes []string `json:"notes,omitempty"`
	// Configuration is the p2pban.toml, empty if no jail was taken over.
	Configuration string `json:"configuration"`
}

// FromFail2ban takes over what fail2ban's configuration in dir says of libp2p
// nodes. It reads the files as fail2ban would, and runs nothing.
func FromFail2ban(dir string, rs *parser.Ruleset, now time.Time) (*Migration, error) {
	x, err := readIni(dir, "jail")
	if err != nil {
		return nil, fmt.Errorf("fail2ban's configuration: %w", err)
	}
	m := &mover{
		dir: dir, ini: x, rules: rs, taken: map[string]bool{}, sources: map[string]bool{},
		out: &Migration{Read: x.read, Jails: []TakenJail{}, Left: []string{}},
	}
	for _, section := range x.names {
		if section == defaultSection {
			continue
		}
		m.jail(section)
	}
	slices.Sort(m.out.Left)
	m.finish(now)
	return m.out, nil
}

// mover takes over one directory.
type mover struct {
	dir   string
	ini   *iniFiles
	rules *parser.Ruleset
	out   *Migration

	sourceTables, jailTables []*table
	ignored                  []string // by any of the jails
	taken, sources           map[string]bool
	ports                    []string
	protocols                []string
	// allPorts is set when a jail keeps its hosts from every port, anyProtocol
	// when one says nothing of the protocol.
	allPorts, anyProtocol bool
}

// jail takes over one section if it is about libp2p.
func (m *mover) jail(section string) {
	j := &move{m: m, section: section}
	filter := j.filter()
	enabled, _ := j.get("enabled")
	on := isTrue(clean(enabled.raw))
	if !filter.concerns(section, j) {
		if on {
			m.out.Left = append(m.out.Left, section)
		}
		return
	}
	if !isTrue(enabled.raw) && on {
		j.note("enabled", Fault, "", inlineComment+": to fail2ban this is no \"true\", and the jail is off")
	}
	if on {
		j.filterItems(filter)
		j.source(filter)
		j.times(filter)
		j.ignoreip()
		j.doors()
		j.others()
	}
	m.out.Jails = append(m.out.Jails, TakenJail{Name: section, Enabled: on, Items: j.items})
}

// isTrue reads a switch as fail2ban does (helpers.py, _as_bool).
func isTrue(s string) bool {
	return slices.Contains([]string{"1", "on", "true", "yes"}, strings.ToLower(s))
}

// inlineComment is a fault that even libp2p's documentation has.
const inlineComment = "fail2ban knows no comment that begins with # behind a value: it is part of the value"

// clean takes off what was meant as a comment behind a value.
func clean(s string) string {
	for _, mark := range []string{" #", "\t#"} {
		s, _, _ = strings.Cut(s, mark)
	}
	return strings.TrimSpace(s)
}

// finish writes the configuration.
func (m *mover) finish(now time.Time) {
	if len(m.jailTables) == 0 {
		return
	}
	if len(m.sourceTables) == 0 {
		m.out.Notes = append(m.out.Notes, "no log was taken over: add a [source.NAME], which `p2pban setup` finds")
	}
	d := &draft{head: []string{
		fmt.Sprintf("Taken over from fail2ban's configuration in %s by `p2pban setup` on %s, with the reason for each line.", m.dir, now.Format("2006-01-02")),
		"`p2pban check` says what is wrong with it, `p2pban dry-run` whom it would have banned. Turn the jails off in fail2ban when p2pban runs.",
	}}
	if len(m.sourceTables) > 1 {
		const everySource = "a jail of p2pban judges the lines of every source; fail2ban's had their own logs"
		m.out.Notes = append(m.out.Notes, everySource)
		d.head = append(d.head, "Mind that "+everySource+".")
		m.ignoreAll()
	}
	d.tables = append(append(d.tables, m.sourceTables...), m.jailTables...)
	m.firewall(d)
	m.retract()
	m.out.Configuration = d.toml()
}

// ignoreAll has each jail ignore whom any of them ignored: it judges the others' logs
// now, too, and must not ban there who never was.
func (m *mover) ignoreAll() {
	united := false
	for _, t := range m.jailTables {
		i := slices.IndexFunc(t.settings, func(s setting) bool { return s.key == "ignoreip" })
		all := setting{key: "ignoreip", value: array(m.ignored), why: "Whom any of fail2ban's jails ignored, whose logs this one judges as well."}
		switch {
		case len(m.ignored) == 0 || i >= 0 && t.settings[i].value == all.value:
			continue
		case i < 0:
			t.settings = append(t.settings, all)
		default:
			t.settings[i] = all
		}
		united = true
	}
	if united {
		m.out.Notes = append(m.out.Notes, "so each jail ignores (ignoreip) whom any of fail2ban's ignored")
	}
}

// firewall writes what the jails said of ports. Those are one setting here, so
// what only some of them wanted is not enough for the others.
func (m *mover) firewall(d *draft) {
	t := d.table("firewall", "Bans go into a table of their own, by nftables where the kernel has it.")
	t.set("backend", quote("auto"), "")
	if !m.allPorts && len(m.ports) > 0 {
		slices.Sort(m.ports)
		t.set("ports", "["+strings.Join(slices.Compact(m.ports), ", ")+"]", "The ports of fail2ban's jails. Without this line a banned host reaches no port.")
	}
	if !m.anyProtocol && len(m.protocols) > 0 {
		slices.Sort(m.protocols)
		t.set("protocols", array(slices.Compact(m.protocols)), "QUIC, WebTransport and WebRTC are udp: without it they stay open to a banned host.")
	}
}

// retract takes back what was said of one jail's ports and protocols where the
// other jails did not let it stand.
func (m *mover) retract() {
	for _, j := range m.out.Jails {
		for i := range j.Items {
			it := &j.Items[i]
			if it.What == Taken && (it.Setting == "port" && m.allPorts || it.Setting == "protocol" && m.anyProtocol) {
				it.What, it.Became = Dropped, ""
				it.Why = "p2pban has one setting for all jails, and another of these names none: a banned host reaches nothing"
			}
		}
	}
}

// move is one jail on its way.
type move struct {
	m       *mover
	section string
	items   []Item
	// tables are the jails it has become.
	tables []*table
}

func (j *move) get(option string) (value, bool) { return j.m.ini.get(j.section, option) }

// text is an option without what was meant as a comment.
func (j *move) text(option string) string {
	v, _ := j.get(option)
	return clean(v.raw)
}

// own tells whether the jail itself has an option, and not only the defaults.
func (j *move) own(option string) bool {
	_, ok := j.m.ini.own(j.section, option)
	return ok
}

// note says what became of an option.
func (j *move) note(option, what, became, why string) {
	v, _ := j.get(option)
	where := place(v.file, j.m.ini.line(j.section, option))
	j.items = append(j.items, Item{where, option, strings.Join(strings.Fields(v.raw), " "), what, became, why})
}

// place writes "jail.local:7", as far as it is known.
func place(file string, line int) string {
	switch {
	case file == "":
		return ""
	case line == 0:
		return filepath.Base(file)
	}
	return fmt.Sprintf("%s:%d", filepath.Base(file), line)
}
