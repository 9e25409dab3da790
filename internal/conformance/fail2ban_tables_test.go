package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// group sums captures under a title.
func group(captures []capture, in func(name string) bool) capture {
	sum := capture{accused: map[string]map[string]int{}}
	for _, f := range filters {
		sum.accused[f] = map[string]int{}
	}
	for _, c := range captures {
		if !in(c.name) {
			continue
		}
		sum.lines = append(sum.lines, c.lines...)
		for _, f := range filters {
			for host, n := range c.accused[f] {
				sum.accused[f][host] += n
			}
		}
		sum.guilty = c.guilty
	}
	return sum
}

// sumsTable compares the filters by kind of capture.
func sumsTable(captures []capture) string {
	var b strings.Builder
	b.WriteString("| captures | documented: right | wrong | anchored: right | wrong | p2pban: right | wrong |\n|---|---|---|---|---|---|---|\n")
	attacks := func(version string, formats ...string) func(string) bool {
		return func(name string) bool {
			for _, f := range formats {
				if name == "go-libp2p/"+version+"-"+f {
					return true
				}
			}
			return false
		}
	}
	contains := func(s string) func(string) bool {
		return func(name string) bool { return strings.Contains(name, s) }
	}
	for _, row := range []struct {
		title string
		in    func(string) bool
	}{
		{"45 attacks on go-libp2p v0.22, console", attacks("v0.22.0", "nocolor", "color")},
		{"on v0.43, console", attacks("v0.43.0", "nocolor", "color")},
		{"on v0.22 and v0.43, JSON", func(n string) bool { return attacks("v0.22.0", "json")(n) || attacks("v0.43.0", "json")(n) }},
		{"on v0.51", attacks("v0.51.0", "nocolor", "color", "json")},
		{"a peer answers identify with a newline", contains("identify-injection")},
		{"the node dials an innocent peer", contains("-outbound")},
		{"a peer comes through an innocent relay", contains("-relay-")},
		{"the same 12 lines through eight carriers", func(n string) bool {
			return strings.HasPrefix(n, "carriers/") && !strings.Contains(n, "48K")
		}},
		{"lines of 62 kB, cut by journald", contains("48K")},
	} {
		c := group(captures, row.in)
		fmt.Fprintf(&b, "| %s |", row.title)
		for _, f := range filters {
			right, wrong := c.split(f)
			fmt.Fprintf(&b, " %d | %d |", right, total(wrong))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func total(counts map[string]int) (n int) {
	for _, v := range counts {
		n += v
	}
	return n
}

// hostsTable says whom each filter accuses wrongly, over all captures.
func hostsTable(captures []capture) string {
	sums := map[string]map[string]int{}
	hosts := map[string]bool{}
	for _, f := range filters {
		sums[f] = map[string]int{}
		for i := range captures {
			_, wrong := captures[i].split(f)
			for host, n := range wrong {
				sums[f][host] += n
				hosts[host] = true
			}
		}
	}
	who := map[string]string{
		"8.8.8.8":       "never sent a packet; a peer wrote its address",
		"203.0.113.99":  "the relay through which a peer came",
		"203.0.113.66":  "a peer that the node itself dialled",
		"127.0.0.1":     "the node's own machine",
		"::1":           "the node's own machine",
		"2001:db8:a::1": "the node itself, by its public address",
	}
	var b strings.Builder
	b.WriteString("| innocent | who that is | documented | anchored | p2pban |\n|---|---|---|---|---|\n")
	for _, host := range slices.SortedFunc(maps.Keys(hosts), func(a, b string) int {
		if d := sums[documented][b] - sums[documented][a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	}) {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d |\n", host, who[host], sums[documented][host], sums[anchored][host], sums[ours][host])
	}
	return b.String()
}

// capturesTable has a row for each capture; the direct calls of one version,
// which differ in nothing but the logger's settings, are one row.
func capturesTable(captures []capture) string {
	var b strings.Builder
	b.WriteString("| capture | lines | documented: right | wrong | anchored: right | wrong | p2pban: right | wrong |\n|---|---|---|---|---|---|---|---|\n")
	row := func(name string, c *capture) {
		fmt.Fprintf(&b, "| %s | %d |", name, len(c.lines))
		for _, f := range filters {
			right, wrong := c.split(f)
			fmt.Fprintf(&b, " %d | %s |", right, list(wrong))
		}
		b.WriteString("\n")
	}
	for i := range captures {
		c := &captures[i]
		if !strings.HasSuffix(c.name, "-direct") {
			row(c.name, c)
		}
	}
	for _, version := range []string{"v0.22.0", "v0.43.0", "v0.51.0"} {
		n := 0
		c := group(captures, func(name string) bool {
			in := strings.HasPrefix(name, "go-libp2p/"+version) && strings.HasSuffix(name, "-direct")
			if in {
				n++
			}
			return in
		})
		row(fmt.Sprintf("go-libp2p/%s-*-direct, %d files", version, n), &c)
	}
	return b.String()
}

// list writes "8.8.8.8 ×29, 203.0.113.99 ×11", the most frequent first.
func list(counts map[string]int) string {
	if len(counts) == 0 {
		return "0"
	}
	hosts := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if d := counts[b] - counts[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var out []string
	for _, h := range hosts {
		out = append(out, fmt.Sprintf("%s ×%d", h, counts[h]))
	}
	return strings.Join(out, ", ")
}
