// Package firewall puts bans into the kernel and takes them out. Auto gives the
// Backend for this machine, Init brings it to a list of bans, Apply changes it.
// The kernel lifts a ban when it ends, also when this process is gone. The
// caller's list is the truth and the kernel holds a copy: Init can be called
// again at any time and ends in the same state. It imports nothing of p2pban.
//
// Two more backends keep hosts out of a node where there is no firewall to
// change, Kubo and DenyFile, and Print only writes what would be done.
package firewall

import (
	"context"
	"net/netip"
	"time"
)

// Ban is one prefix to keep out.
type Ban struct {
	// Prefix is masked; a single host is a /32 or a /128.
	Prefix netip.Prefix
	// Until is when the ban ends; zero means never. A Ban whose Until has
	// passed is not installed.
	Until time.Time
	// Fresh says that nothing stands for the prefix yet, which saves Apply two
	// thirds of the kernel's work. Where something stands all the same, the ban
	// is installed as any other, a little later.
	Fresh bool
	// Packets is how many packets the kernel has dropped for it since it was
	// installed or last moved. List fills it where the kernel counts; Init and
	// Apply ignore it.
	Packets uint64
}

// Change is one batch for the kernel. A prefix stands in at most one of the two.
type Change struct {
	// Set holds bans to install, or to move to a new end (later or earlier).
	Set []Ban
	// Lift holds prefixes to let in again; one that is not banned is no error.
	Lift []netip.Prefix
}

// Backend is one way of keeping hosts out.
type Backend interface {
	// Init makes our objects and brings them to exactly these bans, in one
	// transaction where the kernel has such.
	Init(ctx context.Context, bans []Ban) error
	// Apply makes a change, all of it or an error that says what failed. After
	// an error the caller applies again or calls Init; nothing needs undoing.
	Apply(ctx context.Context, c Change) error
	// List reads back what stands in the kernel. It is for people and for
	// recovery: its cost grows faster than the set.
	List(ctx context.Context) ([]Ban, error)
	// Close gives back handles. Bans stay.
	Close() error
}

// Verifier is a Backend that can read back cheaply whether bans are enforced.
type Verifier interface {
	// Verify checks our objects and the given bans, or without any a few that
	// were installed lately. The error is ErrGone, with what is missing.
	Verify(ctx context.Context, sample []Ban) error
}

// Watcher is a Backend that notices when somebody else changes our objects.
type Watcher interface {
	// Watch calls report on its own goroutine for every change that was not
	// ours until the context ends, and returns the context's error. report may
	// call Init.
	Watch(ctx context.Context, report func(Disturbance)) error
}
