/**
 * Reads by `bytesKey`: a key is made once, and hashed once by the maps, for all the layers that a read passes through.
 */
import { keyBytes } from "./keys.ts";
import type { AccountState, StateReader } from "./types.ts";

export interface KeyedReader extends StateReader {
  accountAt(addressKey: string): AccountState | undefined;
  storageAt(addressKey: string, slotKey: string): Uint8Array;
}

export function keyedReader(reader: StateReader): KeyedReader {
  if (isKeyed(reader)) return reader;
  return {
    account: (address) => reader.account(address),
    storage: (address, slot) => reader.storage(address, slot),
    code: (codeHash) => reader.code(codeHash),
    accountAt: (addressKey) => reader.account(keyBytes(addressKey)),
    storageAt: (addressKey, slotKey) => reader.storage(keyBytes(addressKey), keyBytes(slotKey)),
  };
}

function isKeyed(reader: StateReader): reader is KeyedReader {
  return "accountAt" in reader && "storageAt" in reader;
}
