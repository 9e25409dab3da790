package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
)

// Metrics is where Prometheus may ask; an empty Network is nowhere.
type Metrics struct {
	// Network is "tcp" or "unix", Address what net.Listen takes with it.
	Network, Address string
}

// maxSocketPath is how long a unix socket's path may be (unix(7), sun_path).
const maxSocketPath = 107

func (s *section) metrics(m *Metrics) {
	var listen string
	s.str("listen", &listen)
	s.done()
	if n, ok := s.node.table["listen"]; ok && n.value == any(listen) {
		var err error
		if *m, err = parseListen(listen); err != nil {
			s.l.problem(n, s.key("listen"), err.Error(), `write "127.0.0.1:9847", "[::1]:9847" or "unix:/run/p2pban/metrics.sock"`)
		}
	}
}

// parseListen reads the address of the metrics. The network is not served:
// metrics name hosts' counts and the node's habits, and nobody is asked who he is.
func parseListen(s string) (Metrics, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		switch {
		case !filepath.IsAbs(path):
			return Metrics{}, fmt.Errorf("%q is not an absolute path", path)
		case len(path) > maxSocketPath:
			return Metrics{}, fmt.Errorf("the path of a socket has at most %d bytes, this one %d", maxSocketPath, len(path))
		}
		return Metrics{"unix", path}, nil
	}
	at, err := netip.ParseAddrPort(s)
	switch {
	case err != nil:
		return Metrics{}, fmt.Errorf("%q is no loopback address with a port, and no unix: path", s)
	case !at.Addr().Unmap().IsLoopback():
		return Metrics{}, fmt.Errorf("%s is not a loopback address: metrics are served on this machine only, to a Prometheus, an agent of it or a proxy that runs here", at.Addr())
	case at.Port() == 0:
		return Metrics{}, fmt.Errorf("%q has no port", s)
	}
	return Metrics{"tcp", at.String()}, nil
}
