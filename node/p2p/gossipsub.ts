/**
 * The gossipsub service: its options, and the parts of its inside that the node needs and its interface does not show.
 * The version is pinned, and `openGossipsub` fails at the start when one of these is missing, not later in silence.
 */
import { createHash } from "node:crypto";
import { type GossipSub, type GossipsubOpts, gossipsub, StrictNoSign } from "@libp2p/gossipsub";
import type { Connection, PeerId as Libp2pPeerId } from "@libp2p/interface";
import { MAX_GOSSIP_BACKLOG, MAX_GOSSIP_FRAME, SEEN_MS, TOPIC_LIMITS } from "./limits.ts";
import type { Names } from "./names.ts";
import { decodePayload, encodePayload } from "./payload.ts";
import type { PeerId, Topic } from "./types.ts";

export const HEARTBEAT_MS = 700;

/** Below the first a peer hears of no messages, below the second none are sent to it, below the last it is not heard. */
export const SCORE_THRESHOLDS = { gossip: -200, publish: -500, graylist: -1_000 } as const;

export interface RpcMessage {
  readonly topic: string;
  readonly data?: Uint8Array;
  readonly from?: Uint8Array;
  readonly seqno?: Uint8Array;
  readonly signature?: Uint8Array;
  readonly key?: Uint8Array;
}

export interface Rpc {
  messages: RpcMessage[];
  subscriptions: unknown[];
}

/** A frame, as it-length-prefixed yields it. */
interface FrameBytes {
  readonly byteLength: number;
  subarray(): Uint8Array;
}

export interface RawStream {
  readonly writeBufferLength: number;
}

export interface GossipInternals {
  readonly peers: Map<PeerId, Libp2pPeerId>;
  readonly mesh: Map<string, Set<PeerId>>;
  readonly streamsInbound: Map<PeerId, { close(): Promise<void> }>;
  readonly streamsOutbound: Map<PeerId, { readonly rawStream: RawStream }>;
  readonly seenCache: { readonly entries: Map<string, unknown> };
  readonly publishedMessageIds: { readonly entries: Map<string, unknown> };
  readonly score: {
    readonly deliveryRecords: {
      readonly records: Map<string, unknown>;
      readonly queue: { readonly length: number; shift(): { readonly msgId: string } | undefined };
    };
    readonly scoreCache: Map<PeerId, unknown>;
    /** Called for each message that was rejected, that does not decompress, or that was rejected before. */
    markInvalidMessageDelivery(from: PeerId, topic: string): void;
  };
  getScore(peer: PeerId): number;
  reportMessageValidationResult(id: string, from: PeerId, verdict: "accept" | "ignore" | "reject"): void;
  decodeRpc(bytes: Uint8Array): Rpc;
  handleReceivedRpc(from: Libp2pPeerId, rpc: Rpc): Promise<void>;
  pipePeerReadStream(from: Libp2pPeerId, frames: AsyncIterable<FrameBytes>): Promise<void>;
  onPeerConnected(peer: Libp2pPeerId, connection: Connection): void;
  removePeer(peer: Libp2pPeerId): void;
  sendSubscriptions(peer: PeerId, topics: readonly string[], subscribe: boolean): void;
  sendRpc(peer: PeerId, rpc: Rpc): boolean;
  sendRpcInBatch(peers: Set<PeerId>, rpc: Rpc): void;
  handleIWant(peer: PeerId, wanted: unknown[]): RpcMessage[];
}

export type Gossipsub = GossipSub & GossipInternals;
type Components = Parameters<ReturnType<typeof gossipsub>>[0];

const METHODS = [
  "getScore",
  "reportMessageValidationResult",
  "decodeRpc",
  "handleReceivedRpc",
  "pipePeerReadStream",
  "onPeerConnected",
  "removePeer",
  "sendSubscriptions",
  "sendRpc",
  "sendRpcInBatch",
  "handleIWant",
] as const satisfies readonly (keyof GossipInternals)[];

export function openGossipsub(components: Components, options: Partial<GossipsubOpts>): Gossipsub {
  const service = gossipsub(options)(components) as unknown as Gossipsub;
  const missing: string[] = METHODS.filter((name) => typeof service[name] !== "function");
  if (typeof service.score?.markInvalidMessageDelivery !== "function") missing.push("markInvalidMessageDelivery");
  const { seenCache, publishedMessageIds, score, peers, mesh, streamsInbound, streamsOutbound } = service;
  const maps = {
    peers,
    mesh,
    streamsInbound,
    streamsOutbound,
    seen: seenCache?.entries,
    published: publishedMessageIds?.entries,
    records: score?.deliveryRecords?.records,
    scores: score?.scoreCache,
  };
  for (const [name, map] of Object.entries(maps)) if (!(map instanceof Map)) missing.push(name);
  if (missing.length > 0) throw new Error(`@libp2p/gossipsub has changed: ${missing.join(", ")}`);
  return service;
}

