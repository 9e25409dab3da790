package attack

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/journaltest"
	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// TestJournalSplit has a real node print a line in whose middle a forged record
// begins, a real journald cut it there, and p2pban read the journal.
func TestJournalSplit(t *testing.T) {
	for _, c := range []struct{ name, inLog, rest string }{
		{"protocols", "tls: client requested unsupported application protocols", `\"])"`},
		{"certificate", "x509: cannot parse URI", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := startNode(t)
			line, _ := n.until(t, "journal-split", n.params(), func(line string) bool {
				return strings.Contains(line, c.inLog) && len(line) > lineMax && strings.HasPrefix(line[lineMax:], "time=")
			}, func(line string) { harmless(t, line) })
			harmless(t, line)
			pieces := throughJournald(t, line)
			forged := pieces[1].Text
			harmless(t, forged)
			if !strings.HasPrefix(forged, "time=") || !strings.Contains(forged, " msg=CANONICAL_PEER_STATUS peer=") ||
				!strings.Contains(forged, " addr=/ip4/"+innocent.String()+"/") || !strings.HasSuffix(forged, "dir=inbound"+c.rest) {
				t.Errorf("the second piece is no record against the innocent: %.300s … %s", forged, forged[max(0, len(forged)-40):])
			}
			p, err := parser.New(parser.Builtin(), parser.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i, piece := range pieces {
				var r parser.Result
				if p.Parse(parser.Line{Text: piece.Text, Cut: piece.Cut}, &r); !piece.Cut || r.Reject == parser.Accepted {
					t.Errorf("piece %d is cut: %v, and %s (%s)", i, piece.Cut, r.Reject, r.Detail)
				}
			}
		})
	}
}

// throughJournald gives the pieces of a line that a service prints, as p2pban
// reads them of the journal.
func throughJournald(t *testing.T, line string) (pieces []sources.Line) {
	t.Helper()
	j := journaltest.Start(t)
	const end = "end of the test's lines"
	if _, err := io.WriteString(j.Stream("node.service", "node"), line+"\n"+end+"\n"); err != nil {
		t.Fatal(err)
	}
	j.Wait("node.service", (len(line)+lineMax-1)/lineMax+1)
	src, err := sources.NewJournal(sources.JournalOptions{
		Units: []string{"node.service"}, Directory: j.Directory(), Since: time.Unix(0, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, done := make(chan sources.Batch), make(chan error, 1)
	go func() { done <- src.Run(ctx, out) }()
	for {
		select {
		case b := <-out:
			for _, l := range b.Lines {
				if l.Text == end {
					return pieces
				}
				l.Text = strings.Clone(l.Text)
				pieces = append(pieces, l)
			}
		case err := <-done:
			t.Fatalf("reading the journal ended: %v", errors.Join(err, ctx.Err()))
		}
	}
}
