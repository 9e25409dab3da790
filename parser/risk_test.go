package parser

import (
	"strings"
	"testing"
)

// TestHolesLeaveNoFormat: a stranger who can write whole lines into a stream
// is not bound to the format of the node whose hole it is. Seen on go-libp2p
// v0.43 with net/identify at warn: lines in the formats of its successors and
// of js-libp2p and rust-libp2p came out of it and named a host that had sent
// nothing.
func TestHolesLeaveNoFormat(t *testing.T) {
	p := newParser(t, Options{})
	for _, line := range []string{
		`time=2026-11-20T17:57:44.000Z level=INFO source=x.go:168 msg=CANONICAL_PEER_STATUS peer=12D3KooW9yPfBhW9xnueBovYM1PmjqLWxSwc5iq5nYokKxdc5bfH addr=/ip4/198.51.100.99/tcp/4001 sample_rate=100 connection_status=established dir=inbound`,
		`2026-11-20T17:57:44.000Z	INFO	canonical-log	x.go:168	CANONICAL_PEER_STATUS: peer=12D3KooW9yPfBhW9xnueBovYM1PmjqLWxSwc5iq5nYokKxdc5bfH addr=/ip4/198.51.100.99/tcp/4001 sample_rate=100 connection_status="established" dir="inbound"`,
		`2026-11-20T17:57:44.000Z libp2p:connection-manager connection from /ip4/198.51.100.99/tcp/4001 refused - inboundConnectionThreshold exceeded by host 198.51.100.99`,
		`2026-11-20T17:57:44.000000Z DEBUG new_incoming_connection{remote_addr=/ip4/198.51.100.99/tcp/4001 id=5}: libp2p_core::upgrade::apply: Failed to upgrade inbound stream upgrade=/noise`,
		`{"timestamp":"2026-11-20T17:57:44.000000Z","level":"DEBUG","fields":{"message":"Failed to upgrade inbound stream","upgrade":"/noise"},"target":"libp2p_core::upgrade::apply","span":{"id":"5","remote_addr":"/ip4/198.51.100.99/tcp/4001","name":"new_incoming_connection"},"spans":[{"id":"5","remote_addr":"/ip4/198.51.100.99/tcp/4001","name":"new_incoming_connection"}]}`,
	} {
		var r Result
		if p.Parse(Line{Text: line}, &r); r.Reject != Accepted {
			t.Errorf("%s: %s (%s), want it accepted on a stream without a hole", line, r.Reject, r.Detail)
		}
		for _, hole := range Risks(RiskIdentify | RiskMultistream | RiskDisplay | RiskHandshakeContents | RiskSwarm | RiskAnswer | RiskPeersWords).Info() {
			if p.Parse(Line{Text: line, Distrust: hole.Bit}, &r); r.Reject != Untrusted {
				t.Errorf("%s: %s on a stream with the hole %s, want %s", line, r.Reject, hole.Name, Untrusted)
			}
		}
	}
}