/** First 20 bytes of SHA-256 over the topic's name, a zero byte and the decompressed data. */
export function messageId(topic: string, data: Uint8Array): Uint8Array {
  return createHash("sha256").update(topic).update(Uint8Array.of(0)).update(data).digest().subarray(0, 20);
}

export const messageIdToString = (id: Uint8Array): string => Buffer.from(id).toString("latin1");

/** Half of it is gone after so many milliseconds; counters decay once a second. */
const decay = (halfLifeMs: number): number => 0.5 ** (1_000 / halfLifeMs);

/**
 * Only what is wrong counts: invalid messages and misbehaviour. Delivery counts would punish average nodes, and addresses
 * shared by peers every network on one machine. Ten invalid messages weigh -1,000; the first one costs the mesh.
 */
function topicScore() {
  return {
    topicWeight: 1,
    timeInMeshWeight: 0,
    firstMessageDeliveriesWeight: 0,
    meshMessageDeliveriesWeight: 0,
    meshFailurePenaltyWeight: 0,
    invalidMessageDeliveriesWeight: -10,
    invalidMessageDeliveriesDecay: decay(600_000),
  };
}

export interface GossipsubParts {
  readonly names: Names;
  /** At most 0. */
  readonly appScore: (peer: PeerId) => number;
  /** What came does not decompress, or not to what it claims. */
  readonly onUndecodable: (topic: Topic) => void;
}

export function gossipsubOptions({ names, appScore, onUndecodable }: GossipsubParts): Partial<GossipsubOpts> {
  const decode = (name: string, payload: Uint8Array): Uint8Array => {
    const topic = names.topicOf(name);
    if (topic === undefined) throw new RangeError(`unknown topic ${name}`);
    try {
      return decodePayload(payload, TOPIC_LIMITS[topic].maxBytes);
    } catch (error) {
      onUndecodable(topic);
      throw error;
    }
  };
  return {
    globalSignaturePolicy: StrictNoSign,
    allowedTopics: [...names.topics],
    fallbackToFloodsub: false,
    emitSelf: false,
    floodPublish: true,
    // Encodes a message once for all peers.
    batchPublish: true,
    doPX: false,
    D: 8,
    Dlo: 6,
    Dhi: 12,
    Dscore: 6,
    Dout: 3,
    heartbeatInterval: HEARTBEAT_MS,
    seenTTL: SEEN_MS,
    // Seven seconds for a handler that executes a block; asked for by others in the first two.
    mcacheLength: 10,
    mcacheGossip: 3,
    asyncValidation: true,
    ignoreDuplicatePublishError: true,
    // A message that went to nobody must not count as seen, or it could not be sent again.
    allowPublishToZeroTopicPeers: false,
    maxInboundDataLength: MAX_GOSSIP_FRAME,
    maxOutboundBufferSize: MAX_GOSSIP_BACKLOG,
    maxInboundStreams: 2,
    maxOutboundStreams: 2,
    tagMeshPeers: false,
    maxTopicBytesPerPeer: 16 * 1_024,
    decodeRpcLimits: {
      maxSubscriptions: 64,
      maxMessages: 4_096,
      maxIhaveMessageIDs: 20_000,
      maxIwantMessageIDs: 20_000,
      maxIdontwantMessageIDs: 512,
      maxControlMessages: 64,
      maxPeerInfos: 16,
    },
    msgIdFn: (message) => messageId(message.topic, message.data),
    msgIdToStrFn: messageIdToString,
    dataTransform: {
      inboundTransform: decode,
      outboundTransform: (_, data) => encodePayload(data),
    },
    scoreThresholds: {
      gossipThreshold: SCORE_THRESHOLDS.gossip,
      publishThreshold: SCORE_THRESHOLDS.publish,
      graylistThreshold: SCORE_THRESHOLDS.graylist,
      // Peers are learned from the peers protocol, not from prunes.
      acceptPXThreshold: 1_000,
      opportunisticGraftThreshold: 0,
    },
    scoreParams: {
      topics: Object.fromEntries(names.topics.map((name) => [name, topicScore()])) as never,
      topicScoreCap: 1,
      appSpecificScore: appScore,
      appSpecificWeight: 1,
      IPColocationFactorWeight: 0,
      behaviourPenaltyWeight: -10,
      // A busy honest node breaks a promise now and then.
      behaviourPenaltyThreshold: 6,
      behaviourPenaltyDecay: decay(60_000),
      decayInterval: 1_000,
      decayToZero: 0.01,
      retainScore: 600_000,
    },
  };
}
