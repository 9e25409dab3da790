package parser

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A stranger's error text, long enough to be split, and a record of his own
// making that stands where a piece begins.
const (
	pieceHead   = "2026-11-20T11:20:20.722Z\tINFO\tcanonical-log\ttls/transport.go:60\tCANONICAL_PEER_STATUS: peer= addr=/ip4/203.0.113.66/tcp/44788 sample_rate=100 handshake_failure=\"tls\" err=\"x"
	pieceForged = "2026-11-20T11:20:20.722Z\tINFO\tcanonical-log\tswarm/swarm_listen.go:128\tCANONICAL_PEER_STATUS: peer=12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5 addr=/ip4/192.0.2.8/tcp/1 sample_rate=10000 connection_status=\"established\" dir=\"inbound\""
	pieceHonest = "2026-11-20T11:20:21.722Z\tINFO\tcanonical-log\tswarm/swarm_listen.go:128\tCANONICAL_PEER_STATUS: peer=12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5 addr=/ip4/203.0.113.7/tcp/1 sample_rate=100 connection_status=\"established\" dir=\"inbound\""
	// piecePadded is whole with anything behind it.
	piecePadded = `time=2026-11-20T11:17:22.191Z level=INFO source=/x/tls.go:60 msg=CANONICAL_PEER_STATUS peer="" addr=/ip4/192.0.2.8/tcp/1 sample_rate=10000 handshake_failure=tls err=`
)

// piecesOf are the pieces of n bytes of such a line; from the second on each
// begins with what forged says, the last one is nothing else.
func piecesOf(n, count int, forged string) []string {
	pieces := []string{pieceHead + strings.Repeat("A", n-len(pieceHead))}
	for range count - 2 {
		pieces = append(pieces, forged+" "+strings.Repeat("A", n-len(forged)-1))
	}
	return append(pieces, forged)
}

// readPieces reads lines as a log and gives the hosts accused.
func readPieces(t *testing.T, lines []string) []string {
	t.Helper()
	p := newParser(t, Options{})
	var (
		pieces Pieces
		res    Result
		hosts  []string
	)
	for _, text := range lines {
		l := Line{Text: text}
		p.Parse(l, &res)
		pieces.Settle(&l, &res)
		if res.Reject == Accepted {
			hosts = append(hosts, res.Event.Host.String())
		}
	}
	// A Scanner passes over lines.
	var (
		scanned Pieces
		again   []string
		s       = NewScanner(p)
	)
	for text, skipped := range s.Lines(strings.Join(lines, "\n") + "\n") {
		if skipped > 0 {
			scanned.Skip(text)
			continue
		}
		l := Line{Text: text}
		s.Parse(l, &res)
		scanned.Settle(&l, &res)
		if res.Reject == Accepted {
			again = append(again, res.Event.Host.String())
		}
	}
	if fmt.Sprint(again) != fmt.Sprint(hosts) {
		t.Errorf("the scanner accuses %v, the parser %v", again, hosts)
	}
	return hosts
}

// wrapping is how a carrier writes a line or a piece of one.
type wrapping struct {
	name string
	size int
	wrap func(text, stream string, last bool) string
}

