/**
 * The committed chain, read in another thread than the one that extends it. It sees what is in the store: blocks, which
 * never change, and the state after the head as of a snapshot of the store, which is replaced when the head has moved.
 * Nobody has to tell it of a block, but whoever does makes it tell its followers.
 */
import { equalsBytes } from "../core/bytes.ts";
import type { ExecutedBlock } from "../core/chain.ts";
import type { ValidatorSet } from "../core/validators.ts";
import { nextBaseFee } from "../execution/block/base-fee.ts";
import type { ChainRules } from "../execution/rules.ts";
import { openStateDatabase } from "../execution/state/database.ts";
import type { ReadStore, StoreSnapshot } from "../execution/state/level-store.ts";
import type { AccountProof, StateDatabase, StateReader } from "../execution/state/types.ts";
import type { BlockLogs } from "./block-logs.ts";
import type { BlockSelector, ChainApi, TransactionLocation } from "./chain-api.ts";
import { blockDecoder, damagedData, type Head, readHead, readHeader } from "./chain-store.ts";
import { CommittedBlocks } from "./committed-blocks.ts";
import { certificateFrom, type NumberedCertificate, readCertificate } from "./finality-store.ts";
import { blockAfter } from "./next-block.ts";
import type { HeldState, RunnableChain } from "./runner/types.ts";

/** What a view is told of the chain. Plain data. */
export interface ViewedChain {
  readonly rules: ChainRules;
  readonly genesisHash: Uint8Array;
  readonly firstBlock: bigint;
}

/** The store at one moment, and the state of the head at that moment. */
interface Moment {
  readonly snapshot: StoreSnapshot;
  readonly head: Head;
  readonly database: StateDatabase;
  /** Whoever holds a state of it, and the view itself while it is the newest. */
  holders: number;
}

export class ChainView implements ChainApi, RunnableChain {
  readonly chainId: bigint;
  readonly genesisHash: Uint8Array;
  readonly firstBlock: bigint;
  tags: ChainApi["tags"];
  readonly #rules: ChainRules;
  readonly #store: ReadStore;
  readonly #committed: CommittedBlocks;
  readonly #listeners = new Set<(head: Head) => void>();
  readonly #onListenerError: (error: unknown) => void;
  #now: Moment;
  #isFresh = false;

  /** Throws a StoreError or a DataError. */
  constructor(
    store: ReadStore,
    { rules, genesisHash, firstBlock }: ViewedChain,
    onListenerError: (error: unknown) => void = () => {},
  ) {
    this.chainId = rules.chainId;
    this.genesisHash = genesisHash;
    this.firstBlock = firstBlock;
    this.#rules = rules;
    this.#store = store;
    this.#onListenerError = onListenerError;
    this.#now = this.#look();
    const decode = blockDecoder(rules.chainId);
    this.#committed = new CommittedBlocks(store.reader, decode, firstBlock, this.#now.head.number, true);
  }

  /** As `refresh`, once in a turn of the event loop: what is asked together is answered from one state. */
  refreshOnce(): void {
    if (this.#isFresh) return;
    this.#isFresh = true;
    setImmediate(() => {
      this.#isFresh = false;
    });
    this.refresh();
  }

  /** Looks for a new head: a read of a few bytes when there is none. Listeners are told before it returns. */
  refresh(): void {
    const stored = readHead(this.#store.reader);
    if (stored === undefined || equalsBytes(stored.hash, this.#now.head.hash)) return;
    const before = this.#now;
    this.#now = this.#look();
    this.#committed.advanceTo(this.#now.head.number);
    this.#release(before);
    for (const listener of this.#listeners) {
      try {
        listener(this.head);
      } catch (error) {
        this.#onListenerError(error);
      }
    }
  }

  get head(): Head {
    return this.#now.head;
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

  /** To be read before anything else happens: `hold` what has to last. */
  state(block: ExecutedBlock): StateReader | undefined {
    return this.#now.database.at(block.header.stateRoot)?.reader;
  }

  /** Of a state that this view has not seen yet, too: whoever asks may know of a newer block. */
  hold(stateRoot: Uint8Array): HeldState | undefined {
    if (this.#now.database.at(stateRoot) === undefined) this.refresh();
    const moment = this.#now;
    const state = moment.database.at(stateRoot);
    if (state === undefined) return undefined;
    moment.holders++;
    let isHeld = true;
    return {
      state,
      database: moment.database,
      release: () => {
        if (isHeld) this.#release(moment);
        isHeld = false;
      },
    };
  }

  proofAt(stateRoot: Uint8Array, address: Uint8Array, slots: readonly Uint8Array[]): AccountProof | undefined {
    const proof = this.#now.database.prove(stateRoot, address, slots);
    if (proof !== undefined) return proof;
    this.refresh();
    return this.#now.database.prove(stateRoot, address, slots);
  }

  rulesOf(): ChainRules {
    return this.#rules;
  }

  rawAt(number: bigint): Uint8Array | undefined {
    return this.#committed.rawAt(number);
  }

  hashAt(number: bigint): Uint8Array | undefined {
    return this.#committed.hashAt(number);
  }

  /** Encoded: the certificate that names the block. Not every final block has one. */
  certificate(number: bigint): Uint8Array | undefined {
    return readCertificate(this.#store.reader, number);
  }

  certificateFrom(number: bigint): Promise<NumberedCertificate | undefined> {
    return certificateFrom(this.#store, number);
  }

  validatorSet(epoch: number): ValidatorSet | undefined {
    return this.#committed.validatorSet(epoch);
  }

  nextBaseFee(): bigint {
    return nextBaseFee(this.#committed.head.header, this.#rules);
  }

  next(timestamp: bigint): ExecutedBlock {
    return blockAfter(this.#committed.head, this.nextBaseFee(), timestamp);
  }

  onCommit(listener: (head: Head) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#release(this.#now);
    return this.#store.close();
  }

  #look(): Moment {
    const snapshot = this.#store.snapshot();
    const head = readHead(snapshot.reader);
    const headRoot = head && readHeader(snapshot.reader, head.number)?.stateRoot;
    if (head === undefined || headRoot === undefined) throw damagedData("its head block is missing");
    return { snapshot, head, database: openStateDatabase({ reader: snapshot.reader, headRoot }), holders: 1 };
  }

  #release(moment: Moment): void {
    moment.holders--;
    if (moment.holders === 0) moment.snapshot.close();
  }
}
