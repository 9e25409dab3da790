package parser

import "errors"

// Builtin gives the rules that ship with p2pban, those of rules/*.toml. They are
// compiled in as TOML decodes them, which took a third of the time in which a
// command starts: go test ./parser -run TestBuiltinRules -update writes
// builtin_rules.go, and without -update that test finds one that is old. It
// panics if they don't load, which a test excludes.
func Builtin() *Ruleset {
	all := &Ruleset{}
	for i := range builtinFiles {
		raw := &builtinFiles[i]
		ld := loader{file: raw.Name}
		rs := ld.ruleset(raw)
		if err := errors.Join(append(ld.errs, all.Add(rs))...); err != nil {
			panic(err)
		}
	}
	return all
}
