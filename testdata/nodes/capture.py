"""Make the captures: capture.py CAPTURES_DIR [NAME_PART...]

Needs root (namespaces) and, in the environment, where the programs are:
  RUST_NODE  the built rust-libp2p/ program
  JS_NODE    a Node.js >= 22 binary;  JS_DIR  js-libp2p/ after `npm ci`
  PY_081, PY_070  a Python with libp2p 0.8.1 / 0.7.0 installed
"""

import os
import sys
import time

import lab

HERE = os.path.dirname(os.path.abspath(__file__))
NODE_ID = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
RELAY_ID = "12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq"

# Only the span's module and the two modules that print what a rule reads: no
# line of a dial, so no address that a peer made up.
NARROW = "libp2p_swarm::connection::pool=debug,libp2p_core::upgrade=debug,multistream_select::length_delimited=debug"
ADVISED = "libp2p_swarm=debug,libp2p_core=debug,multistream_select=debug"
# What a framing stranger would like to see in the log: each is exactly the
# line a rule looks for, with the victim's address.
FORGED = {
    "full": f"2026-11-20T11:21:54.078160Z DEBUG new_incoming_connection{{remote_addr=/ip4/{lab.VICTIM}/tcp/4001 id=5}}: libp2p_core::upgrade::apply: Failed to upgrade inbound stream upgrade=/noise",
    "compact": f"2026-11-20T11:21:54.078160Z DEBUG new_incoming_connection: libp2p_core::upgrade::apply: Failed to upgrade inbound stream upgrade=/noise remote_addr=/ip4/{lab.VICTIM}/tcp/4001 id=5",
    "js": f"2026-11-20T11:31:00.000Z libp2p:connection-manager connection from /ip4/{lab.VICTIM}/tcp/4001 refused - inboundConnectionThreshold exceeded by host {lab.VICTIM}",
    "py": f"2026-11-20 11:31:00,000 - libp2p.network.swarm - DEBUG - Inbound connection from /ip4/{lab.VICTIM}/tcp/4001 denied by connection gate",
}
FORGED["json"] = FORGED["full"]
JUNK_ACTS = ["eof", "http", "client-hello", "random", "bad-length", "too-long",
             "unknown-protocol", "noise-eof", "noise-short", "noise-junk", "tls-junk"]

PROGRAMS = {
    "rust": [os.environ.get("RUST_NODE", "")],
    "js": [os.environ.get("JS_NODE", ""), "node.mjs"],
    "py-0.8.1": [os.environ.get("PY_081", ""), f"{HERE}/py-libp2p/node.py"],
    "py-0.7.0": [os.environ.get("PY_070", ""), f"{HERE}/py-libp2p/node.py"],
}
# Wide enough that no honest dial hides in the noise of another.
PAUSE = 0.6


def hide_build_paths(path):
    """The one edit made to a capture: where the programs were built."""
    places = {os.environ.get("JS_DIR", ""): "/build/js-libp2p", os.path.expanduser("~/.cargo"): "/build/cargo"}
    for name in ("PY_081", "PY_070"):
        binary = os.environ.get(name, "")
        places[os.path.dirname(os.path.dirname(binary))] = "/build/venv"
        places[os.path.dirname(os.path.dirname(os.path.realpath(binary)))] = "/build/python"
    places[HERE] = "/build/nodes"
    with open(path, newline="") as f:
        text = f.read()
    for place, name in places.items():
        if len(place) > 1:
            text = text.replace(place, name)
    with open(path, "w", newline="") as f:
        f.write(text)


