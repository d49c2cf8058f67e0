/** A chain made of plain data, for tests: blocks are lists, a transfer costs 21,000 gas, data become a log. */
import { bigIntToFixed, bytesToHex, EMPTY_BYTES, equalsBytes, ZERO_32 } from "../../../core/bytes.ts";
import type { ExecutedBlock, Header, Log, Receipt, Transaction } from "../../../core/chain.ts";
import { KECCAK_EMPTY, keccak256 } from "../../../core/crypto.ts";
import { logsBloom } from "../../../execution/block/bloom.ts";
import type { Simulation } from "../../../execution/simulate/types.ts";
import type { AccountProof, AccountState, StateReader } from "../../../execution/state/types.ts";
import type { AccessListResult } from "../../../execution/tx/access-list.ts";
import type { CallRequest, CallResult } from "../../../execution/tx/call.ts";
import { effectiveGasPrice } from "../../../execution/tx/derive.ts";
import { estimateGas, type GasEstimate } from "../../../execution/tx/estimate.ts";
import { minimumGas } from "../../../execution/tx/intrinsic.ts";
import { type BlockLogs, logsOf } from "../../block-logs.ts";
import type { BlockSelector, ChainApi, TransactionLocation } from "../../chain-api.ts";
import type { Environment, EstimateBounds, Runner } from "../../runner/types.ts";

export const FAKE_CHAIN_ID = 161_299n;
export const BASE_FEE_WEI = 10n ** 9n;
const GAS_PER_TRANSACTION = 21_000n;

export class FakeState implements StateReader {
  readonly accounts = new Map<string, AccountState>();
  readonly codes = new Map<string, Uint8Array>([[bytesToHex(KECCAK_EMPTY), EMPTY_BYTES]]);
  readonly slots = new Map<string, Uint8Array>();

  set(address: Uint8Array, nonce: bigint, balance: bigint, code: Uint8Array = EMPTY_BYTES): void {
    const codeHash = keccak256(code);
    this.codes.set(bytesToHex(codeHash), code);
    this.accounts.set(bytesToHex(address), { nonce, balance, codeHash, storageRoot: keccak256(Uint8Array.of(0x80)) });
  }
  account(address: Uint8Array): AccountState | undefined {
    return this.accounts.get(bytesToHex(address));
  }
  storage(address: Uint8Array, slot: Uint8Array): Uint8Array {
    return this.slots.get(bytesToHex(address) + bytesToHex(slot)) ?? EMPTY_BYTES;
  }
  code(codeHash: Uint8Array): Uint8Array {
    return this.codes.get(bytesToHex(codeHash)) ?? EMPTY_BYTES;
  }
}

export class FakeChain implements ChainApi, Runner {
  readonly chainId = FAKE_CHAIN_ID;
  readonly latest = new FakeState();
  readonly blocks: ExecutedBlock[] = [];
  readonly #listeners = new Set<(head: { number: bigint; hash: Uint8Array }) => void>();
  /** What every call answers; by default success, with the least gas that such a transaction costs. */
  onCall: (request: CallRequest) => CallResult | Promise<CallResult> = ({ to, data, gas }) => {
    const gasUsed = minimumGas({ to, data: data ?? EMPTY_BYTES, accessList: [], authorizationList: [] });
    return gas !== undefined && gas < gasUsed
      ? { ok: false, output: EMPTY_BYTES, gasUsed: gas, reason: "out of gas" }
      : { ok: true, output: EMPTY_BYTES, gasUsed };
  };
  isPruned = false;

  constructor() {
    this.mine([]);
  }