// What a peer writes behind his own text does not close a hole, and what go-libp2p
// prints as JSON opens none.
func TestConsoleWitness(t *testing.T) {
	p := newParser(t, Options{})
	const stamp = "2026-11-20T11:26:48.285Z\t"
	for _, tt := range []struct {
		line string
		want Risks
	}{
		{identifyRaw + "\t{\"peer\": \"y\"}", RiskIdentify},
		{identifyRaw + "\t{\"peer\": \"y\"", RiskIdentify},
		{identifyRaw + "\t", RiskIdentify},
		{stamp + "WARN\tnet/identify\tidentify/id.go:582\terror reading identify message: x", RiskIdentify},
		{stamp + "WARN\tnet/identify\tidentify/id.go:411\tfailed to identify peer\t{\"peer\": \"12D3\", \"error\": {}}", 0},
		{stamp + "WARN\tnet/identify\tidentify/id.go:530\terror reading identify message\t{\"err\": {}}", 0},
		{stamp + "ERROR\tnet/identify\tidentify/id.go:987\t12D3 identify got a different key for: 12D3", 0},
		// Printed by go-libp2p v0.43 of an address that a peer advertised.
		{stamp + "WARN\tswarm2\tswarm/swarm_dial.go:454\tFailed to resolve addr /dns4/nosuch.invalid/tcp/1/unix/x", RiskSwarm},
		{stamp + "WARN\tswarm2\tswarm/swarm.go:921\tfailed to resolve dnsaddr /dnsaddr/x", RiskSwarm},
		{stamp + "DEBUG\tswarm2\tswarm/limiter.go:187\t[limiter] adding a dial job through limiter: /dns4/x", RiskSwarm},
		{stamp + "DEBUG\tswarm2\tswarm/swarm_dial.go:593\t12D3 swarm dialing 12D3 /dns4/x", RiskSwarm},
		{stamp + "WARN\tswarm2\tswarm/swarm_dial.go:448\tFailed to resolve addr\t{\"addr\": \"/dns4/x/tcp/1/unix/y\\nz\", \"err\": {}}", 0},
		{stamp + "DEBUG\tswarm2\tswarm/limiter.go:202\t[limiter] adding a dial job through limiter\t{\"addr\": \"/dns4/x\"}", 0},
		{stamp + "ERROR\tswarm2\tswarm/swarm_dial.go:631\tfailed to resolve 1", 0},
		// Printed by an application on go-libp2p v0.43 in Lotus' words, of a peer that
		// answered the opening of a stream with two lines.
		{stamp + "WARN\tchainxchg\texchange/client.go:137\tcould not send request to peer 12D3: failed to negotiate protocol: unrecognized response. expected: /fil/chain/xchg/0.0.1 (or na). got: x", RiskAnswer},
		{stamp + "WARN\tapp\tapp/app.go:1\tfailed to negotiate protocol: unrecognized response: x", RiskAnswer},
		{stamp + "ERROR\tapp\tapp/app.go:1\tcould not send request to peer 12D3: protocol mismatch in lazy handshake ( x", RiskAnswer},
		{stamp + "WARN\tchainxchg\texchange/client.go:145\tprocessing peer 12D3 response failed: status error: block sync peer errored: x", RiskAnswer},
		{stamp + "WARN\tchainxchg\texchange/client.go:145\tprocessing peer 12D3 response failed: status error: not found", 0},
		// Printed by applications on go-libp2p v0.52 in the words of Lotus and
		// celestia-node of a peer that gave two lines as his reason for closing the
		// connection: over QUIC, WebSocket and WebTransport.
		{stamp + "WARN\tchainxchg\texchange/server.go:47\tfailed to read block sync request: x", RiskAnswer},
		{stamp + "ERROR\tshrex\tshrex/server.go:185\tserver: reading request row_v0 from peer 12D3, %!w(*webtransport.SessionError=&{true 0 x", RiskAnswer},
		{stamp + "ERROR\tapp\tapp/app.go:1\tfailed: connection closed (remote): code: 0x0: transport error: Application error 0x0 (remote): x", RiskAnswer},
		{stamp + "ERROR\tapp\tapp/app.go:1\tfailed: Application error 0x0 (remote): connection closed (remote): code: 0x0", RiskAnswer},
		{stamp + "ERROR\tapp\tapp/app.go:1\tfailed: PROTOCOL_VIOLATION (remote) (frame type: 0x6): x", RiskAnswer},
		{stamp + "ERROR\tapp\tapp/app.go:1\tfailed: stream reset: stream reset: connection closed: websocket: close 1001 (going away): x", RiskAnswer},
		{stamp + "ERROR\tapp\tapp/app.go:1\tfailed: connection closed (remote): code: 0x0: transport error: Application error 0x0 (remote)", 0},
		{stamp + "ERROR\tapp\tapp/app.go:1\tfailed: stream reset (remote): code: 0x0: transport error: stream 4 canceled by remote with error code 0", 0},
		{stamp + "ERROR\tapp\tapp/app.go:1\tfailed \"Application error 0x0 (remote): x\"", 0},
		{stamp + "ERROR\tapp\tapp/app.go:1\tfailed\t{\"error\": \"Application error 0x0 (remote): x\"}", 0},
		// Kubo v0.43.1 at INFO; the loggers with fields are no witnesses, those that say
		// that WARN is the lowest neither.
		{stamp + "INFO\tbitswap\tbitswap/bitswap.go:185\tBitswap Client ReceiveError: x", RiskAnswer},
		{stamp + "DEBUG\tbitswap/client/msgq\tmessagequeue/messagequeue.go:1\tsent 1", RiskAnswer},
		{stamp + "INFO\tbitswap/server/decision\tdecision/engine.go:465\tReplace WantHave with WantBlock is enabled\t{\"maxSize\": 1024}", 0},
		{stamp + "WARN\tbitswap/network/httpnet\thttpnet/httpnet.go:696\t\"x\" -> 500: \"y\"", 0},
		// Zap without a logger's name, and without the position either.
		{stamp + "ERROR\tapp/app.go:1\tfailed: unrecognized response. expected: x (or na). got: y", RiskAnswer},
		{stamp + "ERROR\tfailed: unrecognized response. expected: x (or na). got: y", RiskAnswer},
		{stamp + "ERROR\tfailed: unrecognized response. expected: x (or na). got: y\tz", RiskAnswer},
		{stamp + "ERROR\tapp/app.go:1\tfailed again\t{\"error\": \"unrecognized response. expected: x (or na). got: y\"}", 0},
		{stamp + "ERROR\tfailed again\t{\"error\": \"unrecognized response. expected: x (or na). got: y\"}", 0},
		// Go's package log, which escapes nothing, and nginx, which quotes.
		{"2026/11/29 17:40:30 failed: unrecognized response. expected: x (or na). got: y", RiskAnswer},
		{"2026/11/29 17:40:30.250113 app.go:5: failed: Application error 0x0 (remote): x", RiskAnswer},
		{"2026/11/29 17:40:30 failed \"unrecognized response. expected: x\"", 0},
		{`2026/11/29 17:40:30 [error] 7#7: *1 not found, client: 192.0.2.1, request: "GET /unrecognized response: x"`, 0},
		{"Nov 29 17:40:30 vm sshd[7]: Invalid user unrecognized response: x from 192.0.2.1", 0},
		{"2026/11/29 failed: unrecognized response: x", 0},
		{stamp + "WARN\thello\thello/hello.go:1\tfailed to say hello\t{\"error\": \"unrecognized response. expected: x (or na). got: y\"}", 0},
		{stamp + "INFO\tapp\tapp/app.go:1\tagent \"unrecognized response. expected: x\"", 0},
		{`time=2026-11-29T11:11:05.095Z level=WARN msg="unrecognized response. expected: x (or na). got: y" logger=app`, 0},
	} {
		var r Result
		if p.Parse(Line{Text: tt.line}, &r); r.Risk != tt.want {
			t.Errorf("%q shows %v, want %v", tt.line, r.Risk.Info(), tt.want.Info())
		}
	}
}

