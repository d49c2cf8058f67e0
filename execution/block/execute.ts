/**
 * The one way a block comes about, for assembly and import alike: open it on the parent, apply transactions one by
 * one, seal it. Everything happens on a layer of its own, so that nothing remains of a block that is given up.
 */
import type { L1Attributes } from "../../bridge/l1-attributes.ts";
import { MESSAGE_PASSER_ADDRESS, VALIDATOR_SET_ADDRESS } from "../../core/addresses.ts";
import { EMPTY_BYTES, ZERO_32 } from "../../core/bytes.ts";
import type { ExecutedBlock, Header, Receipt, Transaction } from "../../core/chain.ts";
import type { BlockHashSource } from "../evm/host.ts";
import { type ChainRules, isLastOfEpoch } from "../rules.ts";
import { StoreError } from "../state/errors.ts";
import type { SealedState, StateDatabase, StateLayer } from "../state/types.ts";
import { type MessageEnvironment, messageEnvironment } from "../tx/environment.ts";
import { l1FeePrice } from "../tx/l1-fee.ts";
import type { Machine, MachinePool } from "../tx/machine.ts";
import { type AppliedTransaction, runTransaction, type TransactionOutcome } from "../tx/run.ts";
import { failDeposit, runDeposit } from "../tx/run-deposit.ts";
import { systemCall } from "../tx/system-call.ts";
import { nextBaseFee } from "./base-fee.ts";
import { encodeBlock, encodeTransactionItem } from "./block-codec.ts";
import { logsBloom, unionOfBlooms } from "./bloom.ts";
import { hashHeader, MAX_EXTRA_DATA_BYTES, protocolFields } from "./header.ts";
import { orderedRoot } from "./ordered-root.ts";
import { encodeReceipt } from "./receipt-codec.ts";
import { writeSystemState } from "./system-writes.ts";
import { takeOverValidators } from "./validator-set.ts";

/** What execution works with, the same for every block of a chain. */
export interface ExecutionParts {
  readonly rules: ChainRules;
  readonly database: Pick<StateDatabase, "seal">;
  readonly machines: Pick<MachinePool, "borrow" | "giveBack">;
  /** Hash of one of the 256 blocks before the one that executes (BLOCKHASH). */
  readonly blockHash: BlockHashSource;
  /** Asked before each transaction: a promise to wait for, so that other work gets its turn. */
  readonly pause?: () => Promise<void> | undefined;
  /** Told of a deposit that could not be executed at all for a reason that is not its own: a defect to look into. */
  readonly onFault?: (deposit: Transaction, error: unknown) => void;
}

export interface ParentBlock {
  readonly hash: Uint8Array;
  readonly header: Header;
}

/** What the proposer chooses; the rest follows from the parent, the rules and the transactions. */
export interface BlockChoices {
  readonly coinbase: Uint8Array;
  /** Unix seconds, not before the parent's. */
  readonly timestamp: bigint;
  /** At most 32 bytes. On a chain with epochs it follows from the state, and what is given here is not looked at. */
  readonly extraData: Uint8Array;
  readonly prevRandao: Uint8Array;
  readonly parentBeaconBlockRoot: Uint8Array;
}

/** A block with the state after it. `raw` is the encoding that travels and is stored. */
export interface ProducedBlock {
  readonly block: ExecutedBlock;
  readonly sealed: SealedState;
  readonly raw: Uint8Array;
}

/** Upper bound of what the header, the empty lists and the lists' own headers take of an encoded block. */
const BLOCK_OVERHEAD_BYTES = 1_024;

type OpenHeader = Pick<
  Header,
  keyof BlockChoices | keyof typeof protocolFields | "parentHash" | "number" | "gasLimit" | "baseFeePerGas"
>;

export class OpenBlock {
  readonly #parts: ExecutionParts;
  readonly #layer: StateLayer;
  readonly #header: OpenHeader;
  readonly #environment: MessageEnvironment;
  readonly #transactions: Transaction[] = [];
  readonly #receipts: Receipt[] = [];
  #machine: Machine;
  #gasUsed = 0n;
  #bytes = BLOCK_OVERHEAD_BYTES;

  /** `l1`: what the block says of its L1 origin; on a chain that has one. */
  constructor(
    parts: ExecutionParts,
    parent: ParentBlock,
    state: Pick<SealedState, "fork">,
    choices: BlockChoices,
    l1: L1Attributes | undefined,
  ) {
    const { rules, machines, blockHash } = parts;
    if (choices.timestamp < parent.header.timestamp) {
      throw new RangeError(`block time ${choices.timestamp} is before the parent's ${parent.header.timestamp}`);
    }
    if (choices.extraData.length > MAX_EXTRA_DATA_BYTES) {
      throw new RangeError(
        `extra data has ${choices.extraData.length} bytes, at most ${MAX_EXTRA_DATA_BYTES} are allowed`,
      );
    }
    this.#parts = parts;
    this.#layer = state.fork();
    const number = parent.header.number + 1n;
    this.#header = {
      ...protocolFields,
      parentHash: parent.hash,
      number,
      gasLimit: rules.gasLimit,
      baseFeePerGas: nextBaseFee(parent.header, rules),
      coinbase: choices.coinbase,
      timestamp: choices.timestamp,
      extraData: rules.epochBlocks === undefined ? choices.extraData : this.#endEpoch(number, rules.epochBlocks),
      prevRandao: choices.prevRandao,
      parentBeaconBlockRoot: choices.parentBeaconBlockRoot,
    };
    this.#environment = messageEnvironment(this.#header, rules, l1 && l1FeePrice(l1));
    this.#machine = machines.borrow(this.#layer, blockHash);
    writeSystemState(this.#layer, this.#header);
  }

