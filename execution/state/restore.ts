/** The flat tables of a head, turned into those of an earlier state whose trie is in the store. */
import { bytesToHex, EMPTY_BYTES, equalsBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { decodeTrieAccount } from "./account-codec.ts";
import { damaged } from "./errors.ts";
import { readFlatRecord, readStateItem, stageFlatRecord, stageFlatSlotAt } from "./flat-state.ts";
import { decodeTrieSlot } from "./history.ts";
import { EMPTY_TRIE_ROOT } from "./trie-node.ts";
import { trieDifferences } from "./trie-walk.ts";
import type { BatchWriter, KeyValueReader } from "./types.ts";

/**
 * Stages what differs between the flat tables, which are those of the state `from`, and the state `to`. Returns how many
 * accounts and slots that are. Throws StoreError when a state is not whole; then nothing of the batch may be written.
 */
export function stageRestored(
  store: KeyValueReader,
  from: Uint8Array,
  to: Uint8Array,
  batch: BatchWriter,
): { readonly accounts: number; readonly slots: number } {
  const load = (hash: Uint8Array) => readStateItem(store, hash);
  let [accounts, slots] = [0, 0];
  for (const { key, before, after } of trieDifferences(load, from, to)) {
    const address = preimage(store, key, 20);
    // The flat slots of this generation are those of `from`, whatever the generation was at `to`.
    const { generation } = readFlatRecord(store, address);
    const account = after && decodeTrieAccount(after);
    const storageBefore = before === undefined ? EMPTY_TRIE_ROOT : decodeTrieAccount(before).storageRoot;
    for (const slot of trieDifferences(load, storageBefore, account?.storageRoot ?? EMPTY_TRIE_ROOT)) {
      const value = slot.after === undefined ? EMPTY_BYTES : decodeTrieSlot(slot.after);
      stageFlatSlotAt(batch, address, preimage(store, slot.key, 32), generation, value);
      slots++;
    }
    stageFlatRecord(batch, address, { account, generation });
    accounts++;
  }
  return { accounts, slots };
}

/** The address or slot that a trie knows by its hash. Throws StoreError. */
export function preimage(store: KeyValueReader, hash: Uint8Array, length: 20 | 32): Uint8Array {
  const key = readStateItem(store, hash);
  if (key?.length === length && equalsBytes(keccak256(key), hash)) return key;
  const what = length === 20 ? "address" : "slot";
  throw damaged(`the ${what} behind ${bytesToHex(hash)} is ${key === undefined ? "missing" : "another"}`);
}
