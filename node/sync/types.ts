/** What sync needs from the rest of the node. */
import type { Certificate, Tip } from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import type { ExecutedBlock } from "../../core/chain.ts";
import type { Verification } from "../chain-above.ts";
import type { Head } from "../chain-store.ts";

/** The chain as sync reads it. node/chain.ts has more. */
export interface SyncChain {
  readonly genesisHash: Uint8Array;
  /** The last committed block. */
  readonly head: Head;
  /** The lowest committed block that is here. */
  readonly firstBlock: bigint;
  /** A committed block as it travels; undefined outside of `firstBlock`..`head`. */
  rawAt(number: bigint): Uint8Array | undefined;
  /** Any known block, final or not. */
  raw(hash: Uint8Array): Uint8Array | undefined;
  hashAt(number: bigint): Uint8Array | undefined;
  /** A committed block with its receipts. */
  find(selector: { readonly hash: Uint8Array }): ExecutedBlock | undefined;
  /** Encoded; of the block that it names. */
  certificate(number: bigint): Uint8Array | undefined;
  /** The certified block with the highest number. */
  readonly latestCertificate: { readonly number: bigint; readonly certificate: Uint8Array } | undefined;
  /** Known from genesis, and for an epoch once the last block before it is committed. */
  validatorSet(epoch: number): ValidatorSet | undefined;
  /** These very bytes will be verified soon: what can be done ahead is. */
  expect(raw: Uint8Array): void;
  /** Executes the block on its parent and keeps it in the tree. No rule about the clock is applied. */
  verify(raw: Uint8Array, parentHash: Uint8Array): Promise<Verification>;
  /**
   * Commits the verified block and all below it. `certificate`: the encoded one that names this block; undefined where
   * only a later block is known to have one.
   */
  commitThrough(hash: Uint8Array, certificate: Uint8Array | undefined): Promise<unknown>;
}

/** Where the chain stands after sync, for consensus. */
export interface Synced {
  readonly epoch: number;
  readonly set: ValidatorSet;
  readonly base: Tip;
  readonly tip: Tip;
  /** What finalizes `tip`. */
  readonly certificate: Certificate;
}

/** Not a peer's fault: a certified block does not execute, or contradicts one that is committed. Nobody may go on. */
export class SyncHalt extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SyncHalt";
  }
}
