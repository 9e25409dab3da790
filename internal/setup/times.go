package setup

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/jail"
)

// sampleRate is what one line of go-libp2p's CANONICAL_PEER_STATUS stands for:
// the literal 100 at every place that logs it, in every release.
const sampleRate = 100

// fail2ban's defaults, of its jail.conf, where the jail and that file say nothing.
const (
	defaultTime  = 10 * time.Minute
	defaultRetry = 5
)

// times writes the jail: whom it counts, how many are too many, for how long.
func (j *move) times(f filter) {
	rules, _ := j.rules(f)
	sampled, single := j.bySample(rules)
	retry := j.maxretry(len(sampled) > 0, len(single) > 0)
	findtime := j.duration("findtime")
	if findtime < 0 {
		j.note("findtime", Fault, `findtime = "10m"`, "a window has a length; this is fail2ban's default")
		findtime = defaultTime
	}
	bantime := j.duration("bantime")
	growth := j.growth(bantime)
	name := unique(j.section, j.m.taken)
	if len(sampled) > 0 {
		t := j.table(name, sampled, findtime, bantime, growth)
		t.settings[2] = setting{key: "maxretry", value: strconv.FormatInt(retry*sampleRate, 10),
			why: fmt.Sprintf("In events: fail2ban counted %d lines, each of which stands for %d (its sample_rate).", retry, sampleRate)}
	}
	if len(single) > 0 {
		if len(sampled) > 0 {
			name = unique(name+"-misbehaving", j.m.taken)
		}
		t := j.table(name, single, findtime, bantime, growth)
		t.settings[2] = setting{key: "maxretry", value: strconv.FormatInt(retry, 10), why: "Each of these lines is one event."}
	}
}

// table begins a jail; its third setting is left for maxretry.
func (j *move) table(name string, rules []string, findtime, bantime time.Duration, growth []setting) *table {
	t := &table{name: "jail." + name, why: []string{"fail2ban's jail " + j.section + "."}}
	t.set("rules", array(rules), "In place of the filter.")
	t.set("findtime", quote(config.FormatDuration(findtime)), "An exact window: what is older does not count.")
	t.set("maxretry", "", "")
	t.set("bantime", quote(config.FormatDuration(bantime)), "")
	t.settings = append(t.settings, growth...)
	j.tables = append(j.tables, t)
	j.m.jailTables = append(j.m.jailTables, t)
	return t
}

// maxretry is in lines.
func (j *move) maxretry(sampled, single bool) int64 {
	v, ok := j.get("maxretry")
	n, err := strconv.ParseInt(clean(v.raw), 10, 64)
	const most = 1 << 40
	if !ok || err != nil || n < 1 || n > most {
		j.note("maxretry", Fault, fmt.Sprintf("maxretry = %d", defaultRetry), "this is no number of lines; "+strconv.Itoa(defaultRetry)+" is fail2ban's default")
		n = defaultRetry
	} else if clean(v.raw) != v.raw {
		j.note("maxretry", Fault, "", inlineComment+", so it reads no number here and warns “Wrong value for 'maxretry'”; what was meant is taken over")
	}
	switch {
	case sampled && single:
		j.note("maxretry", Changed, fmt.Sprintf("maxretry = %d, and %d in a jail for the lines that are not sampled", n*sampleRate, n), sampleWhy)
	case sampled:
		j.note("maxretry", Changed, fmt.Sprintf("maxretry = %d", n*sampleRate), sampleWhy)
	default:
		j.note("maxretry", Taken, fmt.Sprintf("maxretry = %d", n), "")
	}
	return n
}

const sampleWhy = "p2pban counts events, not lines: the node logs one in a hundred, and says so in the line (sample_rate=100)"

