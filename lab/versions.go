package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/p2pban/p2pban/lab/report"
)

// versions says what the figures were taken with.
func versions(ctx context.Context, p prepared) (report.Versions, error) {
	v := report.Versions{Go: runtime.Version(), CPU: fmt.Sprintf("%d × %s", runtime.NumCPU(), cpuModel())}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return v, err
	}
	v.Kernel = "Linux " + unix.ByteSliceToString(name.Release[:])
	for to, argv := range map[*string][]string{
		&v.P2pban:   {p.P2pban, "version"},
		&v.Nftables: {"nft", "--version"},
		&v.Fail2ban: {"fail2ban-client", "--version"},
	} {
		out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			return v, fmt.Errorf("%v: %w", argv, err)
		}
		*to = strings.TrimSpace(string(bytes.SplitN(out, []byte("\n"), 2)[0]))
	}
	v.P2pban += p.Commit
	return v, nil
}

// cpuModel reads /proc/cpuinfo (proc(5)).
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "model name"); ok {
			return strings.TrimLeft(name, "\t: ")
		}
	}
	return runtime.GOARCH
}
