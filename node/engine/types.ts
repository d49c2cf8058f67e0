/** What the engine works with. */
import type { Domain, Scheme } from "../../consensus/scheme.ts";
import type { Timing } from "../../consensus/timing.ts";
import type { Certificate, Evidence, Subject } from "../../consensus/types.ts";
import type { WalRecord } from "../../consensus/wal.ts";
import type { Mempool } from "../../execution/mempool.ts";
import type { Chain } from "../chain.ts";
import type { Logger } from "../log.ts";
import type { Network, PeerId } from "../p2p/types.ts";
import type { Clock } from "../ports.ts";

/** The key with its memory: see node/validator/. */
export interface VoteSigner {
  /** 96 bytes, uncompressed. */
  readonly publicKey: Uint8Array;
  /**
   * Makes `records` and the vote durable in the log and the position in the guard, then signs. Rejects with a
   * GuardError, and nothing is written, when the key has signed what contradicts it; with anything else when the disk
   * failed: then nothing may be signed any more.
   */
  signVote(subject: Subject, digest: Uint8Array, records: readonly WalRecord[]): Promise<Uint8Array>;
}

export interface ConsensusLog {
  /** What was there at the start. */
  readonly records: readonly WalRecord[];
  /** Bytes since the last rotation. */
  readonly size: number;
  /** On disk with the next synced append at the latest. */
  appendLazy(records: readonly WalRecord[]): void;
  /** Replaces everything by these, atomically. */
  rotate(records: readonly WalRecord[]): Promise<void>;
}

export interface Validating {
  readonly signer: VoteSigner;
  readonly log: ConsensusLog;
  /** Why it only observes until the operator says otherwise; empty when it may sign. */
  readonly reasons: readonly string[];
}

/** Catching up: see node/sync/. */
export interface Catching {
  /** Brings the chain to this verified certificate's block. */
  ensure(certificate: Certificate): Promise<boolean>;
  /** Something was heard that shows that others are ahead. */
  hint(peer?: PeerId): void;
  /** Blocks by their hashes, from whoever has them; those that nobody sent are missing. Each hashes to its hash. */
  blocks(hashes: readonly Uint8Array[]): Promise<readonly Uint8Array[]>;
  /** What peers know of these views. */
  views(epoch: number, views: readonly number[]): Promise<void>;
}

export interface EngineParts {
  readonly chain: Chain;
  readonly mempool: Mempool;
  readonly clock: Clock;
  readonly log: Logger;
  readonly domain: Domain;
  readonly scheme: Scheme;
  readonly epochBlocks: number;
  readonly timing: Timing;
  /** Receives the priority fees of the blocks made here. */
  readonly feeAddress: Uint8Array;
  /** Undefined: follows without voting. */
  readonly validating: Validating | undefined;
  /** Undefined: alone. */
  readonly network: Network | undefined;
  /** A line at info for each block; otherwise at debug. */
  readonly logBlocks: boolean;
  readonly onEvidence: (evidence: Evidence) => void;
  /** Called once when nothing can be committed or signed any more. */
  readonly onHalt: (error: Error) => void;
}
