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

// axes are what a plot of distributions says of what, in milliseconds.
type axes struct{ x, y string }

var (
	ofBans   = axes{"milliseconds from write() to the element in the kernel", "share of the bans"}
	ofStatus = axes{"milliseconds until status is answered", "share of the answers"}
)

// drawCDF writes an SVG of how many of a distribution lie below what, on a
// logarithmic scale: programs lie factors of a thousand apart.
func drawCDF(path, title string, a axes, curves []curve) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, a.x, a.y
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

// drawCosts writes an SVG of what one item costs by how many there are.
func drawCosts(path string, costs []cost) error {
	p := plot.New()
	p.Title.Text = "What one more costs"
	p.X.Label.Text, p.Y.Label.Text = "how many", "microseconds of processor for each"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Y.Min, p.Y.Max = 0.1, 1000
	var names []string
	by := map[string]plotter.XYs{}
	for _, c := range costs {
		if by[c.what] == nil {
			names = append(names, c.what)
		}
		by[c.what] = append(by[c.what], plotter.XY{X: float64(c.n), Y: max(c.micros, p.Y.Min)})
	}
	for i, name := range names {
		line, points, err := plotter.NewLinePoints(by[name])
		if err != nil {
			return err
		}
		line.Color, points.Color, points.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
		p.Add(line, points)
		p.Legend.Add(name, line, points)
	}
	p.Add(plotter.NewGrid())
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, path)
}
