package agent

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/parser"
	"github.com/p2pban/p2pban/sources"
)

// TestTextIsReadAsLines gives the same random logs to two engines, to one as
// texts and to the other line by line: whatever is known afterwards of the source
// and its hosts is the same, and nothing of it is in the memory of a text.
func TestTextIsReadAsLines(t *testing.T) {
	all := nodeLines(t)
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 8))
		byText, now := judging(t)
		byLine, _ := judging(t)
		byLine.now = byText.now
		for _, e := range []*engine{byText, byLine} {
			e.sources[0].flow = newFlow(*now)
		}
		for _, stream := range []string{"node.log", "other.log", "node.log"} {
			log := randomLog(r, all, *now)
			for b, err := range sources.ReadBlocks(&shortReads{r, strings.NewReader(log)}) {
				if err != nil {
					t.Fatal(err)
				}
				*now = now.Add(time.Duration(r.IntN(40)) * time.Second)
				text := []byte(b.Text)
				byText.batch(sources.Batch{Source: "node", Stream: stream, Lines: b.Lines, Text: unsafe.String(unsafe.SliceData(text), len(text)), Cursor: "here"})
				copy(text, bytes.Repeat([]byte("gone"), len(text)/4+1))
				byLine.batch(sources.Batch{Source: "node", Stream: stream, Lines: append(b.Lines, split(b.Text)...), Cursor: "here"})
				sameSource(t, seed, byText.sources[0], byLine.sources[0])
			}
		}
		sameJudgement(t, seed, byText, byLine)
		if len(byText.pending) == 0 {
			t.Errorf("log %d: nobody was banned", seed)
		}
	}
}

// judging is an engine at rest whose jail bans.
func judging(t *testing.T) (*engine, *time.Time) {
	t.Helper()
	e, now := atRest(t)
	jails := e.jails.Jails()
	jails[0].MaxRetry = 500
	if _, err := e.jails.Reconfigure(*now, jails); err != nil {
		t.Fatal(err)
	}
	return e, now
}

// split cuts whole lines apart.
func split(text string) (lines []sources.Line) {
	if text == "" {
		return nil
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		lines = append(lines, sources.Line{Text: strings.Clone(strings.TrimSuffix(line, "\r"))})
	}
	return lines
}

// sameSource compares what is known of a source.
func sameSource(t *testing.T, seed uint64, byText, byLine *source) {
	t.Helper()
	type stream struct {
		Last, ReadAt, Witnessed time.Time
		Tally                   Tally
		Risks                   uint8
	}
	type known struct {
		LastLine, LastEvent time.Time
		Flow                flow
		Holes               holes
		Streams             map[string]stream
	}
	of := func(s *source) known {
		k := known{s.lastLine, s.lastEvent, s.flow, s.holesNow(), map[string]stream{}}
		for name, r := range s.streams {
			k.Streams[name] = stream{r.last, r.readAt, r.witnessed, r.tally, uint8(r.risks)}
		}
		return k
	}
	if diff := cmp.Diff(of(byLine), of(byText), cmp.AllowUnexported(flow{}, pulse{}, ruleCount{}, nodeCounts{}, sample{})); diff != "" {
		t.Fatalf("log %d (-by line +by text):\n%s", seed, diff)
	}
}

// sameJudgement compares what was judged of the hosts.
func sameJudgement(t *testing.T, seed uint64, byText, byLine *engine) {
	t.Helper()
	same := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	addr := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(byLine.pending, byText.pending, same, addr); diff != "" {
		t.Errorf("log %d, decisions (-by line +by text):\n%s", seed, diff)
	}
	name := byLine.jails.Jails()[0].Name
	counted, _ := byLine.jails.Counts(name)
	if c, _ := byText.jails.Counts(name); c != counted || c.Events == 0 {
		t.Errorf("log %d: by text %+v, by line %+v", seed, c, counted)
	}
	if diff := cmp.Diff(byLine.jails.Nearest(1000), byText.jails.Nearest(1000), same, addr); diff != "" {
		t.Errorf("log %d, hosts (-by line +by text):\n%s", seed, diff)
	}
	if byText.cursors["node"] != "here" {
		t.Errorf("log %d: cursor %q", seed, byText.cursors["node"])
	}
}