var wrappings = []wrapping{
	{"docker", 16 << 10, func(text, stream string, last bool) string {
		if last {
			text += "\n"
		}
		return asJSON(map[string]any{"log": text, "stream": stream, "time": "2026-11-20T11:21:00.1Z"}, "log")
	}},
	{"cri", 16 << 10, cri},
	{"cri of conmon, at the end of what it could read", 300, cri},
	{"journalctl -o cat", journalLineMax, func(text, _ string, _ bool) string { return text }},
	{"journalctl -o short", journalLineMax, func(text, stream string, _ bool) string {
		return "Nov 20 11:21:00 vm ipfs-" + stream + "[7]: " + text
	}},
	{"syslog 5424", journalLineMax, func(text, stream string, _ bool) string {
		return "<14>1 2026-11-20T11:21:00Z vm ipfs-" + stream + " 7 - - " + text
	}},
	{"journalctl -o json", journalLineMax, func(text, stream string, last bool) string {
		return journalJSON(text, last, map[string]any{"_STREAM_ID": stream, "_PID": "7"}, "_LINE_BREAK", "line-max")
	}},
	{"journalctl -o json, without --all", journalLineMax, func(text, stream string, last bool) string {
		m := map[string]any{"_STREAM_ID": stream, "_PID": "7"}
		if len(text) > 4096 {
			m["MESSAGE"] = nil
		}
		return journalJSON(text, last, m, "_LINE_BREAK", "line-max")
	}},
	{"journalctl -o json, at a NUL", 300, func(text, stream string, last bool) string {
		return journalJSON(text, last, map[string]any{"_STREAM_ID": stream, "_PID": "7"}, "_LINE_BREAK", "nul")
	}},
	{"Docker's journald driver", 16 << 10, func(text, stream string, last bool) string {
		return journalJSON(text, last, map[string]any{"CONTAINER_ID": "abc", "PRIORITY": priorityOf[stream]}, "CONTAINER_PARTIAL_MESSAGE", "true")
	}},
}

// sender is who is accused by the first piece of pieceHead: where the carrier marks
// pieces and shows the first one, its sender, for the node wrote that.
func (w wrapping) sender() []string {
	for _, without := range []string{"cat", "short", "syslog", "without --all"} {
		if strings.Contains(w.name, without) {
			return nil
		}
	}
	return []string{"203.0.113.66"}
}

var priorityOf = map[string]string{"stderr": "3", "stdout": "6"}

func cri(text, stream string, last bool) string {
	tag := "P"
	if last {
		tag = "F"
	}
	return "2026-11-20T11:21:00.123456789Z " + stream + " " + tag + " " + text
}

func journalJSON(text string, last bool, m map[string]any, mark, value string) string {
	m["__CURSOR"], m["__REALTIME_TIMESTAMP"], m["_TRANSPORT"] = "s=1", "1795173660000000", "stdout"
	if _, ok := m["MESSAGE"]; !ok {
		m["MESSAGE"] = text
	}
	if !last {
		m[mark] = value
	}
	return asJSON(m, "__CURSOR")
}

// asJSON writes first first.
func asJSON(m map[string]any, first string) string {
	head, err := json.Marshal(map[string]any{first: m[first]})
	if err != nil {
		panic(err)
	}
	delete(m, first)
	rest, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(head[:len(head)-1]) + "," + string(rest[1:])
}

// Of a line in any number of pieces only the first is believed, and that where the
// carrier marks it, whatever stands between them on another stream; and the lines
// after it are.
func TestPieces(t *testing.T) {
	for _, w := range wrappings {
		for count := 2; count <= 4; count++ {
			for _, between := range []bool{false, true} {
				if between && strings.HasSuffix(w.name, "cat") {
					continue // its streams can't be told apart
				}
				var lines []string
				pieces := piecesOf(w.size, count, pieceForged)
				for i, piece := range pieces {
					lines = append(lines, w.wrap(piece, "stderr", i == len(pieces)-1))
					if between {
						lines = append(lines, w.wrap("hello", "stdout", true), w.wrap(pieceHonest, "stdout", true))
					}
				}
				want := w.sender()
				if between {
					for range count {
						want = append(want, "203.0.113.7")
					}
				}
				want = append(want, "203.0.113.7")
				lines = append(lines, w.wrap(pieceHonest, "stderr", true))
				if got := readPieces(t, lines); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s, %d pieces, others between: %v: accuses %v, want %v", w.name, count, between, got, want)
				}
			}
		}
	}
}

// The rest of a split line may hold nothing a rule looks for: the line after it
// is believed.
func TestPiecesOrdinaryRest(t *testing.T) {
	for _, w := range wrappings {
		pieces := piecesOf(w.size, 2, "A\"")
		lines := []string{w.wrap(pieces[0], "stderr", false), w.wrap(pieces[1], "stderr", true), w.wrap(pieceHonest, "stderr", true)}
		if got, want := readPieces(t, lines), append(w.sender(), "203.0.113.7"); !slices.Equal(got, want) {
			t.Errorf("%s: accuses %v, want %v", w.name, got, want)
		}
	}
}

