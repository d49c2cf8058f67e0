/** A ChainSource whose blocks hold the logs that a test writes. */
import { type AbiEvent, encodeAbiParameters, encodeEventTopics, getAddress } from "viem";
import {
  ATTRIBUTION_ADDRESS,
  DATANET_ADDRESS,
  MESSAGE_PASSER_ADDRESS,
  MODELS_ADDRESS,
  VALIDATOR_SET_ADDRESS,
} from "../../core/addresses.ts";
import { bigIntToFixed, bytesToHex, EMPTY_BYTES, type Hex, hexToBytes, ZERO_32 } from "../../core/bytes.ts";
import type { ChainSource, ExecutedBlock, Header, Log, Receipt, Transaction } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";
import { type LedgerEvent, messagePasserAbi, validatorSetAbi } from "../decode.ts";

const ABIS = [
  [DATANET_ADDRESS, datanetAbi],
  [MODELS_ADDRESS, modelsAbi],
  [ATTRIBUTION_ADDRESS, attributionAbi],
  [MESSAGE_PASSER_ADDRESS, messagePasserAbi],
  [VALIDATOR_SET_ADDRESS, validatorSetAbi],
] as const;

/** The log that a precompile writes for an event. */
export function encodeEvent(event: LedgerEvent): Log {
  for (const [address, abi] of ABIS) {
    const item = (abi as readonly { type: string; name?: string }[]).find(
      ({ type, name }) => type === "event" && name === event.eventName,
    ) as AbiEvent | undefined;
    if (item === undefined) continue;
    const args = event.args as Record<string, unknown>;
    const topics = encodeEventTopics({ abi: [item], args }) as Hex[];
    const data = item.inputs.filter((input) => !input.indexed);
    const values = data.map((input) => args[input.name ?? ""]);
    return { address, topics: topics.map(hexToBytes), data: hexToBytes(encodeAbiParameters(data, values)) };
  }
  throw new Error(`no event ${event.eventName}`);
}

export const testAddress = (n: number): Hex => getAddress(bytesToHex(bigIntToFixed(BigInt(n) + (0xacn << 152n), 20)));
export const testHash = (label: string): Hex => bytesToHex(keccak256(new TextEncoder().encode(label)));

export class FakeChain implements ChainSource {
  readonly blocks: ExecutedBlock[] = [];
  readonly #listeners = new Set<(head: { number: bigint; hash: Uint8Array }) => void>();
  readonly #salt: string;

  /** Chains with another salt share no block. */
  constructor(salt = "") {
    this.#salt = salt;
    this.append();
  }

  get head(): { number: bigint; hash: Uint8Array } {
    const block = this.blocks.at(-1) as ExecutedBlock;
    return { number: block.header.number, hash: block.hash };
  }

  block(number: bigint): ExecutedBlock | undefined {
    return this.blocks[Number(number)];
  }

  onCommit(listener: (head: { number: bigint; hash: Uint8Array }) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Adds a block with one transaction for each list of events, and wakes the listeners. `label` makes its hash. */
  append(transactions: readonly (readonly LedgerEvent[])[] = [], label = ""): ExecutedBlock {
    return this.appendLogs(
      transactions.map((events) => events.map(encodeEvent)),
      label,
    );
  }

  appendLogs(transactions: readonly (readonly Log[])[], label = ""): ExecutedBlock {
    const block = this.#build(transactions, label);
    this.commit(block);
    return block;
  }

  #build(transactions: readonly (readonly Log[])[], label: string): ExecutedBlock {
    const number = BigInt(this.blocks.length);
    const parent = this.blocks.at(-1);
    return {
      hash: hexToBytes(testHash(`block ${this.#salt} ${number} ${label} ${parent && bytesToHex(parent.hash)}`)),
      header: header(number, parent?.hash ?? ZERO_32),
      transactions: transactions.map((_, i) => transaction(`tx ${this.#salt} ${number} ${label} ${i}`)),
      receipts: transactions.map(receipt),
    };
  }

  /** Adds a block with these deposits. */
  appendDeposits(deposits: readonly FakeDeposit[]): ExecutedBlock {
    const block = this.#build(
      deposits.map(() => []),
      "deposits",
    );
    const withOrigins: ExecutedBlock = {
      ...block,
      transactions: block.transactions.map((tx, i) => depositOf(tx, deposits[i] as FakeDeposit)),
      receipts: block.receipts.map((receipt, i) => ({ ...receipt, status: deposits[i]?.status ?? 1 })),
    };
    this.commit(withOrigins);
    return withOrigins;
  }

  /** Precondition: the block stands on this chain's head. */
  commit(block: ExecutedBlock): void {
    this.blocks.push(block);
    for (const listener of this.#listeners) listener(this.head);
  }

  /** Another chain with the first `count` blocks of this one. */
  fork(count: number): FakeChain {
    const chain = new FakeChain(`${this.#salt} fork`);
    chain.blocks.splice(0, chain.blocks.length, ...this.blocks.slice(0, count));
    return chain;
  }
}

export interface FakeDeposit {
  readonly from: Hex;
  readonly to: Hex | undefined;
  readonly mintWei: bigint;
  readonly value: bigint;
  readonly status: 0 | 1;
}

const depositOf = (tx: Transaction, { from, to, mintWei, value }: FakeDeposit): Transaction => ({
  ...tx,
  type: 0x7e,
  from: hexToBytes(from),
  to: to && hexToBytes(to),
  value,
  deposit: { sourceHash: tx.hash, mintWei, isSystem: false },
});

const header = (number: bigint, parentHash: Uint8Array): Header => ({
  parentHash,
  uncleHash: ZERO_32,
  coinbase: new Uint8Array(20),
  stateRoot: ZERO_32,
  transactionsRoot: ZERO_32,
  receiptsRoot: ZERO_32,
  logsBloom: new Uint8Array(256),
  difficulty: 0n,
  number,
  gasLimit: 30_000_000n,
  gasUsed: 21_000n,
  timestamp: 1_700_000_000n + number,
  extraData: EMPTY_BYTES,
  prevRandao: ZERO_32,
  nonce: new Uint8Array(8),
  baseFeePerGas: 7n,
  withdrawalsRoot: ZERO_32,
  blobGasUsed: 0n,
  excessBlobGas: 0n,
  parentBeaconBlockRoot: ZERO_32,
  requestsHash: ZERO_32,
});

const transaction = (label: string): Transaction => ({
  type: 2,
  raw: EMPTY_BYTES,
  hash: hexToBytes(testHash(label)),
  from: new Uint8Array(20),
  to: DATANET_ADDRESS,
  nonce: 0n,
  gasLimit: 1_000_000n,
  maxFeePerGas: 0n,
  maxPriorityFeePerGas: 0n,
  value: 0n,
  data: EMPTY_BYTES,
  chainId: 161299n,
  accessList: [],
  authorizationList: [],
  v: 0n,
  r: 0n,
  s: 0n,
});

const receipt = (logs: readonly Log[]): Receipt => ({
  type: 2,
  status: 1,
  gasUsed: 21_000n,
  cumulativeGasUsed: 21_000n,
  effectiveGasPrice: 7n,
  contractAddress: undefined,
  logsBloom: new Uint8Array(256),
  logs,
});
