// Package session turns what programs printed in a terminal, one screen after
// the other, into an SVG that plays it.
package session

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Scene is a screen: a command, what it printed, and how long it is shown.
type Scene struct {
	Command, Text string
	For           time.Duration
}

// The measures of the picture, in pixels of a monospaced font of this size.
const (
	fontSize = 13
	advance  = 7.9 // of one character; 0.6 em is what most such fonts have
	leading  = 18
	margin   = 14
)

// head is what stands before the scenes: the screen, and the style of all.
const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" role="img" aria-label="%[3]s">
<style>
text { font: %[4]dpx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d0d0d0; white-space: pre; }
.command { fill: #7fd7a7; }
.scene { visibility: hidden; animation-duration: %.2[5]fs; animation-iteration-count: infinite; animation-timing-function: step-end; }
`

// SVG plays the scenes in turn, for ever. Where nothing moves, none but the
// last is seen.
func SVG(title string, scenes []Scene) string {
	columns, rows, total := 0, 0, time.Duration(0)
	for _, s := range scenes {
		lines := strings.Split(strings.TrimRight(s.Text, "\n"), "\n")
		rows = max(rows, len(lines)+2)
		for _, l := range append(lines, "$ "+s.Command) {
			columns = max(columns, utf8.RuneCountInString(l))
		}
		total += s.For
	}
	width, height := int(float64(columns)*advance)+2*margin, rows*leading+2*margin
	var out strings.Builder
	fmt.Fprintf(&out, head, width, height, escape(title), fontSize, total.Seconds())
	keyframes(&out, scenes, total)
	fmt.Fprintf(&out, "</style>\n<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#1b1f24\"/>\n", width, height)
	for i, s := range scenes {
		fmt.Fprintf(&out, "<g class=\"scene s%d\">\n", i)
		line(&out, 0, "command", "$ "+s.Command)
		for n, l := range strings.Split(strings.TrimRight(s.Text, "\n"), "\n") {
			line(&out, n+2, "", l)
		}
		out.WriteString("</g>\n")
	}
	out.WriteString("</svg>\n")
	return out.String()
}

// keyframes say when each scene is seen. Where nothing moves, the last one is.
func keyframes(out *strings.Builder, scenes []Scene, total time.Duration) {
	at := time.Duration(0)
	percent := func(d time.Duration) float64 { return 100 * float64(d) / float64(total) }
	for i, s := range scenes {
		fmt.Fprintf(out, "@keyframes s%d { 0%% { visibility: hidden; } %.3f%% { visibility: visible; } ", i, percent(at))
		at += s.For
		still := "visibility: visible; "
		if i < len(scenes)-1 {
			fmt.Fprintf(out, "%.3f%% { visibility: hidden; } ", percent(at))
			still = ""
		}
		fmt.Fprintf(out, "}\n.s%d { %sanimation-name: s%d; }\n", i, still, i)
	}
	out.WriteString("@media (prefers-reduced-motion: reduce) { .scene { animation: none; } }\n")
}

func line(out *strings.Builder, row int, class, text string) {
	if text == "" {
		return
	}
	if class != "" {
		class = fmt.Sprintf(" class=%q", class)
	}
	fmt.Fprintf(out, "<text x=\"%d\" y=\"%d\"%s xml:space=\"preserve\">%s</text>\n", margin, margin+(row+1)*leading-5, class, escape(text))
}

func escape(s string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(s)) // a strings.Builder takes all
	return out.String()
}
