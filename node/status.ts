/** What a node is doing, for metrics and health. Read at each request, so that nothing has to be kept in step. */
import type { Timing } from "../consensus/timing.ts";
import type { Mempool } from "../execution/mempool.ts";
import type { Indexer } from "../indexer/store.ts";
import type { Chain } from "./chain.ts";
import type { Engine } from "./engine/engine.ts";
import type { EngineStatus } from "./engine/status.ts";
import type { Network, NetworkStats } from "./p2p/types.ts";
import type { Progress } from "./sync/progress.ts";

export interface NodeStatus {
  readonly headNumber: bigint;
  readonly headTimestamp: bigint;
  /** Undefined where the indexer does not run. */
  readonly indexedNumber: bigint | undefined;
  readonly indexError: string | undefined;
  readonly poolTransactions: number;
  readonly consensus: EngineStatus;
  /** Longest time without a block that is no reason to worry. */
  readonly quietMs: number;
  /** Undefined: alone. */
  readonly sync: Progress | undefined;
  readonly network: NetworkStats | undefined;
  /** Undefined where L1 is not watched. */
  readonly l1: L1Summary | undefined;
  /** Set when the node stopped for good. */
  readonly halted: string | undefined;
}

/** Numbers of blocks; of L1, undefined until it was read. */
export interface L1Summary {
  readonly head: bigint | undefined;
  readonly final: bigint | undefined;
  readonly lagBlocks: bigint;
  /** Of L2: whose batches are on L1, and on final blocks of it. */
  readonly safe: bigint;
  readonly finalized: bigint;
  /** Undefined where nothing is posted. */
  readonly unpostedBytes: number | undefined;
  readonly problem: string | undefined;
}

export interface StatusParts {
  readonly chain: Chain;
  readonly mempool: Mempool;
  readonly engine: Engine;
  readonly timing: Timing;
  readonly sync: { readonly progress: Progress } | undefined;
  readonly p2p: Network | undefined;
  readonly l1: { readonly summary: L1Summary } | undefined;
  readonly halted: () => string | undefined;
  readonly indexer: Indexer | undefined;
}

export function statusReader(parts: StatusParts): () => NodeStatus {
  const { chain, mempool, engine, timing, sync, p2p, l1, halted, indexer } = parts;
  return () => {
    const index = indexer?.status();
    const { pending, queued } = mempool.counts;
    return {
      headNumber: chain.head.number,
      headTimestamp: chain.headBlock.header.timestamp,
      indexedNumber: index === undefined ? undefined : (index.indexed?.number ?? -1n),
      indexError: index?.error?.message,
      poolTransactions: pending + queued,
      consensus: engine.status,
      // A heartbeat, and a few leaders that are not there.
      quietMs: timing.heartbeatMs + 20 * timing.deltaMs,
      sync: sync?.progress,
      network: p2p?.stats,
      l1: l1?.summary,
      halted: halted(),
    };
  };
}
