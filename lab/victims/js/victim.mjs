// The js-libp2p node that the lab attacks: the library as it comes, with
// identify, ping and, where asked, a reservation at a relay. Its log goes to
// stderr, written by weald, which DEBUG governs.
//
//   victim.mjs --listen MULTIADDR... [--rcmgr on|off] [--relay MULTIADDR]
//
// The first line of stdout is {"peer", "addrs", "version"}. js-libp2p has no
// resource manager; its connection manager is what limits connections, and
// --rcmgr off lifts those limits.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

const { values } = parseArgs({
  options: {
    listen: { type: 'string', multiple: true, default: [] },
    rcmgr: { type: 'string', default: 'on' },
    relay: { type: 'string' }
  }
})

const unlimited = {
  maxConnections: Infinity,
  maxIncomingPendingConnections: Infinity,
  inboundConnectionThreshold: Infinity
}
const listen = [...values.listen, ...(values.relay ? [`${values.relay}/p2p-circuit`] : [])]

const node = await createLibp2p({
  addresses: { listen },
  transports: [tcp(), circuitRelayTransport()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping() },
  connectionManager: values.rcmgr === 'off' ? unlimited : {}
})

const { version } = JSON.parse(readFileSync(new URL('node_modules/libp2p/package.json', import.meta.url)))
console.log(JSON.stringify({
  peer: node.peerId.toString(),
  addrs: node.getMultiaddrs().map(String).filter(a => !a.includes('/p2p-circuit')),
  version: `js-libp2p ${version}`
}))

process.on('SIGTERM', async () => {
  await node.stop()
  process.exit(0)
})
