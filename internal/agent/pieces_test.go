package agent

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/jail"
	"github.com/p2pban/p2pban/sources"
)

// dockerLine is a line of Docker's json-file driver.
func dockerLine(text, stream string) string {
	log, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"log":%s,"stream":"%s","time":"2026-11-20T11:20:00Z"}`, log, stream)
}

const (
	splitHead   = `time=2026-11-20T11:20:00.000Z level=INFO source=/x/tls.go:60 msg=CANONICAL_PEER_STATUS peer="" addr=/ip4/203.0.113.66/tcp/4001 sample_rate=100 handshake_failure=tls err="`
	splitForged = `time=2026-11-20T11:20:00.000Z level=INFO source=/x/tls.go:60 msg=CANONICAL_PEER_STATUS peer="" addr=/ip4/192.0.2.8/tcp/4001 sample_rate=10000 handshake_failure=tls err=EOF`
)

// A stranger who makes a node log lines so long that Docker splits them, and the
// rests records of another host, has nobody banned but himself; neither from a file
// nor from a pipe.
func TestReplaySplitLines(t *testing.T) {
	const size = 16 << 10
	var log strings.Builder
	for i := range 30 {
		forged := splitForged + " "
		pieces := []string{splitHead + strings.Repeat("A", size-len(splitHead)), forged + strings.Repeat("A", size-len(forged)), splitForged + "\n"}
		if i%2 == 1 {
			pieces = []string{pieces[0], pieces[2]}
		}
		for _, piece := range pieces {
			log.WriteString(dockerLine(piece, "stderr") + "\n" + dockerLine("hello\n", "stdout") + "\n")
		}
	}
	cfg := config.Default()
	p, err := NewParser(cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	jails, err := jail.New(cfg.Jails, jail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenCapture("-", strings.NewReader(log.String()), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	var decisions []string
	sum, err := Replay(p, jails, []Capture{c}, func(d jail.Decision) error {
		decisions = append(decisions, fmt.Sprint(d.Action, " ", d.Prefix))
		return nil
	})
	if err != nil || sum.Events != 30 || sum.ByReason()["cut"] != 45 {
		t.Errorf("%d events, refused %v, error %v; want the 30 first pieces and the other 45 cut", sum.Events, sum.ByReason(), err)
	}
	if fmt.Sprint(decisions) != "[ban 203.0.113.66/32]" {
		t.Errorf("decisions %v, want one ban, of him who wrote the long lines", decisions)
	}
}

// Where a daemon goes on in a file, it has not seen what stands before.
func TestFileBeginsAmongPieces(t *testing.T) {
	p, err := NewParser(config.Default(), "")
	if err != nil {
		t.Fatal(err)
	}
	s := &source{spec: config.Source{Files: []string{"/var/log/node.log"}}, parser: p, streams: map[string]*reader{}}
	r := s.reader("/var/log/node.log")
	for i, want := range []bool{false, true} {
		if _, ok := r.read(sources.Line{Text: dockerLine(splitForged+"\n", "stderr")}, time.Now()); ok != want {
			t.Errorf("line %d is an event: %v, want %v", i, ok, want)
		}
	}
}
