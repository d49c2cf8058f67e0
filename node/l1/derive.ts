/**
 * Makes the chain again from L1 alone: batches in L1's order, deposits from the portal's events, executed. A batch is
 * taken when it follows on the head, its certificate finalizes its last block by the set of that block's epoch, and
 * executing it gives exactly that block. Everything else is skipped with a line in the log.
 *
 * Work on garbage is bounded: what is executed carries a valid certificate of the chain's validators for a block of its
 * number, is at most one payload for each post, and every byte of it was paid for on L1.
 */
import { type BatchBlock, BatchError, type BatchPayload } from "../../bridge/batch.ts";
import { deriveAt, MAX_ORIGIN_ADVANCE, type OriginInput } from "../../bridge/derivation.ts";
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { readL1FeeScalars, readL1Origin } from "../../execution/block/l1-origin.ts";
import { decodeTransaction } from "../../execution/tx/decode.ts";
import type { L1Parameters } from "../../genesis/l1.ts";
import type { Chain } from "../chain.ts";
import type { Logger } from "../log.ts";
import { type BatchRules, finalizing } from "./batch-rules.ts";
import { openBatch, PartCollector, type PostedBatch } from "./parts.ts";
import { type PostSources, readPosts } from "./posts.ts";
import type { L1Watcher } from "./watcher.ts";

export interface DeriverParts {
  readonly chain: Chain;
  readonly watcher: Pick<L1Watcher, "block" | "finalNumber" | "finalBlocks">;
  readonly parameters: L1Parameters;
  readonly sources: PostSources;
  readonly rules: BatchRules;
  readonly log: Logger;
}

interface Waiting {
  readonly posted: PostedBatch;
  /** Number of its first block; undefined while it has not been opened. */
  first: bigint | undefined;
}

/** Batches that L1 has before those that they stand on. */
const MAX_WAITING = 256;
const MAX_WAITING_BYTES = 32 * 1024 * 1024;

export class Deriver {
  readonly #parts: DeriverParts;
  readonly #collector = new PartCollector();
  #waiting: Waiting[] = [];
  #readTo: bigint;

  /** Reads L1 from the head's origin on: no batch of a later block can be below. */
  constructor(parts: DeriverParts) {
    this.#parts = parts;
    this.#readTo = readL1Origin(parts.chain.headState).number - 1n;
  }

  /** L1 blocks up to this one have been read. */
  get readTo(): bigint {
    return this.#readTo;
  }

  /** Reads final L1 blocks as far as they are known, at most `limit`. Rejects when L1 cannot be read. */
  async advance(limit = Number.POSITIVE_INFINITY): Promise<void> {
    const { watcher, sources } = this.#parts;
    for (let read = 0; read < limit && this.#readTo < (watcher.finalNumber ?? -1n); read++) {
      const block = watcher.block(this.#readTo + 1n);
      if (block === undefined) return;
      for (const post of await readPosts(block, sources)) {
        const posted = this.#collector.add(post);
        if (posted !== undefined) this.#keep(posted);
      }
      // Before it counts as read: what fails on the way is read again.
      await this.#applyWaiting();
      this.#readTo = block.number;
    }
  }

  #keep(posted: PostedBatch): void {
    this.#waiting.push({ posted, first: undefined });
    let bytes = this.#waiting.reduce((sum, { posted: { compressed } }) => sum + compressed.length, 0);
    while (this.#waiting.length > MAX_WAITING || bytes > MAX_WAITING_BYTES) {
      const farthest = this.#waiting.reduce((a, b) => (b.posted.lastNumber > a.posted.lastNumber ? b : a));
      bytes -= farthest.posted.compressed.length;
      this.#drop(farthest, "too many batches wait for earlier ones");
    }
  }

