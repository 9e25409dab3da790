package metrics

import "net"

// newest is a listener that keeps the MaxClients connections that came last and
// closes the one before them. Were the newest to wait instead, whoever takes
// all places and keeps them would lock Prometheus out; so he only loses his own.
type newest struct {
	net.Listener
	// kept is a ring; next is the oldest's place. Only Accept uses them, which
	// one goroutine calls.
	kept [MaxClients]net.Conn
	next int
}

// Accept waits for the next connection.
func (l *newest) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if old := l.kept[l.next]; old != nil {
		old.Close() // most often it is closed already
	}
	l.kept[l.next] = c
	l.next = (l.next + 1) % MaxClients
	return c, nil
}
