//go:build cgo && linux

package sources

/*
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 208 };

// changed looks at the heads of n files, at most looks times and each time after
// a pause of so many nanoseconds, until one is not as in seen; that is brought up
// to date. A signal only makes a pause shorter.
static int changed(const int *fds, char *seen, int n, long pause, int looks)
{
	const struct timespec time = { pause / 1000000000L, pause % 1000000000L };
	int changed = 0;
	while (!changed && looks-- > 0) {
		nanosleep(&time, NULL);
		for (int i = 0; i < n; i++) {
			char head[HEAD], *last = seen + i * HEAD;
			if (pread(fds[i], head, HEAD, 0) == HEAD && memcmp(head, last, HEAD) != 0) {
				memcpy(last, head, HEAD);
				changed = 1;
			}
		}
	}
	return changed;
}
*/
import "C"

import (
	"os"
	"time"
	"unsafe"
)

// headSize is how much of the head of a journal file is looked at: what all
// versions of systemd have, the number of entries among it (systemd, "Journal
// File Format", Header).
const headSize = C.HEAD

// maxHeads bounds the files looked at: those that journald writes to now, one
// for the system and one for each user who has logged something.
const maxHeads = 64

// heads tell whether journal files have grown. To look takes a microsecond, but
// for Go to wake up takes four threads; so the looking is done in C, where one
// sleeps and looks in turn.
type heads struct {
	files []*os.File
	fds   []C.int
	seen  []byte // headSize for each
}

// openHeads opens the files that are written to; what can't be opened is left out.
func openHeads(directory string) *heads {
	h := &heads{}
	for _, path := range activeJournals(directory) {
		h.open(path)
	}
	h.changed(0, 1)
	return h
}

// open opens one file unless there are enough already.
func (h *heads) open(path string) {
	if len(h.files) == maxHeads {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		return
	}
	h.files = append(h.files, f)
	h.fds = append(h.fds, C.int(f.Fd()))
	h.seen = append(h.seen, make([]byte, headSize)...)
}

func (h *heads) close() {
	for _, f := range h.files {
		f.Close()
	}
}

// changed returns when a file has grown since it was last asked for, which it
// looks for every pause, or after so many looks.
func (h *heads) changed(pause time.Duration, looks int) bool {
	fds, seen := unsafe.SliceData(h.fds), (*C.char)(unsafe.Pointer(unsafe.SliceData(h.seen)))
	return C.changed(fds, seen, C.int(len(h.fds)), C.long(pause), C.int(looks)) != 0
}
