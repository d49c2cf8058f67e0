/** What the attribution benchmark asks of every side. */
import type { CommitBatch } from "./attribution-workload.ts";

/** One block of commitments. */
export interface BlockRun {
  readonly wallMs: number;
  /** All threads of the process; undefined where the system does not tell. */
  readonly cpuMs: number | undefined;
  /** Of its transactions, without their 21,000 and their calldata. */
  readonly executionGas: bigint;
  /** Storage slots that have another value than before. */
  readonly slots: number;
}

export interface BenchSide {
  readonly name: string;
  /** Gas of one request, without 21,000 and calldata. */
  readonly requestGas: bigint;
  /** Throws when a batch has another root than the workload says. */
  run(batches: readonly CommitBatch[]): Promise<BlockRun>;
  close(): Promise<void>;
}

export const TRANSACTION_GAS = 21_000n;
/** Of a transaction with a batch: Osaka's cap. */
export const GAS_LIMIT = 1n << 24n;
export const BLOCK_GAS_LIMIT = 300_000_000n;
