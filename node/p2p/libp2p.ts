/** The libp2p node: which parts it has, and their bounds. */
import { identify } from "@libp2p/identify";
import type { Libp2p, PeerId as Libp2pPeerId, PrivateKey } from "@libp2p/interface";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { createLibp2p } from "libp2p";
import type { ParsedConfig } from "./config.ts";
import { type Gossipsub, type GossipsubParts, gossipsubOptions, openGossipsub } from "./gossipsub.ts";
import { MAX_PEER_ADDRESSES, STREAM_WINDOW_BYTES } from "./limits.ts";
import type { PeerId } from "./types.ts";

export type Services = { readonly identify: unknown; readonly gossip: Gossipsub };

export interface NodeParts extends GossipsubParts {
  readonly isAllowed: (peer: PeerId) => boolean;
  /** For a peer that dialled this node. */
  readonly hasRoom: (peer: PeerId) => boolean;
}

/** Connections that are not yet known to be peers. */
const SPARE_CONNECTIONS = 64;
/** Handshakes under way. One host that opens all it may, and lets each of them time out, leaves places for others. */
const PENDING_CONNECTIONS = 256;
const CONNECTIONS_PER_HOST_AND_SECOND = 25;
const HANDSHAKE_MS = 5_000;

/** Not started. */
export function createNode(privateKey: PrivateKey, config: ParsedConfig, parts: NodeParts): Promise<Libp2p<Services>> {
  const { listen, announce, maxPeers, staticPeers } = config;
  const maxConnections = maxPeers + staticPeers.length + SPARE_CONNECTIONS;
  const isRefused = (peer: Libp2pPeerId) => !parts.isAllowed(peer.toString());
  const options = gossipsubOptions(parts);
  return createLibp2p<Services>({
    start: false,
    privateKey,
    nodeInfo: { userAgent: "openledger" },
    addresses: { listen: [...listen], announce: [...announce] },
    transports: [tcp({ maxConnections: maxConnections + PENDING_CONNECTIONS, backlog: 128 })],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: 256,
        maxOutboundStreams: 256,
        streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES },
      }),
    ],
    connectionGater: {
      denyDialPeer: isRefused,
      denyInboundEncryptedConnection: isRefused,
      denyOutboundEncryptedConnection: isRefused,
      denyInboundUpgradedConnection: (peer) => !parts.hasRoom(peer.toString()),
    },
    connectionManager: {
      maxConnections,
      maxIncomingPendingConnections: PENDING_CONNECTIONS,
      inboundConnectionThreshold: CONNECTIONS_PER_HOST_AND_SECOND,
      inboundUpgradeTimeout: HANDSHAKE_MS,
      maxParallelDials: 16,
      maxPeerAddrsToDial: MAX_PEER_ADDRESSES,
      dialTimeout: HANDSHAKE_MS,
      addressDialTimeout: 3_000,
      // The dialer decides who is dialled again.
      reconnectRetries: 0,
    },
    // Finds out that the network is gone where TCP takes minutes. A node that is busy for seconds still counts as there.
    connectionMonitor: { pingInterval: 5_000, pingTimeout: { minTimeout: 8_000 } },
    services: { identify: identify(), gossip: (components) => openGossipsub(components, options) },
  });
}