// nodesLines are lines of real nodes, of every layout, and apart from them those that
// show a hole, after which no line of a stream counts.
type nodesLines struct{ ordinary, witnesses []string }

func nodeLines(t *testing.T) (lines nodesLines) {
	t.Helper()
	p := newStream(t).parser
	var res parser.Result
	files, err := filepath.Glob(filepath.Join(filepath.Dir(captures), "*", "*.log"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Split(string(text), "\n")
		for i := 0; i < len(all); i += 1 + len(all)/50 {
			if p.Explain(parser.Line{Text: all[i]}, &res); res.Risk != 0 {
				lines.witnesses = append(lines.witnesses, all[i])
			} else {
				lines.ordinary = append(lines.ordinary, all[i])
			}
		}
	}
	return lines
}

// randomLog is what a log may hold at worst, the last line without its end.
func randomLog(r *rand.Rand, lines nodesLines, now time.Time) string {
	var b strings.Builder
	risky := r.IntN(4) == 0 // a hole ends all judging
	for b.Len() < 1<<20 {
		line := fmt.Sprintf("%s\tDEBUG\tswarm2\tswarm/swarm_dial.go:551\tdial backoff %d", now.Format(time.RFC3339), r.Uint32())
		for range r.IntN(3) * r.IntN(30) {
			b.WriteString(line + ending(r))
		}
		for range 1 + r.IntN(12)*r.IntN(2) {
			b.WriteString(randomLine(r, lines, now, risky) + ending(r))
		}
	}
	return b.String() + "the end"
}

func ending(r *rand.Rand) string {
	if r.IntN(10) == 0 {
		return "\r\n"
	}
	return "\n"
}

func randomLine(r *rand.Rand, lines nodesLines, now time.Time, risky bool) string {
	record := fmt.Sprintf("time=%s level=INFO source=swarm/swarm_listen.go:168 msg=CANONICAL_PEER_STATUS peer=12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4 addr=/ip4/50.1.%d.%d/tcp/%d sample_rate=100 connection_status=established dir=inbound",
		now.Add(time.Duration(r.IntN(90)-30)*time.Second).UTC().Format("2006-01-02T15:04:05.000Z"), r.IntN(3), r.IntN(30), 1024+r.IntN(9000))
	stream := []string{"stdout", "stderr"}[r.IntN(2)]
	switch n := r.IntN(1000); {
	case n < 500:
		return record
	case n == 500 && risky:
		return lines.witnesses[r.IntN(len(lines.witnesses))]
	case n < 700:
		return lines.ordinary[r.IntN(len(lines.ordinary))]
	case n < 740:
		return dockerLine(record+"\n", stream)
	case n < 780:
		return dockerLine("of no interest\n", stream)
	case n < 800:
		return dockerLine(record, stream) // a piece, whose rest comes some time
	case n < 840:
		return "2026-11-20T11:20:00.123456789Z " + stream + " F " + record
	case n < 880:
		return "2026-11-20T11:20:00.123456789Z " + stream + " F of no interest"
	case n < 900:
		return "2026-11-20T11:20:00.123456789Z " + stream + " P " + record
	case n < 930:
		return "Nov 20 11:20:00 host ipfs[7]: " + record
	case n < 960:
		return record[:r.IntN(len(record))]
	case n < 990:
		return ""
	case n < 993:
		return record + strings.Repeat("long ", r.IntN(4000))
	case n < 996:
		return strings.Repeat("x", 48<<10)
	case n < 998:
		return strings.Repeat("y", sources.MaxLineBytes-2+r.IntN(5)) + record
	}
	return "\x00\xff\x1b[0m" + record
}

// shortReads reads as a file gives that is being written to.
type shortReads struct {
	r    *rand.Rand
	from io.Reader
}

func (s *shortReads) Read(buf []byte) (int, error) {
	if most := 1 << s.r.IntN(19); most < len(buf) {
		buf = buf[:most]
	}
	return s.from.Read(buf)
}
