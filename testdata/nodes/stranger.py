"""A stranger on raw sockets: everything here happens before any libp2p
handshake is done, with nothing but Python's standard library.

    stranger.py WHAT SOURCE_IP NODE_IP NODE_PORT [TEXT]
    stranger.py serve-junk IP PORT
"""

import os
import socket
import sys
import time


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def mss(text):
    """One multistream-select message: length prefix, text, newline."""
    body = text.encode() + b"\n"
    return varint(len(body)) + body


HEADER = mss("/multistream/1.0.0")
# The first bytes of a TLS 1.2 ClientHello record, cut short.
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + b"\x11" * 64


def connect(source, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    s.bind((source, 0))
    s.settimeout(15)
    s.connect((host, port))
    return s


def drain(s, seconds=0.4):
    """Read what the node answers, until it closes or the time is up."""
    s.settimeout(seconds)
    try:
        while s.recv(4096):
            pass
    except OSError:
        pass


def speak(s, *parts):
    try:
        for part in parts:
            s.sendall(part)
            drain(s)
    except OSError:
        pass
    s.close()


def frame(data):
    """A noise transport frame: two length bytes, then the data."""
    return len(data).to_bytes(2, "big") + data


ACTS = {
    "eof": lambda s, t: speak(s),
    "http": lambda s, t: speak(s, b"GET / HTTP/1.1\r\nHost: node\r\n\r\n"),
    "client-hello": lambda s, t: speak(s, CLIENT_HELLO),
    "random": lambda s, t: speak(s, os.urandom(64)),
    # 0x80 0x00 is zero written in two bytes: not the shortest varint.
    "bad-length": lambda s, t: speak(s, b"\x80\x00\x00\x00"),
    "too-long": lambda s, t: speak(s, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    "unknown-protocol": lambda s, t: speak(s, HEADER, mss("/evil/1.0.0")),
    "noise-eof": lambda s, t: speak(s, HEADER, mss("/noise")),
    "noise-short": lambda s, t: speak(s, HEADER, mss("/noise"), frame(b"junk")),
    "noise-junk": lambda s, t: speak(
        s, HEADER, mss("/noise"), frame(b"\x09" * 32), frame(b"\x55" * 96)
    ),
    "tls-junk": lambda s, t: speak(s, HEADER, mss("/tls/1.0.0"), b"\x00" * 40),
    # Text of the stranger's own where a protocol name is expected, and where
    # the multistream header is expected. "\n" in the argument is a newline.
    "text": lambda s, t: speak(s, HEADER, mss(t)),
    "header-text": lambda s, t: speak(s, mss(t)),
}


def serve_junk(host, port):
    """A server that answers a dialling node with junk, and resets it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    s.listen()
    while True:
        c, _ = s.accept()
        c.sendall(HEADER + mss("/noise") + frame(b"\x55" * 96))
        time.sleep(0.2)
        c.close()


def main():
    what = sys.argv[1]
    if what == "serve-junk":
        serve_junk(sys.argv[2], int(sys.argv[3]))
    source, host, port = sys.argv[2], sys.argv[3], int(sys.argv[4])
    text = sys.argv[5].replace("\\n", "\n") if len(sys.argv) > 5 else ""
    if what == "udp-random":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            u.bind((source, 0))
            for size in (8, 200, 1200):
                u.sendto(os.urandom(size), (host, port))
        return
    if what == "noise-stall":
        s = connect(source, host, port)
        s.sendall(HEADER + mss("/noise"))
        drain(s, 12)
        return
    if what == "flood":
        held = []
        for _ in range(int(text)):
            held.append(connect(source, host, port))
        time.sleep(0.5)
        return
    try:
        ACTS[what](connect(source, host, port), text)
    except ConnectionResetError:
        pass  # the node refused at once
    time.sleep(0.2)


main()
