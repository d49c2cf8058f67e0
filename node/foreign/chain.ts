/**
 * A foreign chain: another Ethereum chain that was imported block by block, each executed by the rules of its fork. It
 * has no consensus here: what was imported is the chain, and nothing is added but by another import.
 */
import { equalsBytes, ZERO_32 } from "../../core/bytes.ts";
import type { ExecutedBlock } from "../../core/chain.ts";
import { encodeBlock } from "../../execution/block/block-codec.ts";
import { decodeForeignBlock } from "../../execution/foreign/block.ts";
import { ForeignExecutor } from "../../execution/foreign/execute.ts";
import { type ForkPoint, Forks } from "../../execution/foreign/forks.ts";
import { buildForeignGenesis, type ForeignGenesis } from "../../execution/foreign/genesis.ts";
import { BASE_FEE_RULES, baseFeeAfter, blobTerms, excessBlobGasAfter } from "../../execution/foreign/header-rules.ts";
import { replayForeign } from "../../execution/foreign/replay.ts";
import { ForeignForms, SLOT_SECONDS } from "../../execution/foreign/simulate.ts";
import type { ChainRules } from "../../execution/rules.ts";
import { openStateDatabase } from "../../execution/state/database.ts";
import { StoreError } from "../../execution/state/errors.ts";
import { Batch, type LevelStore } from "../../execution/state/level-store.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import type { AccountProof, SealedState, StateDatabase, StateReader } from "../../execution/state/types.ts";
import { messageRulesOf } from "../../execution/tx/message-rules.ts";
import type { BlockLogs } from "../block-logs.ts";
import type { BlockSelector, ChainApi, TransactionLocation } from "../chain-api.ts";
import {
  type BlockDecoder,
  damagedData,
  type Head,
  readBlock,
  readHead,
  readSchema,
  requireGenesis,
  stageBlock,
  stageSchema,
} from "../chain-store.ts";
import { CommittedBlocks } from "../committed-blocks.ts";
import { DataError } from "../errors.ts";
import type { ForeignRules, HeldState, RunnableChain } from "../runner/types.ts";

/** Blocks that are executed and not yet written, until their number or their state's memory is reached. */
const HELD_BLOCKS = 256;
const HELD_BYTES = 64 * 1024 * 1024;

interface Held {
  readonly block: ExecutedBlock;
  readonly raw: Uint8Array;
  readonly sealed: SealedState;
}

export class ForeignChain implements ChainApi, RunnableChain {
  readonly chainId: bigint;
  readonly genesisHash: Uint8Array;
  readonly forks: Forks;
  readonly foreign: ForeignRules;
  readonly #store: LevelStore;
  readonly #state: StateDatabase;
  readonly #committed: CommittedBlocks;
  readonly #executor: ForeignExecutor;
  /** By fork. */
  readonly #rules = new Map<string, ChainRules>();
  #held: Held[] = [];

  private constructor(store: LevelStore, forks: Forks, genesisHash: Uint8Array, head: ExecutedBlock) {
    this.chainId = forks.chainId;
    this.genesisHash = genesisHash;
    this.forks = forks;
    const commonOf = (header: ForkPoint) => forks.common(forks.forkOf(header));
    this.foreign = {
      forms: new ForeignForms(forks, (point) => this.rulesOf(point)),
      openReplay: (parts, block, state) => replayForeign(parts, block, state, commonOf(block.header)),
      decode: (raw) => decodeForeignBlock(raw, forks),
      refusalOf: ({ header }) => {
        if (forks.isDaoFork(header.number)) return "is not traced: the DAO's accounts are emptied in it";
        const { messages } = this.rulesOf(header);
        return messages?.refusal && `is not traced: ${messages.refusal}`;
      },
    };
    this.#store = store;
    this.#state = openState(store, head);
    this.#committed = new CommittedBlocks(store.reader, foreignDecoder(forks), 0n, head.header.number);
    this.#committed.extend([head]);
    this.#executor = new ForeignExecutor(forks, this.#state, this.#blockHash);
  }

  /** Resumes what the store holds, or writes the genesis block into an empty one. Rejects with DataError. */
  static async open(store: LevelStore, genesis: ForeignGenesis): Promise<ForeignChain> {
    const forks = new Forks(genesis.schedule);
    const genesisHash = readSchema(store.reader) ?? (await writeGenesis(store, genesis, forks));
    requireGenesis(genesisHash, buildForeignGenesis(genesis, forks, memoryStore()).block.hash);
    const at = readHead(store.reader);
    const head = at === undefined ? undefined : readBlock(store.reader, at.number, foreignDecoder(forks));
    if (at === undefined || head === undefined || !equalsBytes(head.hash, at.hash)) {
      throw damagedData("its head block is missing");
    }
    return new ForeignChain(store, forks, genesisHash, head);
  }

  get head(): Head {
    const { header, hash } = this.#committed.head;
    return { number: header.number, hash };
  }

  block(number: bigint): ExecutedBlock | undefined {
    return this.#committed.block(number);
  }

  logs(number: bigint): BlockLogs | undefined {
    return this.#committed.logs(number);
  }

  find(selector: BlockSelector): ExecutedBlock | undefined {
    return this.#committed.find(selector, undefined);
  }

  transaction(hash: Uint8Array): TransactionLocation | undefined {
    return this.#committed.transaction(hash);
  }

  /** As it was imported; undefined above the head. */
  rawAt(number: bigint): Uint8Array | undefined {
    return this.#committed.rawAt(number);
  }

