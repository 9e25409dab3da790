package attack

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/netip"
	"time"

	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/multiformats/go-multistream"
)

// spoilTLS connects over TCP, chooses TLS and goes through as much of its
// handshake as the node lets a client with the configuration that config makes
// for its socket. The attempt
// counts as served once the node has agreed to TLS: what it makes of the rest
// is the point of the attack, and its alert is an answer.
func spoilTLS(ctx context.Context, t target, a *Attempt, config func(local netip.AddrPort) (*tls.Config, error)) error {
	tcp, err := dialTCP(ctx, t, a)
	if err != nil {
		return err
	}
	defer tcp.Close()
	if err := tcp.SetDeadline(time.Now().Add(serveTimeout)); err != nil {
		return err
	}
	if err := multistream.SelectProtoOrFail(libp2ptls.ID, tcp); err != nil {
		return err
	}
	c, err := config(tcp.LocalAddr().(*net.TCPAddr).AddrPort())
	if err != nil {
		return err
	}
	client := tls.Client(tcp, c)
	if err = client.HandshakeContext(ctx); err == nil {
		// A client of TLS 1.3 is through before the node has seen its
		// certificate: the verdict comes with the next read.
		_, err = client.Read(make([]byte, 1))
	}
	if outcomeOf(err) == Dropped {
		return err
	}
	return nil
}

// clientConfig is for a client that does not care who the node is.
func clientConfig(protocols []string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, NextProtos: protocols}
}

// withURI makes a client show a certificate whose subject alternative name is
// a URI of any text at all, as long as it is ASCII (RFC 5280 §4.2.1.6).
func withURI(uri string) (*tls.Config, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	// GeneralName is a choice; its tag 6 is the URI.
	names, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(uri)}})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: names}},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, public, private)
	if err != nil {
		return nil, err
	}
	config := clientConfig([]string{"libp2p"})
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, nil
	}
	return config, nil
}
