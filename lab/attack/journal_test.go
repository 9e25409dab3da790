package attack

import (
	"strings"
	"testing"

	"github.com/p2pban/p2pban/parser"
)

// TestJournalSplit has a real node print a line that begins anew, with text of
// the attacker's, where journald cuts it. That journald does is for the tests of
// the sources; what the parser makes of the pieces is seen here.
func TestJournalSplit(t *testing.T) {
	for _, c := range []struct{ name, inLog, rest string }{
		{"protocols", "tls: client requested unsupported application protocols", `\"])"`},
		{"certificate", "x509: cannot parse URI", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := startNode(t)
			forged := func(line string) bool {
				return strings.Contains(line, c.inLog) && len(line) > lineMax && strings.HasPrefix(line[lineMax:], "time=")
			}
			line, _ := n.until(t, "journal-split", n.params(), forged, func(line string) { harmless(t, line) })
			piece := line[lineMax:min(len(line), 2*lineMax)]
			if !strings.Contains(piece, " msg=CANONICAL_PEER_STATUS peer=") || !strings.Contains(piece, " addr=/ip4/"+innocent.String()+"/") {
				t.Errorf("the second piece accuses nobody: %.300s", piece)
			}
			if !strings.HasSuffix(piece, "dir=inbound"+c.rest) {
				t.Errorf("the second piece ends in %q", piece[len(piece)-40:])
			}
			harmless(t, line)
			harmless(t, piece)
			p, err := parser.New(parser.Builtin(), parser.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var r parser.Result
			if p.Parse(parser.Line{Text: piece, Cut: true}, &r); r.Reject != parser.Cut {
				t.Errorf("the second piece, known as such, is %s (%s)", r.Reject, r.Detail)
			}
		})
	}
}