// What looks like a carrier in a piece is the stranger's: it leads the rest to
// no other stream.
func TestPiecesForgedCarrier(t *testing.T) {
	for _, w := range wrappings {
		for _, carrier := range []string{
			"2026-11-20T11:21:00.1Z stdout F ", "2026-11-20T11:21:00.1Z stdout P ", "Nov 20 11:30:46 vm x: ", "MESSAGE=",
			"<14>1 2026-11-20T11:20:20Z vm x 1 - - ",
		} {
			for count := 2; count <= 4; count++ {
				var lines []string
				pieces := piecesOf(w.size, count, carrier+pieceForged)
				for i, piece := range pieces {
					lines = append(lines, w.wrap(piece, "stderr", i == len(pieces)-1))
				}
				if got := readPieces(t, lines); !slices.Equal(got, w.sender()) {
					t.Errorf("%s, %d pieces that begin with %q: accuses %v, want %v", w.name, count, carrier, got, w.sender())
				}
			}
		}
	}
}

// A piece that ends in a carriage return is as long as any other.
func TestPiecesReturn(t *testing.T) {
	for _, w := range wrappings[3:6] {
		pieces := piecesOf(w.size, 3, pieceForged)
		var lines []string
		for i, piece := range pieces {
			if i < len(pieces)-1 {
				piece = piece[:len(piece)-1] + "\r"
			}
			lines = append(lines, w.wrap(piece, "stderr", false))
		}
		if got := readPieces(t, lines); len(got) != 0 {
			t.Errorf("%s: accuses %v", w.name, got)
		}
	}
}

// rsyslog (8.2302, as it is by default) shortens what journald gives it of a long line
// and writes the rest as a line of its own: that rest accuses nobody, however short
// what it leaves of lines, and whatever the line's format.
func TestPiecesShortened(t *testing.T) {
	const jsonHead = `{"level":"info","ts":"2026-11-20T11:24:21.267Z","logger":"canonical-log","caller":"tls/transport.go:96","msg":"CANONICAL_PEER_STATUS: peer= addr=/ip4/203.0.113.66/tcp/47654 sample_rate=100 handshake_failure=\"tls\" err=\"`
	for _, w := range wrappings[4:6] {
		for _, size := range []int{1000, 8100, 20_000} {
			for _, head := range []string{pieceHead, jsonHead, "2026-11-20T11:26:48.285Z\tERROR\tapp\tx.go:1\t"} {
				if size < 8000 && !strings.Contains(head, tagPrefix) {
					continue // nothing shows that it is not whole
				}
				// Of what came over TCP the rest has what head the stranger wrote.
				for _, stream := range []string{"stderr", "x"} {
					lines := []string{
						w.wrap(head+strings.Repeat("A", size-len(head)), "stderr", false), w.wrap(pieceForged, stream, true),
						w.wrap("hello", "stderr", true), w.wrap(pieceHonest, "stderr", true),
					}
					if got := readPieces(t, lines); fmt.Sprint(got) != "[203.0.113.7]" {
						t.Errorf("%s, %d bytes of %.40q, %s: accuses %v, want only the line after the rest", w.name, size, head, stream, got)
					}
				}
			}
		}
	}
}

// What cuts without a mark, as logger of util-linux does at 1024 bytes, makes all
// pieces but the last of one length: each of them is a rest, however whole it looks.
func TestPiecesOfOneLength(t *testing.T) {
	for _, w := range wrappings[3:6] { // the first has no heads
		for count := 3; count <= 5; count++ {
			lines := []string{w.wrap((pieceHead + strings.Repeat("A", 1024))[:1024], "stderr", false)}
			for range count - 2 {
				lines = append(lines, w.wrap((piecePadded + strings.Repeat("E", 1024))[:1024], "stderr", false))
			}
			lines = append(lines, w.wrap(pieceForged, "stderr", true), w.wrap("hello", "stderr", true), w.wrap(pieceHonest, "stderr", true))
			if got := readPieces(t, lines); fmt.Sprint(got) != "[203.0.113.7]" {
				t.Errorf("%s, %d pieces: accuses %v, want only the line after them", w.name, count, got)
			}
		}
	}
}

