package parser

import "errors"

// Builtin gives the rules that ship with p2pban, those of rules/*.toml. They are
// compiled in as TOML would decode them: to decode it took a third of the time in which
// a command starts. It panics if they don't load, which a test excludes.
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
