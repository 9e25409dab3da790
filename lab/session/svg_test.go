package session

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestSVG(t *testing.T) {
	svg := SVG("a <title>", []Scene{
		{"p2pban top", "SOURCE  LINES/S\nnode    <4> & \"5\"\n", time.Second},
		{"p2pban bans", "192.0.2.7", 3 * time.Second},
	})
	var texts []string
	d := xml.NewDecoder(strings.NewReader(svg))
	inText := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("no XML: %v\n%s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
		case xml.CharData:
			if inText {
				texts = append(texts, string(token))
			}
			inText = false
		}
	}
	want := []string{"$ p2pban top", "SOURCE  LINES/S", `node    <4> & "5"`, "$ p2pban bans", "192.0.2.7"}
	if strings.Join(texts, "\n") != strings.Join(want, "\n") {
		t.Errorf("shown: %q, want %q", texts, want)
	}
	// The first is seen for one second of four, the second for the rest.
	for _, frame := range []string{
		"@keyframes s0 { 0% { visibility: hidden; } 0.000% { visibility: visible; } 25.000% { visibility: hidden; } }",
		"@keyframes s1 { 0% { visibility: hidden; } 25.000% { visibility: visible; } }",
		".s1 { visibility: visible; animation-name: s1; }", // what is seen where nothing moves
		"animation-duration: 4.00s",
	} {
		if !strings.Contains(svg, frame) {
			t.Errorf("%q is missing in\n%s", frame, svg)
		}
	}
}
