package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
)

// Client asks a running daemon.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient makes a client for a socket; it connects with the first request.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status asks for the daemon's state.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return ask[*Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Jail asks for one jail.
func (c *Client) Jail(ctx context.Context, name string) (*JailDetail, error) {
	return ask[*JailDetail](ctx, c, http.MethodGet, "/v1/jail?name="+url.QueryEscape(name), nil)
}

// Host asks what every jail knows of a host.
func (c *Client) Host(ctx context.Context, target string) ([]HostStatus, error) {
	return ask[[]HostStatus](ctx, c, http.MethodGet, "/v1/host?addr="+url.QueryEscape(target), nil)
}

// History asks for past decisions, newest first, at most limit, about target or
// about all if that is empty.
func (c *Client) History(ctx context.Context, target string, limit int) ([]Past, error) {
	q := url.Values{"addr": {target}, "limit": {strconv.Itoa(limit)}}
	return ask[[]Past](ctx, c, http.MethodGet, "/v1/history?"+q.Encode(), nil)
}

// Nearest asks for the hosts nearest to their bans, at most limit.
func (c *Client) Nearest(ctx context.Context, limit int) ([]HostStatus, error) {
	return ask[[]HostStatus](ctx, c, http.MethodGet, "/v1/nearest?limit="+strconv.Itoa(limit), nil)
}

// Ban puts a host, prefix or multiaddr out.
func (c *Client) Ban(ctx context.Context, r BanRequest) ([]Ban, error) {
	return ask[[]Ban](ctx, c, http.MethodPost, "/v1/ban", r)
}

// Unban lets hosts in again.
func (c *Client) Unban(ctx context.Context, r UnbanRequest) (*UnbanReply, error) {
	return ask[*UnbanReply](ctx, c, http.MethodPost, "/v1/unban", r)
}

// Reload makes the daemon read its configuration again.
func (c *Client) Reload(ctx context.Context) (*ReloadReply, error) {
	return ask[*ReloadReply](ctx, c, http.MethodPost, "/v1/reload", nil)
}

// Bans calls yield for each ban in force, of one jail if named.
func (c *Client) Bans(ctx context.Context, jail string, yield func(Ban) error) error {
	path := "/v1/bans"
	if jail != "" {
		path += "?jail=" + url.QueryEscape(jail)
	}
	body, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	d := json.NewDecoder(bufio.NewReader(body))
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("reading the list of bans: %w", err)
	}
	for d.More() {
		var b Ban
		if err := d.Decode(&b); err != nil {
			return fmt.Errorf("reading the list of bans: %w", err)
		}
		if err := yield(b); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("the daemon broke off in the middle of the list of bans: %w", err)
	}
	return nil
}

// Events calls yield for each event from now on, until ctx or the daemon ends.
func (c *Client) Events(ctx context.Context, yield func(Event) error) error {
	body, err := c.do(ctx, http.MethodGet, "/v1/events", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	d := json.NewDecoder(bufio.NewReader(body))
	for {
		var e Event
		err := d.Decode(&e)
		// A daemon that ends breaks the stream off wherever it is.
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
		if ended || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the events: %w", err)
		}
		if err := yield(e); err != nil {
			return err
		}
	}
}

func ask[Out any](ctx context.Context, c *Client, method, path string, in any) (Out, error) {
	var out Out
	body, err := c.do(ctx, method, path, in)
	if err != nil {
		return out, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&out); err != nil {
		return out, fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return out, nil
}

// do sends a request and gives the body of a good answer; a refusal comes back
// as *Error.
func (c *Client) do(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://p2pban"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	e := &Error{Status: resp.StatusCode}
	if json.NewDecoder(io.LimitReader(resp.Body, MaxBody)).Decode(e) != nil || e.What == "" {
		e.What = fmt.Sprintf("the daemon answered %s to %s %s", resp.Status, method, path)
	}
	return nil, e
}

// explain turns a failed connection into what to do about it.
func (c *Client) explain(err error) error {
	var hint string
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		hint = "is the daemon running? start it with `p2pban run` or `systemctl start p2pban`; --socket names another place"
	case errors.Is(err, fs.ErrPermission):
		hint = "run this as root, or as a member of the group " + Group
	default:
		return fmt.Errorf("asking the daemon on %s: %w", c.socket, err)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return &Error{What: fmt.Sprintf("no daemon answers on %s: %v", c.socket, err), Hint: hint}
}
