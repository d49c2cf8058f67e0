/**
 * The chain: the last committed block, what is stored below it, the state that stands on it, and above it the blocks
 * that are not final. A path of those becomes part of the chain in one atomic, synced write (blocks, receipts, indexes,
 * flat state, trie nodes, code, certificate, head), or not at all.
 */
import { bytesToHex, equalsBytes } from "../core/bytes.ts";
import type { ExecutedBlock, Header, Transaction } from "../core/chain.ts";
import type { Precompile } from "../core/precompile.ts";
import type { ValidatorSet } from "../core/validators.ts";
import { nextBaseFee } from "../execution/block/base-fee.ts";
import { encodeBlock } from "../execution/block/block-codec.ts";
import type { ProducedBlock } from "../execution/block/execute.ts";
import { l1AttributesOf } from "../execution/block/receipts.ts";
import { readValidatorSet } from "../execution/block/validator-set.ts";
import type { NextBlock } from "../execution/mempool.ts";
import { type ChainRules, isLastOfEpoch } from "../execution/rules.ts";
import { pruned } from "../execution/state/errors.ts";
import { Batch, type LevelStore } from "../execution/state/level-store.ts";
import { memoryStore } from "../execution/state/memory-store.ts";
import type { AccountProof, StateDatabase, StateReader } from "../execution/state/types.ts";
import type { CallRequest, CallResult } from "../execution/tx/call.ts";
import { l1FeePrice } from "../execution/tx/l1-fee.ts";
import type { Genesis } from "../genesis/schema.ts";
import type { BlockLogs } from "./block-logs.ts";
import { BlocksAbove, type Proposal, type ProposalInput, type Verification } from "./chain-above.ts";
import type { BlockSelector, ChainApi, TransactionLocation } from "./chain-api.ts";
import { chainRules } from "./chain-rules.ts";
import {
  blockDecoder,
  type Head,
  readBlock,
  readHead,
  readSchema,
  requireGenesis,
  stageBlock,
  stageSchema,
} from "./chain-store.ts";
import { readFirstBlock } from "./checkpoint-store.ts";
import { CommittedBlocks } from "./committed-blocks.ts";
import { DataError, START_ANEW } from "./errors.ts";
import {
  certificateFrom,
  lastCertificate,
  type NumberedCertificate,
  readCertificate,
  stageCertificate,
  stageValidatorSet,
} from "./finality-store.ts";
import { buildGenesisBlock } from "./genesis-block.ts";
import type { Logger } from "./log.ts";
import { blockAfter } from "./next-block.ts";
import { Calls } from "./runner/calls.ts";
import type { HeldState, RunnableChain } from "./runner/types.ts";
import type { SenderThreads } from "./senders/threads.ts";
import { KEEP_ALL, lowestNeeded, openStates, type StateRetention } from "./state-history.ts";

export type { Proposal, ProposalInput, Verification } from "./chain-above.ts";

interface ChainParts {
  readonly rules: ChainRules;
  readonly genesisHash: Uint8Array;
  readonly store: LevelStore;
  readonly firstBlock: bigint;
  readonly state: StateDatabase;
  readonly precompiles: readonly Precompile[];
  readonly head: ExecutedBlock;
  readonly latestCertificate: NumberedCertificate | undefined;
  readonly keepStates: bigint | undefined;
  readonly log: Logger | undefined;
}

export class Chain implements ChainApi, RunnableChain {
  readonly chainId: bigint;
  readonly genesisHash: Uint8Array;
  readonly rules: ChainRules;
  /** The lowest block that is here besides the genesis block: above 0 where the chain began with a checkpoint. */
  readonly firstBlock: bigint;
  readonly #store: LevelStore;
  readonly #state: StateDatabase;
  readonly #keepStates: bigint | undefined;
  readonly #committed: CommittedBlocks;
  readonly #above: BlocksAbove;
  readonly #calls: Calls;
  readonly #log: Logger | undefined;
  readonly #listeners = new Set<(head: Head) => void>();
  /** How far the chain is on L1: numbers of blocks. Without it, `safe` and `finalized` are what consensus finalized. */
  tags: { readonly safe: bigint; readonly finalized: bigint } | undefined;
  #latestCertificate: NumberedCertificate | undefined;
  /** Why no further block can be committed. */
  #broken: Error | undefined;

