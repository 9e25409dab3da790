package setup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

// Bounds of what is read of fail2ban.
const (
	maxIniBytes = 1 << 20
	maxIniFiles = 1000
	// maxDepth is how deep %(x)s may lead, as in Python's configparser
	// (MAX_INTERPOLATION_DEPTH), and how deep files may include others.
	maxDepth = 10
	// maxReferences bounds the %(x)s that are resolved for one value: ten in each
	// of ten that lead to ten others would never end.
	maxReferences = 1000
)

// iniOptions make the library read what Python's configparser does as fail2ban
// sets it up (client/configparserinc.py). Inline comments are left in: there a
// "#" is part of the value, which is a finding, not something to repair silently.
var iniOptions = ini.LoadOptions{
	InsensitiveKeys:            true,
	IgnoreContinuation:         true,
	IgnoreInlineComment:        true,
	AllowPythonMultilineValues: true,
	PreserveSurroundedQuote:    true,
	KeyValueDelimiters:         "=:",
	ChildSectionDelimiter:      "\x00", // [a.b] is no child of [a]
}

// value is the text of an option, and the file it stands in.
type value struct{ raw, file string }

// iniFiles are files merged as fail2ban merges them: a later one replaces
// single options, and what it replaced is still there under "known/".
type iniFiles struct {
	sections map[string]map[string]value
	names    []string // sections in the order of their first mention
	read     []string
}

const defaultSection = "DEFAULT"

// readIni reads what exists of dir/name.conf, name.d/*.conf, name.local and
// name.d/*.local, in fail2ban's order (jail.conf(5)).
func readIni(dir, name string) (*iniFiles, error) {
	x := &iniFiles{sections: map[string]map[string]value{}}
	for _, suffix := range []string{".conf", ".local"} {
		dropins, _ := filepath.Glob(filepath.Join(literal(filepath.Join(dir, name+".d")), "*"+suffix)) // sorted
		for _, path := range append([]string{filepath.Join(dir, name+suffix)}, dropins...) {
			if err := x.include(path, 0); err != nil {
				return nil, err
			}
		}
	}
	if len(x.read) == 0 {
		return nil, fmt.Errorf("there is neither %[1]s.conf nor %[1]s.local: %[2]w", filepath.Join(dir, name), fs.ErrNotExist)
	}
	return x, nil
}

// include reads one file between those it names as before and after.
func (x *iniFiles) include(path string, depth int) error {
	if depth > maxDepth || len(x.read) > maxIniFiles {
		return fmt.Errorf("%s: too many files include each other", path)
	}
	text, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := ini.LoadSources(iniOptions, text)
	if err != nil {
		return fmt.Errorf("%s: %w; fail2ban can't read it either", path, err)
	}
	includes := f.Section("INCLUDES")
	for _, name := range strings.Fields(includes.Key("before").Value()) {
		if err := x.include(beside(path, name), depth+1); err != nil {
			return err
		}
	}
	x.read = append(x.read, path)
	for _, s := range f.Sections() {
		if s.Name() != "INCLUDES" {
			x.merge(s, path)
		}
	}
	for _, name := range strings.Fields(includes.Key("after").Value()) {
		if err := x.include(beside(path, name), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxIniBytes+1))
	if err == nil && len(text) > maxIniBytes {
		err = fmt.Errorf("%s is longer than %d bytes", path, maxIniBytes)
	}
	return text, err
}

func beside(path, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(path), name)
}

func (x *iniFiles) merge(s *ini.Section, path string) {
	into := x.sections[s.Name()]
	if into == nil {
		into = map[string]value{}
		x.sections[s.Name()] = into
		x.names = append(x.names, s.Name())
	}
	for _, k := range s.Keys() {
		if old, ok := into[k.Name()]; ok {
			into["known/"+k.Name()] = old
		}
		into[k.Name()] = value{withoutSemicolon(k.Value()), path}
	}
}

var semicolon = regexp.MustCompile(`(?m)[ \t]+;.*$`)

// withoutSemicolon takes off comments behind values: those with a semicolon are
// the only ones fail2ban knows.
func withoutSemicolon(s string) string { return strings.TrimSpace(semicolon.ReplaceAllString(s, "")) }

// own gives an option of the section itself, without the defaults.
func (x *iniFiles) own(section, option string) (value, bool) {
	v, ok := x.sections[section][option]
	return v, ok
}

// get gives an option of a section, or its default, with %(x)s resolved. What
// can't be resolved stands in it unchanged.
func (x *iniFiles) get(section, option string) (value, bool) {
	v, ok := x.own(section, option)
	if !ok {
		v, ok = x.own(defaultSection, option)
	}
	v.raw = strings.ReplaceAll(x.expand(section, v.raw, 0, new(int)), "%%", "%")
	return v, ok
}

// reference is %(x)s. The %% before it, which stands for a percent sign, must be
// read first.
var reference = regexp.MustCompile(`%%|%\(([^()]+)\)s`)

// expand resolves the references in text; resolved counts them.
func (x *iniFiles) expand(section, text string, depth int, resolved *int) string {
	if depth > maxDepth {
		return text
	}
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		if ref == "%%" {
			return ref
		}
		if *resolved++; *resolved > maxReferences {
			return ref
		}
		in, option := section, strings.ToLower(ref[2:len(ref)-2])
		if option == "__name__" {
			return section
		}
		if other, name, ok := strings.Cut(option, "/"); ok && other != "known" {
			in, option = x.section(other), name
		}
		// What was known before the section's own option is the default.
		for _, look := range [][2]string{{in, option}, {defaultSection, strings.TrimPrefix(option, "known/")}} {
			if v, ok := x.own(look[0], look[1]); ok {
				return x.expand(in, v.raw, depth+1, resolved)
			}
		}
		return ref
	})
}

// section finds a section by its name in any case.
func (x *iniFiles) section(name string) string {
	if i := slices.IndexFunc(x.names, func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 {
		return x.names[i]
	}
	return name
}

// line is where an option stands in its file, from 1; 0 if it can't be told.
func (x *iniFiles) line(section, option string) int {
	v, ok := x.own(section, option)
	if !ok {
		section = defaultSection
		v = x.sections[section][option]
	}
	text, err := readBounded(v.file)
	if err != nil {
		return 0
	}
	in, found := "", 0
	for i, line := range strings.Split(string(text), "\n") {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "["); ok && !strings.HasPrefix(line, " ") {
			in, _, _ = strings.Cut(name, "]")
		}
		key := line
		if end := strings.IndexAny(line, "=:"); end >= 0 {
			key = line[:end]
		}
		if in == section && strings.EqualFold(strings.TrimSpace(key), option) {
			found = i + 1
		}
	}
	return found
}