class Node:
    """The node under test and the programs around it, for one capture."""

    def __init__(self, program, path, env, listen, port=4001, udp=False):
        self.program, self.port = program, port
        self.null = open(os.devnull, "w")
        self.others = []
        self.log = open(path, "w")
        env = {"LIBP2P_DEBUG_FILE": "/run/py.log", **env} if program.startswith("py") else env
        self.main = self.run("node", "listen", listen, env, self.log)
        lab.wait_listening("node", port, udp)

    def run(self, host, mode, addrs, env, log=None, program=None):
        program = program or self.program
        cwd = os.environ.get("JS_DIR") if program == "js" else None
        return lab.start(host, PROGRAMS[program] + [mode, *addrs], log or self.null, env, cwd)

    def stranger(self, what, source=lab.JUNK, text=""):
        lab.stranger(what, source, lab.NODE6 if ":" in source else lab.NODE, self.port, text)

    def honest(self, host="honest", addr=None, seconds=2.0, program=None, **env):
        addr = addr or f"/ip4/{lab.NODE}/tcp/{self.port}/p2p/{NODE_ID}"
        quiet = {"SEED": "3", "RUST_LOG": "", "DEBUG": "", "LIBP2P_DEBUG": ""}
        p = self.run(host, "dial", [addr], {**quiet, **env}, program=program)
        time.sleep(seconds)
        lab.stop(p)

    def close(self):
        time.sleep(PAUSE)
        lab.stop(self.main)
        self.log.close()
        hide_build_paths(self.log.name)


def both(port=4001):
    return [f"/ip4/0.0.0.0/tcp/{port}", f"/ip6/::/tcp/{port}"]


# --- rust-libp2p ---------------------------------------------------------

def rust_junk(path, fmt, rust_log, acts, app=""):
    n = Node("rust", path, {"LOG_FORMAT": fmt, "RUST_LOG": rust_log, "APP": app}, both())
    for act in acts:
        n.stranger(act)
    n.stranger("noise-junk", lab.JUNK6)
    n.honest()
    n.close()


def rust_stall(path):
    n = Node("rust", path, {"RUST_LOG": ADVISED + ",info", "APP": "avail"}, both())
    n.stranger("noise-stall")
    n.close()


def rust_give_up(path):
    """An honest dialer that finds its own peer id behind the address and hangs
    up: an error to the node, no misbehaviour."""
    n = Node("rust", path, {"RUST_LOG": ADVISED + ",info", "APP": "avail"}, both())
    n.honest(SEED="1", addr=f"/ip4/{lab.NODE}/tcp/4001")
    n.close()


def rust_outbound(path, fmt):
    server = lab.start("stranger", ["python3", f"{HERE}/stranger.py", "serve-junk", lab.JUNK_SERVER, "9999"], None)
    lab.wait_listening("stranger", 9999)
    n = Node("rust", path, {"LOG_FORMAT": fmt, "RUST_LOG": ADVISED, "ALSO_DIAL": f"/ip4/{lab.JUNK_SERVER}/tcp/9999"}, both())
    time.sleep(2)
    n.close()
    lab.stop(server)


def rust_identify(path, fmt, how):
    env = {"LOG_FORMAT": fmt, "RUST_LOG": "info", "APP_IDENTIFY": how}
    n = Node("rust", path, env, both())
    n.honest("writer", AGENT="x\\n" + FORGED[fmt] + "\\ny")
    n.close()


def rust_dns4(path, fmt, rust_log=ADVISED):
    env = {"LOG_FORMAT": fmt, "RUST_LOG": rust_log, "DIAL_IDENTIFIED": "1"}
    n = Node("rust", path, env, both())
    n.honest("writer", ADVERTISE_DNS4="x\\n" + FORGED[fmt] + "\\ny")
    n.close()


def rust_relay(path, fmt, rust_log):
    quiet = {"SEED": "2", "RUST_LOG": ""}
    relay = lab.start("relay", PROGRAMS["rust"] + ["relay", f"/ip4/{lab.RELAY}/tcp/4001"], open(os.devnull, "w"), quiet)
    lab.wait_listening("relay", 4001)
    circuit = f"/ip4/{lab.RELAY}/tcp/4001/p2p/{RELAY_ID}/p2p-circuit"
    n = Node("rust", path, {"RUST_LOG": rust_log, "APP": "avail", "LOG_FORMAT": fmt}, [*both(), circuit])
    time.sleep(1.5)
    n.honest(addr=f"{circuit}/p2p/{NODE_ID}")
    n.honest("writer", addr=f"{circuit}/p2p/{NODE_ID}", SEED="4", SPOIL_RELAYED="1")
    n.close()
    lab.stop(relay)


