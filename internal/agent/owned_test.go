package agent

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/control"
)

// TestDaemonOfAnotherState has a socket and a state of its own, and the table
// of the first: it is refused, told whose it is, and disturbs nothing.
func TestDaemonOfAnotherState(t *testing.T) {
	first, second := newLab(t, liveConfig), newLab(t, liveConfig)
	first.start()
	if _, err := first.client.Ban(t.Context(), control.BanRequest{Target: hostile.String()}); err != nil {
		t.Fatal(err)
	}
	first.wait("the ban in the kernel", func() bool { return inKernel(t, hostile.String()) })

	cfg, err := second.load()
	if err != nil {
		t.Fatal(err)
	}
	err = Run(t.Context(), Options{Config: cfg, Log: slog.New(slog.DiscardHandler), Out: io.Discard})
	if !errors.Is(err, firewall.ErrOwned) || !strings.Contains(fmt.Sprint(err), fmt.Sprintf("pid %d", os.Getpid())) || !strings.Contains(fmt.Sprint(err), "stop one") {
		t.Errorf("the second ended with %v; want ErrOwned, the other's pid and what to do", err)
	}
	found := Check(t.Context(), cfg)
	if !slices.ContainsFunc(found, func(f Finding) bool {
		return f.Level == Trouble && f.About == "firewall nftables" && strings.Contains(f.What, fmt.Sprintf("pid %d", os.Getpid()))
	}) {
		t.Errorf("check found %+v; want whose the table is", found)
	}
	if s, err := first.client.Status(t.Context()); err != nil || !s.Firewall.Healthy || s.Firewall.Repaired != 0 || !inKernel(t, hostile.String()) {
		t.Errorf("the first: %+v, %v; want it undisturbed", s, err)
	}

	first.stop()
	second.start()
	if inKernel(t, hostile.String()) {
		t.Error("the second has a ban of the first's")
	}
}