  get head(): { number: bigint; hash: Uint8Array } {
    const { header, hash } = this.blocks.at(-1)!;
    return { number: header.number, hash };
  }
  get genesisHash(): Uint8Array {
    return this.blocks[0]!.hash;
  }
  block(number: bigint): ExecutedBlock | undefined {
    return this.blocks[Number(number)];
  }
  onCommit(listener: (head: { number: bigint; hash: Uint8Array }) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  logs(number: bigint): BlockLogs | undefined {
    const block = this.block(number);
    return block && logsOf(block);
  }
  find(selector: BlockSelector): ExecutedBlock | undefined {
    if ("number" in selector) return this.block(selector.number);
    if ("hash" in selector) return this.blocks.find((block) => equalsBytes(block.hash, selector.hash));
    return selector.tag === "earliest" ? this.blocks[0] : this.blocks.at(-1);
  }
  transaction(hash: Uint8Array): TransactionLocation | undefined {
    for (const block of this.blocks) {
      const index = block.transactions.findIndex((tx) => equalsBytes(tx.hash, hash));
      if (index >= 0) {
        return { block, index, transaction: block.transactions[index]!, receipt: block.receipts[index]! };
      }
    }
    return undefined;
  }
  state(): StateReader | undefined {
    return this.isPruned ? undefined : this.latest;
  }
  async prove(_root: Uint8Array, address: Uint8Array, slots: readonly Uint8Array[]): Promise<AccountProof> {
    return {
      account: this.latest.account(address),
      accountProof: [Uint8Array.of(0xc0)],
      storageProofs: slots.map((slot) => ({ slot, value: this.latest.storage(address, slot), proof: [] })),
    };
  }
  async call(request: CallRequest): Promise<CallResult> {
    return this.onCall(request);
  }
  async accessList(): Promise<AccessListResult> {
    return { ok: true, accessList: [], gasUsed: GAS_PER_TRANSACTION, failure: undefined };
  }
  estimateGas(
    request: CallRequest,
    { gasLimit }: Environment,
    _overrides: unknown,
    { gas }: EstimateBounds,
  ): Promise<GasEstimate> {
    const on = { state: this.latest, call: (attempt: CallRequest) => this.call(attempt) };
    return estimateGas(on, request, { hardfork: "osaka" }, gasLimit, gas);
  }
  async simulate(): Promise<Simulation> {
    return { ok: true, blocks: [] };
  }
  nextBaseFee(): bigint {
    return BASE_FEE_WEI;
  }
  next(timestamp: bigint): ExecutedBlock {
    const { header } = this.blocks.at(-1)!;
    const next = { ...header, number: header.number + 1n, timestamp };
    return { hash: ZERO_32, header: next, transactions: [], receipts: [] };
  }

  /** Appends a block and tells everybody. Each transaction's data become one log of its recipient, topic = first word. */
  mine(transactions: readonly Transaction[]): ExecutedBlock {
    const receipts = transactions.map((tx, i) => this.#run(tx, i));
    const parent = this.blocks.at(-1);
    const number = BigInt(this.blocks.length);
    const header: Header = {
      parentHash: parent?.hash ?? ZERO_32,
      uncleHash: keccak256(Uint8Array.of(0xc0)),
      coinbase: bigIntToFixed(0xc0ffeen, 20),
      stateRoot: keccak256(bigIntToFixed(number, 32)),
      transactionsRoot: ZERO_32,
      receiptsRoot: ZERO_32,
      logsBloom: logsBloom(receipts.flatMap((receipt) => receipt.logs)),
      difficulty: 0n,
      number,
      gasLimit: 30_000_000n,
      gasUsed: GAS_PER_TRANSACTION * BigInt(transactions.length),
      timestamp: 1_700_000_000n + number,
      extraData: ZERO_32,
      prevRandao: ZERO_32,
      nonce: new Uint8Array(8),
      baseFeePerGas: BASE_FEE_WEI,
      withdrawalsRoot: ZERO_32,
      blobGasUsed: 0n,
      excessBlobGas: 0n,
      parentBeaconBlockRoot: ZERO_32,
      requestsHash: ZERO_32,
    };
    const hash = keccak256(header.parentHash, bigIntToFixed(number, 32), ...transactions.map((tx) => tx.hash));
    const block = { hash, header, transactions, receipts };
    this.blocks.push(block);
    for (const listener of this.#listeners) listener(this.head);
    return block;
  }

  #run(tx: Transaction, index: number): Receipt {
    const account = this.latest.account(tx.from);
    if (account !== undefined) this.latest.set(tx.from, account.nonce + 1n, account.balance - tx.value);
    const topic = tx.data.subarray(0, 32);
    const logs: Log[] =
      tx.data.length < 32 || tx.to === undefined
        ? []
        : [{ address: tx.to, topics: [topic], data: tx.data.subarray(32) }];
    return {
      type: tx.type,
      status: 1,
      gasUsed: GAS_PER_TRANSACTION,
      cumulativeGasUsed: GAS_PER_TRANSACTION * BigInt(index + 1),
      effectiveGasPrice: effectiveGasPrice(tx, BASE_FEE_WEI),
      contractAddress: tx.to === undefined ? keccak256(tx.hash).subarray(12) : undefined,
      logsBloom: logsBloom(logs),
      logs,
    };
  }
}