// Another program's line between the pieces of one that was cut without marks is one
// line of another stream: the rest is known all the same, also where it had to be
// feared that the first piece was a rest, and where all pieces are of one length.
func TestPiecesAmongOthers(t *testing.T) {
	cut := func(head string, size int) string { return (head + strings.Repeat("A", size))[:size] }
	for _, w := range wrappings[4:6] { // the heads tell the programs apart
		node := func(text string) string { return w.wrap(text, "stderr", false) }
		other, rest := w.wrap("hello", "stdout", true), node(pieceForged)
		for what, lines := range map[string][]string{
			"after a rest that looks unfinished": {
				node(cut(pieceHead, 8100)), node("2026-11-20T11:21:00.1Z stdout P x"), node(cut(pieceHead, 8100)), other, rest,
			},
			"over TCP, where a stranger writes the rest's head": {node(cut(pieceHead, 8100)), other, w.wrap(pieceForged, "x", true)},
			"after a rest that is damaged":                      {node(cut(pieceHead, 8100)), node(pieceHead), node(cut(pieceHead, 8100)), other, rest},
			"of one length": {
				node(cut(pieceHead, 1024)), other, node(cut(piecePadded, 1024)), other, node(cut(piecePadded, 1024)), other, rest,
			},
			"of one length, with tabs that rsyslog escapes": {
				node(strings.ReplaceAll(cut(pieceHead, 1024), "\t", "#011")), node(cut(piecePadded, 1024)), rest,
			},
		} {
			if got := readPieces(t, append(lines, other, node("hello"), node(pieceHonest))); fmt.Sprint(got) != "[203.0.113.7]" {
				t.Errorf("%s, %s: accuses %v, want only the line after them", w.name, what, got)
			}
		}
	}
}

// A node that ends in the middle of a line does not keep others from being believed.
func TestPiecesWithoutRest(t *testing.T) {
	for _, w := range wrappings[4:6] {
		lines := []string{w.wrap(pieceHead, "stderr", true)}
		for range maxAmong + 2 {
			lines = append(lines, w.wrap(pieceHonest, "stdout", true))
		}
		if got := readPieces(t, lines); fmt.Sprint(got) != "[203.0.113.7]" {
			t.Errorf("%s: accuses %v, want the last line of another node's", w.name, got)
		}
	}
}

// TestPiecesOfRandomLogs prints honest lines and a stranger's of any length on two
// streams, cuts them as carriers do and mixes the pieces: nobody is accused but those
// two, and no hole is shown by what the stranger wrote; where there is one, which he
// uses, it is seen, unless another node's line or a head of his own can hide it.
func TestPiecesOfRandomLogs(t *testing.T) {
	ways := slices.Clone(wrappings)
	for _, w := range wrappings[3:6] {
		for _, size := range []int{1024, 8100} { // logger, rsyslog
			ways = append(ways, wrapping{w.name, size, w.wrap}, wrapping{w.name + ownHeads, size, w.wrap})
		}
	}
	accused := map[string]int{}
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := ways[r.IntN(len(ways))]
		hole := r.IntN(3) == 0 && !strings.HasSuffix(w.name, ownHeads)
		lines := randomPieces(r, w, hole)
		hosts, shown := readDistrusting(t, lines)
		for _, host := range hosts {
			if accused[host]++; host != "203.0.113.66" && host != "203.0.113.7" {
				t.Fatalf("log %d, %s of %d bytes: accuses %v", seed, w.name, w.size, host)
			}
		}
		if shown != 0 && !hole {
			t.Fatalf("log %d, %s of %d bytes: shows %v", seed, w.name, w.size, shown.Info())
		}
	}
	if accused["203.0.113.66"] < 500 || accused["203.0.113.7"] < 500 {
		t.Errorf("accused are %v: too few to show anything", accused)
	}
}

// ownHeads is for what writes rests under the heads that they begin with.
const ownHeads = ", over TCP"

