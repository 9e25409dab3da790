package main

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// curve is one line of a plot of distributions.
type curve struct {
	name string
	d    dist
}

// drawCDF writes an SVG of how many of the bans stood within how long, on a
// logarithmic scale: the programs lie factors of a thousand apart.
func drawCDF(path, title string, curves []curve) error {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text = "milliseconds from write() to the element in the kernel"
	p.Y.Label.Text = "share of the bans"
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Y.Max = 1.25 // room for the legend
	least, most := math.Inf(1), 0.0
	for i, c := range curves {
		sorted := slices.Sorted(slices.Values(c.d))
		xy := make(plotter.XYs, len(sorted))
		for k, d := range sorted {
			x := float64(d) / float64(time.Millisecond)
			xy[k] = plotter.XY{X: x, Y: float64(k+1) / float64(len(sorted))}
			least, most = min(least, x), max(most, x)
		}
		line, err := plotter.NewLine(xy)
		if err != nil {
			return err
		}
		line.StepStyle = plotter.PostStep
		line.Color, line.Dashes = plotutil.Color(i), plotutil.Dashes(i)
		line.Width = vg.Points(1.5)
		p.Add(line)
		p.Legend.Add(c.name, line)
	}
	p.X.Min = math.Pow(10, math.Floor(math.Log10(least)))
	p.X.Max = math.Pow(10, math.Ceil(math.Log10(most)))
	p.Add(plotter.NewGrid())
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, path)
}
