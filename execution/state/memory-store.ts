/** A store that lives in memory, for tests and simulators. Writes take effect at once. */
import { bytesKey, keyBytes } from "./keys.ts";
import type { BatchWriter, KeyValueReader } from "./types.ts";

export interface MemoryStore extends KeyValueReader, BatchWriter {
  readonly size: number;
  /** Pairs with start <= key < end in key order; copies, so the store may change meanwhile. */
  iterate(start: Uint8Array, end: Uint8Array): Iterable<readonly [key: Uint8Array, value: Uint8Array]>;
}

export function memoryStore(): MemoryStore {
  const entries = new Map<string, Uint8Array>();
  return {
    get size() {
      return entries.size;
    },
    get: (key) => entries.get(bytesKey(key)),
    put(key, value) {
      entries.set(bytesKey(key), value.slice());
    },
    del(key) {
      entries.delete(bytesKey(key));
    },
    iterate(start, end) {
      const [from, to] = [bytesKey(start), bytesKey(end)];
      const keys = [...entries.keys()].filter((key) => key >= from && key < to).sort();
      return keys.map((key) => [keyBytes(key), entries.get(key)!] as const);
    },
  };
}
