package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"iter"

	"github.com/p2pban/p2pban/internal/conformance"
	"github.com/p2pban/p2pban/sources"
)

// conformanceLine is one object of `explain --conformance --json`.
type conformanceLine struct {
	Result string             `json:"result"` // pass or fail
	Line   int64              `json:"line"`
	Record string             `json:"record"`
	Form   string             `json:"form,omitempty"`
	Kind   string             `json:"kind,omitempty"`
	Clause conformance.Clause `json:"clause,omitempty"`
	Column int                `json:"column,omitempty"`
	Detail string             `json:"detail,omitempty"`
	// Host is whom the record accuses, Nobody why it accuses nobody.
	Host   string `json:"host,omitempty"`
	Nobody string `json:"nobody,omitempty"`
}

// conformanceSummary is the last object.
type conformanceSummary struct {
	Result  string           `json:"result"` // summary
	Lines   int64            `json:"lines"`
	Records int64            `json:"records"`
	Failed  int64            `json:"failed"`
	Kinds   map[string]int64 `json:"kinds"`
	// Clauses says for every clause how many records kept it where it could have
	// been broken, and how many broke it.
	Clauses map[conformance.Clause]clauseCount `json:"clauses"`
	Shown   map[string]int64                   `json:"shown"`
}

type clauseCount struct {
	Exercised int64 `json:"exercised"`
	Violated  int64 `json:"violated"`
}

// checkConformance holds the lines of a file, or of stdin for "-", against the
// specification of the canonical record.
func checkConformance(g *global, stdin io.Reader, stdout io.Writer, file string) error {
	var lines iter.Seq2[sources.Batch, error]
	if file == "-" {
		lines = sources.ReadLog("standard input", stdin)
	} else {
		lines = sources.ReadFile(file)
	}
	w := bufio.NewWriter(stdout)
	report := conformance.NewReport()
	err := cmp.Or(printVerdicts(w, g.json, lines, report), w.Flush()) // what was judged, also where the log ends with an error
	if err == nil {
		err = cmp.Or(printReport(w, g.json, report), w.Flush())
	}
	switch {
	case err != nil:
		return err
	case report.Records == 0:
		return fmt.Errorf("%s has no canonical record: nothing was tested", file)
	case report.Failed > 0:
		return silentError(exitFailed)
	}
	return nil
}

// printVerdicts prints what every line is worth, and adds it to the report.
func printVerdicts(w io.Writer, asJSON bool, lines iter.Seq2[sources.Batch, error], report *conformance.Report) error {
	for batch, err := range lines {
		if err != nil {
			return err
		}
		for _, l := range batch.Lines {
			v := conformance.Check(l.Text)
			report.Add(&v)
			if err := printVerdict(w, asJSON, report.Lines, l.Text, &v); err != nil {
				return err
			}
		}
	}
	return nil
}

func printVerdict(w io.Writer, asJSON bool, n int64, text string, v *conformance.Verdict) error {
	if v.Record == "" {
		return nil
	}
	host := ""
	if v.Host.IsValid() {
		host = v.Host.String()
	}
	if asJSON {
		result := "pass"
		if v.Clause != "" {
			result = "fail"
		}
		return printJSON(w, conformanceLine{result, n, v.Record, v.Form, v.Kind, v.Clause, v.Column, v.Detail, host, v.Nobody})
	}
	if v.Clause != "" {
		say(w, "line %d: FAIL [%s] %s\n", n, v.Clause, v.Detail)
		showColumn(w, text, v.Column)
		return nil
	}
	accused := "accuses " + host
	if host == "" {
		accused = "accuses nobody (" + v.Nobody + ")"
	}
	_, err := say(w, "line %d: pass %s, %s\n", n, v.Kind, accused)
	return err
}

func printReport(w io.Writer, asJSON bool, r *conformance.Report) error {
	if asJSON {
		s := conformanceSummary{
			Result: "summary", Lines: r.Lines, Records: r.Records, Failed: r.Failed, Kinds: r.Kinds,
			Clauses: map[conformance.Clause]clauseCount{}, Shown: map[string]int64{},
		}
		for _, c := range conformance.Clauses() {
			s.Clauses[c] = clauseCount{r.Exercised[c], r.Violated[c]}
		}
		for i, p := range conformance.Points() {
			s.Shown[p.Name] = r.Shown[i]
		}
		return printJSON(w, s)
	}
	say(w, "\n%s, %s: %d passed, %d failed\n\n", plural(r.Lines, "line"), plural(r.Records, "record"), r.Records-r.Failed, r.Failed)
	t := table(w)
	say(t, "clause\texercised by\tviolated by\n")
	for _, c := range conformance.Clauses() {
		say(t, "%s\t%d\t%d\n", c, r.Exercised[c], r.Violated[c])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	missing := r.Missing()
	if len(missing) == 0 {
		_, err := say(w, "\nall points of the specification were shown\n")
		return err
	}
	say(w, "\nnot shown yet:\n")
	for _, p := range missing {
		say(t, "  [%s]\t%s\t%s\n", p.Clause, p.Name, p.How)
	}
	return t.Flush()
}
