package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// Diagnosis says why a host that should be kept out is still heard of.
type Diagnosis struct {
	// Bans are those in the kernel that cover the host.
	Bans []Ban
	// Err is what Verify finds wrong with our objects, or nil.
	Err error
	// Cause is the likely reason, in a sentence for people.
	Cause string
}

// Diagnose looks for the reason why a banned host still causes log lines. It
// is cheap, however many bans stand.
func (n *NFTables) Diagnose(ctx context.Context, host netip.Addr) (Diagnosis, error) {
	d := Diagnosis{Err: n.Verify(ctx, nil)}
	if d.Err != nil && !errors.Is(d.Err, ErrGone) {
		return d, d.Err
	}
	var err error
	if d.Bans, err = n.Covering(ctx, host); err != nil {
		return d, err
	}
	n.mu.Lock()
	counted, limited := n.plan.counted, len(n.options.protocols()) > 0
	n.mu.Unlock()
	var packets uint64
	for _, b := range d.Bans {
		packets += b.Packets
	}
	switch {
	case d.Err != nil:
		d.Cause = fmt.Sprintf("our firewall rules were changed by somebody else: %v", d.Err)
	case len(d.Bans) == 0:
		d.Cause = "the kernel has no ban of this host: it ended, or was removed by hand"
	case !counted:
		d.Cause = "the ban stands; whether it drops packets is not counted with this many bans"
	case packets > 0:
		d.Cause = fmt.Sprintf("the ban stands and has dropped %d packets: the lines tell of what happened before it, or of connections that end now", packets)
	case limited:
		d.Cause = "the ban stands but has dropped nothing: the host comes by a port or protocol that [firewall] ports and protocols leave open"
	default:
		d.Cause = "the ban stands but has dropped nothing: the host's packets do not pass here. " +
			"Either the node runs in another network namespace or on another machine, or a proxy in front of it (or a tunnel) hides where packets really come from"
	}
	return d, nil
}
