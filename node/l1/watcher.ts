/**
 * Follows L1: keeps of every block what L2 needs, verified, on disk. Final blocks are what L2 may build on; those above
 * tell where batches stand. A reorganisation of L1 above the newest block that a committed L2 block names as its origin is
 * followed. One at or below it would rewrite deposits that L2 has executed: that ends the node.
 *
 * A poll that fails leaves what was read before: the next one goes on there.
 */

import { DEPOSITED_TOPIC } from "../../bridge/deposit.ts";
import type { L1Block, L1Log } from "../../bridge/l1-block.ts";
import { blobBaseFee, updateFraction } from "../../bridge/l1-header.ts";
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { Batch, type LevelStore } from "../../execution/state/level-store.ts";
import type { L1Parameters } from "../../genesis/l1.ts";
import { OperationError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";
import { type BloomBits, bloomBits, mayContain } from "../rpc/bloom.ts";
import { type L1Client, L1UnavailableError } from "./client.ts";
import { EndpointError, L1RequestError } from "./endpoint.ts";
import type { VerifiedHeader } from "./json.ts";
import {
  type L1Progress,
  readL1Block,
  readL1Progress,
  stageL1Block,
  stageL1Progress,
  stagePruning,
  stageWithoutL1Block,
} from "./l1-store.ts";

export interface L1BlockId {
  readonly number: bigint;
  readonly hash: Uint8Array;
}

/** As `optimism_syncStatus` names a block. */
export type L1BlockRef = Pick<L1Block, "number" | "hash" | "parentHash" | "timestamp">;

export interface L1WatcherOptions {
  readonly client: L1Client;
  readonly l1: L1Parameters;
  readonly store: LevelStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pollMs: number;
  /** Origin of the newest committed L2 block. */
  readonly usedOrigin: () => L1BlockId;
  /** Blocks below this one that the used origin does not need either are forgotten: what followers have read. */
  readonly keepFrom: () => bigint;
  /** Called once; nothing is followed any more. */
  readonly onHalt: (error: Error) => void;
}

export interface L1Status {
  /** L1's own newest block, and what is "safe" there; undefined until the first answer. */
  readonly head: L1BlockRef | undefined;
  readonly safe: L1BlockRef | undefined;
  /** Newest block that was read here, and the newest of these that is final. */
  readonly current: L1BlockRef | undefined;
  readonly final: L1BlockRef | undefined;
  /** Blocks that L1 is ahead of what was read. */
  readonly lagBlocks: bigint;
  /** Why L1 cannot be followed at the moment. */
  readonly problem: string | undefined;
}

/** Headers asked for at once, and written at once. */
const CHUNK_BLOCKS = 16n;
/** Decoded, in memory. */
const CACHED_BLOCKS = 256;
/** Enough for the origins that one L2 block may pass, and for blocks that are not final. */
const MIN_KEPT_BLOCKS = 64n;

export class L1Watcher {
  readonly #options: L1WatcherOptions;
  readonly #interest: readonly BloomBits[];
  readonly #cache = new Map<bigint, L1Block>();
  readonly #listeners = new Set<() => void>();
  #progress: L1Progress | undefined;
  #head: L1BlockRef | undefined;
  #safe: L1BlockRef | undefined;
  #problem: string | undefined;
  #polling: Promise<void> | undefined;
  #cancel: () => void = () => {};
  #isOver = false;

  /** Goes on where the store left off. Throws DataError. */
  constructor(options: L1WatcherOptions) {
    this.#options = options;
    const { portal, inbox, oracle } = options.l1;
    this.#interest = [portal, inbox, oracle].map(bloomBits);
    this.#progress = readL1Progress(options.store.reader);
  }

  start(): void {
    if (this.#isOver) return;
    void this.poll().then(() => {
      if (this.#isOver) return;
      const { clock, pollMs } = this.#options;
      this.#cancel = clock.at(clock.nowMs() + pollMs, () => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.#cancel();
    await this.#polling;
  }

  // What was read

  get finalNumber(): bigint | undefined {
    return this.#progress?.final;
  }

  get tipNumber(): bigint | undefined {
    return this.#progress?.tip;
  }

  /** Final or not. Undefined for what was not read yet, and for what was forgotten. Throws DataError. */
  block(number: bigint): L1Block | undefined {
    if (this.#progress === undefined || number > this.#progress.tip) return undefined;
    const known = this.#cache.get(number);
    if (known !== undefined) return known;
    const block = readL1Block(this.#options.store.reader, number);
    if (block !== undefined) this.#remember(block);
    return block;
  }

  /** Final blocks from `number` on, at most `limit`; they follow one another. Throws DataError. */
  finalBlocks(number: bigint, limit: number): L1Block[] {
    const blocks: L1Block[] = [];
    for (let at = number; blocks.length < limit && at <= (this.finalNumber ?? -1n); at++) {
      const block = this.block(at);
      if (block === undefined) break;
      blocks.push(block);
    }
    return blocks;
  }

  get status(): L1Status {
    const { tip, final } = this.#progress ?? {};
    const current = tip === undefined ? undefined : this.block(tip);
    return {
      head: this.#head,
      safe: this.#safe,
      current: current && refOf(current),
      final: final === undefined ? undefined : refOf(this.block(final)!),
      lagBlocks:
        this.#head === undefined || tip === undefined || tip > this.#head.number ? 0n : this.#head.number - tip,
      problem: this.#problem,
    };
  }

  /** Called after blocks were read, replaced, or became final. Returns the function that unsubscribes. */
  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // Following

  /** Reads what is new. Never rejects; what went wrong is in `status.problem`. */
  poll(): Promise<void> {
    this.#polling ??= this.#pollOnce().finally(() => {
      this.#polling = undefined;
    });
    return this.#polling;
  }

  async #pollOnce(): Promise<void> {
    if (this.#isOver) return;
    try {
      await this.#follow();
      if (this.#problem !== undefined) this.#options.log.info("L1 is followed again");
      this.#problem = undefined;
    } catch (error) {
      if (this.#isOver) return;
      const isTemporary =
        error instanceof L1UnavailableError || error instanceof L1RequestError || error instanceof EndpointError;
      if (!isTemporary) return this.#halt(error as Error);
      const { message } = error as Error;
      if (this.#problem === undefined) this.#options.log.warn({ problem: message }, "L1 cannot be followed for now");
      this.#problem = message;
    }
  }

  #halt(error: Error): void {
    this.#isOver = true;
    this.#problem = error.message;
    this.#options.log.fatal({ err: error }, "L1 is no longer followed");
    this.#options.onHalt(error);
  }

  async #follow(): Promise<void> {
    const { client, l1 } = this.#options;
    const head = await client.header("latest");
    if (head === undefined) throw new L1UnavailableError("its newest block", new Error("nobody has one"));
    this.#head = refOfHeader(head);
    if (this.#progress === undefined) await this.#begin();
    await this.#followTo(head);
    // L2 may have come here from peers, with origins that were not read at the time.
    const used = this.#options.usedOrigin();
    const here = this.block(used.number);
    if (here !== undefined && !equalsBytes(here.hash, used.hash)) await this.#haltUnlessConfirmed(used, here.hash);
    if (this.#isOver) return;
    const final = l1.finality === "finalized" ? await client.header("finalized") : undefined;
    this.#safe = (await this.#safeBlock()) ?? this.#safe;
    await this.#finalize(
      l1.finality === "finalized" ? (final?.header.number ?? 0n) : head.header.number - BigInt(l1.finality.depth),
      final,
    );
  }

  /** Not every L1 of a test has one. */
  async #safeBlock(): Promise<L1BlockRef | undefined> {
    try {
      const safe = await this.#options.client.header("safe");
      return safe && refOfHeader(safe);
    } catch (error) {
      if (error instanceof L1RequestError) return undefined;
      throw error;
    }
  }

  /** The first block that is kept: the origin that L2 stands on, whose hash is known. */
  async #begin(): Promise<void> {
    const { client, usedOrigin } = this.#options;
    const used = usedOrigin();
    const found = await client.header(used.number);
    if (found === undefined) throw new L1UnavailableError(`block ${used.number}`, new Error("nobody has it"));
    if (!equalsBytes(found.hash, used.hash)) return this.#haltUnlessConfirmed(used, found.hash);
    await this.#write([await this.#blockOf(found)], []);
  }

  async #followTo(head: VerifiedHeader): Promise<void> {
    const target = head.header.number;
    if (this.#progress === undefined || this.#isOver) return;
    if (target <= this.#progress.tip) {
      const here = this.block(target);
      // An endpoint that is behind says nothing new. Below what is kept it cannot be compared.
      if (here !== undefined && !equalsBytes(here.hash, head.hash)) await this.#stepBack(target);
    }
    while (!this.#isOver && this.#progress.tip < target) {
      const from = this.#progress.tip + 1n;
      const to = target < from + CHUNK_BLOCKS ? target : from + CHUNK_BLOCKS - 1n;
      const headers = await Promise.all(
        Array.from({ length: Number(to - from) + 1 }, (_, i) => this.#options.client.header(from + BigInt(i))),
      );
      const blocks: L1Block[] = [];
      let parent = this.block(this.#progress.tip)!.hash;
      for (const found of headers) {
        // L1 may have changed between two answers: what follows is read again.
        if (found === undefined || !equalsBytes(found.header.parentHash, parent)) break;
        blocks.push(await this.#blockOf(found));
        parent = found.hash;
      }
      if (blocks.length > 0) await this.#write(blocks, []);
      else if (headers[0] === undefined) return;
      else await this.#stepBack(this.#progress.tip);
    }
  }

  /** Forgets what L1 has replaced, from `number` downwards. */
  async #stepBack(number: bigint): Promise<void> {
    const used = this.#options.usedOrigin();
    const { tip, final } = this.#progress!;
    let ancestor = number;
    for (; ; ancestor--) {
      const found = await this.#options.client.header(ancestor);
      if (found === undefined) throw new L1UnavailableError(`block ${ancestor}`, new Error("nobody has it"));
      const here = this.block(ancestor);
      if (here !== undefined && equalsBytes(here.hash, found.hash)) break;
      const isUsed = here !== undefined && ancestor === used.number && equalsBytes(here.hash, used.hash);
      if (isUsed || here === undefined) return this.#haltUnlessConfirmed(used, found.hash);
    }
    const replaced: bigint[] = [];
    for (let at = ancestor + 1n; at <= tip; at++) replaced.push(at);
    this.#options.log.warn({ l1: Number(ancestor), replaced: replaced.length }, "L1 was reorganised");
    await this.#write([], replaced, { tip: ancestor, final: final < ancestor ? final : ancestor });
  }

  /** An endpoint alone does not end a node: another one may still have the block. */
  async #haltUnlessConfirmed(used: L1BlockId, found: Uint8Array): Promise<void> {
    const answer = await this.#options.client.confirms(used.number, used.hash);
    const where = `L1 block ${used.number}, on which L2 stands, was ${bytesToHex(used.hash)} and is ${bytesToHex(found)}`;
    if (answer !== "no") throw new L1UnavailableError(`block ${used.number}`, new Error(`${where} at one endpoint`));
    this.#halt(
      new OperationError(
        `${where}: deposits that were executed may never have happened; check --l1.url, or follow the network's announcement and start anew from the reorganised L1`,
      ),
    );
  }

  async #finalize(number: bigint, header: VerifiedHeader | undefined): Promise<void> {
    if (this.#progress === undefined || this.#isOver) return;
    const { tip, final } = this.#progress;
    const first = number < tip ? number : tip;
    if (first <= final) return this.#prune();
    // What is called final but was not read as such is of an endpoint on another branch.
    if (header !== undefined && number <= tip && !equalsBytes(this.block(number)!.hash, header.hash)) return;
    await this.#write([], [], { tip, final: first });
    await this.#prune();
  }

  async #prune(): Promise<void> {
    const { store, usedOrigin, keepFrom } = this.#options;
    const { tip } = this.#progress!;
    const needed = [usedOrigin().number, keepFrom(), tip - MIN_KEPT_BLOCKS].reduce((a, b) => (a < b ? a : b));
    const batch = new Batch();
    if (needed > 0n) await stagePruning(batch, store, needed);
    if (batch.operations.length > 0) await store.write(batch);
  }

  // Reading

  async #blockOf(found: VerifiedHeader): Promise<L1Block> {
    const { header, hash } = found;
    const { portal, inbox, oracle, chainId } = this.#options.l1;
    const deposits: L1Log[] = [];
    const posts: L1Log[] = [];
    // The header's filter is covered by its hash: where it has none of the addresses, there is nothing to ask for.
    if (this.#interest.some((bits) => mayContain(header.logsBloom, bits))) {
      let logIndex = 0;
      for (const [transactionIndex, { logs }] of (await this.#options.client.receipts(found)).entries()) {
        for (const log of logs) {
          const place = { ...log, logIndex: logIndex++, transactionIndex };
          const topic = log.topics[0];
          if (equalsBytes(log.address, portal)) {
            if (topic !== undefined && equalsBytes(topic, DEPOSITED_TOPIC)) deposits.push(place);
          } else if (equalsBytes(log.address, inbox) || equalsBytes(log.address, oracle)) posts.push(place);
        }
      }
    }
    return {
      number: header.number,
      hash,
      parentHash: header.parentHash,
      timestamp: header.timestamp,
      baseFeeWei: header.baseFeePerGas ?? 0n,
      blobBaseFeeWei: blobBaseFee(header.excessBlobGas, updateFraction(chainId, header.timestamp)),
      prevRandao: header.mixHash,
      parentBeaconBlockRoot: header.parentBeaconBlockRoot ?? new Uint8Array(32),
      deposits,
      posts,
    };
  }

  /** Not synced: what a power loss takes is read again. */
  async #write(blocks: readonly L1Block[], replaced: readonly bigint[], progress?: L1Progress): Promise<void> {
    const batch = new Batch();
    for (const number of replaced) stageWithoutL1Block(batch, number);
    for (const block of blocks) stageL1Block(batch, block);
    const tip = blocks.at(-1)?.number;
    const next = progress ?? { tip: tip!, final: this.#progress?.final ?? tip! };
    stageL1Progress(batch, next);
    await this.#options.store.write(batch);
    for (const number of replaced) this.#cache.delete(number);
    for (const block of blocks) this.#remember(block);
    this.#progress = next;
    for (const listener of this.#listeners) listener();
  }

  #remember(block: L1Block): void {
    this.#cache.delete(block.number);
    this.#cache.set(block.number, block);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= CACHED_BLOCKS) return;
      this.#cache.delete(oldest);
    }
  }
}

const refOf = ({ number, hash, parentHash, timestamp }: L1Block): L1BlockRef => ({
  number,
  hash,
  parentHash,
  timestamp,
});

const refOfHeader = ({ hash, header: { number, parentHash, timestamp } }: VerifiedHeader): L1BlockRef => ({
  number,
  hash,
  parentHash,
  timestamp,
});
