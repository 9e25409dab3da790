package setup

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/p2pban/p2pban/internal/config"
)

// draft is a configuration being written: tables of settings, each with the
// reason why it stands there.
type draft struct {
	head   []string
	tables []*table
}

type table struct {
	name     string // "source.kubo"
	why      []string
	settings []setting
}

// setting is key = value, value in TOML. Off is set for one that is only
// proposed: it stands in a comment.
type setting struct {
	key, value string
	why        string
	off        bool
}

func (d *draft) table(name string, why ...string) *table {
	t := &table{name: name, why: why}
	d.tables = append(d.tables, t)
	return t
}

func (t *table) set(key, value, why string) {
	t.settings = append(t.settings, setting{key: key, value: value, why: why})
}

func (t *table) propose(key, value, why string) {
	t.settings = append(t.settings, setting{key: key, value: value, why: why, off: true})
}

// toml writes the file.
func (d *draft) toml() string {
	var b strings.Builder
	for _, h := range d.head {
		comment(&b, h)
	}
	for _, t := range d.tables {
		b.WriteByte('\n')
		for _, w := range t.why {
			comment(&b, w)
		}
		fmt.Fprintf(&b, "[%s]\n", t.name)
		for _, s := range t.settings {
			if s.why != "" {
				comment(&b, s.why)
			}
			if s.off {
				b.WriteByte('#')
			}
			fmt.Fprintf(&b, "%s = %s\n", s.key, s.value)
		}
	}
	return b.String()
}

const commentWidth = 78

// comment writes text in lines of comment. What stands in it comes from the
// names of files and units too: no character of it can end the comment.
func comment(b *strings.Builder, text string) {
	line := "#"
	for _, word := range strings.Fields(printable(text)) {
		if len(line) > 1 && len(line)+1+len(word) > commentWidth {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}

// printable replaces what TOML does not allow in a comment.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// quote writes a TOML string. JSON's escapes are all TOML's too; DEL alone JSON
// leaves as it is.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string can be encoded
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}

// list writes one string, or a list of them.
func list(values []string) string {
	if len(values) == 1 {
		return quote(values[0])
	}
	return array(values)
}

func array(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	if all := "[" + strings.Join(quoted, ", ") + "]"; len(all) < commentWidth {
		return all
	}
	return "[\n  " + strings.Join(quoted, ",\n  ") + ",\n]"
}

// Validate reads a configuration as the daemon would. Its error would be a
// fault of this package, or a path that no configuration can name.
func Validate(text string) error {
	dir, err := os.MkdirTemp("", "p2pban-setup")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "p2pban.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	_, err = config.Load(path)
	return err
}
