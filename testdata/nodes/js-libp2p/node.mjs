// A small js-libp2p node that does nothing but log.
//
//   node.mjs listen ADDR...   node.mjs dial ADDR...   node.mjs relay ADDR...
//
// Everything else comes from the environment (see README.md).
import { noise } from '@libp2p/noise'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { prefixLogger } from '@libp2p/logger'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const [mode, ...addrs] = process.argv.slice(2)
const env = process.env

const connectionManager = {}
if (env.DENY) connectionManager.deny = env.DENY.split(',')
if (env.MAX_PENDING) connectionManager.maxIncomingPendingConnections = Number(env.MAX_PENDING)
if (env.THRESHOLD) connectionManager.inboundConnectionThreshold = Number(env.THRESHOLD)

const connectionGater = { denyDialMultiaddr: () => false }
if (env.GATE === 'encrypted') connectionGater.denyInboundEncryptedConnection = () => true

const node = await createLibp2p({
  // One byte makes the key, so that a rerun has the same peer ids.
  privateKey: await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(Number(env.SEED ?? 1))),
  addresses: { listen: mode === 'dial' ? [] : addrs },
  transports: [tcp(), circuitRelayTransport()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  nodeInfo: { userAgent: (env.AGENT ?? 'js-node/0.0.0').replaceAll('\\n', '\n') },
  services: {
    identify: identify(),
    ping: ping(),
    ...(mode === 'relay' ? { relay: circuitRelayServer() } : {})
  },
  connectionManager,
  connectionGater,
  // A logger with a prefix of the application's, as some applications have.
  ...(env.LOG_PREFIX ? { logger: prefixLogger(env.LOG_PREFIX) } : {})
})

for (const addr of mode === 'dial' ? addrs : (env.ALSO_DIAL ?? '').split(',').filter(Boolean)) {
  try {
    await node.dial(multiaddr(addr))
  } catch (err) {
    if (mode === 'dial') console.log(`dial ${addr}: ${err.message}`)
  }
}

process.on('SIGTERM', async () => {
  await node.stop()
  process.exit(0)
})