  private constructor(parts: ChainParts) {
    const { rules, genesisHash, store, firstBlock, state, precompiles, head, latestCertificate, log } = parts;
    this.chainId = rules.chainId;
    this.genesisHash = genesisHash;
    this.rules = rules;
    this.#store = store;
    this.#state = state;
    this.#keepStates = parts.keepStates;
    this.firstBlock = firstBlock;
    this.#committed = new CommittedBlocks(store.reader, blockDecoder(rules.chainId), firstBlock, head.header.number);
    this.#committed.extend([head]);
    this.#latestCertificate = latestCertificate;
    this.#log = log;
    const blockHash = (number: bigint): Uint8Array => {
      const hash = this.#committed.hashAt(number);
      if (hash === undefined) throw new Error(`the hash of block ${number} was asked for, which is not here`);
      return hash;
    };
    const onFault = (deposit: Transaction, error: unknown): void => {
      log?.error({ err: error, hash: bytesToHex(deposit.hash) }, "a deposit failed that could not be executed at all");
    };
    this.#above = new BlocksAbove(
      { block: head, sealed: state.head },
      { rules, precompiles, state, blockHash, onFault },
    );
    this.#calls = new Calls(this, precompiles);
  }

  /**
   * Resumes what the store holds, or writes the genesis block into an empty one. `log` is told of listeners that throw.
   * States that `retention` does not name go. Throws DataError.
   */
  static async open(
    store: LevelStore,
    genesis: Genesis,
    precompiles: readonly Precompile[],
    log?: Logger,
    retention: StateRetention = KEEP_ALL,
  ): Promise<Chain> {
    const rules = chainRules(genesis);
    const firstBlock = readFirstBlock(store.reader);
    const stored = readSchema(store.reader);
    const genesisHash = stored ?? (await writeGenesis(store, genesis));
    requireGenesis(genesisHash, buildGenesisBlock(genesis, memoryStore()).block.hash);
    const at = readHead(store.reader);
    const head = at === undefined ? undefined : readBlock(store.reader, at.number, blockDecoder(rules.chainId));
    if (at === undefined || head === undefined || !equalsBytes(head.hash, at.hash)) {
      throw new DataError(
        `the data directory is damaged: its head block is missing; restore a backup or ${START_ANEW}`,
      );
    }
    const state = await openStates(store, head.header, rules.epochBlocks, retention);
    const latestCertificate = await lastCertificate(store);
    const found = { rules, genesisHash, store, firstBlock, state, head, latestCertificate };
    return new Chain({ ...found, precompiles, keepStates: retention.states, log });
  }

  // What is committed

  get head(): Head {
    const { header, hash } = this.headBlock;
    return { number: header.number, hash };
  }

  get headBlock(): ExecutedBlock {
    return this.#committed.head;
  }

  get headState(): StateReader {
    return this.#state.head.reader;
  }

  block(number: bigint): ExecutedBlock | undefined {
    return this.#committed.block(number);
  }

  logs(number: bigint): BlockLogs | undefined {
    return this.#committed.logs(number);
  }

  find(selector: BlockSelector): ExecutedBlock | undefined {
    return this.#committed.find(selector, this.tags);
  }

  transaction(hash: Uint8Array): TransactionLocation | undefined {
    return this.#committed.transaction(hash);
  }

  state(block: ExecutedBlock): StateReader | undefined {
    return this.#stateOf(block)?.reader;
  }

  prove(block: ExecutedBlock, address: Uint8Array, slots: readonly Uint8Array[]): AccountProof {
    const { stateRoot } = block.header;
    const proof = this.proofAt(stateRoot, address, slots);
    if (proof === undefined) throw pruned(stateRoot);
    return proof;
  }

  proofAt(stateRoot: Uint8Array, address: Uint8Array, slots: readonly Uint8Array[]): AccountProof | undefined {
    return this.#state.prove(stateRoot, address, slots);
  }

  /** For the node itself: it runs in this thread, which makes blocks. */
  call(request: CallRequest, block: ExecutedBlock): Promise<CallResult> {
    return this.#calls.call(request, block.header);
  }

  rulesOf(): ChainRules {
    return this.rules;
  }

  hold(stateRoot: Uint8Array): HeldState | undefined {
    const state = this.#state.at(stateRoot);
    return state && { state, database: this.#state, release() {} };
  }

  next(timestamp: bigint): ExecutedBlock {
    return blockAfter(this.headBlock, this.nextBaseFee(), timestamp);
  }

  isCommitted(hash: Uint8Array): boolean {
    return this.#committed.numberOf(hash) !== undefined;
  }

  /** A committed block as it travels; undefined above the head. */
  rawAt(number: bigint): Uint8Array | undefined {
    return this.#committed.rawAt(number);
  }

  /** Of a committed block; undefined above the head. */
  hashAt(number: bigint): Uint8Array | undefined {
    return this.#committed.hashAt(number);
  }

  /** Encoded: the certificate that names the committed block. Not every final block has one. */
  certificate(number: bigint): Uint8Array | undefined {
    return readCertificate(this.#store.reader, number);
  }

  /** Of the highest block that has one. */
  get latestCertificate(): NumberedCertificate | undefined {
    return this.#latestCertificate;
  }

  /** Of the lowest block at or above the number that has one: what makes that block final. */
  certificateFrom(number: bigint): Promise<NumberedCertificate | undefined> {
    return certificateFrom(this.#store, number);
  }

  /** Known from genesis, and for an epoch once the last block of the one before is committed. */
  validatorSet(epoch: number): ValidatorSet | undefined {
    return this.#committed.validatorSet(epoch);
  }

  // What is not final

  /** Base fee that a block on the parent has; on the head when absent. Throws when the parent is not here. */
  nextBaseFee(parentHash: Uint8Array = this.headBlock.hash): bigint {
    const parent = this.#above.tree.get(parentHash);
    if (parent === undefined) throw new Error(`no block can stand on ${bytesToHex(parentHash)}: it is not here`);
    return nextBaseFee(parent.block.header, this.rules);
  }

  /** What the pool goes by: L1 data costs what it cost in the head. */
  get nextBlock(): NextBlock {
    const l1 = l1AttributesOf(this.headBlock.transactions);
    const next = { baseFeePerGas: this.nextBaseFee(), gasLimit: this.rules.gasLimit };
    return l1 === undefined ? next : { ...next, l1FeePrice: l1FeePrice(l1) };
  }

  /** A block on the head. */
  propose(input: ProposalInput): Promise<Proposal> {
    return this.proposeOn(this.headBlock.hash, input);
  }

  /**
   * Makes a block on the head or on a block above it, and keeps it. `rejected` leaves out what only ancestors that are
   * not final are the reason for. Rejects when the parent is not here, and on a damaged store.
   */
  proposeOn(parentHash: Uint8Array, input: ProposalInput): Promise<Proposal> {
    return this.#above.propose(parentHash, input);
  }

  /** From now on senders of blocks that are verified are recovered in these threads. The caller closes them. */
  recoverIn(senders: SenderThreads): void {
    this.#above.senders = senders;
  }

  /**
   * Executes a block that somebody else made, on the head or on a block above it, and keeps it. No clock is asked.
   * Rejects on a damaged store.
   */
  async verify(raw: Uint8Array, parentHash: Uint8Array): Promise<Verification> {
    const verification = await this.#above.verify(raw, parentHash);
    if (verification.ok || verification.fault === "invalid") return verification;
    // Its parent is not to be found when the block itself was committed.
    const { hash } = verification;
    const committed = hash && this.raw(hash);
    return committed !== undefined && equalsBytes(committed, raw) ? { ok: true, hash: hash! } : verification;
  }

  /** These very bytes will be verified soon. */
  expect(raw: Uint8Array): void {
    this.#above.expect(raw);
  }

  /** Whether the block is committed or above the head. */
  has(hash: Uint8Array): boolean {
    return this.#above.tree.get(hash) !== undefined || this.isCommitted(hash);
  }

  /** Of a committed block or one above the head. */
  header(hash: Uint8Array): Header | undefined {
    return (this.#above.tree.get(hash)?.block ?? this.#committed.blockOf(hash))?.header;
  }

  /** The head or a block above it, executed. */
  blockAbove(hash: Uint8Array): ExecutedBlock | undefined {
    return this.#above.tree.get(hash)?.block;
  }

  /** State after the head or a block above it. */
  stateAfter(hash: Uint8Array): StateReader | undefined {
    return this.#above.tree.get(hash)?.sealed.reader;
  }

  /** A committed block or one above the head, as it travels. */
  raw(hash: Uint8Array): Uint8Array | undefined {
    const above = this.#above.tree.above(hash);
    if (above !== undefined) return above.raw;
    const number = this.#committed.numberOf(hash);
    return number === undefined ? undefined : this.rawAt(number);
  }

  /** Of the blocks above the head, keeps those that are named and their ancestors. */
  prune(keep: readonly Uint8Array[]): void {
    this.#above.tree.retain(keep);
  }

  /** Blocks above the head, and about how much memory they take. */
  get unfinalized(): { readonly blocks: number; readonly bytes: number } {
    const { size, bytes } = this.#above.tree;
    return { blocks: size, bytes };
  }

  // Committing

  onCommit(listener: (head: Head) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** As `commitThrough`, for a proposal on the head without a certificate. */
  async commit(proposal: Proposal): Promise<void> {
    this.#requireWritable();
    if (!equalsBytes(proposal.block.header.parentHash, this.headBlock.hash)) {
      throw new Error(`block ${proposal.block.header.number} does not stand on the head`);
    }
    await this.#writePath([proposal], undefined);
  }

  /**
   * Commits the blocks from the head up to `hash` in order, with the encoded certificate of the last one, and forgets
   * what does not descend from that. Returns them; none when the block is committed already, which only gets the
   * certificate if it had none.
   *
   * Durable once resolved. When the write fails, the chain stays at its head and refuses to go on: nobody knows how much
   * of the batch a restart will find, so no other block may take its place.
   */
  async commitThrough(hash: Uint8Array, certificate: Uint8Array | undefined): Promise<readonly ExecutedBlock[]> {
    this.#requireWritable();
    const path = this.#above.tree.path(hash) ?? [];
    if (path.length > 0) return this.#writePath(path, certificate);
    const number = this.#committed.numberOf(hash);
    if (number === undefined) throw new Error(`block ${bytesToHex(hash)} does not stand on the head`);
    if (certificate !== undefined && this.certificate(number) === undefined) {
      const batch = new Batch();
      stageCertificate(batch, number, certificate);
      await this.#write(batch, `the certificate of block ${number}`);
      this.#noteCertificate(number, certificate);
    }
    return [];
  }

  async #writePath(path: readonly ProducedBlock[], certificate: Uint8Array | undefined): Promise<ExecutedBlock[]> {
    const { block: last, sealed } = path.at(-1)!;
    const batch = new Batch();
    for (const { block, raw, sealed: after } of path) {
      stageBlock(batch, block, raw);
      stageNextSet(batch, block.header.number, after.reader, this.rules);
    }
    this.#state.stage(sealed, batch, this.#keepFrom(last.header.number));
    if (certificate !== undefined) stageCertificate(batch, last.header.number, certificate);
    await this.#write(batch, `block ${last.header.number}`);
    const blocks = path.map(({ block }) => block);
    this.#state.committed(sealed);
    this.#above.tree.advance({ block: last, sealed });
    this.#committed.extend(blocks);
    if (certificate !== undefined) this.#noteCertificate(last.header.number, certificate);
    for (const { header, hash } of blocks) this.#announce({ number: header.number, hash });
    return blocks;
  }

  #keepFrom(head: bigint): bigint | undefined {
    const [states, { epochBlocks }] = [this.#keepStates, this.rules];
    if (states === undefined) return undefined;
    return lowestNeeded({ head, states, finalizedOnL1: this.tags?.finalized, epochBlocks });
  }

  /** Until it has been written, also what would stand beside it is refused. */
  async #write(batch: Batch, what: string): Promise<void> {
    this.#broken = new Error(`${what} is being written`);
    try {
      await this.#store.write(batch, { sync: true });
    } catch (error) {
      this.#broken = error as Error;
      throw error;
    }
    this.#broken = undefined;
  }

  #requireWritable(): void {
    if (this.#broken === undefined) return;
    throw new Error("no block can be committed after one could not be written", { cause: this.#broken });
  }

  #noteCertificate(number: bigint, certificate: Uint8Array): void {
    if (number >= (this.#latestCertificate?.number ?? 0n)) this.#latestCertificate = { number, certificate };
  }

  #announce(head: Head): void {
    for (const listener of this.#listeners) {
      try {
        listener(head);
      } catch (error) {
        // The block is committed, whatever becomes of those who follow.
        this.#log?.error({ err: error, height: Number(head.number) }, "a follower failed on a new block");
      }
    }
  }

  #stateOf(block: ExecutedBlock) {
    if (block === this.headBlock) return this.#state.head;
    return this.#state.at(block.header.stateRoot);
  }
}

/** With an epoch's last block goes the set that takes over. `after`: the state after it. */
function stageNextSet(batch: Batch, number: bigint, after: StateReader, { epochBlocks }: ChainRules): void {
  if (epochBlocks === undefined || !isLastOfEpoch(number, epochBlocks)) return;
  stageValidatorSet(batch, number / epochBlocks + 1n, readValidatorSet(after));
}

async function writeGenesis(store: LevelStore, genesis: Genesis): Promise<Uint8Array> {
  const batch = new Batch();
  const { block, stageState } = buildGenesisBlock(genesis, store.reader);
  stageState(batch);
  stageBlock(batch, block, encodeBlock(block));
  stageValidatorSet(batch, 0n, genesis.validators);
  stageSchema(batch, block.hash);
  await store.write(batch, { sync: true });
  return block.hash;
}
