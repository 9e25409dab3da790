package firewall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// kuboRPC is the little of Kubo's RPC API that the backend needs. Every call
// is a POST to /api/v0 with arguments in the query
// (https://docs.ipfs.tech/reference/kubo/rpc/).
type kuboRPC struct {
	base          string
	authorization string
	http          *http.Client
}

const (
	// kuboTimeout bounds one call; the node answers from memory.
	kuboTimeout = 10 * time.Second
	// kuboAnswer bounds an answer, in bytes: thousands of peers fit.
	kuboAnswer = 16 << 20
	// kuboArguments is how many filters one call carries, in a query of some
	// 10 kB. Every call makes the node write its configuration.
	kuboArguments = 200
)

// newKuboRPC takes the API's address as Kubo's configuration writes it
// (/ip4/127.0.0.1/tcp/5001, /unix/run/ipfs/api) or as a URL.
func newKuboRPC(api, authorization string) (*kuboRPC, error) {
	r := &kuboRPC{authorization: authorization, http: &http.Client{Timeout: kuboTimeout}}
	if u, err := url.Parse(api); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		r.base = strings.TrimSuffix(api, "/")
		return r, nil
	}
	m, err := ma.NewMultiaddr(api)
	if err != nil {
		return nil, fmt.Errorf("kubo API address %q: want /ip4/127.0.0.1/tcp/5001, /unix/PATH or http://HOST:PORT", api)
	}
	network, address, err := manet.DialArgs(m)
	if err != nil || !strings.HasPrefix(network, "tcp") && network != "unix" {
		return nil, fmt.Errorf("kubo API address %q: want a TCP port or a unix socket", api)
	}
	r.base = "http://" + address
	if network == "unix" {
		r.base = "http://kubo"
		r.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", address)
		}}
	}
	return r, nil
}

// call posts a command with its arguments and decodes the answer, if wanted.
func (r *kuboRPC) call(ctx context.Context, command string, arguments []string, answer any) error {
	u := r.base + "/api/v0/" + command
	if len(arguments) > 0 {
		u += "?" + url.Values{"arg": arguments}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, nil)
	if err != nil {
		return err
	}
	if r.authorization != "" {
		req.Header.Set("Authorization", r.authorization)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return silentNode{err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, kuboAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%w: the node's answer to %s broke off: %w", ErrBusy, command, err)
	case len(body) > kuboAnswer:
		return fmt.Errorf("the node's answer to %s is longer than %d bytes", command, kuboAnswer)
	case resp.StatusCode != http.StatusOK:
		return kuboError(command, resp.StatusCode, body)
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("the node's answer to %s: %w (is this Kubo's RPC port, usually 5001?)", command, err)
	}
	return nil
}

// kuboError reads an error as Kubo sends it: {"Message":…,"Code":…,"Type":"error"}.
func kuboError(command string, status int, body []byte) error {
	var said struct{ Message string }
	if json.Unmarshal(body, &said) != nil || said.Message == "" {
		said.Message = strings.TrimSpace(string(body[:min(len(body), maxSaid)]))
	}
	err := fmt.Errorf("the node refuses %s: %d %s", command, status, said.Message)
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	case strings.Contains(said.Message, "online mode"): // started, and not yet online
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return err
}

type kuboStrings struct{ Strings []string }

// filters lists the node's filters, as multiaddrs.
func (r *kuboRPC) filters(ctx context.Context) (map[string]bool, error) {
	var answer kuboStrings
	if err := r.call(ctx, "swarm/filters", nil, &answer); err != nil {
		return nil, err
	}
	out := make(map[string]bool, len(answer.Strings))
	for _, s := range answer.Strings {
		out[s] = true
	}
	return out, nil
}

type kuboPeer struct{ Addr, Peer string }

func (r *kuboRPC) peers(ctx context.Context) ([]kuboPeer, error) {
	var answer struct{ Peers []kuboPeer }
	err := r.call(ctx, "swarm/peers", nil, &answer)
	return answer.Peers, err
}

// disconnect closes the node's connection to a peer; one that is gone already
// is no error.
func (r *kuboRPC) disconnect(ctx context.Context, p kuboPeer) error {
	err := r.call(ctx, "swarm/disconnect", []string{p.Addr + "/p2p/" + p.Peer}, nil)
	if errors.Is(err, ErrBusy) || errors.Is(err, ErrDenied) || ctx.Err() != nil {
		return err
	}
	return nil
}
