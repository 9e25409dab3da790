package parser

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxRuleFile bounds a rule file, in bytes.
const maxRuleFile = 1 << 20

// ruleFile is one TOML file of rules.
type ruleFile struct {
	Name           string      `toml:"-"` // "rules/go-libp2p.toml"
	Implementation string      `toml:"implementation"`
	Uses           []string    `toml:"uses"`
	Notes          string      `toml:"notes"`
	Rule           []rawRule   `toml:"rule"`
	NoRule         []rawNoRule `toml:"no-rule"`
}

type rawRule struct {
	Line           int    `toml:"-"` // where it begins
	Name           string `toml:"name"`
	Summary        string `toml:"summary"`
	Default        bool   `toml:"default"`
	Weight         any    `toml:"weight"`
	Setting        string `toml:"setting"`
	FalsePositives string `toml:"false-positives"`
	Source         string `toml:"source"`
	// BeforeHandshake says that the node prints the line although the peer has
	// completed no handshake.
	BeforeHandshake bool `toml:"before-handshake"`
	rawRecord
	// Record gives several shapes of the same offence; what a shape leaves out
	// it takes from the rule.
	Record []rawRecord `toml:"record"`
}

type rawRecord struct {
	Formats        []string       `toml:"formats"`
	Tag            string         `toml:"tag"`
	Logger         string         `toml:"logger"`
	Span           string         `toml:"span"`
	Message        string         `toml:"message"`
	Regex          string         `toml:"regex"`
	Where          map[string]any `toml:"where"`
	Host           string         `toml:"host"`
	Peer           string         `toml:"peer"`
	Confirm        string         `toml:"confirm"`
	Direction      string         `toml:"direction"`
	DirectionField string         `toml:"direction-field"`
	Default        bool           `toml:"-"` // the rule's, for direction
}

type rawNoRule struct {
	// Implementation overrides the file's.
	Implementation string   `toml:"implementation"`
	Line           string   `toml:"line"`
	Because        string   `toml:"because"`
	Source         string   `toml:"source"`
	Formats        []string `toml:"formats"`
	Logger         string   `toml:"logger"`
	Message        string   `toml:"message"`
}

// LoadRules reads a file of rules; name stands in errors, which give file:line
// and are all reported at once.
func LoadRules(name string, r io.Reader) (*Ruleset, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxRuleFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxRuleFile {
		return nil, fmt.Errorf("%s: a rule file has at most %d bytes", name, maxRuleFile)
	}
	ld := loader{file: name, lines: strings.Split(string(text), "\n")}
	raw, err := ld.decode(string(text))
	if err != nil {
		return nil, err
	}
	rs := ld.ruleset(raw)
	return rs, errors.Join(ld.errs...)
}

// decode reads the TOML of a rule file.
func (ld *loader) decode(text string) (*ruleFile, error) {
	raw := ruleFile{Name: ld.file}
	md, err := toml.Decode(text, &raw)
	if err != nil {
		return nil, tomlError(ld.file, err)
	}
	for _, key := range md.Undecoded() {
		ld.fail(ld.lineOf("", 0, key[len(key)-1]), "no key %q in a rule file", key.String())
	}
	for i := range raw.Rule {
		raw.Rule[i].Line = ld.lineOf("[[rule]]", i, "")
	}
	return &raw, nil
}