// A line of the error of a failed dial, as go-libp2p v0.43 printed it by way of
// discovery-backoff at DEBUG of an address that a peer had advertised: a whole
// record came out behind it. Escaped it shows nothing.
func TestDialErrorWitness(t *testing.T) {
	p := newParser(t, Options{})
	const raw = "  * [/ip4/203.0.113.9/tcp/1/unix/x"
	for _, tt := range []struct {
		line string
		want Risks
	}{
		{raw, RiskSwarm},
		{"  * [/unix/x", RiskSwarm},
		{"  * [/ip4/127.0.0.1/tcp/46709] dial tcp4 127.0.0.1:46709: connect: connection refused", RiskSwarm},
		{"Nov 29 04:39:49 host ipfs[812]: " + raw, RiskSwarm},
		{"2026-11-29T04:39:49.289000000Z stderr F " + raw, RiskSwarm},
		{`{"log":"` + raw + `\n","stream":"stderr","time":"2026-11-29T04:39:49.289Z"}`, RiskSwarm},
		{"x" + raw, 0},
		{"2026-11-29T04:39:49.289Z\tDEBUG\tapp\tmain.go:51\tfailed\t{\"error\": \"failed to dial 12D3: all dials failed\\n" + raw + "] no transport for protocol\"}", 0},
		{`time=2026-11-29T04:39:49.289Z level=DEBUG msg="Error connecting to pubsub peer" logger=discovery-backoff err="failed to dial 12D3: all dials failed\n` + raw + `] no transport"`, 0},
		{`{"level":"debug","ts":"2026-11-29T04:39:49.289Z","logger":"app","msg":"failed to dial 12D3: all dials failed\n` + raw + `] x"}`, 0},
	} {
		var r Result
		if p.Parse(Line{Text: tt.line}, &r); r.Risk != tt.want {
			t.Errorf("%q shows %v, want %v", tt.line, r.Risk.Info(), tt.want.Info())
		}
	}
}

