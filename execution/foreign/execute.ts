/**
 * Executes blocks of foreign chains with @ethereumjs/vm on our own state: system calls, transactions, uncles' and miners'
 * rewards, withdrawals and requests as each fork has them, the DAO's irregular change included. What a header says of its
 * execution and of gas must come out; who was allowed to make the block is not asked.
 */
import { isBlob4844Tx } from "@ethereumjs/tx";
import { createVM, type RunBlockResult, runBlock, type VM } from "@ethereumjs/vm";
import { bytesToHex, EMPTY_BYTES, equalsBytes } from "../../core/bytes.ts";
import type { ExecutedBlock } from "../../core/chain.ts";
import { completeReceipts, type ExecutedReceipt } from "../block/receipts.ts";
import { type BlockHashSource, createHost } from "../evm/host.ts";
import { LayerStateManager } from "../state/ethereumjs-adapter.ts";
import { copyLayer, emptyReader, OverlayLayer } from "../state/layer.ts";
import type { SealedState, StateDatabase } from "../state/types.ts";
import { decodedBlock, foreignBlockFromRaw, headerOf } from "./block.ts";
import type { Forks } from "./forks.ts";
import { gasProblem } from "./header-rules.ts";

export interface ForeignExecution {
  readonly block: ExecutedBlock;
  readonly sealed: SealedState;
}

/** A block that is not valid on its parent; the message names the block and what is wrong. */
export class InvalidForeignBlock extends Error {
  constructor(number: bigint | undefined, reason: string, options?: ErrorOptions) {
    super(`${number === undefined ? "a block" : `block ${number}`} is invalid: ${reason}`, options);
    this.name = "InvalidForeignBlock";
  }
}

export class ForeignExecutor {
  readonly #forks: Forks;
  readonly #database: Pick<StateDatabase, "seal">;
  readonly #blockHash: BlockHashSource;
  /** By fork: an EVM's table of opcodes is made for one. */
  readonly #machines = new Map<string, Promise<Machine>>();

  /** `blockHash`: of one of the 256 blocks before the one that executes. */
  constructor(forks: Forks, database: Pick<StateDatabase, "seal">, blockHash: BlockHashSource) {
    this.#forks = forks;
    this.#database = database;
    this.#blockHash = blockHash;
  }

  /** `state` is the one after `parent`. Rejects with InvalidForeignBlock, or on a damaged store. */
  async execute(
    raw: Uint8Array,
    parent: Pick<ExecutedBlock, "header" | "hash">,
    state: SealedState,
  ): Promise<ForeignExecution> {
    const foreign = decode(raw, this.#forks);
    const { header, transactions } = foreign.block;
    const { number } = parent.header;
    if (header.number !== number + 1n) {
      throw new InvalidForeignBlock(header.number, `it does not follow block ${number}`);
    }
    if (!equalsBytes(header.parentHash, parent.hash)) {
      const instead = `its parent is ${bytesToHex(header.parentHash)}, block ${number} is ${bytesToHex(parent.hash)}`;
      throw new InvalidForeignBlock(header.number, instead);
    }
    const blobs = transactions.reduce((sum, tx) => sum + (isBlob4844Tx(tx) ? tx.numBlobs() : 0), 0);
    const problem = gasProblem(headerOf(header), blobs, parent.header, this.#forks.common(foreign.fork));
    if (problem !== undefined) throw new InvalidForeignBlock(header.number, problem);
    const { vm, stateManager } = await this.#machine(foreign.fork);
    stateManager.begin(state, this.#database);
    let result: RunBlockResult;
    try {
      result = await runBlock(vm, { block: foreign.block, skipHeaderValidation: true });
    } catch (error) {
      // What an EVM was doing when it threw is unknown: the next block gets another.
      this.#machines.delete(foreign.fork);
      // A damaged store must not look like an invalid block.
      if ((error as Error).name === "StoreError") throw error;
      throw new InvalidForeignBlock(header.number, shortReason(error), { cause: error });
    }
    const accessListHash = vm.evm.blockLevelAccessList?.hash();
    const { blockAccessListHash } = header;
    if (blockAccessListHash !== undefined && !equalsBytes(blockAccessListHash, accessListHash ?? EMPTY_BYTES)) {
      throw new InvalidForeignBlock(header.number, "invalid block access list hash");
    }
    const sealed = stateManager.end();
    const block = decodedBlock(foreign);
    const receipts = completeReceipts(block.header, block.transactions, result.receipts.map(executedReceipt));
    return { block: { ...block, receipts }, sealed };
  }

  #machine(fork: string): Promise<Machine> {
    let machine = this.#machines.get(fork);
    if (machine === undefined) {
      machine = createMachine(this.#forks, fork, this.#blockHash);
      this.#machines.set(fork, machine);
    }
    return machine;
  }
}

interface Machine {
  readonly vm: VM;
  readonly stateManager: SealingStateManager;
}

async function createMachine(forks: Forks, fork: string, blockHash: BlockHashSource): Promise<Machine> {
  const common = forks.newCommon(fork);
  const stateManager = new SealingStateManager(new OverlayLayer(emptyReader));
  const evm = createHost({ common, stateManager, precompiles: [], blockHash });
  return { vm: await createVM({ common, stateManager, evm }), stateManager };
}

/**
 * A layer that knows its root at any moment: a copy of it is sealed. The root is asked for at a block's end, and before
 * Byzantium after each transaction, always between frames of the EVM but within checkpoints.
 */
class SealingStateManager extends LayerStateManager {
  #base: SealedState | undefined;
  #database: Pick<StateDatabase, "seal"> | undefined;
  #sealed: SealedState | undefined;

  begin(base: SealedState, database: Pick<StateDatabase, "seal">): void {
    this.#base = base;
    this.#database = database;
    this.#sealed = undefined;
    this.setLayer(base.fork());
  }

  override getStateRoot(): Promise<Uint8Array> {
    if (this.#base === undefined || this.#database === undefined) throw new Error("no block has begun");
    this.#sealed = this.#database.seal(copyLayer(this.layer as OverlayLayer, this.#base.fork() as OverlayLayer));
    return Promise.resolve(this.#sealed.stateRoot);
  }

  /** The state whose root was asked for last: runBlock asks at the end, and changes nothing afterwards. */
  end(): SealedState {
    if (this.#sealed === undefined) throw new Error("no block has ended");
    this.setLayer(new OverlayLayer(emptyReader));
    return this.#sealed;
  }
}

function decode(raw: Uint8Array, forks: Forks): ReturnType<typeof foreignBlockFromRaw> {
  try {
    return foreignBlockFromRaw(raw, forks);
  } catch (error) {
    throw new InvalidForeignBlock(undefined, shortReason(error), { cause: error });
  }
}

/** ethereumjs appends what it was doing in parentheses. */
const shortReason = (error: unknown): string => (error as Error).message.replace(/ \((vm|block|tx) .*$/s, "");

function executedReceipt(receipt: RunBlockResult["receipts"][number]): ExecutedReceipt {
  return {
    status: "status" in receipt && receipt.status === 0 ? 0 : 1,
    cumulativeGasUsed: receipt.cumulativeBlockGasUsed,
    logsBloom: receipt.bitvector,
    logs: receipt.logs.map(([address, topics, data]) => ({ address, topics, data })),
    ...("stateRoot" in receipt && { postState: receipt.stateRoot }),
  };
}
