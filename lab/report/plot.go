package report

import (
	"fmt"
	"image/color"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/p2pban/p2pban/lab/agent"
	"github.com/p2pban/p2pban/lab/trial"
)

// plotFile is a plot that was written.
type plotFile struct{ name, caption string }

// colors are told apart by most colour-blind people (Okabe and Ito).
var colors = map[agent.Kind]color.Color{
	agent.None:     color.RGBA{0, 0, 0, 255},
	agent.P2pban:   color.RGBA{0, 158, 115, 255},
	agent.Fail2ban: color.RGBA{213, 94, 0, 255},
	agent.Anchored: color.RGBA{0, 114, 178, 255},
}

// plots draws what the results are enough for.
func (b Book) plots(dir string) ([]plotFile, error) {
	var files []plotFile
	draw := func(name, caption string, p *plot.Plot, err error) error {
		if p == nil || err != nil {
			return err
		}
		files = append(files, plotFile{name, caption})
		return p.Save(18*vg.Centimeter, 8*vg.Centimeter, filepath.Join(dir, name))
	}
	flood := b.of("go", "churn")
	p, err := overTime(flood, "hostile connections served a second", func(s trial.Second) (float64, bool) { return float64(s.Served), true })
	if err := draw("churn.svg", "Hostile connections that the node served, second by second, under churn", p, err); err != nil {
		return nil, err
	}
	p, err = overTime(flood, "milliseconds of an honest visit", func(s trial.Second) (float64, bool) { return s.HonestMillis, s.HonestMillis > 0 })
	if err := draw("honest.svg", "How long an honest visit took meanwhile", p, err); err != nil {
		return nil, err
	}
	p, err = b.timeToBan()
	if err := draw("ban.svg", "Time from the first hostile packet to the ban in the kernel", p, err); err != nil {
		return nil, err
	}
	return files, nil
}

// of gives the results of an attack on a victim without limits.
func (b Book) of(victim, attack string) []*trial.Result {
	var found []*trial.Result
	for _, r := range b.Results {
		if r.Trial.Victim == victim && r.Trial.Attack == attack && !r.Trial.Limits {
			found = append(found, r)
		}
	}
	return found
}

// overTime draws one line for each agent.
func overTime(all []*trial.Result, label string, value func(trial.Second) (float64, bool)) (*plot.Plot, error) {
	if len(all) == 0 {
		return nil, nil
	}
	p := plot.New()
	p.X.Label.Text = "seconds from the first hostile packet"
	p.Y.Label.Text = label
	p.Y.Min = 0
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	for _, r := range all {
		var points plotter.XYs
		for _, s := range r.Course {
			if y, ok := value(s); ok {
				points = append(points, plotter.XY{X: float64(s.T), Y: y})
			}
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return nil, fmt.Errorf("plotting %s: %w", r.Trial, err)
		}
		line.Color, line.Width = colors[r.Trial.Agent], vg.Points(1.5)
		p.Add(line)
		p.Legend.Add(string(r.Trial.Agent), line)
	}
	return p, nil
}

// timeToBan draws a bar for each attack that p2pban banned.
func (b Book) timeToBan() (*plot.Plot, error) {
	var names []string
	var values plotter.Values
	for _, r := range b.Results {
		if r.Trial.Victim == "go" && !r.Trial.Limits && r.Trial.Agent == agent.P2pban && r.BanAfter >= 0 {
			names, values = append(names, r.Trial.Attack), append(values, r.BanAfter)
		}
	}
	if len(values) == 0 {
		return nil, nil
	}
	// From the top down, as the tables.
	slices.Reverse(names)
	slices.Reverse(values)
	p := plot.New()
	p.X.Label.Text = "seconds to p2pban's ban"
	bars, err := plotter.NewBarChart(values, vg.Points(12))
	if err != nil {
		return nil, err
	}
	bars.Horizontal, bars.Color = true, colors[agent.P2pban]
	p.Add(bars)
	p.NominalY(names...)
	return p, nil
}
