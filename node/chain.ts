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
import { Batch, type LevelStore } from "../execution/state/level-store.ts";
import { memoryStore } from "../execution/state/memory-store.ts";
import type { AccountProof, StateDatabase, StateReader } from "../execution/state/types.ts";
import { callMessage } from "../execution/tx/call.ts";
import { type Machine, MachinePool } from "../execution/tx/machine.ts";
import type { Genesis } from "../genesis/schema.ts";
import type { BlockSelector, CallRequest, CallResult, ChainApi, TransactionLocation } from "./chain-api.ts";
import {
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
import { pacer, TimeSpent } from "./pace.ts";

/** Executed blocks kept in memory; older ones are read from disk. */
const RECENT_BLOCKS = 128;
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
  readonly #recent = new Map<bigint, ExecutedBlock>();
  readonly #listeners = new Set<(head: Head) => void>();
  #headBlock: ExecutedBlock;

  private constructor(
    rules: ChainRules,
    genesisHash: Uint8Array,
    store: LevelStore,
    state: StateDatabase,
    precompiles: readonly Precompile[],
    head: ExecutedBlock,
  ) {
    this.chainId = rules.chainId;
    this.genesisHash = genesisHash;
    this.rules = rules;
    this.#store = store;
    this.#state = state;
    this.#machines = new MachinePool(rules, precompiles);
    this.#callMachines = new MachinePool(rules, precompiles, true);
    this.#headBlock = head;
    this.#remember(head);
  }

  /** Resumes what the store holds, or writes the genesis block into an empty one. Throws DataError. */
  static async open(store: LevelStore, genesis: Genesis, precompiles: readonly Precompile[]): Promise<Chain> {
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
    const state = openStateDatabase({ reader: store.reader, headRoot: block.header.stateRoot });
    return new Chain(rules, genesisHash, store, state, precompiles, block);
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
    return this.#recent.get(number) ?? readBlock(this.#store.reader, number, this.chainId);
  }

  find(selector: BlockSelector): ExecutedBlock | undefined {
    if ("number" in selector) return this.block(selector.number);
    if ("hash" in selector) {
      const number = readNumber(this.#store.reader, selector.hash);
      return number === undefined ? undefined : this.block(number);
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
    if (transaction === undefined || receipt === undefined) {
      throw new DataError(`the data directory is damaged: block ${place.number} lacks transaction ${bytesToHex(hash)}`);
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

  /** Durable once resolved. When the write fails, the chain stays at its head and must not go on. */
  async commit({ block, sealed, raw }: Proposal): Promise<void> {
    if (!equalsBytes(block.header.parentHash, this.#headBlock.hash)) {
      throw new Error(`block ${block.header.number} does not stand on the head`);
    }
    const batch = new Batch();
    stageBlock(batch, block, raw);
    this.#state.stage(sealed, batch);
    await this.#store.write(batch, { sync: true });
    this.#state.committed(sealed);
    this.#headBlock = block;
    this.#remember(block);
    for (const listener of this.#listeners) listener(this.head);
  }

  #stateOf(block: ExecutedBlock) {
    if (block === this.#headBlock) return this.#state.head;
    return this.#state.at(block.header.stateRoot);
  }

  #remember(block: ExecutedBlock): void {
    this.#recent.set(block.header.number, block);
    this.#recent.delete(block.header.number - BigInt(RECENT_BLOCKS));
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

async function writeGenesis(store: LevelStore, genesis: Genesis): Promise<Uint8Array> {
  const batch = new Batch();
  const { block, stageState } = buildGenesisBlock(genesis, store.reader);
  stageState(batch);
  stageBlock(batch, block, encodeBlock(block));
  stageSchema(batch, block.hash);
  await store.write(batch, { sync: true });
  return block.hash;
}
