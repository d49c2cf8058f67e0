/**
 * The chain: the last committed block, what is stored below it, and the state that stands on it. A block becomes part
 * of it in one atomic, synced write (block, receipts, indexes, flat state, trie nodes, code, head), or not at all.
 */
import { bytesToHex, EMPTY_BYTES, equalsBytes, ZERO_32 } from "../core/bytes.ts";
import type { ExecutedBlock } from "../core/chain.ts";
import { Gate } from "../core/gate.ts";
import type { Precompile } from "../core/precompile.ts";
import { type AssembledBlock, assembleBlock, type Candidates } from "../execution/block/assemble.ts";
import { nextBaseFee } from "../execution/block/base-fee.ts";
import { encodeBlock } from "../execution/block/block-codec.ts";
import { type ChainRules, DEFAULT_RULES } from "../execution/rules.ts";
import { GenerationCache } from "../execution/state/cache.ts";
import { openStateDatabase } from "../execution/state/database.ts";
import { StoreError } from "../execution/state/errors.ts";
import { Batch, type LevelStore } from "../execution/state/level-store.ts";
import { memoryStore } from "../execution/state/memory-store.ts";
import type { AccountProof, StateDatabase, StateReader } from "../execution/state/types.ts";
import { callMessage } from "../execution/tx/call.ts";
import { type Machine, MachinePool } from "../execution/tx/machine.ts";
import type { Genesis } from "../genesis/schema.ts";
import type { BlockSelector, CallRequest, CallResult, ChainApi, TransactionLocation } from "./chain-api.ts";
import {
  damagedBlock,
  type Head,
  readBlock,
  readBlockHash,
  readHead,
  readNumber,
  readSchema,
  readTransactionPlace,
  requireGenesis,
  stageBlock,
  stageSchema,
} from "./chain-store.ts";
import { DataError } from "./errors.ts";
import { buildGenesisBlock } from "./genesis-block.ts";
import type { Logger } from "./log.ts";
import { pacer, TimeSpent } from "./pace.ts";

/** Executed blocks kept in memory, until their number or their size is reached; older ones are read from disk. */
const RECENT_BLOCKS = 128;
const RECENT_BYTES = 64 * 1024 * 1024;
/** Block hashes kept for BLOCKHASH, which costs 20 gas and may not cost a read each time. */
const HASHES_KEPT = 4_096;

/** Calls (eth_call, attempts of eth_estimateGas) that run by turns, and that wait for one to end. */
const CALLS_RUNNING = 4;
const CALLS_WAITING = 256;
/** A call that waited longer is refused: its caller has given up. */
const CALL_WAIT_MS = 20_000;
/** Time that a call may work, as geth's --rpc.evmtimeout. */
const CALL_WORK_MS = 5_000;

export interface ProposalInput {
  readonly candidates: Candidates;
  /** Unix seconds; the parent's time when it is later. */
  readonly timestamp: bigint;
  readonly feeAddress: Uint8Array;
  readonly isOutOfTime: () => boolean;
}

export type Proposal = AssembledBlock;

export function chainRules(genesis: Genesis): ChainRules {
  return { ...DEFAULT_RULES, chainId: genesis.chainId, gasLimit: genesis.gasLimit, blockBytes: genesis.blockBytes };
}

export class Chain implements ChainApi {
  readonly chainId: bigint;
  readonly genesisHash: Uint8Array;
  readonly rules: ChainRules;
  readonly #store: LevelStore;
  readonly #state: StateDatabase;
  readonly #machines: MachinePool;
  readonly #callMachines: MachinePool;
  readonly #calls = new Gate(CALLS_RUNNING, CALLS_WAITING);
  readonly #hashes = new GenerationCache<Uint8Array>(HASHES_KEPT);
  readonly #log: Logger | undefined;
  /** The oldest first. */
  readonly #recent = new Map<bigint, ExecutedBlock>();
  #recentBytes = 0;
  readonly #listeners = new Set<(head: Head) => void>();
  #headBlock: ExecutedBlock;
  /** Why no further block can be committed. */
  #broken: Error | undefined;

  private constructor(
    rules: ChainRules,
    genesisHash: Uint8Array,
    store: LevelStore,
    state: StateDatabase,
    precompiles: readonly Precompile[],
    head: ExecutedBlock,
    log: Logger | undefined,
  ) {
    this.chainId = rules.chainId;
    this.genesisHash = genesisHash;
    this.rules = rules;
    this.#store = store;
    this.#state = state;
    this.#log = log;
    this.#machines = new MachinePool(rules, precompiles);
    this.#callMachines = new MachinePool(rules, precompiles, true);
    this.#headBlock = head;
    this.#remember(head);
  }

