/**
 * How far L2's committed blocks are on L1: "safe" up to which their batches are on L1, "finalized" up to which the L1
 * blocks that have them are final. A batch counts when it holds exactly these blocks and a certificate of its last one:
 * what the inbox recorded proves nothing, since anybody may post anything.
 *
 * Whichever order L1 has batches in, a block counts once all before it do. Store, table 0x22: uint32 crc32(value) ‖ value =
 * finalized L2 number u64 ‖ L1 number u64 up to which nothing has to be read again.
 */
import { BatchError } from "../../bridge/batch.ts";
import { bigIntToFixed, bytesToBigInt, bytesToHex, concatBytes, equalsBytes } from "../../core/bytes.ts";
import { Batch, type LevelStore } from "../../execution/state/level-store.ts";
import type { KeyValueReader } from "../../execution/state/types.ts";
import type { Chain } from "../chain.ts";
import type { Logger } from "../log.ts";
import { type BatchRules, batchBlockOf, finalizing, isSameBatchBlock } from "./batch-rules.ts";
import { checked, summed } from "./l1-store.ts";
import { openBatch, PartCollector, type PostedBatch } from "./parts.ts";
import { type PostSources, readPosts } from "./posts.ts";
import type { L1Watcher } from "./watcher.ts";

const KEY = Uint8Array.of(0x22);
/** Batches that are ahead of this node's blocks or of other batches. */
const MAX_CANDIDATES = 256;
const MAX_CANDIDATE_BYTES = 32 * 1024 * 1024;

const MAX_REFUSED = 64;

/** The last L2 block that is known to be final on L1; undefined where L1 was never read. Throws DataError. */
export function readFinalizedOnL1(reader: KeyValueReader): bigint | undefined {
  const stored = reader.get(KEY);
  return stored && bytesToBigInt(checked(stored, "how far L2 is on L1").subarray(0, 8));
}

interface Candidate {
  readonly l1Number: bigint;
  readonly l1First: bigint;
  /** L2 numbers. `first` is 0 while it has not been opened. */
  first: bigint;
  readonly last: bigint;
  readonly lastHash: Uint8Array;
  /** Undefined once it was found to be good. */
  posted: PostedBatch | undefined;
}

export interface SafeHeadParts {
  readonly chain: Chain;
  readonly watcher: Pick<L1Watcher, "block" | "tipNumber" | "finalNumber">;
  readonly store: LevelStore;
  readonly sources: PostSources;
  readonly rules: BatchRules;
  /** The L1 block that the chain began with. */
  readonly originNumber: bigint;
  readonly log: Logger;
}

export class SafeHead {
  readonly #parts: SafeHeadParts;
  readonly #collector = new PartCollector();
  /** In L1's order. */
  #candidates: Candidate[] = [];
  #safe: bigint;
  #finalized: bigint;
  /** L1 blocks that were read and are not final: their hashes, to notice when they are replaced. */
  readonly #read = new Map<bigint, Uint8Array>();
  /** Batches that were found not to count, the newest last. */
  #refused: readonly Pick<PostedBatch, "lastHash" | "poster">[] = [];
  #readTo: bigint;
  #persisted: bigint;
  #updating: Promise<void> | undefined;

  /** Throws DataError. */
  constructor(parts: SafeHeadParts) {
    this.#parts = parts;
    const stored = parts.store.reader.get(KEY);
    const value = stored && checked(stored, "how far L2 is on L1");
    this.#finalized = value === undefined ? parts.chain.firstBlock : bytesToBigInt(value.subarray(0, 8));
    this.#readTo = value === undefined ? parts.originNumber : bytesToBigInt(value.subarray(8));
    this.#persisted = this.#readTo;
    this.#safe = this.#finalized;
  }

  /** Numbers of L2 blocks; at most the head's. */
  get safe(): bigint {
    return this.#safe;
  }

  get finalized(): bigint {
    return this.#finalized;
  }

  /** L1 blocks up to this one have been read. */
  get readTo(): bigint {
    return this.#readTo;
  }

  /** L1 blocks from here on may be read again after a restart. */
  get keepFrom(): bigint {
    return this.#persisted + 1n;
  }

  /** Whether a good batch that ends with this block is on L1. */
  accepts(lastHash: Uint8Array): boolean {
    return this.#candidates.some(({ posted, lastHash: hash }) => posted === undefined && equalsBytes(hash, lastHash));
  }

  /** Whether one of the newest batches that were found not to count ended with this block and came from there. */
  refused(lastHash: Uint8Array, poster: Uint8Array): boolean {
    return this.#refused.some((batch) => equalsBytes(batch.lastHash, lastHash) && equalsBytes(batch.poster, poster));
  }

