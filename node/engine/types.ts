/** What the engine works with. */
import type { Domain, Scheme } from "../../consensus/scheme.ts";
import type { Timing } from "../../consensus/timing.ts";
import type { Certificate, Evidence } from "../../consensus/types.ts";
import type { Mempool } from "../../execution/mempool.ts";
import type { Chain } from "../chain.ts";
import type { Logger } from "../log.ts";
import type { Network, PeerId } from "../p2p/types.ts";
import type { Clock } from "../ports.ts";
import type { VoteSigner } from "../validator/vote-signer.ts";
import type { Wal } from "../validator/wal-file.ts";
import type { OriginParts } from "./origins.ts";

/** The key with its memory: see node/validator/. */
export interface Validating {
  /** 96 bytes, uncompressed. */
  readonly publicKey: Uint8Array;
  readonly signer: VoteSigner;
  readonly log: Pick<Wal, "records" | "sizeBytes" | "appendLazy" | "rotate">;
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
  /** Receives the priority fees of the blocks made here. Read for each: who joins the set later has an account only then. */
  readonly feeAddress: Uint8Array;
  /** Undefined: follows without voting. */
  readonly validating: Validating | undefined;
  /** Undefined: alone. */
  readonly network: Network | undefined;
  /** Undefined without an L1, or where L1 is not watched: then this node must not vote. */
  readonly l1: Pick<OriginParts, "parameters" | "source" | "isThrottled"> | undefined;
  /** A line at info for each block; otherwise at debug. */
  readonly logBlocks: boolean;
  readonly onEvidence: (evidence: Evidence) => void;
  /** Called once when nothing can be committed or signed any more. */
  readonly onHalt: (error: Error) => void;
}
