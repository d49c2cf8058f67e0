/** Every bound of the content store and its server, in one place. Sizes in bytes, rates a second, times in milliseconds. */
import type { Rate } from "../core/token-bucket.ts";

const KIB = 1_024;
const MIB = 1_024 * KIB;

export const STORE_LIMITS = {
  /** One content. */
  maxItemBytes: 256 * MIB,
  /** All contents together, without their group hashes (0.2 %). */
  maxTotalBytes: 10 * 1_024 * MIB,
  /** Group hashes kept in memory, and of how many contents. */
  treeCacheBytes: 32 * MIB,
  treesCached: 4_096,
} as const;

/** Whoever sends or reads a body must keep up: only the time spent waiting for it counts. */
export interface PaceLimits {
  /** Without a single byte. */
  readonly idleMs: number;
  /** Altogether `graceMs`, and a second for each so many bytes. */
  readonly graceMs: number;
  readonly minBytesPerSecond: number;
}

export interface ContentServerLimits {
  /** Items of a page of the list. */
  readonly maxPage: number;
  /** Chunks of a proof: 256 KiB, sent as hex. */
  readonly maxProofChunks: number;
  /** Under way at once; an upload holds 16 KiB and its group hashes, a download 256 KiB, in memory. */
  readonly uploads: number;
  readonly reads: number;
  /** Of one client, uploads and reads together. */
  readonly clientAtOnce: number;
  /** Of one client: requests, and bytes of bodies in both directions. */
  readonly requestRate: Rate;
  readonly byteRate: Rate;
  /** Clients whose rates are remembered; the one seen longest ago makes room. */
  readonly clients: number;
  /** Whether clients on this machine are without rates: the operator's own programs, or a proxy that has its own. */
  readonly trustsLoopback: boolean;
  readonly pace: PaceLimits;
}

export const SERVER_LIMITS: ContentServerLimits = {
  maxPage: 1_000,
  maxProofChunks: 1_024,
  uploads: 8,
  reads: 64,
  clientAtOnce: 16,
  requestRate: { perSecond: 50, burst: 500 },
  byteRate: { perSecond: 16 * MIB, burst: 512 * MIB },
  clients: 4_096,
  trustsLoopback: true,
  pace: { idleMs: 10_000, graceMs: 30_000, minBytesPerSecond: 32 * KIB },
};