  /** Reads what is new on L1 and looks again at what waits for blocks of L2. Rejects when L1 cannot be read. */
  update(): Promise<void> {
    this.#updating ??= this.#updateOnce().finally(() => {
      this.#updating = undefined;
    });
    return this.#updating;
  }

  async #updateOnce(): Promise<void> {
    const { watcher } = this.#parts;
    this.#stepBack();
    for (let number = this.#readTo + 1n; number <= (watcher.tipNumber ?? -1n); number++) {
      const block = watcher.block(number);
      if (block === undefined) break;
      const posts = await readPosts(block, this.#parts.sources);
      // L1 may have been reorganised while its transactions were fetched.
      if (watcher.block(number) !== block) return;
      for (const post of posts) this.#add(this.#collector.add(post));
      this.#read.set(number, block.hash);
      this.#readTo = number;
    }
    await this.#examine();
    await this.#advance();
  }

  /** Forgets what was read from L1 blocks that have been replaced. */
  #stepBack(): void {
    const { watcher } = this.#parts;
    let number = this.#readTo;
    while (this.#read.has(number)) {
      const here = watcher.block(number);
      if (here !== undefined && equalsBytes(here.hash, this.#read.get(number)!)) break;
      this.#read.delete(number);
      number--;
    }
    if (number === this.#readTo) return;
    this.#readTo = number;
    this.#collector.dropAbove(number);
    this.#candidates = this.#candidates.filter(({ l1Number }) => l1Number <= number);
  }

  #add(posted: PostedBatch | undefined): void {
    if (posted === undefined || posted.lastNumber <= this.#finalized) return;
    const { l1Number, l1First, lastNumber: last, lastHash } = posted;
    this.#candidates.push({ l1Number, l1First, first: 0n, last, lastHash, posted });
    let bytes = this.#candidates.reduce((sum, candidate) => sum + (candidate.posted?.compressed.length ?? 0), 0);
    while (this.#candidates.length > MAX_CANDIDATES || bytes > MAX_CANDIDATE_BYTES) {
      // What is farthest from the chain waits in vain most likely.
      const farthest = this.#candidates.reduce((a, b) => (b.last > a.last ? b : a));
      bytes -= farthest.posted?.compressed.length ?? 0;
      this.#candidates = this.#candidates.filter((candidate) => candidate !== farthest);
    }
  }

  /** Looks into the batches whose last block is here. */
  async #examine(): Promise<void> {
    const { chain, log } = this.#parts;
    const dropped = new Set<Candidate>();
    for (const candidate of this.#candidates) {
      const { posted, last, lastHash } = candidate;
      if (posted === undefined || last > chain.head.number) continue;
      try {
        candidate.first = await this.#firstOf(posted);
        candidate.posted = undefined;
      } catch (error) {
        if (!(error instanceof BatchError)) throw error;
        dropped.add(candidate);
        this.#refused = [...this.#refused, { lastHash, poster: posted.poster }].slice(-MAX_REFUSED);
        const where = { l1: Number(posted.l1Number), last: Number(last), hash: bytesToHex(lastHash) };
        log.info({ ...where, poster: bytesToHex(posted.poster), problem: error.message }, "a batch does not count");
      }
    }
    if (dropped.size > 0) this.#candidates = this.#candidates.filter((candidate) => !dropped.has(candidate));
  }

  /** Number of the first block of a batch that holds this chain's blocks. Rejects with BatchError where it does not. */
  async #firstOf(posted: PostedBatch): Promise<bigint> {
    const { chain, rules } = this.#parts;
    const { lastNumber, lastHash } = posted;
    const here = chain.hashAt(lastNumber);
    if (here === undefined || !equalsBytes(here, lastHash)) throw new BatchError("its last block is another");
    const payload = await openBatch(posted, rules.epochBlocks);
    if (finalizing(payload, lastNumber, lastHash, rules) === undefined) throw new BatchError("its epoch is not known");
    const { first, parentHash, blocks } = payload;
    const parent = chain.hashAt(first - 1n);
    // Below a checkpoint there is nothing to compare with; the blocks above it hang together with it by their hashes.
    if (parent !== undefined && !equalsBytes(parent, parentHash)) throw new BatchError("it stands on another block");
    for (const [index, block] of blocks.entries()) {
      const number = first + BigInt(index);
      const ours = chain.block(number);
      if (ours !== undefined && !isSameBatchBlock(batchBlockOf(ours), block)) {
        throw new BatchError(`its block ${number} is another`);
      }
    }
    return first;
  }

  async #advance(): Promise<void> {
    const { watcher, store, log } = this.#parts;
    const finalL1 = watcher.finalNumber ?? 0n;
    const finalized = this.#reach(this.#finalized, finalL1);
    const safe = this.#reach(finalized, this.#readTo);
    if (safe !== this.#safe) log.debug({ safe: Number(safe), finalized: Number(finalized) }, "batches are on L1");
    this.#safe = safe;
    for (const number of this.#read.keys()) if (number <= finalL1) this.#read.delete(number);
    // A restart must find what is still of use.
    const needed = this.#candidates.filter(({ last, l1Number }) => last > finalized || l1Number > finalL1);
    this.#candidates = this.#candidates.filter((c) => needed.includes(c) || c.last === finalized);
    const lowest = [finalL1 + 1n, this.#readTo + 1n, this.#collector.openSince, ...needed.map((c) => c.l1First)];
    const readAgain = lowest.reduce<bigint>((a, b) => (b !== undefined && b < a ? b : a), finalL1 + 1n);
    if (finalized === this.#finalized && readAgain - 1n <= this.#persisted) return;
    this.#finalized = finalized;
    const batch = new Batch();
    batch.put(KEY, summed(concatBytes(bigIntToFixed(finalized, 8), bigIntToFixed(readAgain - 1n, 8))));
    await store.write(batch);
    this.#persisted = readAgain - 1n;
  }

  /** The highest block that good batches up to an L1 block lead to without a gap. */
  #reach(from: bigint, l1Number: bigint): bigint {
    const good = this.#candidates.filter((c) => c.posted === undefined && c.l1Number <= l1Number);
    let reached = from;
    for (;;) {
      const next = good.find(({ first, last }) => first <= reached + 1n && last > reached);
      if (next === undefined) return reached;
      reached = next.last;
    }
  }
}
