//go:build linux

package jail

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// memoryChild makes the test binary track a million hosts and end.
const memoryChild = "P2PBAN_TEST_MILLION_HOSTS"

// TestMillionHostsMemory tracks 1,000,000 one-line hosts in a process of its
// own, which may take 128 MiB in all. The race detector multiplies memory, so
// under it the live heap is what is measured.
func TestMillionHostsMemory(t *testing.T) {
	if os.Getenv(memoryChild) != "" {
		before := liveHeap()
		s := mustSet(t, benchJail())
		for i := range 1_000_000 {
			s.Observe(benchEvent(t0.Add(time.Duration(i)*time.Microsecond), hostN(uint32(i))))
		}
		if c, _ := s.Counts("j"); c.Hosts != 1_000_000 || c.Evicted != 0 {
			t.Fatalf("%+v", c)
		}
		resident := peakResident(t)
		fmt.Printf("heap=%d resident=%d\n", liveHeap()-before, resident)
		runtime.KeepAlive(s)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMillionHostsMemory$", "-test.v")
	cmd.Env = append(os.Environ(), memoryChild+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var heap, resident int64
	if _, err := fmt.Sscanf(string(out), "=== RUN   TestMillionHostsMemory\nheap=%d resident=%d", &heap, &resident); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	t.Logf("%d bytes of live heap for each host; the process took %d MiB at most", heap/1_000_000, resident>>20)
	if heap > 80_000_000 {
		t.Errorf("%d bytes of live heap for each host, at most 80 expected", heap/1_000_000)
	}
	if !raceEnabled && resident > 128<<20 {
		t.Errorf("the process took %d MiB, at most 128 expected", resident>>20)
	}
}

// peakResident is the most memory that this process has taken, in bytes. It is
// not what wait4 tells, which begins with the parent's.
func peakResident(t *testing.T) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
