/** One content on disk, open for checked reads: nothing that does not lead to its root leaves. */
import type { FileHandle } from "node:fs/promises";
import type { Hex } from "../core/bytes.ts";
import { CHUNK_BYTES, type ContentRange, chunkCount } from "../core/content.ts";
import { GROUP_BYTES, type GroupTree } from "./content-groups.ts";

/** Bytes read and checked at a time: a few milliseconds of hashing. */
const READ_BYTES = 16 * GROUP_BYTES;

export class ContentFile {
  readonly root: Hex;
  readonly #handle: FileHandle;
  readonly #tree: GroupTree;
  readonly #damaged: () => Error;

  /** `tree` leads to `root`. `damaged` makes the error for bytes that do not. */
  constructor(root: Hex, handle: FileHandle, tree: GroupTree, damaged: () => Error) {
    this.root = root;
    this.#handle = handle;
    this.#tree = tree;
    this.#damaged = damaged;
  }

  /** Bytes. */
  get size(): number {
    return this.#tree.length;
  }

  get chunks(): number {
    return chunkCount(this.size);
  }

  /** Bytes [start, end), piece by piece, each checked before it is given. Precondition: 0 ≤ start ≤ end ≤ size. */
  async *bytes(start: number, end: number): AsyncGenerator<Uint8Array, void> {
    for (let at = start - (start % GROUP_BYTES); at < end; at += READ_BYTES) {
      const piece = await this.#groups(at, Math.min(at + READ_BYTES, this.#groupEnd(end)));
      yield piece.subarray(Math.max(0, start - at), Math.min(piece.length, end - at));
    }
  }

  /** Chunks `first` to `last` and what proves them. Holds them in memory. Precondition: 0 ≤ first ≤ last < chunks. */
  async range(first: number, last: number): Promise<ContentRange> {
    const [start, end] = [first * CHUNK_BYTES, Math.min((last + 1) * CHUNK_BYTES, this.size)];
    const from = start - (start % GROUP_BYTES);
    const groups = await this.#groups(from, this.#groupEnd(end));
    const lastGroup = groups.subarray(Math.floor((groups.length - 1) / GROUP_BYTES) * GROUP_BYTES);
    const siblings = this.#tree.rangeSiblings(first, last, groups.subarray(0, GROUP_BYTES), lastGroup);
    if (siblings === undefined) throw this.#damaged();
    return { first, data: groups.slice(start - from, end - from), siblings };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  #groupEnd(end: number): number {
    return Math.min(Math.ceil(end / GROUP_BYTES) * GROUP_BYTES, this.size);
  }

  /** Whole groups, checked. */
  async #groups(start: number, end: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - start);
    for (let filled = 0; filled < bytes.length; ) {
      const { bytesRead } = await this.#handle.read(bytes, filled, bytes.length - filled, start + filled);
      if (bytesRead === 0) throw this.#damaged();
      filled += bytesRead;
    }
    for (let at = 0; at < bytes.length; at += GROUP_BYTES) {
      if (!this.#tree.holds((start + at) / GROUP_BYTES, bytes.subarray(at, at + GROUP_BYTES))) throw this.#damaged();
    }
    return bytes;
  }
}
