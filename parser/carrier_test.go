package parser

import "testing"

// What only looks like a syslog line is not unwrapped: a stranger may write
// what follows.
func TestNotSyslog(t *testing.T) {
	record := benchLines[0].text
	p := newParser(t, Options{})
	var res Result
	for _, head := range []string{
		"2026-11-20T11:20:20Z INF x: ", "2026-11-20T11:20:20Z DEBUG x: ", "2026-11-20T11:20:20Z warn x: ", "2026-11-20T11:20:20Z  x: ",
		"2026-11-20T11:20:20Z libp2p:x y: ", "2026-11-20T11:20:20 vm x: ", "2026-11-20T11:20:20Z vm x[y]: ", "2026-11-20T11:20:20Z vm two words: ",
		"Nov 20 11:30:46.123 INFO x: ", "Nov 20 11:30:46 vm x ", "Nov 20 11:30:46 : x: ", "<999>Nov 20 11:30:46 vm x: ", "<14>1 x ", "<14>",
		"2026-11-20T11:20:20Z stderr X ", "2026-11-20T11:20:20 stderr F ", "MESSAGE =", `{"log":"`, "\x01\x00\x00\x00\x00\x00\x00\x00",
	} {
		if p.Parse(Line{Text: head + record}, &res); res.Reject == Accepted {
			t.Errorf("%q is taken for a carrier (%s)", head, res.Carrier)
		}
	}
	for head, carrier := range map[string]string{
		"Nov 20 11:30:46 vm x: ": "syslog", "Nov  1 11:30:46 vm x[1]: ": "syslog", "<14>Nov 20 11:30:46 vm x[1]: ": "syslog",
		"2026-11-20T11:20:20Z 192.0.2.1 x: ": "syslog-iso", "2026-11-20T11:20:20+01:00 2001:db8::1 x[1]: ": "syslog-iso",
		"<14>1 - - - - - - ": "syslog-5424", `<14>1 2026-11-20T11:20:20Z vm x 1 - [a b="\"]"][c] ` + "\ufeff": "syslog-5424",
		"2026-11-20T11:20:20Z stdout F:x ": "cri",
	} {
		if p.Parse(Line{Text: head + record}, &res); res.Reject != Accepted || res.Carrier != carrier {
			t.Errorf("%q: %v in %q (%s), want %q", head, res.Reject, res.Carrier, res.Detail, carrier)
		}
	}
	// Two carriers are taken off, not three.
	if p.Parse(Line{Text: "2026-11-20T11:20:20Z stdout F Nov 20 11:30:46 vm x: Nov 20 11:30:46 vm y: " + record}, &res); res.Reject == Accepted {
		t.Error("three carriers were taken off")
	}
}
