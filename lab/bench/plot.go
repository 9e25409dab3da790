package main

import (
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// ratios are the CPU of each program as a multiple of grep's, by log; programs
// and logs are in the order in which they were measured.
type ratios struct {
	logs     []string
	programs []string
	cpu      map[string]plotter.XYs // by program: the number of the log, the ratio
}

func (r *ratios) add(log, program string, ratio float64) {
	if len(r.logs) == 0 || r.logs[len(r.logs)-1] != log {
		r.logs = append(r.logs, log)
	}
	if r.cpu == nil {
		r.cpu = map[string]plotter.XYs{}
	}
	if r.cpu[program] == nil {
		r.programs = append(r.programs, program)
	}
	r.cpu[program] = append(r.cpu[program], plotter.XY{X: float64(len(r.logs) - 1), Y: ratio})
}

// save draws a mark for each program and log.
func (r *ratios) save(path string) error {
	p := plot.New()
	p.Title.Text = "CPU to read a log, as a multiple of grep's"
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Legend.Top = true
	p.NominalX(r.logs...)
	p.Add(plotter.NewGrid())
	for i, name := range r.programs {
		s, err := plotter.NewScatter(r.cpu[name])
		if err != nil {
			return err
		}
		s.GlyphStyle = draw.GlyphStyle{Color: plotutil.Color(i), Shape: plotutil.Shape(i), Radius: vg.Points(4)}
		p.Add(s)
		p.Legend.Add(name, s)
	}
	// Room for the legend on the right.
	p.X.Min, p.X.Max = -0.5, float64(len(r.logs))+1
	p.Y.Min, p.Y.Max = p.Y.Min/2, p.Y.Max*2
	return p.Save(26*vg.Centimeter, 14*vg.Centimeter, path)
}

// plotPath is where the plot beside a report goes.
func plotPath(report string) string { return strings.TrimSuffix(report, ".md") + ".svg" }
