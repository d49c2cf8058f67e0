/** A store in memory that knows at any time what all accounts of the state hold together. */
import { decodeRecord } from "../../execution/state/account-codec.ts";
import { bytesKey, keyBytes } from "../../execution/state/keys.ts";
import type { MemoryStore } from "../../execution/state/memory-store.ts";

/** The state's table of accounts: 0x01 ‖ address. */
const ACCOUNTS = 0x01;

const balanceOf = (record: Uint8Array | undefined): bigint =>
  record === undefined ? 0n : (decodeRecord(record).account?.balance ?? 0n);

/** A map for each table, since a scan looks at all keys of a map. */
export class SupplyStore implements MemoryStore {
  readonly #tables = Array.from({ length: 256 }, () => new Map<string, Uint8Array>());
  #supplyWei = 0n;

  /** Sum of all balances, kept up with every write of an account. */
  get supplyWei(): bigint {
    return this.#supplyWei;
  }

  /** The same, added up from nothing. */
  countSupplyWei(): bigint {
    let sum = 0n;
    for (const record of this.#tables[ACCOUNTS]!.values()) sum += balanceOf(record);
    return sum;
  }

  balanceOf(address: Uint8Array): bigint {
    return balanceOf(this.get(Uint8Array.of(ACCOUNTS, ...address)));
  }

  get size(): number {
    return this.#tables.reduce((sum, { size }) => sum + size, 0);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#tables[key[0]!]!.get(bytesKey(key));
  }

  put(key: Uint8Array, value: Uint8Array): void {
    if (key[0] === ACCOUNTS) this.#supplyWei += balanceOf(value) - balanceOf(this.get(key));
    this.#tables[key[0]!]!.set(bytesKey(key), value.slice());
  }

  del(key: Uint8Array): void {
    if (key[0] === ACCOUNTS) this.#supplyWei -= balanceOf(this.get(key));
    this.#tables[key[0]!]!.delete(bytesKey(key));
  }

  iterate(start: Uint8Array, end: Uint8Array): (readonly [Uint8Array, Uint8Array])[] {
    const [from, to] = [bytesKey(start), bytesKey(end)];
    const found: (readonly [Uint8Array, Uint8Array])[] = [];
    for (const table of this.#tables.slice(start[0] ?? 0, (end[0] ?? 0) + 1)) {
      const keys = [...table.keys()].filter((key) => key >= from && key < to).sort();
      for (const key of keys) found.push([keyBytes(key), table.get(key)!]);
    }
    return found;
  }
}
