/** What sealing a state does to the nodes of the state before it, collected trie by trie while they are in memory. */
import { hashedKey } from "./history.ts";
import { bytesKey } from "./keys.ts";
import type { AddedNode, NodeUse } from "./prune.ts";
import type { NodeLoader, Trie } from "./trie.ts";
import { type NodeChange, type TrieVersion, trieChanges, type Way } from "./trie-changes.ts";
import { toNibbles } from "./trie-node.ts";

export class NodeUseOfSeal {
  readonly #load: NodeLoader;
  readonly #forEver: string;
  readonly #way: Way;
  readonly #added: AddedNode[] = [];
  readonly #replaced: Uint8Array[] = [];
  /** Read while the tries were edited: their earlier versions are read again for the comparison. */
  readonly #read = new Map<string, Uint8Array>();

  /** `forEver`: address of the account that stays provable. */
  constructor(load: NodeLoader, forEver: Uint8Array) {
    this.#load = load;
    this.#forEver = bytesKey(forEver);
    this.#way = { nibbles: toNibbles(hashedKey(this.#forEver)), isAll: true };
  }

  /** As the database loads nodes. */
  readonly load = (hash: Uint8Array): Uint8Array | undefined => {
    const key = bytesKey(hash);
    const known = this.#read.get(key) ?? this.#load(hash);
    if (known !== undefined) this.#read.set(key, known);
    return known;
  };

  /** The version that the trie is before it is edited, from `load`. `keys`: of those that will be. */
  before(trie: Trie, root: Uint8Array, keys: Iterable<string>): TrieVersion {
    // An edit replaces the root: what it was has to be in memory before.
    for (const key of keys) {
      trie.get(hashedKey(key));
      break;
    }
    return { root, node: trie.root };
  }

  noteStorage(addressKey: string, before: TrieVersion, after: TrieVersion): void {
    this.#note(trieChanges(this.load, before, after), addressKey === this.#forEver);
  }

  noteAccounts(before: TrieVersion, after: TrieVersion): void {
    this.#note(trieChanges(this.load, before, after, this.#way), false);
  }

  /** `root`: of the state before. */
  result(root: Uint8Array, isSame: boolean): NodeUse {
    return { added: this.#added, replaced: isSame ? undefined : { root, nodes: this.#replaced } };
  }

  #note(changes: Iterable<NodeChange>, areForEver: boolean): void {
    const first = this.#added.length;
    for (const { hash, isNew, isForEver, above } of changes) {
      const stays = areForEver || isForEver;
      if (isNew) this.#added.push({ key: bytesKey(hash), above: above === -1 ? -1 : first + above, isForEver: stays });
      else if (!stays) this.#replaced.push(hash);
    }
  }
}