def rust_quic_reason(path, fmt):
    """The close reason of a stranger over QUIC, printed with its cause."""
    env = {"RUST_LOG": ADVISED + ",libp2p_quic=debug,info", "APP": "chain", "LOG_FORMAT": fmt}
    n = Node("rust", path, env, ["/ip4/0.0.0.0/udp/4001/quic-v1"], udp=True)
    reason = "x\\n" + FORGED[fmt] + "\\ny"
    argv = [PROGRAMS["py-0.8.1"][0], f"{HERE}/quic_close.py", lab.WRITER, lab.NODE, "4001", reason]
    lab.start("writer", argv, None).wait(30)
    n.close()


def rust_quic(path):
    n = Node("rust", path, {"RUST_LOG": ADVISED + ",libp2p_quic=debug"}, [f"/ip4/0.0.0.0/udp/4001/quic-v1"], udp=True)
    n.stranger("udp-random")
    n.honest(addr=f"/ip4/{lab.NODE}/udp/4001/quic-v1/p2p/{NODE_ID}")
    n.close()


RUST = {f"junk-{f}": (lambda p, f=f: rust_junk(p, f, ADVISED, JUNK_ACTS)) for f in ("full", "compact", "json", "ansi")}
RUST |= {
    "junk-pretty": lambda p: rust_junk(p, "pretty", NARROW, ["noise-junk"]),
    "junk-narrow-full": lambda p: rust_junk(p, "full", NARROW, JUNK_ACTS),
    "junk-narrow-json": lambda p: rust_junk(p, "json", NARROW, JUNK_ACTS),
    "app-chain": lambda p: rust_junk(p, "full", "info", JUNK_ACTS, "chain"),
    "quic-reason-full": lambda p: rust_quic_reason(p, "full"),
    "quic-reason-json": lambda p: rust_quic_reason(p, "json"),
    "junk-full-no-swarm-span": lambda p: rust_junk(p, "full", "libp2p_core=debug,multistream_select=debug", JUNK_ACTS),
    "junk-full-debug": lambda p: rust_junk(p, "full", "debug", ["noise-junk"]),
    "app-avail-full": lambda p: rust_junk(p, "full", "info", JUNK_ACTS, "avail"),
    "app-avail-json": lambda p: rust_junk(p, "json", "info", JUNK_ACTS, "avail"),
    "app-plain": lambda p: rust_junk(p, "full", "info", JUNK_ACTS, "plain"),
    "app-lighthouse-fields": lambda p: rust_junk(p, "full", "lighthouse_network=debug", JUNK_ACTS, "lighthouse"),
    "stall": rust_stall,
    "dialer-gives-up": rust_give_up,
    "outbound-full": lambda p: rust_outbound(p, "full"),
    "outbound-json": lambda p: rust_outbound(p, "json"),
    "relay-full": lambda p: rust_relay(p, "full", ADVISED + ",info"),
    "relay-narrow-json": lambda p: rust_relay(p, "json", NARROW + ",info"),
    "quic": rust_quic,
}
RUST |= {f"identify-{h}-{f}": (lambda p, f=f, h=h: rust_identify(p, f, h)) for f, h in
         [("full", "display"), ("full", "debug"), ("full", "str"), ("full", "message"), ("compact", "display"), ("json", "display")]}
RUST |= {
    "dns4-full": lambda p: rust_dns4(p, "full"),
    "dns4-compact-swarm": lambda p: rust_dns4(p, "compact", "libp2p_swarm=debug"),
    "dns4-json-swarm": lambda p: rust_dns4(p, "json", "libp2p_swarm=debug"),
    "dns4-narrow-full": lambda p: rust_dns4(p, "full", NARROW),
}


# --- js-libp2p -----------------------------------------------------------

def js_refusals(path, **env):
    n = Node("js", path, {"DENY": f"/ip4/{lab.DENIED}/ipcidr/32", **env}, both())
    for source in (lab.FLOODER, lab.FLOODER6):
        n.stranger("flood", source, "8")
    n.stranger("eof", lab.DENIED)
    n.honest()
    n.close()


