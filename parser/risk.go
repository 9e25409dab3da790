package parser

import (
	"slices"
	"strings"
)

// Risks is a set of holes through which a stranger can write whole lines into a
// stream, so that no reader can tell them from the node's own. He writes them in
// whatever format he likes, that of another implementation too: no line of such
// a stream is evidence.
type Risks uint8

// The holes known. A stream gets one when its witness passes (Result.Risk).
const (
	// RiskIdentify: go-libp2p up to v0.43 prints a peer's identify answer raw on
	// the console; the witness is a net/identify line at WARN or lower.
	RiskIdentify Risks = 1 << iota
	// RiskMultistream: js-libp2p prints a peer's protocol names raw; the
	// witness is a line of a logger that ends in ":mss:handle".
	RiskMultistream
	// RiskDisplay: Rust's tracing prints Display fields raw in its text formats;
	// the witness is such a line with text that a peer writes.
	RiskDisplay
	// RiskHandshakeContents: py-libp2p prints what a stranger sends instead of
	// multistream's header raw; the witness is the line that does so.
	RiskHandshakeContents
	// RiskSwarm: go-libp2p up to v0.43 prints the addresses that it dials raw on
	// the console, and the error of a dial holds them in every version; the witness
	// is a swarm2 line at WARN or lower that may hold one, or a line of the error.
	RiskSwarm
	// RiskAnswer: what a peer answers when our node opens a stream to it, and why he
	// closes a connection, stand raw in the error of the stream, and Lotus' own protocol
	// has an error in the peer's words; the witness is a console line of any logger that
	// prints one of them, one of Go's package log, or one of Lodestar's.
	RiskAnswer
	// RiskPeersWords: py-libp2p prints topics, namespaces and reasons in a peer's
	// words raw, some of them at INFO and WARNING, which is the level of all its
	// loggers that LIBP2P_DEBUG does not name; the witness is a line with such
	// words, or any at DEBUG of a logger that prints them.
	RiskPeersWords
)

// Risk describes one hole for people.
type Risk struct {
	Bit Risks
	// Name is the short name, "identify-console".
	Name string
	// Summary says what can happen.
	Summary string
	// Setting is the exact setting of the node that closes the hole.
	Setting string
}

// risk is a hole with what the parser needs to spot it and to act on it.
type risk struct {
	Risk
	needles []string
}

