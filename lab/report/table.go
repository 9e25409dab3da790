package report

import (
	"fmt"
	"strings"

	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/measure"
	"github.com/p2pban/p2pban/lab/trial"
)

// table shows the results of a chapter, a row for each.
func table(all []*trial.Result) string {
	var t strings.Builder
	t.WriteString("| attack | agent | ban after | lines | line → kernel | hostile | a second | after the ban | honest served | honest, ms | innocents | agent's | node's |\n")
	t.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range all {
		cells := []string{
			r.Trial.Attack, string(r.Trial.Agent), banAfter(r), fmt.Sprint(r.LinesToBan), decided(r),
			fmt.Sprintf("%d of %d", r.Hostile.Served, r.Hostile.Tried), rate(r), after(r),
			share(r.Before) + " / " + share(r.During) + " / " + share(r.After),
			fmt.Sprintf("%.0f / %.0f / %.0f", r.Before.MedianMillis, r.During.MedianMillis, r.After.MedianMillis),
			innocents(r), agentUse(r), fmt.Sprintf("%.1f s", r.VictimUsage.CPU.Seconds()),
		}
		t.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	return t.String()
}

func banAfter(r *trial.Result) string {
	if r.BanAfter < 0 {
		return fmt.Sprintf("none in %.0f s", r.Seconds)
	}
	return fmt.Sprintf("%.1f s", r.BanAfter)
}

func decided(r *trial.Result) string {
	switch {
	case r.BanAfter < 0 || r.DecidedAfter < 0:
		return "–"
	case r.DecidedAfter < 0.0995:
		return fmt.Sprintf("%.1f ms", r.DecidedAfter*1000)
	}
	return fmt.Sprintf("%.1f s", r.DecidedAfter)
}

// rate is of connections served while there was no ban.
func rate(r *trial.Result) string {
	seconds := r.Seconds
	if r.BanAfter >= 0 {
		seconds = r.BanAfter
	}
	if seconds <= 0 {
		return "–"
	}
	perSecond := float64(r.Hostile.Served-r.AfterBan.Served) / seconds
	if perSecond < 10 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("%.0f", perSecond)
}

func after(r *trial.Result) string {
	if r.BanAfter < 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", r.AfterBan.Served, r.AfterBan.Tried)
}

func share(s measure.Summary) string {
	if s.Tried == 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", s.Served, s.Tried)
}

func innocents(r *trial.Result) string {
	var names []string
	for _, p := range r.Innocents {
		if p.IsSingleIP() {
			names = append(names, p.Addr().String())
			continue
		}
		names = append(names, p.String())
	}
	switch {
	case r.Shared:
		return "those behind the NAT"
	case len(names) == 0 && r.Accused > 0:
		return fmt.Sprintf("0; **%d lines accuse one**", r.Accused)
	case len(names) == 0:
		return "0"
	}
	return "**" + strings.Join(names, ", ") + "**"
}

func agentUse(r *trial.Result) string {
	if r.Trial.Agent == agent.None {
		return "–"
	}
	return fmt.Sprintf("%.2f s, %d MB", r.AgentUsage.CPU.Seconds(), r.AgentUsage.MaxBytes/1_000_000)
}