// Printed by py-libp2p 0.8.1 with LIBP2P_DEBUG=libp2p.network.swarm:DEBUG of a peer
// that asked for topics with a newline: whole records came out behind it.
func TestPythonWitness(t *testing.T) {
	p := newParser(t, Options{})
	const (
		stamp = "2026-11-29 13:23:53,974 - "
		peer  = "16Uiu2HAmKSLgL1mSxVRct6exw8VcRarWKuV2Nd9F9WDcVSvgEdEf"
	)
	for _, tt := range []struct {
		line string
		want Risks
	}{
		{"libp2p.pubsub.gossipsub - WARNING - IHAVE rate limit exceeded for peer " + peer + " on topic x", RiskPeersWords},
		{"libp2p.pubsub.gossipsub - WARNING - Rate limit exceeded for peer " + peer + " on topic x", RiskPeersWords},
		{"libp2p.pubsub.gossipsub - WARNING - GRAFT flood detected from peer " + peer + " for topic x", RiskPeersWords},
		{"libp2p.pubsub.gossipsub - WARNING - IWANT rate limit exceeded for peer " + peer + ", ignoring request", 0},
		{"libp2p.pubsub.pubsub - WARNING - Peer " + peer + " exceeded max subscriptions per peer (100), ignoring subscribe to x", RiskPeersWords},
		{"libp2p.pubsub.pubsub - WARNING - fail to deliver message to subscription for topic x", RiskPeersWords},
		{"libp2p.discovery.rendezvous.service - WARNING - Peer " + peer + " tried to register " + peer + " in namespace 'x", RiskPeersWords},
		{"libp2p.transport.quic.listener - WARNING - ConnectionTerminated - code=0, reason=x", RiskPeersWords},
		{"libp2p.transport.quic.connection - DEBUG - QUIC connection terminated: x", RiskPeersWords},
		{"libp2p.pubsub.pubsub - DEBUG - Ignoring subscription to disallowed topic x", RiskPeersWords},
		{"libp2p.network.swarm - DEBUG - Inbound connection from /ip4/203.0.113.66/tcp/1 denied by connection gate", 0},
		{"libp2p.network.connection_gate - DEBUG - Connection from 203.0.113.66 denied - IP address in deny list (203.0.113.66/32)", 0},
		{"libp2p.network.auto_connector - INFO - AUTO_CONNECTOR_STATE: num_connections=0 (in_flight=0)", 0},
		{"app - DEBUG - x", 0},
	} {
		var r Result
		if p.Parse(Line{Text: stamp + tt.line}, &r); r.Risk != tt.want {
			t.Errorf("%q shows %v, want %v", tt.line, r.Risk.Info(), tt.want.Info())
		}
	}
}

// Printed by Lodestar's logger (1.23.0) of the error that its request makes of what a
// peer answered: a line of js-libp2p came out behind it. Its JSON escapes it.
func TestLodestarWitness(t *testing.T) {
	p := newParser(t, Options{})
	for line, want := range map[string]Risks{
		"Nov-29 17:25:08.114[network]        verbose: Req  error method=status, client=Prysm, peer=16Uiu2 - REQUEST_ERROR_SERVER_ERROR: x":                 RiskAnswer,
		"Nov-29 17:25:08.114[network]        \x1b[36mverbose\x1b[39m: Req  error method=status, client=Prysm, peer=16Uiu2 - REQUEST_ERROR_SERVER_ERROR: x": RiskAnswer,
		`{"message":"Req  error","level":"verbose","context":{"method":"status"},"error":{"message":"x\ny"}}`:                                              0,
		`t=2026-11-29T17:25:08Z lvl=info msg="peer [x] y: Req  error z"`:                                                                                   0,
		"Nov-29 17:25:08.114 info connected agent=[x] verbose: Req  error ":                                                                                0,
		"Eph 12/31 11.423[network]        verbose: Req  error ":                                                                                            RiskAnswer,
		"[network]        verbose: Req  error ":                                                                                                            RiskAnswer,
		`{"agent":"[network] verbose: Req  error "}`:                                                                                                       0,
		"Nov 29 17:25:08 host sshd[812]: Invalid user [x] y: Req  error  from 192.0.2.1 port 22":                                                           0,
		"[INFO] [11-29|17:25:08.114] peer agent=x] verbose: Req  error ":                                                                                   0,
		"Nov 29 17:25:08 host lodestar[812]: [network]        verbose: Req  error method=status":                                                           RiskAnswer,
		"2026-11-29T17:25:08.114000000Z stdout F Nov-29 17:25:08.114[network] verbose: Req  error ":                                                        RiskAnswer,
		"Nov-29 17:25:08.114[network]        verbose: Req  done method=status":                                                                             0,
	} {
		var r Result
		if p.Parse(Line{Text: line}, &r); r.Risk != want {
			t.Errorf("%q shows %v, want %v", line, r.Risk.Info(), want.Info())
		}
	}
}

