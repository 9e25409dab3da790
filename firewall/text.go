package firewall

import (
	"fmt"
	"strconv"
	"time"
)

const target = "inet " + tableName + " "

func (s addTable) appendText(b []byte) []byte {
	b = append(b, "add table inet "+tableName...)
	if s.comment != "" {
		b = fmt.Appendf(b, " { comment %q; }", s.comment)
	}
	return append(b, '\n')
}

func (deleteTable) appendText(b []byte) []byte {
	return append(b, "delete table inet "+tableName+"\n"...)
}

func (s addSet) appendText(b []byte) []byte {
	family := "ipv4_addr"
	if s.id.v6 {
		family = "ipv6_addr"
	}
	counter := ""
	if s.counted {
		counter = " counter;"
	}
	return fmt.Appendf(b, "add set %s%s { type %s; flags timeout;%s }\n", target, s.id, family, counter)
}

func (s addPorts) appendText(b []byte) []byte {
	b = fmt.Appendf(b, "add set %s%s { type inet_service; }\n", target, portsSet)
	b = fmt.Appendf(b, "add element %s%s { ", target, portsSet)
	for i, p := range s.ports {
		b = separate(b, i)
		b = strconv.AppendUint(b, uint64(p), 10)
	}
	return append(b, " }\n"...)
}

func (s addProtocols) appendText(b []byte) []byte {
	b = fmt.Appendf(b, "add set %s%s { type inet_proto; }\n", target, protocolsSet)
	b = fmt.Appendf(b, "add element %s%s { ", target, protocolsSet)
	for i, p := range s.protocols {
		b = separate(b, i)
		b = append(b, p.String()...)
	}
	return append(b, " }\n"...)
}

func (s addChain) appendText(b []byte) []byte {
	return fmt.Appendf(b, "add chain %s%s { type filter hook %s priority %d; policy accept; }\n",
		target, s.chain.name, s.chain.hook, chainPriority)
}

func (s flushChain) appendText(b []byte) []byte {
	return fmt.Appendf(b, "flush chain %s%s\n", target, s.chain.name)
}

func (s addRule) appendText(b []byte) []byte {
	r := s.rule
	b = fmt.Appendf(b, "add rule %s%s ", target, r.chain.name)
	if r.protocols {
		b = append(b, "meta l4proto @"+protocolsSet+" "...)
	}
	if r.ports {
		port := "sport"
		if r.source {
			port = "dport"
		}
		b = append(b, "th "+port+" @"+portsSet+" "...)
	}
	family, side := "ip", "daddr"
	if r.set.v6 {
		family = "ip6"
	}
	if r.source {
		side = "saddr"
	}
	b = append(b, family+" "+side+" "...)
	if !r.set.host() {
		b = append(b, "& "...)
		b = r.set.mask().AppendTo(b)
		b = append(b, ' ')
	}
	return fmt.Appendf(b, "@%s counter drop\n", r.set)
}

func (s addElements) appendText(b []byte) []byte {
	verb := "add"
	if s.create {
		verb = "create"
	}
	b = fmt.Appendf(b, "%s element %s%s { ", verb, target, s.id)
	for i, e := range s.elements {
		b = separate(b, i)
		b = s.id.addrOf(e).AppendTo(b)
		if e.timeout > 0 {
			b = append(b, " timeout "...)
			b = appendTimeout(b, e.timeout)
		}
	}
	return append(b, " }\n"...)
}

func (s deleteElements) appendText(b []byte) []byte {
	b = fmt.Appendf(b, "delete element %s%s { ", target, s.id)
	for i, e := range s.elements {
		b = separate(b, i)
		b = s.id.addrOf(e).AppendTo(b)
	}
	return append(b, " }\n"...)
}

func separate(b []byte, i int) []byte {
	if i == 0 {
		return b
	}
	return append(b, ", "...)
}

// appendTimeout writes a duration in nft's time syntax, 1d2h3m4s5ms (nft(8)).
func appendTimeout(b []byte, d time.Duration) []byte {
	for _, unit := range []struct {
		name string
		d    time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if n := d / unit.d; n > 0 {
			b = strconv.AppendInt(b, int64(n), 10)
			b = append(b, unit.name...)
			d %= unit.d
		}
	}
	return b
}