def js_junk(path, **env):
    n = Node("js", path, env, both())
    for act in ["eof", "http", "bad-length", "unknown-protocol", "noise-eof", "noise-short", "noise-junk"]:
        n.stranger(act)
        # Keep under the default threshold of five connections a second.
        time.sleep(0.3)
    n.stranger("noise-junk", lab.JUNK6)
    n.honest()
    n.close()


def js_global(path, **env):
    n = Node("js", path, {"DEBUG": "libp2p:connection-manager", **env}, both())
    n.stranger("flood", lab.FLOODER, "3")
    n.honest()
    n.close()


def js_forged(path, debug):
    n = Node("js", path, {"DEBUG": debug}, both())
    n.stranger("text", lab.WRITER, "x\\n" + FORGED["js"] + "\\ny")
    n.close()


def js_identify(path, debug):
    """A rust-libp2p peer whose agent and DNS name carry a line of its own."""
    n = Node("js", path, {"DEBUG": debug}, both())
    text = "x\\n" + FORGED["js"] + "\\ny"
    n.honest("writer", program="rust", AGENT=text, ADVERTISE_DNS4=text)
    n.close()


def js_outbound(path, debug):
    server = lab.start("stranger", ["python3", f"{HERE}/stranger.py", "serve-junk", lab.JUNK_SERVER, "9999"], None)
    lab.wait_listening("stranger", 9999)
    n = Node("js", path, {"DEBUG": debug, "ALSO_DIAL": f"/ip4/{lab.JUNK_SERVER}/tcp/9999"}, both())
    time.sleep(2)
    n.close()
    lab.stop(server)


def js_relay(path):
    quiet = {"SEED": "2", "DEBUG": ""}
    relay = lab.start("relay", PROGRAMS["js"] + ["relay", f"/ip4/{lab.RELAY}/tcp/4001"], open(os.devnull, "w"), quiet, os.environ.get("JS_DIR"))
    lab.wait_listening("relay", 4001)
    circuit = f"/ip4/{lab.RELAY}/tcp/4001/p2p/{RELAY_ID}/p2p-circuit"
    n = Node("js", path, {"DEBUG": "libp2p:connection-manager", "THRESHOLD": "1"}, [*both(), circuit])
    time.sleep(3)
    dials = [n.run("honest", "dial", [f"{circuit}/p2p/{NODE_ID}"], {"SEED": str(s), "DEBUG": ""}) for s in (3, 4, 5, 6)]
    time.sleep(4)
    for p in dials:
        lab.stop(p)
    n.close()
    lab.stop(relay)


CM = "libp2p:connection-manager"
INBOUND = "libp2p:tcp:connection:inbound:*:error"
JS = {
    "refusals-dated": lambda p: js_refusals(p, DEBUG=CM),
    "refusals-undated": lambda p: js_refusals(p, DEBUG=CM, DEBUG_HIDE_DATE="1"),
    "refusals-coloured": lambda p: js_refusals(p, DEBUG=CM, DEBUG_COLORS="1"),
    "refusals-prefixed": lambda p: js_refusals(p, DEBUG="node-a:" + CM, LOG_PREFIX="node-a"),
    "refusals-prefixed-coloured": lambda p: js_refusals(p, DEBUG="node-a:" + CM, LOG_PREFIX="node-a", DEBUG_COLORS="1"),
    "refusals-all": lambda p: js_refusals(p, DEBUG="libp2p:*"),
    "junk-inbound-errors": lambda p: js_junk(p, DEBUG=INBOUND),
    "max-pending": lambda p: js_global(p, MAX_PENDING="1"),
    "gater-encrypted": lambda p: js_junk(p, DEBUG=INBOUND, GATE="encrypted"),
    "forged-mss-all": lambda p: js_forged(p, "libp2p:*"),
    "forged-mss-inbound-errors": lambda p: js_forged(p, CM + "," + INBOUND),
    "identify-all": lambda p: js_identify(p, "libp2p:*"),
    "identify-connection-manager": lambda p: js_identify(p, CM + "*"),
    "outbound": lambda p: js_outbound(p, CM + ",libp2p:tcp:connection:*:error,libp2p:connection-manager:dial-queue*"),
    "relay": js_relay,
}


