package metrics

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/p2pban/p2pban/internal/control"
)

// The files that speak of our metrics.
const (
	dashboardFile = "../../packaging/grafana/p2pban.json"
	rulesFile     = "../../packaging/prometheus/p2pban.rules.yml"
	docsFile      = "../../docs/metrics.md"
)

// expressions takes the PromQL out of the dashboard and the rules.
func expressions(t *testing.T) []string {
	t.Helper()
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, inner := range v {
				if text, ok := inner.(string); ok && (key == "expr" || key == "definition") {
					out = append(out, text)
				}
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	var dashboard any
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &dashboard); err != nil {
		t.Fatalf("%s: %v", dashboardFile, err)
	}
	walk(dashboard)
	if len(out) < 20 {
		t.Fatalf("%s has %d expressions: are they still found?", dashboardFile, len(out))
	}
	rules := read(t, rulesFile)
	found := regexp.MustCompile(`(?m)^        expr: (.+)$`).FindAllStringSubmatch(rules, -1)
	if alerts := strings.Count(rules, "- alert: "); alerts == 0 || alerts != len(found) || alerts != strings.Count(rules, " summary: ") || alerts != strings.Count(rules, " description: ") {
		t.Fatalf("%s: %d alerts, %d expressions; each has one expr on one line, a summary and a description", rulesFile, alerts, len(found))
	}
	for _, f := range found {
		out = append(out, f[1])
	}
	return out
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	// named finds a metric with its label matchers, if it has any.
	named = regexp.MustCompile(`\b((?:p2pban|process|go)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	label = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	// grouped finds the labels that an aggregation keeps.
	grouped = regexp.MustCompile(`\b(?:by|on) \(([a-z_, ]+)\)`)
)

// labelsOfAll are those that Prometheus itself adds to every series.
var labelsOfAll = []string{"instance", "job"}

// TestFilesNameMetricsThatExist holds every expression of the dashboard and the
// alert rules against what is served: the names, and the labels of each.
func TestFilesNameMetricsThatExist(t *testing.T) {
	have := served(t)
	for _, expr := range expressions(t) {
		var known []string
		for _, m := range named.FindAllStringSubmatch(expr, -1) {
			name := strings.TrimSuffix(m[1], "_bucket")
			labels, ok := have[name]
			if !ok {
				t.Errorf("no metric is called %s, in %s", m[1], expr)
				continue
			}
			known = append(known, labels...)
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(labels, l[1]) && !slices.Contains(labelsOfAll, l[1]) {
					t.Errorf("%s has no label %s, in %s", name, l[1], expr)
				}
			}
		}
		for _, g := range grouped.FindAllStringSubmatch(expr, -1) {
			for l := range strings.SplitSeq(g[1], ",") {
				if l = strings.TrimSpace(l); l != "le" && !slices.Contains(known, l) && !slices.Contains(labelsOfAll, l) {
					t.Errorf("nothing has a label %s, in %s", l, expr)
				}
			}
		}
	}
}

// TestDocsNameEveryMetric holds that the document and the code know the same
// metrics, with the same labels.
func TestDocsNameEveryMetric(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `(p2pban_[a-z0-9_]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(read(t, docsFile), -1)
	documented := map[string][]string{}
	for _, r := range rows {
		labels := strings.FieldsFunc(r[2], func(c rune) bool { return strings.ContainsRune("`, ", c) })
		slices.Sort(labels)
		documented[r[1]] = labels
	}
	have := served(t)
	maps.DeleteFunc(have, func(name string, _ []string) bool { return !strings.HasPrefix(name, "p2pban_") })
	for name, labels := range have {
		got, ok := documented[name]
		if !ok {
			t.Errorf("%s does not explain %s", docsFile, name)
		} else if !slices.Equal(got, labels) {
			t.Errorf("%s gives %s the labels %q, it has %q", docsFile, name, got, labels)
		}
	}
	for name := range documented {
		if have[name] == nil {
			t.Errorf("%s explains %s, which does not exist", docsFile, name)
		}
	}
}

// TestDocsNameEveryAlert holds that each alert is explained.
func TestDocsNameEveryAlert(t *testing.T) {
	docs := read(t, docsFile)
	for _, a := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(read(t, rulesFile), -1) {
		if !strings.Contains(docs, "`"+a[1]+"`") {
			t.Errorf("%s does not explain the alert %s", docsFile, a[1])
		}
	}
}

// TestEveryAlarmIsWatched holds that each kind of alarm is explained, and has an
// alert: by itself, or by the number that it is raised for.
func TestEveryAlarmIsWatched(t *testing.T) {
	numbers := map[string]string{
		"guard": "p2pban_holding", "source": "p2pban_source_up",
		"suppressed": "p2pban_suppressed_messages_total", "repaired": "p2pban_firewall_repaired_total",
	}
	docs, rules := read(t, docsFile), read(t, rulesFile)
	for _, kind := range control.AlarmKinds {
		if !strings.Contains(docs, "\n| "+kind+" | ") {
			t.Errorf("%s does not explain the alarm %s", docsFile, kind)
		}
		by := numbers[kind]
		if by == "" {
			by = `p2pban_alarms\{kind=~?"[a-z|]*` + kind + `[a-z|]*"\}`
		}
		if !regexp.MustCompile(`expr: .*` + by).MatchString(rules) {
			t.Errorf("%s has no alert for the alarm %s", rulesFile, kind)
		}
	}
}