// duration reads an option that is a length of time.
func (j *move) duration(option string) time.Duration {
	v, ok := j.get(option)
	if !ok {
		return defaultTime
	}
	d, err := seconds(clean(v.raw))
	if err != nil {
		j.note(option, Fault, fmt.Sprintf("%s = %q", option, config.FormatDuration(defaultTime)), err.Error()+"; this is fail2ban's default")
		return defaultTime
	}
	if d < 0 {
		d = jail.Forever
	}
	became, why := fmt.Sprintf("%s = %q", option, config.FormatDuration(d)), ""
	if clean(v.raw) != v.raw {
		why = "the # behind it does no harm here alone, for fail2ban evaluates lengths of time as Python, which knows such comments"
	}
	j.note(option, Taken, became, why)
	return d
}

// growth reads bantime.*: bans that grow.
func (j *move) growth(bantime time.Duration) []setting {
	if !isTrue(j.text("bantime.increment")) {
		return nil
	}
	if bantime == jail.Forever {
		j.note("bantime.increment", Dropped, "", "a ban for ever has nothing to grow to")
		return nil
	}
	factor := j.factor()
	out := []setting{{key: "factor", value: factor, why: "Each further ban is so many times as long as the one before, as with bantime.increment."}}
	j.note("bantime.increment", Taken, "factor = "+factor, "")
	if most, ok := j.maxtime(bantime); ok {
		out = append(out, setting{key: "maxbantime", value: quote(config.FormatDuration(most))})
	}
	for _, d := range []struct{ option, why string }{
		{"bantime.rndtime", "bans are not lengthened at random"},
		{"bantime.overalljails", "each jail remembers its own bans"},
	} {
		if j.text(d.option) != "" {
			j.note(d.option, Dropped, "", d.why)
		}
	}
	return out
}

// factor is what a further ban is multiplied by. fail2ban's formula doubles
// (server/jail.py: ban.Time * (1<<ban.Count) * banFactor), its multipliers may
// do anything.
func (j *move) factor() string {
	const double = "2"
	if j.text("bantime.formula") != "" {
		j.note("bantime.formula", Dropped, "factor = "+double, "a formula is a program; fail2ban's own doubles, and so does this")
	}
	if f := j.text("bantime.factor"); f != "" && f != "1" {
		j.note("bantime.factor", Dropped, "", "in fail2ban it multiplies every ban after the first by the same number; p2pban's factor is the growth from one ban to the next")
	}
	raw := j.text("bantime.multipliers")
	if raw == "" {
		return double
	}
	ratio := sameRatio(strings.Fields(raw))
	if ratio == 0 {
		j.note("bantime.multipliers", Dropped, "factor = "+double, "they do not grow by one factor; this doubles")
		return double
	}
	text := strconv.FormatFloat(ratio, 'g', -1, 64)
	j.note("bantime.multipliers", Changed, "factor = "+text, "each is "+text+" times the one before")
	return text
}

// sameRatio is by what each number is larger than the one before, 0 if that
// differs.
func sameRatio(numbers []string) float64 {
	var last, ratio float64
	for i, s := range numbers {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || n <= 0 {
			return 0
		}
		if i == 1 {
			ratio = n / last
		}
		if i > 1 && n/last != ratio {
			return 0
		}
		last = n
	}
	if ratio < 1 {
		return 0
	}
	return ratio
}

func (j *move) maxtime(bantime time.Duration) (time.Duration, bool) {
	raw := j.text("bantime.maxtime")
	if raw == "" {
		j.items = append(j.items, Item{Setting: "bantime.maxtime", What: Changed, Became: `maxbantime = "1w"`,
			Why: "fail2ban has no limit by default, p2pban a week, which maxbantime changes"})
		return max(jail.DefaultMaxBanTime, bantime), true
	}
	d, err := seconds(raw)
	switch {
	case err != nil || d < 0:
		j.note("bantime.maxtime", Dropped, "", "it is no length of time; p2pban's limit is a week, which maxbantime changes")
		return 0, false
	case d < bantime:
		j.note("bantime.maxtime", Fault, fmt.Sprintf("maxbantime = %q", config.FormatDuration(bantime)), "it is shorter than bantime")
		return bantime, true
	}
	j.note("bantime.maxtime", Taken, fmt.Sprintf("maxbantime = %q", config.FormatDuration(d)), "")
	return d, true
}