  /** Of a block that is here, written or not. */
  hashAt(number: bigint): Uint8Array | undefined {
    return this.#held.find(({ block }) => block.header.number === number)?.block.hash ?? this.#committed.hashAt(number);
  }

  state(block: ExecutedBlock): StateReader | undefined {
    return this.#state.at(block.header.stateRoot)?.reader;
  }

  /** For calls, by the rules of the block's fork. */
  rulesOf(point: ForkPoint): ChainRules {
    const fork = this.forks.forkOf(point);
    let rules = this.#rules.get(fork);
    if (rules === undefined) {
      rules = foreignRules(this.forks, fork);
      this.#rules.set(fork, rules);
    }
    return rules;
  }

  proofAt(stateRoot: Uint8Array, address: Uint8Array, slots: readonly Uint8Array[]): AccountProof | undefined {
    return this.#state.prove(stateRoot, address, slots);
  }

  hold(stateRoot: Uint8Array): HeldState | undefined {
    const state = this.#state.at(stateRoot);
    return state && { state, database: this.#state, release() {} };
  }

  nextBaseFee(): bigint {
    return this.next().header.baseFeePerGas;
  }

  /** A slot after the head, whatever time it is: nobody makes that block. */
  next(): ExecutedBlock {
    const { header, hash } = this.#committed.head;
    const [number, timestamp] = [header.number + 1n, header.timestamp + SLOT_SECONDS];
    const difficulty = this.forks.difficultyAfter(header, timestamp);
    const common = this.forks.common(this.forks.forkOf({ number, timestamp, difficulty }));
    const next = {
      ...header,
      parentHash: hash,
      number,
      timestamp,
      difficulty,
      baseFeePerGas: common.isActivatedEIP(1559) ? baseFeeAfter(header) : 0n,
      gasUsed: 0n,
      blobGasUsed: 0n,
      excessBlobGas: common.isActivatedEIP(4844) ? excessBlobGasAfter(header, common) : 0n,
    };
    const parts = { uncles: [], withdrawals: [], ...blobTerms(next, common) };
    return { hash: ZERO_32, header: next, transactions: [], receipts: [], foreign: parts };
  }

  /** Nothing is ever committed while it is served. */
  onCommit(): () => void {
    return () => {};
  }

  // Importing

  /** The last block that has been imported, written or not. */
  get tip(): Head {
    const { header, hash } = this.#last;
    return { number: header.number, hash };
  }

  get #last(): ExecutedBlock {
    return this.#held.at(-1)?.block ?? this.#committed.head;
  }

  /**
   * Executes the block that follows the tip. It is written with others after it, in order, or by `flush`. Rejects with
   * InvalidForeignBlock, and on a store that fails; then the chain must be closed.
   */
  async add(raw: Uint8Array): Promise<ExecutedBlock> {
    const { block, sealed } = await this.#executor.execute(
      raw,
      this.#last,
      this.#held.at(-1)?.sealed ?? this.#state.head,
    );
    this.#held.push({ block, raw, sealed });
    const heldBytes = this.#held.reduce((sum, held) => sum + held.sealed.heldBytes, 0);
    if (this.#held.length >= HELD_BLOCKS || heldBytes >= HELD_BYTES) await this.#write(false);
    return block;
  }

  /** Durable once resolved. */
  async flush(): Promise<void> {
    await this.#write(true);
  }

  async #write(sync: boolean): Promise<void> {
    const held = this.#held;
    const last = held.at(-1);
    if (last === undefined) return;
    const batch = new Batch();
    for (const { block, raw } of held) stageBlock(batch, block, raw);
    this.#state.stage(last.sealed, batch);
    await this.#store.write(batch, { sync });
    this.#state.committed(last.sealed);
    this.#committed.extend(held.map(({ block }) => block));
    this.#held = [];
  }

  readonly #blockHash = (number: bigint): Uint8Array => {
    const hash = this.hashAt(number);
    if (hash === undefined) throw new Error(`the hash of block ${number} was asked for, which is not here`);
    return hash;
  };
}

/** EIP-7934's, for blocks that come as bytes to be traced. */
const MAX_BLOCK_BYTES = 8 * 1024 * 1024;

/** For calls and traces: nobody makes blocks by them. */
function foreignRules(forks: Forks, fork: string): ChainRules {
  return {
    ...BASE_FEE_RULES,
    chainId: forks.chainId,
    hardfork: forks.common(fork).gteHardfork("osaka") ? "osaka" : "prague",
    gasLimit: 0n,
    blockBytes: MAX_BLOCK_BYTES,
    newCommon: () => forks.newCommon(fork),
    messages: messageRulesOf(forks.common(fork)),
  };
}

export const foreignDecoder =
  (forks: Forks): BlockDecoder =>
  (raw, senderAt) =>
    decodeForeignBlock(raw, forks, senderAt);

function openState(store: LevelStore, head: ExecutedBlock): StateDatabase {
  try {
    return openStateDatabase({ reader: store.reader, headRoot: head.header.stateRoot });
  } catch (error) {
    if (error instanceof StoreError && error.code === "DAMAGED") throw new DataError(error.message, { cause: error });
    throw error;
  }
}

async function writeGenesis(store: LevelStore, genesis: ForeignGenesis, forks: Forks): Promise<Uint8Array> {
  const batch = new Batch();
  const { block, stageState } = buildForeignGenesis(genesis, forks, store.reader);
  stageState(batch);
  stageBlock(batch, block, encodeBlock(block));
  stageSchema(batch, block.hash);
  await store.write(batch, { sync: true });
  return block.hash;
}
