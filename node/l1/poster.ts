/**
 * Posts L2's committed blocks to L1's inbox: from the last block whose batch is there on, when they are many enough, or
 * old enough, or end an epoch. One batch is under way at a time, in one or several transactions (sender.ts); which one is
 * on disk, so that a restart goes on with it.
 */
import { encodeFunctionData } from "viem";
import { encodeParts, MAX_PAYLOAD_BYTES } from "../../bridge/batch.ts";
import { BLOB_CAPACITY, packBlob } from "../../bridge/blob.ts";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import type { ValidatorSet } from "../../core/validators.ts";
import { isLastOfEpoch } from "../../execution/rules.ts";
import { Batch, type LevelStore } from "../../execution/state/level-store.ts";
import type { Chain } from "../chain.ts";
import { OperationError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";
import { INBOX_ABI } from "./abi.ts";
import { type BuiltBatch, buildBatch } from "./build-batch.ts";
import { compress } from "./compression.ts";
import { type Plan, readPlan, stagePlan } from "./posting-store.ts";
import type { SafeHead } from "./safe-head.ts";
import type { L1Sender, Request } from "./sender.ts";
import { postingDelayMs } from "./turns.ts";
import type { L1Watcher } from "./watcher.ts";

export interface PosterParts {
  readonly chain: Chain;
  readonly watcher: Pick<L1Watcher, "status">;
  readonly safeHead: SafeHead;
  readonly sender: L1Sender;
  readonly store: LevelStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly inbox: Uint8Array;
  readonly epochBlocks: bigint;
  readonly data: "calldata" | "blobs";
  /** Of the set of the head's epoch. */
  readonly validators: () => ValidatorSet;
  /** Own key, which says when it is this node's turn. Undefined: a node that only helps out. */
  readonly publicKey: Uint8Array | undefined;
  /** Blocks are posted when the oldest is this old, if they are not many enough before. */
  readonly maxAgeMs: number;
}

/** What nodes of Ethereum take in one transaction is 128 KiB; the call around the batch is small. */
const CALLDATA_PART_BYTES = 120_000;
/** Each part is a transaction. Ethereum takes six blobs in one. */
const BLOBS_PER_PART = 4;
const PART_BYTES = { calldata: CALLDATA_PART_BYTES, blobs: BLOBS_PER_PART * BLOB_CAPACITY } as const;
/** How much a payload shrinks, before the first batch tells. Corrected with each batch. */
const FIRST_RATIO = 2;
const MAX_RATIO = 16;

const BATCH_LABEL = "batch";

export class Poster {
  readonly #parts: PosterParts;
  #plan: Plan | undefined;
  #ratio = FIRST_RATIO;
  #posted: { readonly last: bigint; readonly lastHash: Uint8Array; readonly l1Number: bigint } | undefined;
  #problem: string | undefined;
  /** Raw bytes of the blocks (from, to]. */
  #counted = { from: 0n, to: 0n, bytes: 0 };

  /** Throws DataError. */
  constructor(parts: PosterParts) {
    this.#parts = parts;
    this.#plan = readPlan(parts.store.reader);
  }

  /** Why nothing is posted until somebody looks into it. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Bytes of committed blocks that are not on L1: making more has to slow down where they grow without end. */
  get unpostedBytes(): number {
    const { chain, safeHead } = this.#parts;
    const [from, to] = [safeHead.safe, chain.head.number];
    const counted = this.#counted;
    if (from < counted.from || from > counted.to) this.#counted = { from, to: from, bytes: 0 };
    for (; this.#counted.to < to; ) this.#count(this.#counted.to + 1n, 1, "to");
    for (; this.#counted.from < from; ) this.#count(this.#counted.from + 1n, -1, "from");
    return this.#counted.bytes;
  }

  #count(number: bigint, sign: 1 | -1, end: "from" | "to"): void {
    const bytes = this.#counted.bytes + sign * (this.#parts.chain.rawAt(number)?.length ?? 0);
    this.#counted = { ...this.#counted, [end]: number, bytes };
  }

  /** Begins what is due, or goes on with what was begun. Rejects when L1 cannot be reached. */
  async tick(): Promise<void> {
    const { sender } = this.#parts;
    if (this.#problem !== undefined || (sender.label !== undefined && sender.label !== BATCH_LABEL)) return;
    if (sender.label === BATCH_LABEL && !(await this.#settle())) return;
    if (!this.#hasArrived()) return;
    if (this.#plan === undefined) await this.#begin();
    if (this.#plan !== undefined) await this.#sendPart(this.#plan);
  }

  /** Whether nothing is under way any more. */
  async #settle(): Promise<boolean> {
    const { sender, log } = this.#parts;
    const plan = this.#plan;
    const settled = await sender.settle((batch, { outcome }) => {
      if (plan !== undefined && outcome === "mined") stagePlan(batch, after(plan));
    });
    if (settled === undefined) return false;
    const { outcome, l1Number } = settled;
    if (plan === undefined) return true;
    if (outcome === "mined") {
      this.#plan = after(plan);
      const { first, last, lastHash, next, parts } = plan;
      if (this.#plan === undefined) this.#posted = { last, lastHash, l1Number };
      const blocks = {
        first: Number(first),
        last: Number(last),
        l1: Number(l1Number),
        part: `${next + 1}/${parts.length}`,
      };
      log.info({ ...blocks, bytes: parts[next]!.length }, "batch posted");
    } else if (outcome === "reverted") {
      // The inbox refuses no batch: something else is there.
      this.#fail(`posting the batch up to block ${plan.last} was reverted in L1 block ${l1Number}`);
      return false;
    }
    return true;
  }

  /** Whether this node has seen on L1 what it posted last. Nothing is posted on top of it before. */
  #hasArrived(): boolean {
    const { safeHead, sender } = this.#parts;
    const posted = this.#posted;
    if (posted === undefined || safeHead.safe >= posted.last) return true;
    if (safeHead.readTo < posted.l1Number) return false;
    this.#posted = undefined;
    // It counts and waits for what L1 has replaced, or L1 has replaced it: posted again.
    if (
      safeHead.accepts(posted.lastHash) ||
      !safeHead.refused(posted.lastHash, hexToBytes(sender.address as `0x${string}`))
    )
      return true;
    this.#fail(`the batch up to block ${posted.last} is on L1 and does not count there: see the log`);
    return false;
  }

  async #begin(): Promise<void> {
    const { chain, safeHead, store, data } = this.#parts;
    const first = safeHead.safe + 1n;
    if (first > chain.head.number || !this.#isDue(first)) return;
    const built = this.#build(first);
    if (built === undefined || !this.#isWorthwhile(built)) return;
    const compressed = await compress(built.payload);
    this.#ratio = Math.min(MAX_RATIO, Math.max(1, (this.#ratio + built.payload.length / compressed.length) / 2));
    const plan: Plan = { ...built, next: 0, parts: encodeParts(compressed, PART_BYTES[data]) };
    const batch = new Batch();
    stagePlan(batch, plan);
    await store.write(batch);
    this.#plan = plan;
  }

  #build(first: bigint): BuiltBatch | undefined {
    const { chain, epochBlocks } = this.#parts;
    try {
      const limits = { epochBlocks, targetBytes: this.#targetBytes, maxBytes: MAX_PAYLOAD_BYTES };
      return buildBatch(chain, first, limits);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#fail(error.message);
      return undefined;
    }
  }

  /** Of a payload that fills one part. */
  get #targetBytes(): number {
    return Math.min(MAX_PAYLOAD_BYTES, Math.floor(PART_BYTES[this.#parts.data] * this.#ratio * 0.9));
  }

  /** Whether it is this node's turn, or it has been others' for too long. */
  #isDue(first: bigint): boolean {
    const { chain, clock, watcher, validators, publicKey, maxAgeMs } = this.#parts;
    const l1Number = watcher.status.head?.number;
    if (l1Number === undefined) return false;
    const delayMs = postingDelayMs(validators(), publicKey, l1Number);
    if (delayMs === 0) return true;
    return clock.nowMs() - 1_000 * Number(chain.block(first)!.header.timestamp) >= maxAgeMs + delayMs;
  }

  #isWorthwhile({ first, last, payload }: BuiltBatch): boolean {
    const { chain, clock, epochBlocks, maxAgeMs } = this.#parts;
    if (isLastOfEpoch(last, epochBlocks) || payload.length >= this.#targetBytes / 2) return true;
    return clock.nowMs() - 1_000 * Number(chain.block(first)!.header.timestamp) >= maxAgeMs;
  }

  async #sendPart({ last, lastHash, next, parts }: Plan): Promise<void> {
    const { sender, inbox, data, log, safeHead } = this.#parts;
    // Somebody else may have posted it meanwhile.
    if (safeHead.safe >= last) return this.#abandon();
    const part = parts[next]!;
    const named = [last, bytesToHex(lastHash)] as const;
    const request: Request =
      data === "calldata"
        ? { label: BATCH_LABEL, to: inbox, data: call("post", [...named, bytesToHex(part)]) }
        : blobRequest(inbox, named, part);
    try {
      await sender.send(request);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      log.warn({ problem: error.message }, "a batch waits to be posted");
    }
  }

  async #abandon(): Promise<void> {
    const batch = new Batch();
    stagePlan(batch, undefined);
    await this.#parts.store.write(batch);
    this.#plan = undefined;
  }

  #fail(problem: string): void {
    this.#problem = problem;
    this.#parts.log.error({ problem }, "no batches are posted any more");
  }
}

const after = (plan: Plan): Plan | undefined =>
  plan.next + 1 < plan.parts.length ? { ...plan, next: plan.next + 1 } : undefined;

type Named = readonly [last: bigint, lastHash: `0x${string}`];

const call = (functionName: "post", args: readonly [...Named, `0x${string}`]): Uint8Array =>
  hexToBytes(encodeFunctionData({ abi: INBOX_ABI, functionName, args }));

function blobRequest(to: Uint8Array, named: Named, part: Uint8Array): Request {
  const blobs: Uint8Array[] = [];
  for (let at = 0; at < part.length; at += BLOB_CAPACITY) blobs.push(packBlob(part.subarray(at, at + BLOB_CAPACITY)));
  const args = [...named, BigInt(blobs.length)] as const;
  const data = hexToBytes(encodeFunctionData({ abi: INBOX_ABI, functionName: "postBlobs", args }));
  return { label: BATCH_LABEL, to, data, blobs };
}