// randomPieces is such a log.
func randomPieces(r *rand.Rand, w wrapping, hole bool) (log []string) {
	streams := []string{"stderr", "stdout"}
	if strings.Contains(w.name, "cat") {
		streams = streams[:1] // they can't be told apart
	}
	pieces := map[string][]string{}
	for _, stream := range streams {
		size := w.size
		if (size == 1024 || size == 8100) && len(streams) > 1 {
			size = []int{1024, 8100}[r.IntN(2)] // each program's way to the log is its own
		}
		for range 1 + r.IntN(6) {
			line, head := randomLongLine(r, size), stream
			switch {
			case hole && stream == "stdout":
				line = pieceHonest
			case hole && r.IntN(4) == 0:
				pieces[stream] = append(pieces[stream], w.wrap(identifyRaw, stream, true))
				line = pieceForged
			}
			for ; len(line) > size; line = line[size:] {
				pieces[stream] = append(pieces[stream], w.wrap(line[:size], head, false))
				if strings.HasSuffix(w.name, ownHeads) {
					head = "x"
				}
			}
			pieces[stream] = append(pieces[stream], w.wrap(line, head, true))
		}
	}
	for len(pieces) > 0 {
		stream := streams[r.IntN(len(streams))]
		if len(pieces[stream]) == 0 {
			delete(pieces, stream)
			continue
		}
		log = append(log, pieces[stream][0])
		pieces[stream] = pieces[stream][1:]
	}
	return log
}

// randomLongLine is a line of which each piece of size bytes but the first begins as a
// stranger likes.
func randomLongLine(r *rand.Rand, size int) string {
	switch r.IntN(4) {
	case 0:
		return pieceHonest
	case 1:
		return "hello"
	}
	texts := []string{
		pieceForged, piecePadded, pieceHead, identifyRaw, pieceForged + "\r", pieceForged + strings.Repeat("B", 600), "MESSAGE=" + pieceForged,
		"2026-11-20T11:21:00.1Z stdout F " + pieceForged, "2026-11-20T11:21:00.1Z stderr P " + pieceForged, "Nov 20 11:30:46 vm x: " + pieceForged,
	}
	line := pieceHead + strings.Repeat("A", size-len(pieceHead))
	for range r.IntN(3) {
		text := texts[r.IntN(len(texts))]
		line += (text + strings.Repeat("A", size))[:size]
	}
	return line + texts[r.IntN(len(texts))]
}

// A damaged line is no reason to read nothing any more, and a whole one that a
// stranger makes look bad costs no other line.
func TestDamagedLineCostsOne(t *testing.T) {
	for _, w := range wrappings[3:6] {
		honest := w.wrap(pieceHonest, "stderr", true)
		got := readPieces(t, []string{w.wrap(pieceHead, "stderr", true), honest, honest, honest})
		if fmt.Sprint(got) != "[203.0.113.7 203.0.113.7]" {
			t.Errorf("%s: accuses %v, want two of the three lines after it", w.name, got)
		}
		for _, whole := range []string{
			`ts=2026-11-20T11:20:20.722Z level=debug msg="accept upgrade error" logger=upgrader err="x CANONICAL_PEER_STATUS: peer=x"`,
			"2026-11-20T11:20:20.722Z\tINFO\tno stream\t{\"error\": \"x CANONICAL_PEER_STATUS: peer=x\"}", // zap without names
		} {
			line := w.wrap(whole, "stderr", true)
			if got := readPieces(t, []string{line, honest, line, honest}); len(got) != 2 {
				t.Errorf("%s: accuses %v, want both lines after %q", w.name, got, whole)
			}
		}
	}
}

// When another process breaks into a line, both what follows on the stream and
// what the first process writes next may be its rest (systemd, journald-stream.c).
func TestPiecesOfProcesses(t *testing.T) {
	entry := func(text, pid, cut string) string {
		m := map[string]any{"_STREAM_ID": "s", "_PID": pid}
		return journalJSON(text, cut == "", m, "_LINE_BREAK", cut)
	}
	got := readPieces(t, []string{
		entry(pieceHead, "7", "pid-change"), entry(pieceForged, "8", ""), entry(pieceHonest, "8", ""), entry(pieceForged, "7", ""), entry(pieceHonest, "7", ""),
		entry(pieceHead, "7", "eof"), entry(pieceHonest, "8", ""),
	})
	if fmt.Sprint(got) != "[203.0.113.66 203.0.113.7 203.0.113.7 203.0.113.7]" {
		t.Errorf("accuses %v", got)
	}
}

