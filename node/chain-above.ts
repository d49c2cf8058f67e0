/**
 * Blocks that are not final: made here or verified, each on the head or on another of them, until a path of them is
 * committed. Several may be made and verified at the same time.
 */
import { bytesToHex, equalsBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { Gate } from "../core/gate.ts";
import type { Precompile } from "../core/precompile.ts";
import { RlpError, rlpChildren, rlpWhole } from "../core/rlp.ts";
import {
  type AssembledBlock,
  assembleBlock,
  type Candidates,
  type RejectedTransaction,
} from "../execution/block/assemble.ts";
import type { ExecutionParts } from "../execution/block/execute.ts";
import { importBlock } from "../execution/block/import.ts";
import type { BlockHashSource } from "../execution/evm/host.ts";
import type { ChainRules } from "../execution/rules.ts";
import type { StateDatabase, StateReader } from "../execution/state/types.ts";
import { MachinePool } from "../execution/tx/machine.ts";
import { BlockTree, type StateBlock, TREE_LIMITS, type TreeLimits } from "./chain-tree.ts";
import { pacer } from "./pace.ts";
import type { SenderThreads } from "./senders/threads.ts";

export interface ProposalInput {
  /** Best first, for the base fee that a block on the parent has. */
  readonly candidates: Candidates;
  /** Unix seconds; the parent's time when it is later. */
  readonly timestamp: bigint;
  readonly feeAddress: Uint8Array;
  readonly isOutOfTime: () => boolean;
  /** On a chain with an L1: what the block takes from its L1 origin. */
  readonly l1?: L1Input | undefined;
}

export interface L1Input {
  /** As they are hashed: the L1 attributes, then what users deposited. */
  readonly deposits: readonly Uint8Array[];
  /** 32 bytes each, of the L1 origin's header. */
  readonly prevRandao: Uint8Array;
  readonly parentBeaconBlockRoot: Uint8Array;
}

export type Proposal = AssembledBlock;

export type Verification =
  | { readonly ok: true; readonly hash: Uint8Array }
  | {
      readonly ok: false;
      /**
       * `invalid`: no honest node made this block. `unavailable` says nothing about the block: its parent is not here or
       * went meanwhile, or there was no room.
       */
      readonly fault: "invalid" | "unavailable";
      readonly reason: string;
      /** Undefined when the bytes are no block. */
      readonly hash: Uint8Array | undefined;
    };

export interface AboveParts {
  readonly rules: ChainRules;
  readonly precompiles: readonly Precompile[];
  readonly state: StateDatabase;
  /** Of committed blocks. */
  readonly blockHash: BlockHashSource;
  readonly limits?: TreeLimits;
  readonly onFault?: ExecutionParts["onFault"];
}

/** Foreign blocks that execute by turns, and that wait for one to end. */
const VERIFICATIONS_RUNNING = 4;
const VERIFICATIONS_WAITING = 64;

interface Run {
  readonly raw: Uint8Array;
  readonly parentHash: Uint8Array;
  readonly result: Promise<Verification>;
}

export class BlocksAbove {
  readonly tree: BlockTree;
  readonly #parts: AboveParts;
  readonly #machines: MachinePool;
  readonly #gate = new Gate(VERIFICATIONS_RUNNING, VERIFICATIONS_WAITING);
  /** By block hash. */
  readonly #runs = new Map<string, Run>();
  readonly #expected = new WeakMap<Uint8Array, Promise<void>>();
  /** Recover the senders of blocks that are verified; without them this thread does. */
  senders: Pick<SenderThreads, "recoverBlock"> | undefined;

  constructor(head: StateBlock, parts: AboveParts) {
    this.tree = new BlockTree(head, parts.limits ?? TREE_LIMITS);
    this.#parts = parts;
    this.#machines = new MachinePool(parts.rules, parts.precompiles);
  }

  /**
   * Makes a block and keeps it. Of what was left out, `rejected` names only what no unfinalized ancestor is the reason
   * for: of the rest the head's state, which the pool goes by, knows nothing yet. Rejects when the parent is not here or
   * goes meanwhile, and on a damaged store.
   */
  async propose(parentHash: Uint8Array, input: ProposalInput): Promise<Proposal> {
    const parent = this.tree.get(parentHash);
    if (parent === undefined) throw new Error(`no block can stand on ${bytesToHex(parentHash)}: it is not here`);
    const head = this.tree.head;
    const { timestamp } = parent.block.header;
    const made = await assembleBlock({
      ...this.#execution(parent),
      candidates: parent === head ? input.candidates : unused(input.candidates, parent.sealed.reader),
      timestamp: input.timestamp > timestamp ? input.timestamp : timestamp,
      coinbase: input.feeAddress,
      isOutOfTime: input.isOutOfTime,
      ...input.l1,
    });
    if (!this.tree.add(made)) {
      throw new Error(`block ${made.block.header.number} cannot be kept: its parent went, or there is no room`);
    }
    if (parent === head) return made;
    const [before, after] = [head.sealed.reader, parent.sealed.reader];
    return { ...made, rejected: made.rejected.filter((rejection) => !isDueToAncestors(rejection, before, after)) };
  }

  /** These very bytes will be verified soon: their senders are recovered meanwhile, where other threads can. */
  expect(raw: Uint8Array): void {
    const recovering = this.#recover(raw);
    if (recovering !== undefined) this.#expected.set(raw, recovering);
  }

  #recover(raw: Uint8Array): Promise<void> | undefined {
    if (raw.length > this.#parts.rules.blockBytes) return undefined;
    return this.#expected.get(raw) ?? this.senders?.recoverBlock(raw);
  }

  /** Executes a foreign block on its parent and keeps it. Rejects on a damaged store. */
  verify(raw: Uint8Array, parentHash: Uint8Array): Promise<Verification> {
    const hash = hashOfBlock(raw);
    if (hash === undefined) return Promise.resolve(refuse("invalid", "the bytes are no block", hash));
    const known = this.tree.above(hash);
    if (known !== undefined && equalsBytes(known.raw, raw)) return Promise.resolve({ ok: true, hash });
    const key = bytesToHex(hash);
    const run = this.#runs.get(key);
    // The hash covers the header only: other bytes may come under it.
    if (run !== undefined && equalsBytes(run.raw, raw) && equalsBytes(run.parentHash, parentHash)) return run.result;
    const result = this.#gate
      .run(() => this.#import(raw, parentHash, hash))
      .then((done) => done ?? refuse("unavailable", "too many blocks wait to be executed", hash));
    if (run !== undefined) return result;
    const finished = result.finally(() => this.#runs.delete(key));
    this.#runs.set(key, { raw, parentHash, result: finished });
    return finished;
  }

  async #import(raw: Uint8Array, parentHash: Uint8Array, hash: Uint8Array): Promise<Verification> {
    if (this.tree.get(parentHash) !== undefined) await this.#recover(raw);
    const parent = this.tree.get(parentHash);
    if (parent === undefined) return refuse("unavailable", `its parent ${bytesToHex(parentHash)} is not here`, hash);
    const imported = await importBlock({ ...this.#execution(parent), raw });
    if (!imported.ok) return refuse("invalid", imported.reason, hash);
    if (this.tree.add(imported)) return { ok: true, hash };
    return refuse("unavailable", "its parent went meanwhile, or there is no room", hash);
  }

  #execution(parent: StateBlock) {
    const { rules, state, onFault } = this.#parts;
    return {
      rules,
      ...(onFault !== undefined && { onFault }),
      database: state,
      machines: this.#machines,
      blockHash: this.#hashesBelow(parent),
      pause: pacer(),
      parent: parent.block,
      state: parent.sealed,
    };
  }

  /** For a block on `parent`: what is not final has hashes too. */
  #hashesBelow(parent: StateBlock): BlockHashSource {
    const { blockHash } = this.#parts;
    const path = this.tree.path(parent.block.hash) ?? [];
    if (path.length === 0) return blockHash;
    const hashes = new Map(path.map(({ block }) => [block.header.number, block.hash]));
    return (number) => hashes.get(number) ?? blockHash(number);
  }
}

/** keccak256 of the header; undefined when there is none. */
function hashOfBlock(raw: Uint8Array): Uint8Array | undefined {
  try {
    const header = rlpChildren(raw, rlpWhole(raw))[0];
    return header && keccak256(raw.subarray(header.start, header.end));
  } catch (error) {
    if (error instanceof RlpError) return undefined;
    throw error;
  }
}

const refuse = (fault: "invalid" | "unavailable", reason: string, hash: Uint8Array | undefined): Verification => ({
  ok: false,
  fault,
  reason,
  hash,
});

/**
 * Without those whose nonce is used up in `state`: an ancestor contains them, or others in their place. Their senders'
 * later ones stay.
 */
function unused(candidates: Candidates, state: StateReader): Candidates {
  return {
    skipSender: () => candidates.skipSender?.(),
    *[Symbol.iterator]() {
      for (const tx of candidates) if (tx.nonce >= (state.account(tx.from)?.nonce ?? 0n)) yield tx;
    },
  };
}

/** What the sender's account decides. */
const BY_ACCOUNT: readonly RejectedTransaction["code"][] = ["nonce-too-low", "nonce-too-high", "insufficient-funds"];

/** Whether blocks between the two states may be why the transaction was refused: they changed its sender's account. */
function isDueToAncestors(
  { code, transaction }: RejectedTransaction,
  before: StateReader,
  after: StateReader,
): boolean {
  if (!BY_ACCOUNT.includes(code)) return false;
  const [old, now] = [before.account(transaction.from), after.account(transaction.from)];
  return old?.nonce !== now?.nonce || old?.balance !== now?.balance;
}
