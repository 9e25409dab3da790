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
	"time"
)

// AnswerTimeout is how long a client waits for an answer, or for the next part of
// a list: longer than the daemon takes to say that it is too busy.
const AnswerTimeout = RequestTimeout + 5*time.Second

// Client asks a running daemon.
type Client struct {
	socket   string
	http     *http.Client
	patience time.Duration
}

// NewClient makes a client for a socket; it connects with the first request.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{
		socket: socket, patience: AnswerTimeout,
		http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}},
	}
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
	r := c.begin(ctx, http.MethodGet, path)
	defer r.end()
	body, err := r.send(nil)
	if err != nil {
		return err
	}
	defer body.Close()
	d := json.NewDecoder(bufio.NewReader(body))
	if _, err := d.Token(); err != nil {
		return r.explain(err)
	}
	for d.More() {
		var b Ban
		if err := d.Decode(&b); err != nil {
			return r.explain(err)
		}
		// Whoever reads the list may take his time.
		r.timer.Stop()
		if err := yield(b); err != nil {
			return err
		}
		r.timer.Reset(c.patience)
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("the list of bans is not whole: %w", r.explain(err))
	}
	return nil
}

// Events calls yield for each event from now on, until ctx or the daemon ends.
func (c *Client) Events(ctx context.Context, yield func(Event) error) error {
	r := c.begin(ctx, http.MethodGet, "/v1/events")
	defer r.end()
	body, err := r.send(nil)
	if err != nil {
		return err
	}
	defer body.Close()
	r.timer.Stop() // the next event may be a long time off
	d := json.NewDecoder(bufio.NewReader(body))
	for {
		var e Event
		err := d.Decode(&e)
		// A daemon that ends breaks the stream off wherever it is.
		if brokenOff(err) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return r.explain(err)
		}
		if err := yield(e); err != nil {
			return err
		}
	}
}

func ask[Out any](ctx context.Context, c *Client, method, path string, in any) (Out, error) {
	var out Out
	r := c.begin(ctx, method, path)
	defer r.end()
	body, err := r.send(in)
	if err != nil {
		return out, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&out); err != nil {
		return out, r.explain(err)
	}
	return out, nil
}

// request is one that is under way.
type request struct {
	client       *Client
	method, path string
	ctx          context.Context
	end          func()
	timer        *time.Timer // ends it with errSilent
}

var errSilent = errors.New("no answer")

// begin makes a request, for which the client's patience begins to run.
func (c *Client) begin(ctx context.Context, method, path string) *request {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(c.patience, func() { cancel(errSilent) })
	return &request{client: c, method: method, path: path, ctx: ctx, timer: timer, end: func() { timer.Stop(); cancel(nil) }}
}

// send gives the body of a good answer; a refusal comes back as *Error.
func (r *request) send(in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(r.ctx, r.method, "http://p2pban"+r.path, body)
	if err != nil {
		return nil, err
	}
	resp, err := r.client.http.Do(req)
	if err != nil {
		return nil, r.explain(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	e := &Error{Status: resp.StatusCode}
	if json.NewDecoder(io.LimitReader(resp.Body, MaxBody)).Decode(e) != nil || e.What == "" {
		e.What = fmt.Sprintf("the daemon answered %s to %s %s", resp.Status, r.method, r.path)
	}
	return nil, e
}

// explain turns a request that failed into what happened, where, and what to do
// about it.
func (r *request) explain(err error) error {
	socket := r.client.socket
	var op *net.OpError
	var address *url.Error
	cause := err
	if errors.As(err, &op) {
		cause = op.Err
	} else if errors.As(err, &address) {
		cause = address.Err
	}
	switch {
	case context.Cause(r.ctx) == errSilent:
		return &Error{
			What: fmt.Sprintf("the daemon on %s has not answered for %v", socket, r.client.patience),
			Hint: "it hangs or was stopped, or another program holds the socket: `systemctl status p2pban` shows which; `systemctl restart p2pban` starts it anew, and the bans stay",
		}
	case r.ctx.Err() != nil: // whoever asked gave up
		return fmt.Errorf("asking the daemon on %s: %w", socket, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		hint := "is the daemon running? start it with `p2pban run` or `systemctl start p2pban`; --socket names another place"
		if errors.Is(err, fs.ErrNotExist) {
			hint += fmt.Sprintf("; one that runs makes a socket that was deleted anew within %v", socketEvery)
		}
		return &Error{What: fmt.Sprintf("no daemon answers on %s: %v", socket, cause), Hint: hint}
	case errors.Is(err, fs.ErrPermission):
		return &Error{
			What: fmt.Sprintf("no daemon answers on %s: %v", socket, cause),
			Hint: "run this as root, or as a member of the group " + Group,
		}
	case brokenOff(err):
		hint := "did it end? `systemctl status p2pban` and `journalctl -u p2pban` show why; ask again when it runs"
		if r.method == http.MethodPost {
			hint += ", and look whether this was still done (`p2pban bans`)"
		}
		return &Error{What: fmt.Sprintf("the daemon on %s broke off before its answer was whole: %v", socket, cause), Hint: hint}
	}
	return &Error{
		What: fmt.Sprintf("what answers on %s can't be understood: %v", socket, cause),
		Hint: "is it this version of p2pban? `systemctl restart p2pban` starts the one that is installed; --socket names another place",
	}
}

// brokenOff tells whether a connection ended, as when a daemon does.
func brokenOff(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
