// Package journallog writes a program's log to the systemd journal with every
// attribute as a field of its own, so that `journalctl P2PBAN_HOST=192.0.2.7`
// finds what concerns a host. It speaks journald's native protocol and never
// reads the journal.
package journallog

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/journal"
)

// Prefix is what the names of our fields begin with; the rest is the
// attribute's key, in capitals.
const Prefix = "P2PBAN_"

// identifier is how journalctl names us at the beginning of each line, and what
// `journalctl -t` finds.
const identifier = "p2pban"

// Handler is a slog.Handler. The message of an entry is the record's with its
// attributes as text behind it, as without a journal.
type Handler struct {
	level    slog.Leveler
	fallback slog.Handler
	shared   *shared
	text     slog.Handler // writes the attributes as text into shared.buf
	fields   map[string]string
	group    string
}

// shared is what all handlers made from one have in common.
type shared struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

var _ slog.Handler = (*Handler)(nil)

// Wanted tells whether this process's standard error goes to the journal, so
// that a Handler may take its place (systemd.exec(5), JOURNAL_STREAM).
func Wanted() bool {
	yes, err := journal.StderrIsJournalStream()
	return yes && err == nil && journal.Enabled()
}

// New makes a Handler for records of level and above. What journald does not
// take goes to fallback.
func New(level slog.Leveler, fallback slog.Handler) *Handler {
	s := &shared{}
	attributesOnly := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
			return slog.Attr{}
		}
		return a
	}
	text := slog.NewTextHandler(&s.buf, &slog.HandlerOptions{Level: level, ReplaceAttr: attributesOnly})
	return &Handler{level: level, fallback: fallback, shared: s, text: text, fields: map[string]string{"SYSLOG_IDENTIFIER": identifier}}
}

// Enabled reports whether records of a level are written.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle writes one record.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	message, err := h.message(ctx, r)
	if err != nil {
		return err
	}
	fields := maps.Clone(h.fields)
	r.Attrs(func(a slog.Attr) bool {
		addField(fields, h.group, a)
		return true
	})
	if journal.Send(message, priority(r.Level), fields) != nil {
		return h.fallback.Handle(ctx, r)
	}
	return nil
}

// message is the record's, and its attributes behind it.
func (h *Handler) message(ctx context.Context, r slog.Record) (string, error) {
	h.shared.mu.Lock()
	defer h.shared.mu.Unlock()
	h.shared.buf.Reset()
	if err := h.text.Handle(ctx, r); err != nil {
		return "", err
	}
	return strings.TrimSpace(r.Message + " " + h.shared.buf.String()), nil
}

// priority is the level in syslog(3)'s numbers.
func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}

// addField adds an attribute, and those of a group one by one.
func addField(fields map[string]string, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "_"
		}
		for _, inner := range v.Group() {
			addField(fields, group, inner)
		}
		return
	}
	if name := fieldName(group + a.Key); name != Prefix {
		fields[name] = v.String()
	}
}

// maxFieldName is the longest name that journald takes
// (systemd, src/libsystemd/sd-journal/journal-file.c, journal_field_valid).
const maxFieldName = 64

// fieldName makes a name of a key: journald takes capitals, digits and '_'.
func fieldName(key string) string {
	name := Prefix + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, key)
	return name[:min(len(name), maxFieldName)]
}

// WithAttrs gives a Handler that adds attributes to every record.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.text, next.fallback = h.text.WithAttrs(attrs), h.fallback.WithAttrs(attrs)
	next.fields = maps.Clone(h.fields)
	for _, a := range attrs {
		addField(next.fields, h.group, a)
	}
	return &next
}

// WithGroup gives a Handler whose records' attributes are in a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.text, next.fallback = h.text.WithGroup(name), h.fallback.WithGroup(name)
	next.group = h.group + name + "_"
	return &next
}
