package parser

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

const testdata = "../testdata"

// sample is one line and how it must be read. It says of itself whether it is
// real (file:line under testdata) or derived from a source.
type sample struct {
	Real, Derived   string
	Line            string
	Rule, Host      string
	Weight          int64
	Reject          string
	Format, Carrier string
	// Risk is the hole whose witness the line is; Distrust one that its stream
	// has shown before.
	Risk, Distrust string
}

// sampleRef completes the stamps that have no year or no zone.
var sampleRef = time.Date(2026, time.November, 20, 12, 0, 0, 0, time.UTC)

func loadSamples(t testing.TB) map[string][]sample {
	files, err := filepath.Glob(filepath.Join(testdata, "samples", "*.toml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	all := map[string][]sample{}
	for _, file := range files {
		var f struct{ Sample []sample }
		md, err := toml.DecodeFile(file, &f)
		if err != nil {
			t.Fatal(err)
		}
		if left := md.Undecoded(); len(left) > 0 {
			t.Fatalf("%s: unknown keys %v", file, left)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".toml")] = f.Sample
	}
	return all
}

// everyRule is a parser with all rules in force, so that each hostile line
// stands before each rule.
func everyRule(t testing.TB) *Parser {
	rs := Builtin()
	names := []string{}
	for _, r := range rs.Rules() {
		names = append(names, r.Name)
	}
	return newParser(t, Options{Rules: names})
}

func newParser(t testing.TB, opts Options) *Parser {
	t.Helper()
	p, err := New(Builtin(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSamples(t *testing.T) {
	p := everyRule(t)
	var res Result
	for impl, samples := range loadSamples(t) {
		t.Run(impl, func(t *testing.T) {
			for i, s := range samples {
				checkSample(t, p, &res, i+1, &s)
			}
		})
	}
}

func checkSample(t *testing.T, p *Parser, res *Result, n int, s *sample) {
	t.Helper()
	p.Explain(Line{Text: s.Line, Ref: sampleRef, Distrust: riskByName(t, s.Distrust)}, res)
	where := "sample " + strconv.Itoa(n) + " (" + s.Real + s.Derived + ")"
	if s.Reject != res.Reject.String() && !(s.Reject == "" && res.Reject == Accepted) {
		t.Errorf("%s: %v (%s, column %d), want %q\n%.400s", where, res.Reject, res.Detail, res.Column, s.Reject, s.Line)
		return
	}
	if s.Format != "" && s.Format != res.Format || s.Carrier != res.Carrier && !strings.Contains(s.Real, "carriers/") && s.Carrier != "" {
		t.Errorf("%s: format %q in carrier %q, want %q in %q", where, res.Format, res.Carrier, s.Format, s.Carrier)
	}
	if res.Risk != riskByName(t, s.Risk) {
		t.Errorf("%s: risk %v, want %q", where, res.Risk.Info(), s.Risk)
	}
	if s.Reject != "" {
		return
	}
	ev := res.Event
	if ev.Rule != s.Rule || ev.Host.String() != s.Host || ev.Weight != s.Weight {
		t.Errorf("%s: %s accuses %s, weight %d; want %s %s %d", where, ev.Rule, ev.Host, ev.Weight, s.Rule, s.Host, s.Weight)
	}
	dateless := strings.Contains(s.Real, "coloured") || strings.Contains(s.Real, "undated")
	if ev.Time.IsZero() != dateless {
		t.Errorf("%s: the event's time is %v", where, ev.Time)
	}
}

func riskByName(t testing.TB, name string) Risks {
	if name == "" {
		return 0
	}
	for i := range risks {
		if risks[i].Name == name {
			return risks[i].Bit
		}
	}
	t.Fatalf("no risk %q", name)
	return 0
}

// The quick path must read a sample as the thorough one does, but for lines
// that no rule in force speaks of.
func TestParseAgreesWithExplain(t *testing.T) {
	p := everyRule(t)
	var quick, thorough Result
	for impl, samples := range loadSamples(t) {
		for i, s := range samples {
			l := Line{Text: s.Line, Distrust: riskByName(t, s.Distrust)}
			p.Parse(l, &quick)
			p.Explain(l, &thorough)
			if thorough.Reject == NoRule || thorough.Reject == Unrecognised {
				if quick.Reject == Accepted || quick.Risk != thorough.Risk {
					t.Errorf("%s %d: Parse says %v, risk %v; Explain %v, %v", impl, i+1, quick.Reject, quick.Risk, thorough.Reject, thorough.Risk)
				}
				continue
			}
			if quick.Reject != thorough.Reject || quick.Event != thorough.Event || quick.Risk != thorough.Risk {
				t.Errorf("%s %d: Parse says %v, Explain %v", impl, i+1, quick.Reject, thorough.Reject)
			}
		}
	}
}

// A sample that calls itself real stands in the file it names; every rule has
// samples that match it, and every file of rules some that don't.
func TestSamplesAreWhatTheySay(t *testing.T) {
	matched := map[string]bool{}
	all := loadSamples(t)
	for impl, samples := range all {
		hostile := false
		for i, s := range samples {
			if (s.Real == "") == (s.Derived == "") {
				t.Errorf("%s %d is neither real nor derived", impl, i+1)
			}
			matched[s.Rule] = true
			hostile = hostile || s.Reject != ""
			file, line, ok := strings.Cut(s.Real, ":")
			if !ok {
				continue
			}
			text, err := os.ReadFile(filepath.Join(testdata, file))
			n, err2 := strconv.Atoi(line)
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			if got := bytes.Split(text, []byte("\n"))[n-1]; string(got) != s.Line {
				t.Errorf("%s %d is not line %s of %s", impl, i+1, line, file)
			}
		}
		if !hostile && len(samples) > 1 {
			t.Errorf("%s has no line that must not match", impl)
		}
	}
	for _, r := range Builtin().Rules() {
		if !matched[r.Name] {
			t.Errorf("rule %s has no sample", r.Name)
		}
	}
}
