/** A small chain on a store in memory that can fail, and a clock that moves only when told: for the tests beside the node. */
import pino from "pino";
import { bigIntToFixed, EMPTY_BYTES } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import type { Batch, KeyRange, LevelStore } from "../../execution/state/level-store.ts";
import { type MemoryStore, memoryStore } from "../../execution/state/memory-store.ts";
import { COINBASE, type GenesisAccount, KEYS, SENDERS } from "../../execution/testing/world.ts";
import { decodeTransaction } from "../../execution/tx/decode.ts";
import { signTransaction, type UnsignedTransaction } from "../../execution/tx/sign.ts";
import devnet from "../../genesis/networks/devnet.json" with { type: "json" };
import { type Genesis, parseGenesis } from "../../genesis/schema.ts";
import type { Chain, Proposal } from "../chain.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";

export const CHAIN_ID = 161299n;
export const RECIPIENT = new Uint8Array(20).fill(0x55);
const START = 1_700_000_000n;

export const rich = (index: number, fields: Partial<GenesisAccount> = {}): GenesisAccount => ({
  address: SENDERS[index]!,
  nonce: 0n,
  balance: 10n ** 18n,
  code: EMPTY_BYTES,
  storage: [],
  ...fields,
});

export const contract = (address: Uint8Array, code: Uint8Array): GenesisAccount => ({
  address,
  nonce: 1n,
  balance: 0n,
  code,
  storage: [],
});

/** The devnet's with other accounts, a low base fee, and blocks that are soon full. */
export function testGenesis(accounts: readonly GenesisAccount[], fields: Partial<Genesis> = {}): Genesis {
  return {
    ...parseGenesis(devnet),
    timestamp: START,
    gasLimit: 5_000_000n,
    baseFeeWei: 7n,
    alloc: accounts.map(({ balance, storage, ...account }) => ({
      ...account,
      balanceWei: balance,
      storage: storage.map(([slot, value]) => ({
        slot: bigIntToFixed(BigInt(slot), 32),
        value: bigIntToFixed(BigInt(value), 32),
      })),
    })),
    ...fields,
  };
}

export function signed(index: number, nonce: bigint, fields: Partial<UnsignedTransaction> = {}): Transaction {
  const unsigned: UnsignedTransaction = {
    type: 2,
    chainId: CHAIN_ID,
    nonce,
    gasLimit: 21_000n,
    maxFeePerGas: 1_000_000_000n,
    maxPriorityFeePerGas: 1_000n,
    to: RECIPIENT,
    value: 5n,
    data: EMPTY_BYTES,
    accessList: [],
    authorizationList: [],
    ...fields,
  };
  return decoded(signTransaction(unsigned, KEYS[index]!));
}

export function decoded(raw: Uint8Array): Transaction {
  const result = decodeTransaction(raw, CHAIN_ID);
  if (!result.ok) throw new Error(result.message);
  return result.tx;
}

export function propose(chain: Chain, candidates: Iterable<Transaction>, timestamp = START + 1n): Promise<Proposal> {
  return chain.propose({ candidates, timestamp, feeAddress: COINBASE, isOutOfTime: () => false });
}

/** Makes a block and commits it. */
export async function extend(chain: Chain, candidates: Iterable<Transaction>, timestamp?: bigint): Promise<Proposal> {
  const proposal = await propose(chain, candidates, timestamp);
  await chain.commit(proposal);
  return proposal;
}

/** Every key is below. */
const END = Uint8Array.of(0xff);

/** A write takes effect at once and in whole, between the two hooks; a hook that rejects is a write that fails. */
export class FakeStore implements LevelStore {
  readonly memory: MemoryStore;
  readonly reader: MemoryStore;
  writes = 0;
  beforeWrite: () => Promise<void> = async () => {};
  afterWrite: () => Promise<void> = async () => {};

  constructor(memory = memoryStore()) {
    this.memory = memory;
    this.reader = memory;
  }

  /** What a process that starts now would find. */
  copy(): FakeStore {
    const memory = memoryStore();
    for (const [key, value] of this.memory.iterate(EMPTY_BYTES, END)) memory.put(key, value);
    return new FakeStore(memory);
  }

  async write(batch: Batch): Promise<void> {
    this.writes++;
    await this.beforeWrite();
    for (const { key, value } of batch.operations) {
      if (value === undefined) this.memory.del(key);
      else this.memory.put(key, value);
    }
    await this.afterWrite();
  }

  async *iterate({ start, end, reverse = false, limit = Number.POSITIVE_INFINITY }: KeyRange) {
    const pairs = [...this.memory.iterate(start, end)];
    yield* (reverse ? pairs.reverse() : pairs).slice(0, limit);
  }

  async clear(): Promise<void> {
    for (const [key] of this.memory.iterate(EMPTY_BYTES, END)) this.memory.del(key);
  }

  async close(): Promise<void> {}
}

export class FakeClock implements Clock {
  #nowMs = Number(START) * 1_000;
  #timers = new Map<symbol, { readonly atMs: number; readonly callback: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  get timers(): number {
    return this.#timers.size;
  }

  at(atMs: number, callback: () => void): () => void {
    const id = Symbol();
    this.#timers.set(id, { atMs, callback });
    return () => this.#timers.delete(id);
  }

  /** Moves the time, in either direction, and calls what is due. */
  setMs(nowMs: number): void {
    this.#nowMs = nowMs;
    for (const [id, { atMs, callback }] of this.#timers) {
      if (atMs <= nowMs && this.#timers.delete(id)) callback();
    }
  }
}

/** Keeps what was logged. */
export function testLog(): {
  readonly log: Logger;
  readonly lines: { level: number; msg: string; [field: string]: unknown }[];
} {
  const lines: { level: number; msg: string }[] = [];
  return {
    log: pino({ level: "debug", base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    lines,
  };
}