  /**
   * Resumes what the store holds, or writes the genesis block into an empty one. `log` is told of listeners that throw.
   * Throws DataError.
   */
  static async open(
    store: LevelStore,
    genesis: Genesis,
    precompiles: readonly Precompile[],
    log?: Logger,
  ): Promise<Chain> {
    const rules = chainRules(genesis);
    const stored = readSchema(store.reader);
    const genesisHash = stored ?? (await writeGenesis(store, genesis));
    requireGenesis(genesisHash, buildGenesisBlock(genesis, memoryStore()).block.hash);
    const head = readHead(store.reader);
    const block = head === undefined ? undefined : readBlock(store.reader, head.number, rules.chainId);
    if (head === undefined || block === undefined || !equalsBytes(block.hash, head.hash)) {
      throw new DataError(
        "the data directory is damaged: its head block is missing; restore a backup or start anew with --fresh",
      );
    }
    return new Chain(rules, genesisHash, store, openState(store, block), precompiles, block, log);
  }

  get head(): Head {
    return { number: this.#headBlock.header.number, hash: this.#headBlock.hash };
  }

  get headBlock(): ExecutedBlock {
    return this.#headBlock;
  }

  get headState(): StateReader {
    return this.#state.head.reader;
  }

  block(number: bigint): ExecutedBlock | undefined {
    if (number < 0n || number > this.#headBlock.header.number) return undefined;
    const block = this.#recent.get(number) ?? readBlock(this.#store.reader, number, this.chainId);
    if (block === undefined) throw damagedBlock(number, "is missing");
    return block;
  }

  find(selector: BlockSelector): ExecutedBlock | undefined {
    if ("number" in selector) return this.block(selector.number);
    if ("hash" in selector) {
      const number = readNumber(this.#store.reader, selector.hash);
      const block = number === undefined ? undefined : this.block(number);
      if (block !== undefined && !equalsBytes(block.hash, selector.hash)) {
        throw damagedBlock(block.header.number, `is listed as ${bytesToHex(selector.hash)}`);
      }
      return block;
    }
    // Without an L1, safe and finalized are what consensus finalized: the head.
    return selector.tag === "earliest" ? this.block(0n) : this.#headBlock;
  }

  transaction(hash: Uint8Array): TransactionLocation | undefined {
    const place = readTransactionPlace(this.#store.reader, hash);
    const block = place === undefined ? undefined : this.block(place.number);
    if (place === undefined || block === undefined) return undefined;
    const transaction = block.transactions[place.index];
    const receipt = block.receipts[place.index];
    if (transaction === undefined || receipt === undefined || !equalsBytes(transaction.hash, hash)) {
      throw damagedBlock(place.number, `lacks transaction ${bytesToHex(hash)}`);
    }
    return { block, index: place.index, transaction, receipt };
  }

  state(block: ExecutedBlock): StateReader | undefined {
    return this.#stateOf(block)?.reader;
  }

  prove(block: ExecutedBlock, address: Uint8Array, slots: readonly Uint8Array[]): AccountProof {
    return this.#state.prove(block.header.stateRoot, address, slots);
  }

  /** Gives way to other work every 10 ms. What takes too long fails as in geth. */
  async call(request: CallRequest, block: ExecutedBlock): Promise<CallResult> {
    const askedAtMs = performance.now();
    const result = await this.#calls.run(async () => {
      if (performance.now() - askedAtMs > CALL_WAIT_MS) return undefined;
      return this.#call(request, block);
    });
    return result ?? failedCall("too many calls are running: try again later");
  }

  async #call(request: CallRequest, block: ExecutedBlock): Promise<CallResult> {
    const state = this.#stateOf(block);
    if (state === undefined) throw new Error(`the state of block ${block.header.number} is not available`);
    const run = (machine: Machine) => callMessage(machine, request, block.header, this.rules);
    try {
      return await this.#callMachines.use(state.fork(), this.#blockHash, run, pacer(CALL_WORK_MS));
    } catch (error) {
      if (error instanceof TimeSpent) return failedCall(`execution aborted (timeout = ${CALL_WORK_MS / 1_000}s)`);
      throw error;
    }
  }

  nextBaseFee(): bigint {
    return nextBaseFee(this.#headBlock.header, this.rules);
  }

  next(timestamp: bigint): ExecutedBlock {
    const { header, hash } = this.#headBlock;
    const next = {
      ...header,
      parentHash: hash,
      number: header.number + 1n,
      timestamp: timestamp > header.timestamp ? timestamp : header.timestamp,
      baseFeePerGas: this.nextBaseFee(),
      gasUsed: 0n,
    };
    return { hash: ZERO_32, header: next, transactions: [], receipts: [] };
  }

  onCommit(listener: (head: Head) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A block on the head. Nothing is kept until it is committed. */
  propose({ candidates, timestamp, feeAddress, isOutOfTime }: ProposalInput): Promise<Proposal> {
    const parent = this.#headBlock;
    return assembleBlock({
      parent,
      state: this.#state.head,
      database: this.#state,
      machines: this.#machines,
      blockHash: this.#blockHash,
      rules: this.rules,
      candidates,
      timestamp: timestamp > parent.header.timestamp ? timestamp : parent.header.timestamp,
      coinbase: feeAddress,
      isOutOfTime,
    });
  }

  /**
   * Durable once resolved. When the write fails, the chain stays at its head and refuses to go on: nobody knows how much
   * of the batch a restart will find, so no other block may take its place.
   */
  async commit({ block, sealed, raw }: Proposal): Promise<void> {
    if (this.#broken !== undefined) {
      throw new Error("no block can be committed after one could not be written", { cause: this.#broken });
    }
    if (!equalsBytes(block.header.parentHash, this.#headBlock.hash)) {
      throw new Error(`block ${block.header.number} does not stand on the head`);
    }
    const batch = new Batch();
    stageBlock(batch, block, raw);
    this.#state.stage(sealed, batch);
    // Until it has been written, also what would stand beside it is refused.
    this.#broken = new Error(`block ${block.header.number} is being written`);
    try {
      await this.#store.write(batch, { sync: true });
    } catch (error) {
      this.#broken = error as Error;
      throw error;
    }
    this.#broken = undefined;
    this.#state.committed(sealed);
    this.#headBlock = block;
    this.#remember(block);
    for (const listener of this.#listeners) {
      try {
        listener(this.head);
      } catch (error) {
        // The block is committed, whatever becomes of those who follow.
        this.#log?.error({ err: error, height: Number(block.header.number) }, "a follower failed on a new block");
      }
    }
  }

  #stateOf(block: ExecutedBlock) {
    if (block === this.#headBlock) return this.#state.head;
    return this.#state.at(block.header.stateRoot);
  }

  #remember(block: ExecutedBlock): void {
    this.#recent.set(block.header.number, block);
    this.#recentBytes += sizeOf(block);
    for (const [number, oldest] of this.#recent) {
      const isTooMuch = this.#recent.size > RECENT_BLOCKS || this.#recentBytes > RECENT_BYTES;
      if (!isTooMuch || oldest === block) return;
      this.#recent.delete(number);
      this.#recentBytes -= sizeOf(oldest);
    }
  }

  readonly #blockHash = (number: bigint): Uint8Array => {
    const key = String(number);
    const known = this.#hashes.get(key);
    if (known !== undefined) return known;
    const hash = this.#recent.get(number)?.hash ?? readBlockHash(this.#store.reader, number);
    if (hash === undefined) throw new Error(`the hash of block ${number} was asked for, above the head`);
    this.#hashes.set(key, hash);
    return hash;
  };
}

const failedCall = (reason: string): CallResult => ({ ok: false, output: EMPTY_BYTES, gasUsed: 0n, reason });

/** What the objects of a transaction and its receipt take besides their data. */
const OBJECT_BYTES = 1_024;
const LOG_BYTES = 256;

function sizeOf({ transactions, receipts }: ExecutedBlock): number {
  let bytes = OBJECT_BYTES;
  for (const tx of transactions) bytes += OBJECT_BYTES + tx.raw.length;
  for (const { logs } of receipts) for (const log of logs) bytes += LOG_BYTES + log.data.length;
  return bytes;
}

/** The state after the head. Throws DataError. */
function openState(store: LevelStore, head: ExecutedBlock): StateDatabase {
  try {
    return openStateDatabase({ reader: store.reader, headRoot: head.header.stateRoot });
  } catch (error) {
    if (error instanceof StoreError && error.code === "DAMAGED") {
      throw new DataError(error.message, { cause: error });
    }
    throw error;
  }
}

async function writeGenesis(store: LevelStore, genesis: Genesis): Promise<Uint8Array> {
  const batch = new Batch();
  const { block, stageState } = buildGenesisBlock(genesis, store.reader);
  stageState(batch);
  stageBlock(batch, block, encodeBlock(block));
  stageSchema(batch, block.hash);
  await store.write(batch, { sync: true });
  return block.hash;
}
