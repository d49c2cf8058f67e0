/** Every bound of the network, in one place. Sizes in bytes, rates per second. All nodes of a network share the sizes. */
import type { Rate } from "../../core/token-bucket.ts";
import type { Protocol, Topic } from "./types.ts";

const KIB = 1_024;
const MIB = 1_024 * KIB;

export interface TopicLimits {
  /** Of one message before compression. */
  readonly maxBytes: number;
  /** Messages from one peer. */
  readonly rate: Rate;
  /** Messages whose handler has not answered; more are ignored. One peer may fill half. */
  readonly inFlight: number;
}

export const TOPIC_LIMITS: Readonly<Record<Topic, TopicLimits>> = {
  vote: { maxBytes: 512, rate: { perSecond: 2_000, burst: 4_000 }, inFlight: 4_096 },
  cert: { maxBytes: KIB, rate: { perSecond: 1_000, burst: 2_000 }, inFlight: 512 },
  tx: { maxBytes: 256 * KIB, rate: { perSecond: 200, burst: 400 }, inFlight: 128 },
  block: { maxBytes: 3.5 * MIB, rate: { perSecond: 100, burst: 200 }, inFlight: 16 },
};

/** Bytes of gossip from one peer, as they travel. */
export const GOSSIP_BYTES: Rate = { perSecond: 32 * MIB, burst: 64 * MIB };

/** Frames of gossip from one peer, whatever is in them. */
export const GOSSIP_FRAMES: Rate = { perSecond: 5_000, burst: 10_000 };

/**
 * The longest frame of gossip, network-wide: the largest message and what may ride along (5,000 ids a topic). libp2p
 * silently drops what is longer, and a receiver with a lower limit would stop listening to its sender.
 */
export const MAX_GOSSIP_FRAME = 4 * MIB;

export interface ProtocolLimits {
  readonly chunkBytes: number;
  readonly totalBytes: number;
  readonly chunks: number;
  /** From the request to the end of the answer. */
  readonly timeMs: number;
  /** Requests of one peer, and of all. */
  readonly peer: Rate;
  readonly all: Rate;
}

/** A chunk may be a block, or a list of headers or of state up to the whole answer. */
const ANSWER_BYTES = 8 * MIB;

export const PROTOCOL_LIMITS: Readonly<Record<Protocol, ProtocolLimits>> = {
  status: {
    chunkBytes: 4 * KIB,
    totalBytes: 4 * KIB,
    chunks: 1,
    timeMs: 5_000,
    peer: { perSecond: 10, burst: 30 },
    all: { perSecond: 200, burst: 500 },
  },
  "blocks-by-range": {
    chunkBytes: ANSWER_BYTES,
    totalBytes: ANSWER_BYTES,
    chunks: 64,
    timeMs: 30_000,
    peer: { perSecond: 50, burst: 100 },
    all: { perSecond: 200, burst: 400 },
  },
  "blocks-by-hash": {
    chunkBytes: ANSWER_BYTES,
    totalBytes: ANSWER_BYTES,
    chunks: 64,
    timeMs: 30_000,
    peer: { perSecond: 50, burst: 100 },
    all: { perSecond: 200, burst: 400 },
  },
  certificates: {
    chunkBytes: 128 * KIB,
    totalBytes: 128 * KIB,
    chunks: 1,
    timeMs: 10_000,
    peer: { perSecond: 50, burst: 100 },
    all: { perSecond: 400, burst: 800 },
  },
  epochs: {
    chunkBytes: 256 * KIB,
    totalBytes: ANSWER_BYTES,
    chunks: 64,
    timeMs: 15_000,
    peer: { perSecond: 10, burst: 30 },
    all: { perSecond: 50, burst: 100 },
  },
  state: {
    chunkBytes: ANSWER_BYTES,
    totalBytes: ANSWER_BYTES,
    chunks: 1,
    timeMs: 30_000,
    peer: { perSecond: 100, burst: 200 },
    all: { perSecond: 200, burst: 400 },
  },
  peers: {
    chunkBytes: 4 * KIB,
    totalBytes: 64 * KIB,
    chunks: 16,
    timeMs: 5_000,
    peer: { perSecond: 1, burst: 10 },
    all: { perSecond: 50, burst: 100 },
  },
  // node/content: a question looks for as many files as it has roots.
  "content-have": {
    chunkBytes: 64,
    totalBytes: 64,
    chunks: 1,
    timeMs: 10_000,
    peer: { perSecond: 2, burst: 20 },
    all: { perSecond: 20, burst: 60 },
  },
  // 256 KiB of content and its proof; 16 MiB a second to all: content waits for blocks, not the other way round.
  "content-range": {
    chunkBytes: 264 * KIB,
    totalBytes: 264 * KIB,
    chunks: 1,
    timeMs: 30_000,
    peer: { perSecond: 32, burst: 64 },
    all: { perSecond: 64, burst: 128 },
  },
};

/** Bytes of answers: charged as they are sent, so that the next request waits for a large answer before it. */
export const ANSWER_RATE: { readonly peer: Rate; readonly all: Rate } = {
  peer: { perSecond: 16 * MIB, burst: 64 * MIB },
  all: { perSecond: 64 * MIB, burst: 256 * MIB },
};

export const MAX_REQUEST_BYTES = 64 * KIB;

/** Requests at once: those that are answered, and those of our own. */
export const REQUESTS_AT_ONCE = {
  served: { peer: 8, all: 64 },
  asked: { peer: 8, all: 128 },
} as const;

/** The asker's payload must be here by then. */
export const REQUEST_READ_MS = 5_000;

/** Of a stream's window and of what waits to be read. A window larger than libp2p's read buffer (4 MiB) would burst it. */
export const STREAM_WINDOW_BYTES = 2 * MIB;

/** What a peer that does not read may keep in memory. */
export const MAX_GOSSIP_BACKLOG = 16 * MIB;

/** Remembered messages: a bound on memory that honest traffic within `SEEN_MS` stays below. */
export const MAX_SEEN = 131_072;

/** A message that comes again after this is new. */
export const SEEN_MS = 30_000;

/** Peers whose rates, scores or bans are remembered; the oldest make room. */
export const MAX_REMEMBERED = 1_024;

/** Peers in the peers file, and those that others told of and nobody has met yet. */
export const MAX_KNOWN_PEERS = 256;
export const MAX_LEARNED_PEERS = 64;
export const MAX_PEER_ADDRESSES = 4;
export const MAX_PEER_SAMPLE = 16;