# --- py-libp2p -----------------------------------------------------------

SWARM_GATE = "libp2p.network.swarm:DEBUG,libp2p.network.connection_gate:DEBUG"


def py_junk(path, program, debug):
    n = Node(program, path, {"LIBP2P_DEBUG": debug, "DENY": lab.DENIED}, both()[:1])
    for act in ["eof", "http", "bad-length", "unknown-protocol", "noise-eof", "noise-short", "noise-junk"]:
        n.stranger(act)
    n.stranger("noise-junk", lab.DENIED)
    n.honest()
    n.close()


def py_v6(path, program):
    n = Node(program, path, {"LIBP2P_DEBUG": "DEBUG", "DENY": lab.FLOODER6}, both()[1:])
    n.stranger("eof", lab.JUNK6)
    n.stranger("eof", lab.FLOODER6)
    n.close()


def py_forged(path, program, debug, what):
    n = Node(program, path, {"LIBP2P_DEBUG": debug}, both()[:1])
    n.stranger(what, lab.WRITER, "x\\n" + FORGED["py"] + "\\ny")
    n.close()


def py_stream(path, program):
    """An authenticated peer writes its text as a stream's first message."""
    n = Node(program, path, {"LIBP2P_DEBUG": "host.basic_host:DEBUG"}, both()[:1])
    n.honest("writer", STREAM_TEXT="x\\n" + FORGED["py"] + "\\ny")
    n.close()


def py_identify(path, program):
    n = Node(program, path, {"LIBP2P_DEBUG": "host:DEBUG,identity:DEBUG"}, both()[:1])
    text = "x\\n" + FORGED["py"] + "\\ny"
    n.honest("writer", program="rust", AGENT=text, ADVERTISE_DNS4=text)
    n.close()


def py_outbound(path, program, deny):
    """The node dials a junk server, or is kept from it by its own gate."""
    server = lab.start("stranger", ["python3", f"{HERE}/stranger.py", "serve-junk", lab.JUNK_SERVER, "9999"], None)
    lab.wait_listening("stranger", 9999)
    env = {"LIBP2P_DEBUG": SWARM_GATE, "DENY": deny, "ALSO_DIAL": f"/ip4/{lab.JUNK_SERVER}/tcp/9999/p2p/{RELAY_ID}"}
    n = Node(program, path, env, both()[:1])
    time.sleep(3)
    n.close()
    lab.stop(server)


def py_set(program):
    return {
        "junk-swarm-gate": lambda p: py_junk(p, program, SWARM_GATE),
        "junk-error": lambda p: py_junk(p, program, "ERROR"),
        "ipv6": lambda p: py_v6(p, program),
        "forged-header": lambda p: py_forged(p, program, "libp2p.network.swarm:DEBUG", "header-text"),
        "forged-header-error": lambda p: py_forged(p, program, "ERROR", "header-text"),
        "forged-protocol": lambda p: py_forged(p, program, "DEBUG", "text"),
        "forged-stream": lambda p: py_stream(p, program),
        "identify": lambda p: py_identify(p, program),
        "outbound": lambda p: py_outbound(p, program, lab.DENIED),
        "outbound-denied": lambda p: py_outbound(p, program, lab.JUNK_SERVER),
    }


ALL = {f"rust-libp2p-0.57.1-{k}": v for k, v in RUST.items()}
ALL |= {f"js-libp2p-3.3.11-{k}": v for k, v in JS.items()}
for version in ("0.8.1", "0.7.0"):
    ALL |= {f"py-libp2p-{version}-{k}": v for k, v in py_set("py-" + version).items()}


def main():
    lab.enter([sys.executable, os.path.abspath(__file__), *map(os.path.abspath, sys.argv[1:2]), *sys.argv[2:]])
    lab.build()
    out, parts = sys.argv[1], sys.argv[2:]
    for name, make in ALL.items():
        if not parts or any(p in name for p in parts):
            print(name, flush=True)
            make(f"{out}/{name}.log")


main()