  /** The first step of a block. Returns its extraData. */
  #endEpoch(number: bigint, epochBlocks: bigint): Uint8Array {
    return isLastOfEpoch(number, epochBlocks) ? takeOverValidators(this.#layer) : EMPTY_BYTES;
  }

  /** Runs the system calls that the rules set for this block, before any transaction. When it rejects, give up. */
  begin(): Promise<unknown> | undefined {
    const data = this.#parts.rules.validatorChanges?.get(this.#header.number);
    return data && systemCall(this.#machine, VALIDATOR_SET_ADDRESS, data, this.#environment);
  }

  get gasLeft(): bigint {
    return this.#header.gasLimit - this.#gasUsed;
  }

  /** Whether the block has the gas and the bytes that the transaction may take. */
  hasRoomFor(tx: Transaction): boolean {
    const bytesLeft = this.#parts.rules.blockBytes - this.#bytes;
    return tx.gasLimit <= this.gasLeft && encodeTransactionItem(tx).length <= bytesLeft;
  }

  /**
   * Appends the transaction, or says why it cannot be next; then nothing has changed. A promise only when code runs.
   * Throws (rejects) on a failure that is not the transaction's: damaged storage, or a defect. The block is then as
   * it was before. A deposit is always appended.
   */
  apply(tx: Transaction): TransactionOutcome | Promise<TransactionOutcome> {
    if (tx.deposit !== undefined) return this.#applyDeposit(tx);
    const outcome = runTransaction(this.#machine, tx, this.#environment, this.gasLeft, this.#parts.rules);
    return outcome instanceof Promise ? this.#await(tx, outcome) : this.#append(tx, outcome);
  }

  async #await(tx: Transaction, running: Promise<TransactionOutcome>): Promise<TransactionOutcome> {
    let outcome: TransactionOutcome;
    try {
      outcome = await running;
    } catch (error) {
      // The machine that threw is lost; the layer has been reverted by the message.
      this.#machine = this.#parts.machines.borrow(this.#layer, this.#parts.blockHash);
      throw error;
    }
    return this.#append(tx, outcome);
  }

  async #applyDeposit(tx: Transaction): Promise<TransactionOutcome> {
    const { gasLeft } = this;
    try {
      return this.#append(tx, await runDeposit(this.#machine, tx, this.#environment, gasLeft));
    } catch (error) {
      this.#machine = this.#parts.machines.borrow(this.#layer, this.#parts.blockHash);
      if (error instanceof StoreError) throw error;
      // L1 demands it, so that the chain could not go on without it.
      this.#parts.onFault?.(tx, error);
      return this.#append(tx, failDeposit(this.#layer, tx, gasLeft, String(error)));
    }
  }

  #append(tx: Transaction, outcome: TransactionOutcome): TransactionOutcome {
    if (!outcome.ok) return outcome;
    this.#gasUsed += outcome.gasUsed;
    this.#bytes += encodeTransactionItem(tx).length;
    this.#transactions.push(tx);
    this.#receipts.push(receiptOf(tx, outcome, this.#gasUsed, this.#environment));
    return outcome;
  }

  /** Hashes the state and completes the header. The open block must not be used afterwards. */
  seal(): ProducedBlock {
    const { machines, database } = this.#parts;
    machines.giveBack(this.#machine);
    const sealed = database.seal(this.#layer);
    const header: Header = {
      ...this.#header,
      gasUsed: this.#gasUsed,
      stateRoot: sealed.stateRoot,
      // OP Stack, Isthmus.
      withdrawalsRoot: sealed.storageRoot(MESSAGE_PASSER_ADDRESS),
      transactionsRoot: orderedRoot(this.#transactions.map((tx) => tx.raw)),
      receiptsRoot: orderedRoot(this.#receipts.map(encodeReceipt)),
      logsBloom: unionOfBlooms(this.#receipts.map((receipt) => receipt.logsBloom)),
    };
    const block = { hash: hashHeader(header), header, transactions: this.#transactions, receipts: this.#receipts };
    return { block, sealed, raw: encodeBlock(block) };
  }

  /** Gives up the block; instead of `seal`, and not after `apply` threw. */
  abandon(): void {
    this.#parts.machines.giveBack(this.#machine);
  }
}

/** Defaults of a chain without an L1. */
export const NO_L1_ORIGIN = { prevRandao: ZERO_32, parentBeaconBlockRoot: ZERO_32 } as const;

function receiptOf(
  tx: Transaction,
  applied: AppliedTransaction,
  cumulativeGasUsed: bigint,
  { l1FeePrice }: MessageEnvironment,
): Receipt {
  const { depositNonce, l1FeeWei } = applied;
  const receipt: Receipt = {
    type: tx.type,
    status: applied.status,
    gasUsed: applied.gasUsed,
    cumulativeGasUsed,
    effectiveGasPrice: applied.effectiveGasPrice,
    contractAddress: applied.contractAddress,
    logsBloom: logsBloom(applied.logs),
    logs: applied.logs,
  };
  if (depositNonce !== undefined) return { ...receipt, depositNonce };
  return l1FeePrice === undefined || l1FeeWei === undefined ? receipt : { ...receipt, l1Fee: l1FeeWei };
}
