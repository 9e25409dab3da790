package attack

import (
	"context"
	"errors"
	"net/netip"
)

func spray64() Attack {
	return Attack{
		Name: "spray64",
		Doc: "churn over IPv6 from many addresses of one /64 in turn, as anyone with an ordinary line can: no " +
			"single address stands out. Wants two sources or more of one /64.",
		Run: func(ctx context.Context, p Params, each func(Attempt)) error {
			nets := map[netip.Prefix]int{}
			var sources []netip.Addr
			for _, s := range p.Sources {
				if s.Is6() && !s.Is4In6() {
					sources = append(sources, s)
					nets[netip.PrefixFrom(s, 64).Masked()]++
				}
			}
			if len(nets) != 1 || len(sources) < 2 {
				return errors.New("want two sources or more of one IPv6 /64")
			}
			p.Sources = sources
			return runChurn(ctx, p, each)
		},
	}
}
