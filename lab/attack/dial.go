package attack

import (
	"context"
	"net"
	"net/netip"
)

// dialTCP connects to a target from its source, and notes in the attempt from which
// port. Closing the connection resets it: a sender of thousands would soon have no
// port left that is not in TIME_WAIT.
func dialTCP(ctx context.Context, t target, a *Attempt) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: connectTimeout, KeepAlive: -1}
	if t.source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.source, 0))
	}
	c, err := d.DialContext(ctx, "tcp", t.addr.String())
	if err != nil {
		return nil, err
	}
	a.Local = c.LocalAddr().String()
	tcp := c.(*net.TCPConn)
	if err := tcp.SetLinger(0); err != nil {
		tcp.Close()
		return nil, err
	}
	return tcp, nil
}

// listenUDP opens a socket of its own for an attempt, at the target's source
// or at the address that the kernel would choose.
func listenUDP(t target) (*net.UDPConn, error) {
	source := t.source
	if !source.IsValid() {
		c, err := net.Dial("udp", t.addr.String()) // sends nothing
		if err != nil {
			return nil, err
		}
		source = c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
		c.Close()
	}
	return net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0)))
}

// orDeadline gives the context's end in place of the error it has caused.
func orDeadline(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