  /** Takes what follows on the head, again and again: one batch may be what others wait for. */
  async #applyWaiting(): Promise<void> {
    for (let isOn = true; isOn; ) {
      isOn = false;
      for (const waiting of [...this.#waiting]) {
        try {
          if (await this.#tryApply(waiting)) isOn = true;
        } catch (error) {
          if (!(error instanceof BatchError)) throw error;
          this.#drop(waiting, error.message);
        } finally {
          this.#parts.chain.prune([]);
        }
      }
    }
  }

  /** Whether the head moved. Rejects with BatchError. */
  async #tryApply(waiting: Waiting): Promise<boolean> {
    const { chain, rules, log } = this.#parts;
    const { posted } = waiting;
    const { lastNumber, lastHash } = posted;
    if (lastNumber <= chain.head.number) {
      this.#forget(waiting);
      return false;
    }
    const isEarly = waiting.first !== undefined && waiting.first > chain.head.number + 1n;
    if (isEarly || rules.setOf(Number(lastNumber / rules.epochBlocks)) === undefined) return false;
    const payload = await openBatch(posted, rules.epochBlocks);
    waiting.first = payload.first;
    finalizing(payload, lastNumber, lastHash, rules);
    if (payload.first > chain.head.number + 1n) return false;
    await this.#execute(payload, posted);
    await chain.commitThrough(lastHash, payload.certificate);
    this.#forget(waiting);
    log.info({ l1: Number(posted.l1Number), height: Number(lastNumber), hash: bytesToHex(lastHash) }, "batch derived");
    return true;
  }

  #forget(waiting: Waiting): void {
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
  }

  #drop(waiting: Waiting, problem: string): void {
    this.#forget(waiting);
    const { l1Number, lastNumber, poster } = waiting.posted;
    const where = { l1: Number(l1Number), last: Number(lastNumber), poster: bytesToHex(poster) };
    this.#parts.log.warn({ ...where, problem }, "a batch is skipped");
  }

  /** Makes the batch's blocks above the head. Rejects with BatchError when they are not what the certificate says. */
  async #execute({ first, parentHash, blocks }: BatchPayload, { lastHash }: PostedBatch): Promise<void> {
    const { chain } = this.#parts;
    const known = chain.hashAt(first - 1n);
    if (known === undefined || !equalsBytes(known, parentHash)) throw new BatchError("it stands on another block");
    // Blocks that are here already are not made again: only with them does the last one get its hash.
    const fresh = blocks.slice(Number(chain.head.number + 1n - first));
    let parent = chain.head.hash;
    for (const block of fresh) parent = await this.#make(parent, block);
    if (!equalsBytes(parent, lastHash)) {
      throw new BatchError(`executing it gives ${bytesToHex(parent)} instead of ${bytesToHex(lastHash)}`);
    }
  }

  async #make(parent: Uint8Array, block: BatchBlock): Promise<Uint8Array> {
    const { chain } = this.#parts;
    const header = chain.header(parent)!;
    if (block.timestamp < header.timestamp)
      throw new BatchError(`a block's time ${block.timestamp} is before its parent's`);
    const transactions = block.transactions.map((raw): Transaction => {
      const decoded = decodeTransaction(raw, chain.chainId);
      if (!decoded.ok) throw new BatchError(`a transaction is malformed: ${decoded.message}`);
      return decoded.tx;
    });
    const l1 = this.#origin(parent, block);
    const { block: made } = await chain.proposeOn(parent, {
      candidates: transactions,
      timestamp: block.timestamp,
      feeAddress: block.coinbase,
      isOutOfTime: () => false,
      l1,
    });
    const signed = made.transactions.length - l1.deposits.length;
    if (signed !== transactions.length) throw new BatchError(`block ${made.header.number} has invalid transactions`);
    return made.hash;
  }

  #origin(parent: Uint8Array, { originNumber, originHash, timestamp }: BatchBlock) {
    const { chain, watcher, parameters } = this.#parts;
    const state = chain.stateAfter(parent)!;
    const origin = readL1Origin(state);
    const advance = originNumber - origin.number;
    if (advance < 0n || advance > BigInt(MAX_ORIGIN_ADVANCE)) throw new BatchError(`its origin moves by ${advance}`);
    const blocks = watcher.finalBlocks(origin.number, Number(advance) + 1);
    const named = blocks[Number(advance)];
    if (named === undefined || !equalsBytes(named.hash, originHash)) {
      throw new BatchError(`its origin ${originNumber} is not ${bytesToHex(originHash)} on L1`);
    }
    const { gasLimit, blockBytes } = chain.rules;
    const { maxDriftSeconds } = parameters;
    const rules = { gasLimit, blockBytes, maxDriftSeconds, ...readL1FeeScalars(state) };
    const input: OriginInput = { parent: origin, blocks, timestamp, rules };
    return deriveAt(input, Number(advance));
  }
}