// Where tracing escapes, a peer's quotes hide no hole and open none.
func TestDisplayWitness(t *testing.T) {
	for message, want := range map[string]bool{
		`Banning peer peer=12D3 user_agent=x`:                                 true,
		`Banning peer peer=12D3 user_agent="x"`:                               false,
		`Identified Peer peer="a" agent="x\" user_agent=y"`:                   false,
		`Identified Peer peer="a" agent="x\\" user_agent=y`:                   true,
		`Banning peer reason="user_agent= user_agent=x" user_agent=y`:         true,
		`Banning peer reason=" user_agent=x" user_agent="y" agent_version=z`:  true,
		`Banning peer reason=" user_agent=x" user_agent="y" agent_version="z`: false,
		strings.Repeat(` user_agent="`, 5000):                                 false,
		// Printed in Avail's words with libp2p-swarm 0.48.0 of what a peer advertised.
		`Outgoing connection error connection_id=2 error=Failed to negotiate transport protocol(s): [(/dns4/x`:                 true,
		`Outgoing connection error error=Failed to negotiate transport protocol(s): [(/ip4/192.0.2.1/tcp/1: : x)(/ip6zone/x`:   true,
		`Outgoing connection error error=Failed to negotiate transport protocol(s): [(/ip4/192.0.2.1/tcp/4001/p2p/12D3: : x)]`: false,
		`Outgoing connection error error="Failed to negotiate transport protocol(s): [(/dns4/x\n"`:                             false,
		// In the words of Polkadot and Avail, of an address that peers say they see.
		"🔍 Discovered new external address for our node: /ip4/192.0.2.1/tcp/1/unix/x":                                                 true,
		"🔍 Discovered external address for a peer that is not us: /sni/x":                                                             true,
		"🔍 Discovered new external address for our node: /ip4/192.0.2.1/tcp/30333/ws/p2p/12D3":                                        false,
		"External reachability confirmed on address: /dns4/x":                                                                         true,
		"External reachability confirmed on address: /ip4/192.0.2.1/tcp/37000":                                                        false,
		`Incoming connection error send_back_addr=/ip4/192.0.2.1/tcp/1 error=Listen error: Failed to negotiate transport protocol(s)`: false,
	} {
		if got := displaysPeerText(message); got != want {
			t.Errorf("%.80q: %v, want %v", message, got, want)
		}
	}
}

// Printed by libp2p 0.57.1 with the filter that the rules asked for, of a peer whose
// address had his own text in /sni, with a newline, before the IP address: the node
// dialled it, and whole records came out of the span.
func TestDialSpanWitness(t *testing.T) {
	p := newParser(t, Options{})
	const (
		stamp = "2026-11-29T14:11:49.146349Z DEBUG "
		event = "multistream_select::length_delimited: invalid length prefix: encoding is not minimal"
	)
	for _, tt := range []struct {
		line string
		want Risks
	}{
		{stamp + "new_established_connection{remote_addr=/sni/x", RiskDisplay},
		{stamp + "new_established_connection{remote_addr=/ip6zone/x id=1 peer=y}: " + event, RiskDisplay},
		{stamp + "new_established_connection: " + event + " remote_addr=/unix/x", RiskDisplay},
		{stamp + "Transport::dial{address=/dns4/x", RiskDisplay},
		{"\x1b[2m2026-11-29T14:11:49.146349Z\x1b[0m \x1b[34mDEBUG\x1b[0m \x1b[1mnew_established_connection\x1b[0m\x1b[1m{\x1b[0m\x1b[3mremote_addr\x1b[0m\x1b[2m=\x1b[0m/sni/x", RiskDisplay},
		{stamp + "new_established_connection{remote_addr=/ip4/192.0.2.1/tcp/4001/p2p/12D3 id=1 peer=12D3}: " + event, 0},
		{stamp + "new_incoming_connection{remote_addr=/ip4/192.0.2.1/tcp/4001 id=1}: " + event, 0},
		// What a stranger has written between quotes shows no span.
		{stamp + `eth2_libp2p::service: Failed incoming connection from=/ip4/192.0.2.1/tcp/1 error="Transport error: Other(aborted by peer: \" Transport::dial{address=/dns4/x)"`, 0},
		{stamp + `app{agent="new_established_connection /sni/x"}: app: hello`, 0},
		{stamp + `app{agent="Transport::dial"}:Transport::dial{address=/dns4/x`, RiskDisplay},
		{`{"timestamp":"2026-11-29T14:11:49.146349Z","level":"DEBUG","fields":{"message":"invalid length prefix: x"},"target":"multistream_select::length_delimited","span":{"remote_addr":"/sni/x\ny","id":"1","name":"new_established_connection"}}`, 0},
	} {
		var r Result
		if p.Parse(Line{Text: tt.line}, &r); r.Risk != tt.want {
			t.Errorf("%q shows %v, want %v", tt.line, r.Risk.Info(), tt.want.Info())
		}
	}
}

