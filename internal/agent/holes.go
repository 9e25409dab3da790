package agent

import (
	"maps"
	"slices"
	"time"

	"github.com/p2pban/p2pban/parser"
)

const (
	// holeMemory is how long a hole is remembered: a restart knows of it if its
	// witness passed at most so long before the last line that was read of the
	// stream. What a stranger writes through a hole follows the witness, so lines
	// that come later were not made that way; and an operator who has closed the
	// hole can have the source believed again.
	holeMemory = time.Hour
	// maxHoles bounds the streams of a source whose holes are known while they
	// are not read; any of them makes room.
	maxHoles = 1024
)

// holes are what streams have shown, by stream. They belong to a position in a
// log: the line behind it may be the one that a stranger wrote.
type holes map[string]parser.Risks

func (h holes) keep(stream string, shown parser.Risks) {
	if shown == 0 {
		return
	}
	for other := range h {
		if len(h) < maxHoles {
			break
		}
		delete(h, other)
	}
	h[stream] = shown
}

// shown are the holes that a restart must know of.
func (r *reader) shown() parser.Risks {
	if r.readAt.Sub(r.witnessed) > holeMemory {
		return 0
	}
	return r.risks
}

// holesNow are the holes of all streams of the source, also of those that were
// not read since it began.
func (s *source) holesNow() holes {
	all := holes{}
	maps.Copy(all, s.holes)
	for stream, r := range s.streams {
		all.keep(stream, r.shown())
	}
	return all
}

// holesToSave are the names of all holes, by source and stream.
func (e *engine) holesToSave() map[string]map[string][]string {
	for _, s := range e.sources {
		e.holes[s.spec.Name] = s.holesNow()
	}
	all := map[string]map[string][]string{}
	for name, known := range e.holes {
		for stream, shown := range known {
			if all[name] == nil {
				all[name] = map[string][]string{}
			}
			for _, r := range shown.Info() {
				all[name][stream] = append(all[name][stream], r.Name)
			}
		}
	}
	return all
}

// savedHoles reads what holesToSave gave.
func savedHoles(saved map[string]map[string][]string) map[string]holes {
	all := map[string]holes{}
	for name, streams := range saved {
		all[name] = holes{}
		for stream, names := range streams {
			all[name].keep(stream, risksOf(names))
		}
	}
	return all
}

// risksOf is the set of the risks with these names.
func risksOf(names []string) (set parser.Risks) {
	for _, r := range (^parser.Risks(0)).Info() {
		if slices.Contains(names, r.Name) {
			set |= r.Bit
		}
	}
	return set
}
