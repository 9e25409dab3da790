"""Four hosts on one wire, as network namespaces nobody else can see.

Everything lives in a private network and mount namespace, so no name, address
or route is left on the machine and nothing can reach the Internet.
"""

import os
import subprocess
import time

NODE = "203.0.113.5"
NODE6 = "2001:db8::5"
RELAY = "203.0.113.10"
FLOODER = "203.0.113.50"
FLOODER6 = "2001:db8::50"
DENIED = "203.0.113.66"
JUNK = "203.0.113.77"
JUNK6 = "2001:db8::77"
WRITER = "203.0.113.80"
HONEST = "203.0.113.88"
HONEST6 = "2001:db8::88"
JUNK_SERVER = "203.0.113.89"
# Never sends a packet: whoever is accused under this address was framed.
VICTIM = "198.51.100.99"

HOSTS = {
    "node": [NODE, NODE6],
    "relay": [RELAY],
    "honest": [HONEST, HONEST6],
    "writer": [WRITER],
    "stranger": [FLOODER, FLOODER6, DENIED, JUNK, JUNK6, JUNK_SERVER],
}


def enter(argv):
    """Run argv again inside fresh namespaces, unless that has been done."""
    if os.environ.get("LAB_INSIDE"):
        return
    os.environ["LAB_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", *argv])


def sh(command):
    subprocess.run(command, shell=True, check=True)


def build():
    sh("mount -t tmpfs tmpfs /run && mount -t proc proc /proc && mkdir /run/netns")
    sh("ip link set lo up && ip link add wire type bridge && ip link set wire up")
    for name, addrs in HOSTS.items():
        sh(f"ip netns add {name}")
        sh(f"ip link add v-{name} type veth peer name eth0 netns {name}")
        sh(f"ip link set v-{name} master wire up")
        sh(f"ip -n {name} link set lo up")
        sh(f"ip -n {name} link set eth0 up")
        for addr in addrs:
            bits, flags = ("64", "nodad") if ":" in addr else ("24", "")
            sh(f"ip -n {name} addr add {addr}/{bits} dev eth0 {flags}")


def start(host, argv, log, env=None, cwd=None):
    """Start a program on a host; its stdout and stderr go to the file log."""
    return subprocess.Popen(
        ["ip", "netns", "exec", host, *argv],
        stdout=log,
        stderr=log,
        cwd=cwd,
        env={**os.environ, **(env or {})},
    )


def stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_listening(host, port, udp=False, seconds=20):
    """Wait for a listening socket without connecting to it."""
    kind = "-lun" if udp else "-ltn"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        out = subprocess.run(
            ["ip", "netns", "exec", host, "ss", "-H", kind, f"sport = :{port}"],
            capture_output=True,
            text=True,
        ).stdout
        if out.strip():
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port} of {host}")


def stranger(what, source, host, port, text=""):
    here = os.path.dirname(os.path.abspath(__file__))
    where = "writer" if source == WRITER else "stranger"
    subprocess.run(
        ["ip", "netns", "exec", where, "python3", f"{here}/stranger.py",
         what, source, host, str(port), text],
        check=True,
    )
