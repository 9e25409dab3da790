// Package report turns the results of trials into the pages of docs/lab: a
// README.md with tables, plots as SVG, and the results themselves as JSON.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/trial"
)

// Book is a run of the lab.
type Book struct {
	Date     time.Time         `json:"date"`
	Took     time.Duration     `json:"took"`
	Whole    int               `json:"whole"` // trials of the whole matrix
	Versions Versions          `json:"versions"`
	Missing  map[string]string `json:"missing,omitempty"` // victims not there, and why
	Failed   []string          `json:"failed,omitempty"`  // trials that gave no result
	Results  []*trial.Result   `json:"results"`
}

// Versions is what the figures were taken with.
type Versions struct {
	P2pban, Fail2ban, Nftables, Go, Kernel, CPU string
}

// Write writes the pages into a directory.
func (b Book) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var data bytes.Buffer
	e := json.NewEncoder(&data)
	e.SetIndent("", " ")
	if err := e.Encode(b); err != nil {
		return err
	}
	plots, err := b.plots(dir)
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{"results.json": data.Bytes(), "README.md": []byte(b.page(plots))} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Rewrite writes the page of a directory anew from the results in it.
func Rewrite(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		return err
	}
	var b Book
	if err := json.Unmarshal(text, &b); err != nil {
		return fmt.Errorf("%s/results.json: %w", dir, err)
	}
	return b.Write(dir)
}

// Line tells a result in a line.
func Line(r *trial.Result) string {
	ban := "no ban"
	if r.BanAfter >= 0 {
		ban = fmt.Sprintf("banned after %.1f s and %d lines", r.BanAfter, r.LinesToBan)
	}
	return fmt.Sprintf("%s: %s; hostile connections served %d of %d, after the ban %d of %d; honest visits served %d of %d; innocents banned %d",
		r.Trial, ban, r.Hostile.Served, r.Hostile.Tried, r.AfterBan.Served, r.AfterBan.Tried,
		r.Before.Served+r.During.Served+r.After.Served, r.Before.Tried+r.During.Tried+r.After.Tried, len(r.Innocents))
}

// Chapter is the heading under which a trial stands.
func Chapter(t trial.Trial) string {
	head := t.Victim + ", resource manager off"
	if t.Limits {
		head = t.Victim + ", limits as shipped"
	}
	if t.Logging != "" {
		head += ", GOLOG_LOG_LEVEL=" + t.Logging
	}
	return head
}

// page is README.md.
func (b Book) page(plots []plotFile) string {
	var p strings.Builder
	fmt.Fprintf(&p, "# The lab: what attacks do to a node, with and without p2pban\n\n%s\n\n", Wrap(intro, ""))
	p.WriteString("```\ncd lab && go run . run        # all of this; go run . list says what there is\n```\n\n")
	p.WriteString(Wrap(b.taken(), "") + "\n\n")
	p.WriteString(b.inShort())
	for _, f := range plots {
		fmt.Fprintf(&p, "![%s](%s)\n\n", f.caption, f.name)
	}
	p.WriteString(legend)
	for _, head := range b.chapters() {
		b.chapter(&p, head)
	}
	for _, victim := range sorted(b.Missing) {
		fmt.Fprintf(&p, "## %s\n\nNot run: %s.\n\n", victim, b.Missing[victim])
	}
	if len(b.Failed) > 0 {
		fmt.Fprintf(&p, "## Failed\n\nThese trials gave no result: %s.\n", strings.Join(b.Failed, "; "))
	}
	return strings.TrimRight(p.String(), "\n") + "\n"
}

// taken says when and with what.
func (b Book) taken() string {
	v := b.Versions
	text := fmt.Sprintf("Taken on %s, in %s, with p2pban %s, %s, Fail2Ban %s, %s and %s, on %s.", b.Date.Format("2 January 2006"),
		b.Took.Round(time.Minute), strings.TrimPrefix(v.P2pban, "p2pban "), v.Kernel, strings.TrimPrefix(v.Fail2ban, "Fail2Ban "),
		v.Nftables, v.Go, v.CPU)
	if len(b.Results) < b.Whole {
		text += fmt.Sprintf(" **This is a part: %d of the matrix's %d trials.**", len(b.Results), b.Whole)
	}
	return text + " The tables are made from [results.json](results.json)."
}

// chapters are the headings in the order of the results.
func (b Book) chapters() []string {
	var heads []string
	for _, r := range b.Results {
		if h := Chapter(r.Trial); !slices.Contains(heads, h) {
			heads = append(heads, h)
		}
	}
	return heads
}

func (b Book) chapter(p *strings.Builder, head string) {
	var in []*trial.Result
	for _, r := range b.Results {
		if Chapter(r.Trial) == head {
			in = append(in, r)
		}
	}
	fmt.Fprintf(p, "## %s\n\nThe node: %s.\n\n", head, in[0].Version)
	p.WriteString(table(in))
	p.WriteString("\n")
	for _, r := range in {
		if n := note(r); n != "" {
			fmt.Fprintf(p, "%s\n\n", Wrap(n, ""))
		}
	}
}

// inShort adds up what p2pban and the others did.
func (b Book) inShort() string {
	type sum struct{ trials, banned, innocents, wrongs, offered, afterServed int }
	sums := map[agent.Kind]*sum{}
	for _, r := range b.Results {
		s := sums[r.Trial.Agent]
		if s == nil {
			s = &sum{}
			sums[r.Trial.Agent] = s
		}
		s.trials++
		if r.BanAfter >= 0 {
			s.banned++
		}
		if len(r.Innocents) > 0 {
			s.wrongs++
		}
		s.innocents += len(r.Innocents)
		s.afterServed += r.AfterBan.Served
		s.offered += r.AfterBan.Tried
	}
	var t strings.Builder
	t.WriteString("| agent | trials | attacker banned in | bans of innocents | attempts begun after the ban | of these served |\n|---|---|---|---|---|---|\n")
	for _, k := range agent.Kinds() {
		if s := sums[k]; s != nil && k != agent.None {
			fmt.Fprintf(&t, "| %s | %d | %d | %d | %d | %d |\n", k, s.trials, s.banned, s.innocents, s.offered, s.afterServed)
		}
	}
	return t.String() + "\n"
}
