"""A stranger over QUIC who closes with a reason of its own making.

    quic_close.py SOURCE_IP NODE_IP NODE_PORT REASON

Needs aioquic, which comes with py-libp2p. The close frame is sent as soon as
the handshake keys exist: the stranger never shows a libp2p certificate.
"""

import asyncio
import ssl
import sys

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ProtocolNegotiated


class Closer(QuicConnectionProtocol):
    reason = ""

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            # Frame type 0 makes it a transport close, whose reason is kept
            # in packets that are not 1-RTT.
            self._quic.close(error_code=0, frame_type=0, reason_phrase=self.reason)
            self.transmit()


async def main():
    source, host, port, reason = sys.argv[1:5]
    Closer.reason = reason.replace("\\n", "\n")
    config = QuicConfiguration(
        is_client=True, alpn_protocols=["libp2p"], verify_mode=ssl.CERT_NONE
    )
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_datagram_endpoint(
        lambda: Closer(QuicConnection(configuration=config)), local_addr=(source, 0)
    )
    protocol.connect((host, int(port)))
    await asyncio.sleep(1.5)


asyncio.run(main())