// A piece of which the carrier's own end is missing does not say to which
// stream it belongs: the next line of each may be the rest.
func TestPiecesUnreadable(t *testing.T) {
	for _, w := range []wrapping{wrappings[0], wrappings[6]} {
		p := newParser(t, Options{})
		var pieces Pieces
		var res Result
		piece := w.wrap(piecesOf(w.size, 2, "")[0], "stderr", false)
		lines := []Line{
			{Text: piece[:len(piece)-200], Cut: true},
			{Text: w.wrap(pieceForged, "stdout", true)}, {Text: w.wrap(pieceForged, "stderr", true)},
			{Text: w.wrap(pieceHonest, "stdout", true)}, {Text: w.wrap(pieceHonest, "stderr", true)},
		}
		for i, l := range lines {
			p.Parse(l, &res)
			pieces.Settle(&l, &res)
			if want := i > 2; (res.Reject == Accepted) != want {
				t.Errorf("%s: line %d is %v (%s)", w.name, i, res.Reject, res.Detail)
			}
		}
	}
}

// Where reading begins in the middle of a log, the first line of each stream may
// be a rest; where no carrier marks pieces, nothing speaks for that.
func TestPiecesLost(t *testing.T) {
	for _, w := range wrappings {
		p := newParser(t, Options{})
		var pieces Pieces
		var res Result
		pieces.Lost()
		marks := !strings.Contains(w.name, "cat") && !strings.Contains(w.name, "short") && !strings.Contains(w.name, "syslog")
		for i, stream := range []string{"stderr", "stdout", "stderr", "stdout"} {
			l := Line{Text: w.wrap(pieceHonest, stream, true)}
			p.Parse(l, &res)
			pieces.Settle(&l, &res)
			if want := i > 1 || !marks; (res.Reject == Accepted) != want {
				t.Errorf("%s: line %d is %v (%s)", w.name, i, res.Reject, res.Detail)
			}
		}
	}
}

// What is remembered has a bound.
func TestPiecesBound(t *testing.T) {
	p := newParser(t, Options{})
	var pieces Pieces
	var res Result
	for i := range 3 * maxOpenStreams {
		l := Line{Text: journalJSON("x", false, map[string]any{"_STREAM_ID": fmt.Sprint(i)}, "_LINE_BREAK", "nul")}
		p.Parse(l, &res)
		pieces.Settle(&l, &res)
	}
	if len(pieces.open) != maxOpenStreams {
		t.Errorf("%d streams are remembered, at most %d should be", len(pieces.open), maxOpenStreams)
	}
}

