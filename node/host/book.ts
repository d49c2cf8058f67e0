/**
 * A host's answers that are signed and not settled: what is known of each, and which are to be committed or settled now.
 * It follows the chain's events and is made again from chain and records at each start. Pure but for being changed.
 */
import type { InferenceRequest } from "../../attribution/chain-reader.ts";
import type { HostEvent } from "./chain.ts";

export interface Entry {
  readonly inferenceId: bigint;
  readonly request: InferenceRequest;
  /** What the commitment locks, wei. */
  readonly lockWei: bigint;
  /** Of its part of a commitment's calldata, about. */
  readonly commitBytes: number;
  /** Of its part of a settlement's. */
  readonly settleBytes: number;
  /** Unix milliseconds since when it waits for its next step. */
  waitsSinceMs: number;
  /** Set once it is committed. */
  committed: Extract<HostEvent, { type: "committed" }> | undefined;
  /** Block timestamp; later by each extension. */
  settleAfter: bigint;
  openDemands: number;
  /** A transaction for it is under way. */
  isBusy: boolean;
  /** In a row; each makes the next attempt wait longer. */
  failures: number;
  /** Unix milliseconds before which nothing is tried. */
  notBeforeMs: number;
}

export interface BatchRules {
  readonly size: number;
  /** Longest wait for others, milliseconds. */
  readonly waitMs: number;
  /** Of calldata. */
  readonly maxBytes: number;
  /** Committed at once when less is left until the deadline. */
  readonly hurrySeconds: bigint;
}

export interface Moment {
  readonly nowMs: number;
  /** Block timestamp of the head, seconds. */
  readonly timestamp: bigint;
}

export class Book {
  readonly #entries = new Map<bigint, Entry>();

  get size(): number {
    return this.#entries.size;
  }

  get(inferenceId: bigint): Entry | undefined {
    return this.#entries.get(inferenceId);
  }

  add(entry: Entry): void {
    if (!this.#entries.has(entry.inferenceId)) this.#entries.set(entry.inferenceId, entry);
  }

  remove(inferenceId: bigint): void {
    this.#entries.delete(inferenceId);
  }

  values(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  /** What answers will lock that the chain has not locked yet, wei. */
  get pendingLockWei(): bigint {
    let sum = 0n;
    for (const { committed, lockWei } of this.#entries.values()) if (committed === undefined) sum += lockWei;
    return sum;
  }

  count(stage: "signed" | "committed"): number {
    let count = 0;
    for (const { committed } of this.#entries.values()) if ((committed === undefined) === (stage === "signed")) count++;
    return count;
  }

  /** Takes an event in; true when the inference has come to its end. Others' events change nothing. */
  apply(event: HostEvent, nowMs: number): boolean {
    const entry = this.#entries.get(event.inferenceId);
    if (entry === undefined) return false;
    switch (event.type) {
      case "committed":
        Object.assign(entry, committedAt(event, nowMs));
        return false;
      case "demanded":
        entry.openDemands++;
        return false;
      case "shown":
        entry.openDemands = Math.max(0, entry.openDemands - 1);
        entry.settleAfter = event.settleAfter;
        return false;
      case "settled":
      case "expired":
      case "voided":
        this.#entries.delete(event.inferenceId);
        return true;
    }
  }

  /** The next batch to commit, most urgent first; empty while it pays to wait. */
  toCommit(moment: Moment, rules: BatchRules): Entry[] {
    const ready = this.#ready(moment, ({ committed }) => committed === undefined);
    ready.sort((a, b) => (a.request.commitDeadline < b.request.commitDeadline ? -1 : 1));
    const isUrgent = ({ request }: Entry) => request.commitDeadline <= moment.timestamp + rules.hurrySeconds;
    return fill(ready, ({ commitBytes }) => commitBytes, moment, rules, isUrgent);
  }

  /** The next claims to settle. */
  toSettle(moment: Moment, rules: BatchRules): Entry[] {
    const isDue = ({ committed, settleAfter, openDemands }: Entry) =>
      committed !== undefined && settleAfter <= moment.timestamp && openDemands === 0;
    return fill(
      this.#ready(moment, isDue),
      ({ settleBytes }) => settleBytes,
      moment,
      rules,
      () => false,
    );
  }

  #ready({ nowMs }: Moment, isWanted: (entry: Entry) => boolean): Entry[] {
    const ready: Entry[] = [];
    for (const entry of this.#entries.values()) {
      if (!entry.isBusy && entry.notBeforeMs <= nowMs && isWanted(entry)) ready.push(entry);
    }
    return ready;
  }
}

/** Changes of an entry by its commitment. */
export const committedAt = (event: Extract<HostEvent, { type: "committed" }>, nowMs: number) => ({
  committed: event,
  settleAfter: event.settleAfter,
  waitsSinceMs: nowMs,
  failures: 0,
  notBeforeMs: 0,
});

function fill(
  ready: readonly Entry[],
  bytesOf: (entry: Entry) => number,
  { nowMs }: Moment,
  { size, waitMs, maxBytes }: BatchRules,
  isUrgent: (entry: Entry) => boolean,
): Entry[] {
  const batch: Entry[] = [];
  let bytes = 0;
  for (const entry of ready) {
    const more = bytesOf(entry);
    if (batch.length === size || (batch.length > 0 && bytes + more > maxBytes)) return batch;
    batch.push(entry);
    bytes += more;
  }
  const isDue = batch.length === size || batch.some((entry) => isUrgent(entry) || entry.waitsSinceMs + waitMs <= nowMs);
  return isDue ? batch : [];
}

/** 2, 4, 8 … seconds, at most a minute. */
export function fail(entry: Entry, nowMs: number): void {
  entry.failures++;
  entry.notBeforeMs = nowMs + Math.min(60_000, 1_000 * 2 ** entry.failures);
}