var risks = [...]risk{
	{
		Risk: Risk{
			Bit: RiskIdentify, Name: "identify-console",
			Summary: "net/identify logs at WARN or lower in console format: a peer can write whole lines, any address in them, by answering identify with a newline",
			Setting: "GOLOG_LOG_FMT=json, or net/identify at error (GOLOG_LOG_LEVEL=error,canonical-log=info; on Kubo: ipfs log level net/identify error)",
		},
		needles: []string{identifyLogger},
	},
	{
		Risk: Risk{
			Bit: RiskMultistream, Name: "multistream-handle",
			Summary: "js-libp2p's multistream loggers print a peer's protocol names raw: a stranger can write whole lines, any address in them, before he has authenticated",
			Setting: "DEBUG=libp2p:connection-manager (exactly, without a star), or DEBUG='libp2p:*,-*:mss:*'",
		},
		needles: []string{":mss:handle"},
	},
	{
		Risk: Risk{
			Bit: RiskDisplay, Name: "tracing-display",
			Summary: "the node prints a peer's own text (its agent, a name it advertised, the reason it closed with) with Display in a text format: a peer, for the last one a stranger, can write whole lines, any address in them",
			Setting: "JSON output for the log (tracing_subscriber's .json(); Avail's log_format_json = true; Lighthouse's --logfile-format JSON and --log-format JSON), which escapes newlines; or a filter that prints no such line: RUST_LOG=libp2p_swarm::connection::pool=debug,libp2p_core::upgrade=debug; on Grandine GRANDINE_LOG=eth2_libp2p::service=debug",
		},
		needles: displayNeedles[:],
	},
	{
		Risk: Risk{
			Bit: RiskHandshakeContents, Name: "multiselect-contents",
			Summary: "py-libp2p prints what a stranger sends in place of multistream's header raw: he can write whole lines, any address in them (0.7.0: before authentication and at every level; 0.8.1: authenticated peers, at DEBUG of host.basic_host)",
			Setting: "py-libp2p 0.8.1 or later with LIBP2P_DEBUG=:CRITICAL,libp2p.network.swarm:DEBUG",
		},
		needles: []string{"handshake_contents="},
	},
	{
		Risk: Risk{
			Bit: RiskSwarm, Name: "swarm-console",
			Summary: "addresses that peers advertise are printed raw in console format, by swarm2 at WARN or lower or in the error of a failed dial: a peer can write whole lines, any address in them, by advertising an address with a newline",
			Setting: "GOLOG_LOG_FMT=json, or swarm2 and whoever prints failed dials at error (GOLOG_LOG_LEVEL=error,canonical-log=info; on Kubo: ipfs log level swarm2 error)",
		},
		needles: []string{"ailed to resolve ", "[limiter] ", " swarm dialing ", dialErrorLine},
	},
	{
		Risk: Risk{
			Bit: RiskAnswer, Name: "answer-console",
			Summary: "the node prints raw, in console format, what a peer answered on a stream that the node opened, or why he closed the connection: a peer can write whole lines, any address in them",
			Setting: "GOLOG_LOG_FMT=json (Lodestar: --logLevel info), or, where it is not celestia-node, whoever prints such errors (Kubo: bitswap; Lotus: chainxchg) at error (GOLOG_LOG_LEVEL=error,canonical-log=info); in a program of your own that prints them by package log, %q",
		},
		needles: []string{
			"unrecognized response", " lazy handshake ( ", lotusExchange, bitswapLogger,
			"(remote)", "ebsocket:", errorsFields, "q  error ",
		},
	},
	{
		Risk: Risk{
			Bit: RiskPeersWords, Name: "python-words",
			Summary: "py-libp2p prints raw what a peer calls a topic or a namespace, or gives as the reason for closing: a peer, at DEBUG a stranger, can write whole lines, any address in them",
			Setting: "LIBP2P_DEBUG=:CRITICAL,libp2p.network.swarm:DEBUG, which keeps py-libp2p's other loggers quiet",
		},
		needles: pythonLoggers[:],
	},
}

// Loggers of applications that print the errors of streams raw.
const (
	// lotusExchange is that of Lotus' chain exchange.
	lotusExchange = "chainxchg"
	// bitswapLogger begins the names of those of boxo's bitswap, which do it at INFO
	// (bitswap/bitswap.go, bitswap/network/bsnet).
	bitswapLogger = "bitswap"
)

// Peers' reasons for closing a connection, and what stands before them.
const (
	// webSocketClosed is how gorilla/websocket's CloseError begins.
	webSocketClosed = "websocket: close "
	// errorsFields stand where an error was printed by %w, which only fmt.Errorf knows:
	// celestia-node does it at ERROR (share/shwap/p2p/shrex/server.go), and one of the
	// fields of WebTransport's SessionError is the reason. Its own text is nothing but the
	// reason: where that is printed, only the words before it can show it.
	errorsFields = "Error=&{"
)

// isLodestarRequest tells whether s is a line of Lodestar's text format, "TIME[MODULE]
// LEVEL: Req  error …", on a request that a peer answered with an error in words of his
// own (packages/reqresp/src/request/index.ts and errors.ts, at VERBOSE). The words count
// only where Lodestar puts them: elsewhere a peer may have had another node print them.
func isLodestarRequest(s string) bool {
	stamp, rest, _ := strings.Cut(s, "[")
	module, rest, _ := strings.Cut(rest, "]")
	level, message, _ := strings.Cut(strings.TrimLeft(rest, " "), ": ")
	return strings.HasPrefix(message, "Req  error ") && isLodestarStamp(stamp) &&
		!strings.ContainsAny(module, " \"") && !strings.ContainsAny(level, " \"")
}

// isLodestarStamp tells whether s is "Nov-29 17:25:08.114", "Eph 12/31 11.423" (epoch and
// slot) or nothing (packages/logger/src/utils/format.ts).
func isLodestarStamp(s string) bool {
	month, clock, _ := strings.Cut(s, "-")
	return s == "" || strings.HasPrefix(s, "Eph ") || monthNumber(month) != 0 && len(clock) == len("29 17:25:08.114")
}

