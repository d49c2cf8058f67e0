/**
 * Puts batches together from their parts: those of one poster for one last block. Bounded: what is incomplete for long
 * gives way to what comes later, and its poster has to post it again.
 */
import { BatchError, type BatchPayload, decodePayload } from "../../bridge/batch.ts";
import { bytesToHex, concatBytes } from "../../core/bytes.ts";
import { decompress } from "./compression.ts";
import type { Post } from "./posts.ts";

/** A whole batch as somebody posted it; nothing in it has been checked. */
export interface PostedBatch {
  /** L1 block of the part that completed it, and of its first. */
  readonly l1Number: bigint;
  readonly l1First: bigint;
  readonly lastNumber: bigint;
  readonly lastHash: Uint8Array;
  readonly poster: Uint8Array;
  /** Compressed payload. */
  readonly compressed: Uint8Array;
}

const MAX_OPEN_BATCHES = 64;
const MAX_OPEN_BYTES = 32 * 1024 * 1024;

export class PartCollector {
  /** The oldest first. */
  readonly #open = new Map<string, Map<number, Post>>();
  #bytes = 0;

  /** The batch that this part completes. */
  add(post: Post): PostedBatch | undefined {
    const { part, lastNumber, lastHash, poster, l1Number } = post;
    const key = `${bytesToHex(poster)}:${lastNumber}:${bytesToHex(lastHash)}:${part.count}`;
    const parts = this.#open.get(key) ?? new Map<number, Post>();
    // Posted again: what comes later is what its poster means.
    this.#bytes += part.slice.length - (parts.get(part.index)?.part.slice.length ?? 0);
    parts.set(part.index, post);
    this.#open.set(key, parts);
    if (parts.size < part.count) {
      this.#makeRoom(key);
      return undefined;
    }
    this.#close(key, parts);
    const posts = [...parts.values()].sort((a, b) => a.part.index - b.part.index);
    const l1First = posts.reduce((low, each) => (each.l1Number < low ? each.l1Number : low), l1Number);
    const compressed = concatBytes(...posts.map((each) => each.part.slice));
    return { l1Number, l1First, lastNumber, lastHash, poster, compressed };
  }

  /** L1 has replaced its blocks above `l1Number`. */
  dropAbove(l1Number: bigint): void {
    for (const [key, parts] of this.#open) {
      for (const [index, post] of parts) {
        if (post.l1Number <= l1Number) continue;
        this.#bytes -= post.part.slice.length;
        parts.delete(index);
      }
      if (parts.size === 0) this.#open.delete(key);
    }
  }

  /** The lowest L1 block that a later one may complete a batch of. */
  get openSince(): bigint | undefined {
    let lowest: bigint | undefined;
    for (const parts of this.#open.values()) {
      for (const { l1Number } of parts.values()) if (lowest === undefined || l1Number < lowest) lowest = l1Number;
    }
    return lowest;
  }

  #makeRoom(besides: string): void {
    for (const [key, parts] of this.#open) {
      if (this.#open.size <= MAX_OPEN_BATCHES && this.#bytes <= MAX_OPEN_BYTES) return;
      if (key !== besides) this.#close(key, parts);
    }
  }

  #close(key: string, parts: ReadonlyMap<number, Post>): void {
    this.#open.delete(key);
    for (const { part } of parts.values()) this.#bytes -= part.slice.length;
  }
}

/** Rejects with BatchError where the payload is malformed or its numbers are not what the post says. */
export async function openBatch({ compressed, lastNumber }: PostedBatch, epochBlocks: bigint): Promise<BatchPayload> {
  const payload = decodePayload(await decompress(compressed));
  const last = payload.first + BigInt(payload.blocks.length) - 1n;
  if (payload.first === 0n || last !== lastNumber) {
    throw new BatchError(`it has blocks ${payload.first} to ${last}, and was posted as one up to ${lastNumber}`);
  }
  if (payload.first / epochBlocks !== last / epochBlocks) throw new BatchError("it spans epochs");
  return payload;
}