// Colour hides no witness, whatever ends it, and also as rsyslog escapes it. What
// slog-term writes was seen under these values of TERM.
func TestWitnessInColour(t *testing.T) {
	p := newParser(t, Options{})
	const (
		slog    = "{/}Nov 29 04:39:52.309{/} {36}DEBG{/} {1}RPC Error{/}, {1}direction:{/} {/}Incoming{/}, {1}client:{/} {/}Lighthouse: version: v5.3.0, os_version: x"
		layer   = "Nov 20 11:28:35.122 {34}DEBUG{/} {1}RPC Error{/}  {1}err{/}: Stream Timeout, {1}client{/}: Lodestar: version: x"
		agent   = "Nov 20 11:28:35.122 {34}DEBUG{/} {1}Identified Peer{/}  {1}peer{/}: 12D3, {1}agent_version{/}: \"x"
		tracing = "{2}2026-11-20T11:28:35.122000Z{/} {34}DEBUG{/} {2}eth2_libp2p::peer_manager{/}{2}:{/} RPC Error {3}err{/}{2}={/}Stream Timeout {3}client{/}{2}={/}"
	)
	for _, tt := range []struct{ line, end, format string }{
		{slog, "\x1b(B\x1b[m", "lighthouse-slog"}, // xterm-256color
		{slog, "\x1b[m\x0f", "lighthouse-slog"},   // linux, screen-256color, tmux-256color
		{layer, "\x1b[0m", "lighthouse"},
		{agent, "\x1b[0m", "lighthouse"},
		{tracing + "Unknown: x", "\x1b[0m", "tracing-full"},
		{tracing + "Lighthouse: version: x", "\x1b[0m", "tracing-full"},
		{tracing + "Lodestar: version: x", "\x1b[0m", "tracing-full"},
	} {
		line := strings.ReplaceAll(tt.line, "{/}", tt.end)
		line = strings.NewReplacer("{", "\x1b[", "}", "m").Replace(line)
		for _, text := range []string{line, strings.NewReplacer("\x1b", "#033", "\x0f", "#017").Replace(line)} {
			var r Result
			if p.Parse(Line{Text: text}, &r); r.Format != tt.format || r.Risk != RiskDisplay {
				t.Errorf("%q is %q and shows %v, want %s and the hole of Display", text, r.Format, r.Risk.Info(), tt.format)
			}
		}
	}
}

// js-libp2p nests its loggers' names, without an end that we know of.
func TestMultistreamOfLongName(t *testing.T) {
	p := newParser(t, Options{})
	var r Result
	line := "2026-11-20T11:06:53.250Z libp2p:tcp" + strings.Repeat(":stream:inbound:5", MaxLogger/10) + ":mss:handle responded with \"na\" for \"x"
	if p.Parse(Line{Text: line}, &r); r.Risk != RiskMultistream {
		t.Errorf("%v shows %v, want the hole of multistream", r.Reject, r.Risk.Info())
	}
}

// A message full of witnesses is looked through once for what must follow one.
func TestWitnessesLookOnce(t *testing.T) {
	looks := 0
	standsBare(strings.Repeat("w ", 1000), "w ", func(string) bool { looks++; return false })
	if looks != 1 {
		t.Errorf("%d looks, want 1", looks)
	}
}
