package sources

import "testing"

// Of the pieces of a line the first is known for it, also where another process
// breaks in, and no rest is: it begins with what a stranger chose.
func TestJournalHead(t *testing.T) {
	container := containerPiece{container: "c", priority: "3"}
	unfinished := container
	unfinished.unfinished = true
	last, first := container, unfinished
	last.id, first.id = true, true
	var s journalState
	for i, tt := range []struct {
		entry     entry
		cut, head bool
	}{
		{entry{stream: "a", pid: "1", lineBreak: "line-max"}, true, true},
		{entry{stream: "b", pid: "1"}, false, false},
		{entry{stream: "a", pid: "1", lineBreak: "line-max"}, true, false},
		{entry{stream: "a", pid: "1"}, true, false},
		{entry{stream: "a", pid: "1"}, false, false},
		{entry{stream: "a", pid: "1", lineBreak: "pid-change"}, true, true},
		{entry{stream: "a", pid: "2"}, true, false},
		{entry{stream: "a", pid: "1"}, true, false},
		{entry{over: true}, true, true},
		{entry{message: "x\ny"}, true, true},
		{entry{piece: unfinished}, true, true},
		{entry{piece: unfinished}, true, false},
		{entry{piece: container}, true, false},
		{entry{piece: container}, false, false},
		{entry{piece: last}, true, false}, // those before it were not seen
		{entry{piece: first}, true, true},
		{entry{piece: last}, true, false},
	} {
		if cut, head := s.cut(&tt.entry); cut != tt.cut || head != tt.head {
			t.Errorf("entry %d: cut %v, head %v, want %v, %v", i, cut, head, tt.cut, tt.head)
		}
	}
}
