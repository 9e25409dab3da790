package setup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/parser"
)

// kuboConfigs are where a Kubo node keeps its configuration (ipfs/kubo:
// $IPFS_PATH, else ~/.ipfs), for a service and in its image.
var kuboConfigs = []string{"/var/lib/ipfs/config", "/var/lib/ipfs/.ipfs/config", "/data/ipfs/config", "/root/.ipfs/config", "/home/*/.ipfs/config"}

// Configuration writes a p2pban.toml for what was found. It is empty if nothing
// was found that could be a source.
func (r *Report) Configuration(rs *parser.Ruleset, now time.Time) string {
	d := &draft{head: []string{
		"Written by `p2pban setup` on " + now.Format("2006-01-02") + ", with the reason for each line.",
		"`p2pban check` says what is wrong with it, `p2pban dry-run` whom it would have banned. Every other setting, with its default, is in the reference configuration.",
	}}
	var implementations []string
	for _, f := range r.Found {
		if f.Source == "" {
			continue
		}
		d.source(f)
		if f.Records == 0 {
			implementations = append(implementations, f.Program)
		}
		implementations = append(implementations, f.Implementations...)
	}
	if len(implementations) == 0 {
		return ""
	}
	d.jails(rs, implementations, slices.ContainsFunc(r.Found, func(f Found) bool { return f.Program == "kubo" }))
	d.firewall()
	return d.toml()
}

// source writes one log.
func (d *draft) source(f Found) {
	t := d.table("source."+f.Source, f.Headline())
	for _, m := range f.Missing {
		t.why = append(t.why, "It will see nothing before this is set on the node: "+m)
	}
	for _, r := range f.Risks {
		t.why = append(t.why, "CAREFUL: "+strings.TrimSuffix(r.Summary, ".")+". Until that is closed, what comes through it is refused. Close it: "+r.Setting)
	}
	for _, n := range f.Notes {
		t.why = append(t.why, "Note: "+strings.TrimSuffix(n, ".")+".")
	}
	switch {
	case f.Kind == KindContainer && f.ByName:
		t.set("container", quote(f.Name), "By its name, so that it may be made anew. New lines only.")
	case f.Kind == KindContainer && len(f.Files) == 0:
		t.set("match", list([]string{"CONTAINER_NAME=" + f.Name, "_UID=" + f.UID}), "Docker writes its lines to the journal, with its name. Any user could, but not as the user that Docker runs as.")
	case len(f.Files) > 0:
		t.set("file", list(f.Files), "Followed through rotations; new lines only.")
	case f.Kind == KindUserUnit:
		t.set("userunit", quote(f.Name), "A unit of a user's own manager. New lines only.")
		t.set("match", quote("_UID="+f.UID), "That user: any other may have a unit of this name.")
	default:
		t.set("unit", quote(f.Name), "New lines only. Under a flood journald throws lines away: raise its limit with the drop-in journald.conf.d/50-p2pban.conf that comes with p2pban.")
	}
	if f.Directory != "" {
		t.set("directory", quote(f.Directory), "The journal files it was found in.")
	}
}

// Headline says what was seen of a log.
func (f *Found) Headline() string {
	what := f.place()
	switch {
	case f.Lines == 0:
		return fmt.Sprintf("%s: looks like %s, but it has logged nothing of late.", what, f.Program)
	case f.Records == 0:
		return fmt.Sprintf("%s: looks like %s, but none of its last %d lines is one to judge by.", what, f.Program, f.Lines)
	}
	var formats []string
	for name := range f.Formats {
		formats = append(formats, name)
	}
	slices.Sort(formats)
	node := strings.Join(f.Implementations, ", ")
	if f.Program != "" && f.Program != node {
		node = f.Program + " (" + node + ")"
	}
	return fmt.Sprintf("%s: %s, %s: %d of the last %d lines are records of peers, %d accuse one.",
		what, node, strings.Join(formats, " and "), f.Records, f.Lines, f.Events)
}

// place is where the log is, for a terminal: names of files may hold anything.
func (f *Found) place() string {
	name := f.Name
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		name = quoted
	}
	return f.Kind + " " + name
}

// jails writes the built-in jails that judge by lines of these implementations.
func (d *draft) jails(rs *parser.Ruleset, implementations []string, kubo bool) {
	rules := map[string]bool{}
	for _, i := range implementations {
		for _, r := range rulesOf(rs, i) {
			rules[r.Name] = true
		}
	}
	first := true
	for _, j := range config.Default().Jails {
		var counts []string
		for _, name := range j.Rules {
			if rules[name] {
				counts = append(counts, name)
			}
		}
		if len(counts) == 0 {
			continue
		}
		t := d.table("jail."+j.Name, jailWhy(j, counts))
		if first {
			t.why = append([]string{"The built-in jails that judge by such lines. What a table leaves out it has already."}, t.why...)
			t.propose("ignoreip", array(ignoreExample(kubo)), "Who is never banned, besides this machine's own addresses, gateways, resolvers and ssh sessions: add your other nodes, here and in the other jails.")
		}
		first = false
	}
}

// jailWhy says in words what a jail does.
func jailWhy(j jail.Config, counts []string) string {
	text := fmt.Sprintf("A host with %d events of %s in %s is banned for %s", j.MaxRetry, strings.Join(counts, ", "),
		config.FormatDuration(j.FindTime), config.FormatDuration(j.BanTime))
	if j.Factor > 1 {
		text += fmt.Sprintf(", the next time for %g times as long, up to %s", j.Factor, config.FormatDuration(j.MaxBanTime))
	}
	return text + "."
}

// ignoreExample is what an operator may want in ignoreip. A Kubo node's
// configuration holds its private key: the daemon must be let read it first,
// so it is proposed and not set.
func ignoreExample(kubo bool) []string {
	example := []string{"192.0.2.7", "2001:db8::/32"}
	if !kubo {
		return example
	}
	for _, glob := range kuboConfigs {
		paths, _ := filepath.Glob(glob) // the patterns are well formed
		for _, p := range paths {
			example = append(example, "kubo:"+p)
		}
	}
	if dir := os.Getenv("IPFS_PATH"); filepath.IsAbs(dir) && fileExists(filepath.Join(dir, "config")) {
		example = append(example, "kubo:"+filepath.Join(dir, "config"))
	}
	return example
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (d *draft) firewall() {
	t := d.table("firewall", "Bans go into a table of their own. \"auto\" takes nftables where the kernel has it, else iptables with ipset.")
	t.set("backend", quote("auto"), "")
	t.propose("kill_sockets", "true", "End a banned host's running connections at once; otherwise they run into a timeout.")
}
