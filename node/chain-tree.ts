/**
 * The blocks above the head that may become final: a tree whose root is the head. Bounded by number and memory: what
 * was added first goes first, leaves before what stands below others, and never an ancestor of what is being added.
 */
import { bytesToHex } from "../core/bytes.ts";
import type { ExecutedBlock } from "../core/chain.ts";
import type { ProducedBlock } from "../execution/block/execute.ts";
import type { SealedState } from "../execution/state/types.ts";

/** A block with the state after it. */
export interface StateBlock {
  readonly block: ExecutedBlock;
  readonly sealed: SealedState;
}

export interface TreeLimits {
  /** Blocks in the tree, as far as others than the ancestors of the newest can make room. */
  readonly blocks: number;
  /**
   * Blocks from the head to a leaf. Above `blocks`, because a chain of notarized blocks grows for as long as no view
   * finalizes one, and consensus could never go on if it could not grow.
   */
  readonly depth: number;
  /** Of memory, about. A child of the head has room whatever it takes. */
  readonly bytes: number;
}

export const TREE_LIMITS: TreeLimits = { blocks: 64, depth: 512, bytes: 256 * 1024 * 1024 };

interface Entry extends ProducedBlock {
  readonly parent: string;
  readonly bytes: number;
  children: number;
}

const keyOf = (hash: Uint8Array): string => bytesToHex(hash);

export class BlockTree {
  readonly #limits: TreeLimits;
  #head: StateBlock;
  #headKey: string;
  /** The first added first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(head: StateBlock, limits: TreeLimits) {
    this.#limits = limits;
    this.#head = head;
    this.#headKey = keyOf(head.block.hash);
  }

  get head(): StateBlock {
    return this.#head;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The head or a block above it. */
  get(hash: Uint8Array): StateBlock | undefined {
    const key = keyOf(hash);
    return key === this.#headKey ? this.#head : this.#entries.get(key);
  }

  /** A block above the head. */
  above(hash: Uint8Array): ProducedBlock | undefined {
    return this.#entries.get(keyOf(hash));
  }

  /** From the head's child to the block; empty for the head, undefined for what is not here. */
  path(hash: Uint8Array): ProducedBlock[] | undefined {
    const path: ProducedBlock[] = [];
    for (let key = keyOf(hash); key !== this.#headKey; ) {
      const entry = this.#entries.get(key);
      if (entry === undefined) return undefined;
      path.push(entry);
      key = entry.parent;
    }
    return path.reverse();
  }

  /** False when its parent is not here, or there is no room even after everything else has gone. */
  add({ block, sealed, raw }: ProducedBlock): boolean {
    const key = keyOf(block.hash);
    if (key === this.#headKey || this.#entries.has(key)) return true;
    const ancestors = this.path(block.header.parentHash);
    if (ancestors === undefined || ancestors.length >= this.#limits.depth) return false;
    const bytes = sizeOf(block) + raw.length + sealed.heldBytes;
    if (!this.#makeRoom(bytes, ancestors)) return false;
    const parent = keyOf(block.header.parentHash);
    const below = this.#entries.get(parent);
    if (below !== undefined) below.children++;
    this.#entries.set(key, { block, sealed, raw, parent, bytes, children: 0 });
    this.#bytes += bytes;
    return true;
  }

  /** The block becomes the head; what does not descend from it goes. Precondition: it stood on the old one. */
  advance(head: StateBlock): void {
    this.#head = head;
    this.#headKey = keyOf(head.block.hash);
    const kept = new Set<string>([this.#headKey]);
    // A parent was added before its children.
    for (const [key, { parent }] of this.#entries) if (kept.has(parent)) kept.add(key);
    kept.delete(this.#headKey);
    this.#keep(kept);
  }

  /** Drops what is neither among `hashes` nor an ancestor of one. */
  retain(hashes: readonly Uint8Array[]): void {
    const kept = new Set<string>();
    for (const hash of hashes) {
      for (let key = keyOf(hash); !kept.has(key); ) {
        const entry = this.#entries.get(key);
        if (entry === undefined) break;
        kept.add(key);
        key = entry.parent;
      }
    }
    this.#keep(kept);
  }

  #keep(kept: ReadonlySet<string>): void {
    for (const key of [...this.#entries.keys()].reverse()) if (!kept.has(key)) this.#remove(key);
  }

  #makeRoom(bytes: number, ancestors: readonly ProducedBlock[]): boolean {
    const path = new Set<string>(ancestors.map(({ block }) => keyOf(block.hash)));
    const isTooMuch = () => this.#entries.size >= this.#limits.blocks || this.#bytes + bytes > this.#limits.bytes;
    while (isTooMuch()) {
      const victim = this.#oldestLeaf(path);
      if (victim === undefined) break;
      this.#remove(victim);
    }
    return ancestors.length === 0 || this.#bytes + bytes <= this.#limits.bytes;
  }

  #oldestLeaf(except: ReadonlySet<string>): string | undefined {
    for (const [key, { children }] of this.#entries) if (children === 0 && !except.has(key)) return key;
    return undefined;
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    const below = this.#entries.get(entry.parent);
    if (below !== undefined) below.children--;
  }
}

/** What the objects of a transaction and its receipt take besides their data. */
const OBJECT_BYTES = 1_024;
const LOG_BYTES = 256;

/** About what an executed block takes in memory. */
export function sizeOf({ transactions, receipts }: ExecutedBlock): number {
  let bytes = OBJECT_BYTES;
  for (const tx of transactions) bytes += OBJECT_BYTES + tx.raw.length;
  for (const { logs } of receipts) for (const log of logs) bytes += LOG_BYTES + log.data.length;
  return bytes;
}
