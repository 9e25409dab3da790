"""A small py-libp2p node that does nothing but log.

    node.py listen ADDR      node.py dial ADDR

LIBP2P_DEBUG sets the log; DENY is the connection gate's deny list; ALSO_DIAL
is an address the listening node dials; SEED is the one byte the key is made of.
"""

import os
import sys

from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.network.config import ConnectionConfig
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.utils import encode_delim
from multiaddr import Multiaddr
import trio


async def dial(host, addr):
    try:
        await host.connect(info_from_p2p_addr(Multiaddr(addr)))
    except Exception as error:
        print("dial:", error, file=sys.stderr)


async def write_text(host, addr, text):
    """Open a stream and say text where the multistream header belongs."""
    peer = info_from_p2p_addr(Multiaddr(addr)).peer_id
    stream = await host.get_network().new_stream(peer)
    await stream.write(encode_delim(text.replace("\\n", "\n").encode()))


async def main():
    mode, addr = sys.argv[1], sys.argv[2]
    config = ConnectionConfig()
    if os.environ.get("DENY"):
        config.deny_list = os.environ["DENY"].split(",")
    seed = bytes([int(os.environ.get("SEED", "1"))] * 32)
    host = new_host(key_pair=create_new_key_pair(seed), connection_config=config)
    listen = [Multiaddr(addr)] if mode == "listen" else []
    async with host.run(listen_addrs=listen):
        if mode == "dial":
            await dial(host, addr)
            if os.environ.get("STREAM_TEXT"):
                await write_text(host, addr, os.environ["STREAM_TEXT"])
        if os.environ.get("ALSO_DIAL"):
            await dial(host, os.environ["ALSO_DIAL"])
        await trio.sleep_forever()


trio.run(main)