// answerWitnesses stand before a peer's words: go-multistream's errors (client.go,
// lazyClient.go; the second is that of versions up to v0.3, which go-libp2p had up to
// v0.24 at least), those of Lotus' chain exchange (chain/exchange), and why a peer
// closed a connection.
var answerWitnesses = [...]string{
	"unrecognized response. expected: ", "unrecognized response: ", "protocol mismatch in lazy handshake ( ",
	"block sync peer errored: ", "block sync request invalid: ",
	"failed to read block sync request: ", "could not send request to peer ",
	webSocketClosed, errorsFields,
}

// holdsAnswer tells whether a console message has a peer's answer or his reason raw in
// it.
func holdsAnswer(message string) bool {
	bare := unquoted(message)
	return holdsAny(bare, answerWitnesses[:]) || holdsReason(bare)
}

// unquoted is s up to its first quote. A witness behind that may stand in what is
// escaped, which a peer can write as well: none of the stream's lines would accuse him
// any more.
func unquoted(s string) string {
	bare, _, _ := strings.Cut(s, `"`)
	return bare
}

// isGoLog tells whether s is a line of Go's package log, "2006/01/02 15:04:05 message",
// in which an application's own words and errors stand raw.
func isGoLog(s string) bool {
	const layout = "2006/01/02 15:04:05"
	return len(s) > len(layout) && s[4] == '/' && readStamp(strings.ReplaceAll(s[:len(layout)], "/", "-"), ' ').n > 0
}

// closedByRemote stands in quic-go's errors (internal/qerr) between what happened and the
// peer's reason, and in go-libp2p's own (core/network), which have a code in its place.
const closedByRemote = " (remote)"

// holdsReason tells whether message has a peer's reason for closing a QUIC connection.
func holdsReason(message string) bool {
	for {
		what, rest, ok := strings.Cut(message, closedByRemote)
		if !ok {
			return false
		}
		code := strings.HasSuffix(what, "connection closed") || strings.HasSuffix(what, "stream reset")
		if !code && (strings.HasPrefix(rest, ": ") || strings.HasPrefix(rest, " (frame type: ")) {
			return true
		}
		message = rest
	}
}

// dialErrorLine is how go-libp2p's DialError begins each line but its first
// (p2p/net/swarm/dial_error.go): with an address as its peer has advertised it.
// Only who prints the error raw makes lines of it, newlines in an address too.
const dialErrorLine = "  * [/"

// handshakeContents is how py-libp2p introduces the peer's bytes
// (libp2p/protocol_muxer/multiselect.py), in a record or in a traceback. What has a space
// loggers put between quotes.
const handshakeContents = "received handshake_contents="

// pythonLoggers are those of py-libp2p that print words of a peer's own raw, each
// with its children: at DEBUG in many lines, from INFO on where one of
// pythonWitnesses stands before them (0.8.1: pubsub/pubsub.py and gossipsub.py,
// discovery/rendezvous, transport/quic).
var (
	pythonLoggers   = [...]string{"libp2p.pubsub.", "libp2p.discovery.", "libp2p.transport."}
	pythonWitnesses = [...]string{
		" on topic ", " for topic ", ", ignoring subscribe to ", " namespace '", "registration for '",
		"Failed to discover peers in '", "Error during pagination in '", "ConnectionTerminated - code=",
	}
)

// printsPeersWords tells whether a line of Python's logging is a witness of
// RiskPeersWords.
func printsPeersWords(rec *Record) bool {
	if !slices.ContainsFunc(pythonLoggers[:], func(name string) bool { return strings.HasPrefix(rec.Logger, name) }) {
		return false
	}
	return rec.Level == "DEBUG" || holdsAny(rec.Message, pythonWitnesses[:])
}

// Info describes the holes of a set, in a fixed order.
func (r Risks) Info() []Risk {
	var out []Risk
	for i := range risks {
		if r&risks[i].Bit != 0 {
			out = append(out, risks[i].Risk)
		}
	}
	return out
}
