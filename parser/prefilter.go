package parser

import "strings"

// prefilter tells cheaply that a line holds nothing any rule looks for.
type prefilter struct {
	needles []string
}

func newPrefilter(rules []*Rule) *prefilter {
	f := &prefilter{}
	for i := range risks {
		f.needles = append(f.needles, risks[i].needles...)
	}
	for _, r := range rules {
		for i := range r.records {
			f.needles = append(f.needles, r.records[i].needle())
		}
	}
	return f
}

func (f *prefilter) match(s string) bool {
	for _, n := range f.needles {
		if strings.Contains(s, n) {
			return true
		}
	}
	return false
}