// tomlError puts the TOML library's errors into the form file:line.
func tomlError(name string, err error) error {
	var perr toml.ParseError
	if errors.As(err, &perr) {
		return fmt.Errorf("%s:%d: %s", name, perr.Position.Line, perr.Message)
	}
	// An error of types is no ParseError, but names its line.
	var line int
	where, what, ok := strings.Cut(err.Error(), ": incompatible")
	if _, scanErr := fmt.Sscanf(where, "toml: line %d", &line); ok && scanErr == nil {
		_, key, _ := strings.Cut(where, "(last key ")
		return fmt.Errorf("%s:%d: %s incompatible%s", name, line, strings.TrimSuffix(key, ")"), what)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// loader turns raw rules into Rules and collects what is wrong with them.
type loader struct {
	file  string
	lines []string
	errs  []error
}

func (ld *loader) fail(line int, format string, args ...any) {
	ld.errs = append(ld.errs, fmt.Errorf("%s:%d: %s", ld.file, line, fmt.Sprintf(format, args...)))
}

// lineOf finds the line of a key in the n-th table called header, or of the
// table itself; the TOML library keeps no positions of keys.
func (ld *loader) lineOf(header string, n int, key string) int {
	at := 0
	if header != "" {
		for i, line := range ld.lines {
			if strings.TrimSpace(line) == header {
				if n == 0 {
					at = i
					break
				}
				n--
			}
		}
	}
	for i := at; i < len(ld.lines); i++ {
		line := strings.TrimSpace(ld.lines[i])
		if i > at && header != "" && strings.HasPrefix(line, "[[") && !strings.HasPrefix(line, "[[rule.record") {
			break
		}
		k, _, ok := strings.Cut(line, "=")
		if ok && strings.Trim(strings.TrimSpace(k), `"`) == key {
			return i + 1
		}
	}
	return at + 1
}

func (ld *loader) ruleset(raw *ruleFile) *Ruleset {
	rs := &Ruleset{}
	if !isRuleName(raw.Implementation) {
		ld.fail(ld.lineOf("", 0, "implementation"), "implementation is %q; want a name of lower-case letters, digits and dashes", raw.Implementation)
	}
	for i := range raw.Rule {
		r := ld.rule(raw.Implementation, i, &raw.Rule[i])
		if rs.Lookup(r.Name) != nil {
			ld.fail(r.line, "rule %q stands twice", r.Name)
		}
		rs.rules = append(rs.rules, r)
	}
	if len(raw.Uses) > 0 {
		rs.borrowers = append(rs.borrowers, Borrower{
			Implementation: raw.Implementation, Uses: raw.Uses, Notes: raw.Notes, file: ld.file, line: ld.lineOf("", 0, "uses"),
		})
	}
	for i := range raw.NoRule {
		rs.noRules = append(rs.noRules, ld.noRule(raw.Implementation, i, &raw.NoRule[i]))
	}
	return rs
}

func (ld *loader) noRule(impl string, i int, raw *rawNoRule) Unruled {
	at := func(key string) int { return ld.lineOf("[[no-rule]]", i, key) }
	if raw.Implementation != "" {
		impl = raw.Implementation
	}
	nr := Unruled{Implementation: impl, Record: raw.Line, Because: raw.Because, Source: raw.Source}
	if raw.Line == "" || raw.Because == "" {
		ld.fail(at("line"), "a no-rule needs the line it speaks of and because")
	}
	if raw.Message == "" && raw.Logger == "" {
		return nr
	}
	rec := rawRecord{Formats: raw.Formats, Logger: raw.Logger, Message: raw.Message}
	var p pattern
	ld.shape(&p, &rec, at)
	nr.records = []pattern{p}
	return nr
}

func (ld *loader) rule(impl string, i int, raw *rawRule) *Rule {
	at := func(key string) int { return ld.lineOf("[[rule]]", i, key) }
	r := &Rule{
		Name: impl + "/" + raw.Name, Implementation: impl, Summary: raw.Summary,
		Default: raw.Default, Setting: raw.Setting, FalsePositives: raw.FalsePositives,
		Source: raw.Source, BeforeHandshake: raw.BeforeHandshake, file: ld.file, line: raw.Line,
	}
	if !isRuleName(raw.Name) {
		ld.fail(at("name"), "name is %q; want lower-case letters, digits and dashes", raw.Name)
	}
	if raw.Summary == "" {
		ld.fail(at("summary"), "rule %q has no summary; say in one sentence what the peer did", raw.Name)
	}
	ld.weight(r, raw.Weight, at("weight"))
	records := raw.Record
	if len(records) == 0 {
		records = []rawRecord{raw.rawRecord}
	}
	for j := range records {
		rec := records[j] // a copy: those of builtinFiles are everybody's
		rec.inherit(&raw.rawRecord)
		rec.Default = raw.Default
		r.records = append(r.records, ld.pattern(&rec, at))
		for _, f := range rec.Formats {
			if !slices.Contains(r.Formats, f) {
				r.Formats = append(r.Formats, f)
			}
		}
	}
	return r
}

// inherit fills what a record leaves out from its rule.
func (rec *rawRecord) inherit(rule *rawRecord) {
	for _, f := range [...]struct{ mine, theirs *string }{
		{&rec.Tag, &rule.Tag}, {&rec.Logger, &rule.Logger}, {&rec.Span, &rule.Span},
		{&rec.Message, &rule.Message}, {&rec.Regex, &rule.Regex}, {&rec.Host, &rule.Host},
		{&rec.Peer, &rule.Peer}, {&rec.Confirm, &rule.Confirm},
		{&rec.Direction, &rule.Direction}, {&rec.DirectionField, &rule.DirectionField},
	} {
		if *f.mine == "" {
			*f.mine = *f.theirs
		}
	}
	if rec.Formats == nil {
		rec.Formats = rule.Formats
	}
	if rec.Where == nil {
		rec.Where = rule.Where
	}
}

func (ld *loader) weight(r *Rule, raw any, line int) {
	switch w := raw.(type) {
	case nil:
		r.weight, r.Weight = 1, "1"
	case int64:
		if w < 1 || w > MaxWeight {
			ld.fail(line, "weight is %d; want 1 to %d, or the field that holds it", w, MaxWeight)
		}
		r.weight, r.Weight = w, strconv.FormatInt(w, 10)
	case string:
		if w == "" {
			ld.fail(line, "weight is empty; want 1 to %d, or the field that holds it", MaxWeight)
		}
		r.Weight = w
	default:
		ld.fail(line, "weight is neither a whole number nor a field's name")
	}
}
