package jail

import "net/netip"

type guard struct{ held map[netip.Prefix]bool }

func (s *Set) hold(j *jail, b *ban) ([]Decision, bool) { return nil, false }

type distinct struct{}

func (d *distinct) add(netip.Addr, instant) {}
