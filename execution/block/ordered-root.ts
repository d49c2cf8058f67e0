/** Root of a list: the Merkle-Patricia trie of rlp(index) -> item (Yellow Paper, 4.4.2). */
import { rlpEncode } from "../../core/rlp.ts";
import { Trie } from "../state/trie.ts";

/** No item may be empty. */
export function orderedRoot(items: readonly Uint8Array[]): Uint8Array {
  const trie = new Trie(() => undefined, undefined);
  for (let i = 0; i < items.length; i++) trie.put(rlpEncode(BigInt(i)), items[i]!);
  return trie.hash(() => {});
}
