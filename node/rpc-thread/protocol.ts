/**
 * What the JSON-RPC thread is given, and what it and the thread of the chain say to each other. Plain data.
 *
 * The thread reads the chain from its store. It asks for what only the other thread has: the mempool, peers, L1. It is
 * told of news, and of pending transactions while it wants that.
 */
import type { AddResult } from "../../execution/mempool.ts";
import type { L1Parameters } from "../../genesis/l1.ts";
import type { ViewedChain } from "../chain-view.ts";
import type { Listener } from "../config.ts";
import type { AccessRules } from "../rpc/access.ts";
import type { SyncStatus } from "../rpc/context.ts";
import type { RpcLimits } from "../rpc/limits.ts";
import type { NetworkView } from "../rpc/methods/admin.ts";
import type { L1View } from "../rpc/methods/optimism.ts";
import type { PoolCounts } from "../rpc/pool.ts";

export interface RpcThreadData extends Listener {
  /** Of the chain's store. */
  readonly directory: string;
  readonly chain: ViewedChain;
  readonly epochBlocks: number;
  readonly access: AccessRules;
  readonly maxConnections: number;
  readonly apis: readonly string[];
  readonly clientVersion: string;
  readonly txFeeCapWei: bigint;
  readonly minTipWei: bigint;
  readonly limits: Partial<RpcLimits>;
  readonly datadir: string;
  /** Threads that run calls, and the work that each call may take. */
  readonly callThreads: number;
  readonly callMs: number;
  /** Undefined without an L1. */
  readonly rollup: { readonly parameters: L1Parameters; readonly blockSeconds: number } | undefined;
  readonly news: News;
}

/** What changes by itself. */
export interface News {
  readonly tags: { readonly safe: bigint; readonly finalized: bigint } | undefined;
  readonly sync: SyncStatus | undefined;
  readonly peers: number;
}

/** A transaction between the threads: its envelope and its sender, so that nobody recovers it again. */
export interface Sent {
  readonly raw: Uint8Array;
  readonly from: Uint8Array;
}

export interface SentBySender {
  readonly address: Uint8Array;
  readonly pending: readonly Sent[];
  readonly queued: readonly Sent[];
}

/** What the RPC thread asks, and what comes back. */
export interface NodeAnswers {
  submit(tx: Sent): AddResult | Promise<AddResult>;
  get(hash: Uint8Array): Promise<Sent | undefined>;
  pendingNonce(address: Uint8Array): Promise<bigint | undefined>;
  counts(): Promise<PoolCounts>;
  content(address: Uint8Array | undefined, maxBytes: number): Promise<readonly SentBySender[] | undefined>;
  best(baseFeePerGas: bigint, gasLimit: bigint, maxBytes: number): Promise<readonly Sent[]>;
  /** Undefined: alone. */
  network(): NetworkView | undefined;
  l1(): L1View;
}

export type Question = keyof NodeAnswers;

export type ToRpc =
  | { readonly news: News }
  /** What became pending, as packSent makes it. */
  | { readonly pending: Uint8Array }
  | { readonly answers: readonly Answered[] };

export type Answered =
  | { readonly id: number; readonly answer: unknown }
  /** A defect. */
  | { readonly id: number; readonly failure: string };

export interface Asked {
  readonly id: number;
  readonly question: Question;
  readonly args: readonly unknown[];
}

export type FromRpc =
  /** To be begun in this order. `submitted` has what the questions "submit" are about, as packSent makes it. */
  | { readonly questions: readonly Asked[]; readonly submitted: Uint8Array }
  /** From now on it wants to be told of pending transactions, or no longer. */
  | { readonly wantsPending: boolean };

const LENGTH_BYTES = 4;
const ADDRESS_BYTES = 20;

/**
 * One after the other: `u32 length of raw ‖ from ‖ raw`. Most of what the threads tell each other is this, and one array
 * travels faster than two for each transaction.
 */
export function packSent(all: readonly Sent[]): Uint8Array {
  const size = all.reduce((sum, { raw }) => sum + LENGTH_BYTES + ADDRESS_BYTES + raw.length, 0);
  const packed = new Uint8Array(size);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const { raw, from } of all) {
    view.setUint32(at, raw.length);
    packed.set(from, at + LENGTH_BYTES);
    packed.set(raw, at + LENGTH_BYTES + ADDRESS_BYTES);
    at += LENGTH_BYTES + ADDRESS_BYTES + raw.length;
  }
  return packed;
}

/** Copies: one that is kept does not keep the others. */
export function* unpackSent(packed: Uint8Array): Generator<Sent, undefined> {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  for (let at = 0; at < packed.length; ) {
    const start = at + LENGTH_BYTES + ADDRESS_BYTES;
    const end = start + view.getUint32(at);
    yield { raw: packed.slice(start, end), from: packed.slice(at + LENGTH_BYTES, start) };
    at = end;
  }
}