// TestMayMark: whatever mayMark lets pass is of no stream whose carrier marks
// pieces, in all captures and in what carriers and strangers could make of one.
func TestMayMark(t *testing.T) {
	lines := []string{
		"2026-11-20T11:26:38.093Z stdout F text", "2026-11-20T11:26:38.093123456789+02:00 stderr P text",
		`{"log":"text\n","stream":"stderr","time":"2026-11-20T11:26:38.093Z"}`, `{"_STREAM_ID":"a","MESSAGE":"text"}`,
		" 2026-11-20T11:26:38.093Z stdout F text", "", " std", "x",
	}
	err := filepath.WalkDir("../testdata/captures", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	marked := 0
	for _, line := range lines {
		var res Result
		unwrap(line, &res)
		if res.stream.marks {
			marked++
			if !mayMark(line) {
				t.Errorf("its carrier marks pieces: %q", line)
			}
		}
	}
	if marked < 20 {
		t.Errorf("only %d of %d lines are of a carrier that marks pieces", marked, len(lines))
	}
}

// identifyRaw is how go-libp2p up to v0.43 prints what a peer answered; the peer's
// text begins at its end.
const identifyRaw = "2026-11-20T11:26:48.285Z\tWARN\tnet/identify\tidentify/id.go:463\tfailed to identify 12D3KooWLqb5xNrovwRn51NBQ4zwFUHuAP65GqpWzhwARPUHqNi1: multistream mux select protocol failed: unrecognized response. expected: /ipfs/id/1.0.0 (or na). got: x"

// readDistrusting reads lines as a log of which holes are remembered, and gives the
// hosts accused.
func readDistrusting(t *testing.T, lines []string) (hosts []string, shown Risks) {
	t.Helper()
	p := newParser(t, Options{})
	var (
		pieces Pieces
		res    Result
	)
	for _, text := range lines {
		l := Line{Text: text, Distrust: shown}
		p.Parse(l, &res)
		pieces.Settle(&l, &res)
		shown |= res.Risk
		if res.Reject == Accepted {
			hosts = append(hosts, res.Event.Host.String())
		}
	}
	return hosts, shown
}

// A hole shows in a line that its carrier split as well: the peer's text can be so
// long that it is, and hold a newline and a whole record after that.
func TestPiecesShowHoles(t *testing.T) {
	for _, w := range wrappings {
		if strings.HasSuffix(w.name, "without --all") {
			continue // the first piece's text is not there
		}
		head := identifyRaw + strings.Repeat("A", w.size-len(identifyRaw))
		lines := []string{w.wrap(head, "stderr", false), w.wrap("AAA", "stderr", true), w.wrap(pieceForged, "stderr", true)}
		if hosts, shown := readDistrusting(t, lines); hosts != nil || shown != RiskIdentify {
			t.Errorf("%s: accuses %v, shows %v; want nobody, and the hole of identify", w.name, hosts, shown.Info())
		}
		// The rest of a line is the stranger's, who would have nobody believed.
		lines = []string{w.wrap(pieceHead+strings.Repeat("A", w.size-len(pieceHead)), "stderr", false), w.wrap(identifyRaw, "stderr", true), w.wrap(pieceHonest, "stderr", true)}
		want := append(w.sender(), "203.0.113.7")
		if hosts, shown := readDistrusting(t, lines); !slices.Equal(hosts, want) || shown != 0 {
			t.Errorf("%s: accuses %v, shows %v by the rest of a line; want %v", w.name, hosts, shown.Info(), want)
		}
	}
}

// A line is at its end where its carrier says so, or, if that has no marks, where a piece
// is shorter than the one before. Were more waited for because the piece looks damaged,
// or wrapped by something that marks it, a stranger could have the next line, which shows
// a hole, taken for his: and his record believed that comes out of it.
func TestPiecesHideNoHole(t *testing.T) {
	ways := slices.Clone(wrappings)
	for _, w := range wrappings[3:6] {
		ways = append(ways, wrapping{w.name, 1024, w.wrap}, wrapping{w.name, 8100, w.wrap})
	}
	for _, w := range ways {
		for _, last := range []string{
			pieceHead, "2026-11-20T11:21:00.1Z stderr P x", `{"log":"x","stream":"stderr","time":"2026-11-20T11:21:00.1Z"}`, `{"log":"x`,
			`{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1795173660000000","MESSAGE":"x","_STREAM_ID":"s","_LINE_BREAK":"nul"}`,
		} {
			lines := []string{
				w.wrap((pieceHead + strings.Repeat("A", w.size))[:w.size], "stderr", false), w.wrap(last, "stderr", true),
				w.wrap(identifyRaw, "stderr", true), w.wrap(pieceForged, "stderr", true),
			}
			if hosts, shown := readDistrusting(t, lines); !slices.Equal(hosts, w.sender()) || shown != RiskIdentify {
				t.Errorf("%s, %d bytes, %.30q: accuses %v, shows %v; want %v, and the hole of identify", w.name, w.size, last, hosts, shown.Info(), w.sender())
			}
		}
	}
}

// Escaped, a piece of Docker's may be longer than a source keeps of a line.
func TestPieceOfDockerTooLong(t *testing.T) {
	wrap := wrappings[0].wrap
	head := wrap(identifyRaw+strings.Repeat("\x01", 16<<10-len(identifyRaw)), "stderr", false)
	for cut := 64 << 10; cut > 64<<10-6; cut-- { // at each byte of an escape
		lines := []string{head[:cut], wrap("AAA", "stderr", true), wrap(pieceForged, "stderr", true)}
		if hosts, shown := readDistrusting(t, lines); hosts != nil || shown != RiskIdentify {
			t.Errorf("cut at %d: accuses %v, shows %v; want nobody, and the hole of identify", cut, hosts, shown.Info())
		}
	}
}

// A stranger does not go free for lines so long that they are split: that he failed
// is told by the first piece. Whatever else a piece may be accuses nobody.
func TestHeadAccuses(t *testing.T) {
	const (
		slogHead = `time=2026-11-20T11:17:22.191Z level=INFO source=/x/transport.go:96 msg=CANONICAL_PEER_STATUS peer="" addr=/ip4/203.0.113.66/tcp/44788 sample_rate=100 handshake_failure=tls err="`
		jsonHead = `{"level":"info","ts":"2026-11-20T11:24:21.267Z","logger":"canonical-log","caller":"tls/transport.go:96","msg":"CANONICAL_PEER_STATUS: peer= addr=/ip4/203.0.113.66/tcp/47654 sample_rate=100 handshake_failure=\"tls\" err=\"`
		misHead  = "2026-11-20T11:20:20.722Z\tWARN\tcanonical-log\tx/x.go:1\tCANONICAL_MISBEHAVING_PEER: peer=" + somePeer + ` addr=/ip4/203.0.113.66/tcp/1 component=x err="`
		frame    = "2026-11-20T11:21:00.1Z stderr P "
	)
	for _, tt := range []struct {
		text      string
		cut, head bool
		want      Reject
	}{
		{pieceHead, true, true, Accepted},
		{slogHead, true, true, Accepted},
		{slogHead + `tls: \`, true, true, Accepted},
		{slogHead + "x addr=/ip4/192.0.2.8/tcp/1 err=\"y", true, true, Accepted},
		{jsonHead, true, true, Accepted},
		{jsonHead + `x \\\`, true, true, Accepted},
		{jsonHead + `x\"","logger":"y`, true, true, Accepted},
		{frame + slogHead + "x", false, false, Accepted},
		{slogHead, true, false, Cut},
		{slogHead, false, false, Malformed},
		{slogHead[:len(slogHead)-1], true, true, Cut},
		{"x" + slogHead, true, true, Cut},
		{misHead, true, true, Cut},
		{frame + slogHead, true, true, Cut}, // the frame's line begins here, the node's perhaps not
		{dockerLog + slogHead[:100], true, true, Cut},
		{slogHead + strings.Repeat("A", journalLineMax-len(slogHead)), false, false, Cut},
		{strings.Replace(slogHead, "203.0.113.66", "10.0.0.1", 1), true, true, Private},
	} {
		p := newParser(t, Options{})
		var res Result
		p.Parse(Line{Text: tt.text, Cut: tt.cut, Head: tt.head}, &res)
		if res.Reject != tt.want || (res.Reject == Accepted) != (res.Event.Host.String() == "203.0.113.66" && res.Event.Weight == 100) {
			t.Errorf("%.300q (cut %v, head %v): %v (%s), accuses %v; want %v", tt.text, tt.cut, tt.head, res.Reject, res.Detail, res.Event.Host, tt.want)
		}
	}
}

// A source that takes pieces apart says which is the first one.
func TestHeadShowsHoles(t *testing.T) {
	p := newParser(t, Options{})
	var res Result
	for _, head := range []bool{true, false} {
		want := Risks(0)
		if head {
			want = RiskIdentify
		}
		if p.Parse(Line{Text: identifyRaw + "AAA", Cut: true, Head: head}, &res); res.Reject != Cut || res.Risk != want {
			t.Errorf("head %v: %v, shows %v, want cut and %v", head, res.Reject, res.Risk.Info(), want.Info())
		}
	}
}

// A hole is one whatever format the stream is pinned to.
func TestPinnedFormatShowsHoles(t *testing.T) {
	p := newParser(t, Options{Format: "slog-text"})
	var res Result
	if p.Parse(Line{Text: identifyRaw}, &res); res.Risk != RiskIdentify {
		t.Errorf("shows %v, want the hole of identify", res.Risk.Info())
	}
}
