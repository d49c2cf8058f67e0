import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { InferenceRequest } from "../../attribution/chain-reader.ts";
import { type BatchRules, Book, type Entry, fail } from "./book.ts";

const RULES: BatchRules = { size: 3, waitMs: 1_000, maxBytes: 1_000, hurrySeconds: 30n };

function entry(id: number, changes: Partial<Entry> & { deadline?: number } = {}): Entry {
  const { deadline = 10_000, ...rest } = changes;
  return {
    inferenceId: BigInt(id),
    request: { commitDeadline: BigInt(deadline) } as InferenceRequest,
    lockWei: 10n,
    commitBytes: 100,
    settleBytes: 100,
    waitsSinceMs: 0,
    committed: undefined,
    settleAfter: 0n,
    openDemands: 0,
    isBusy: false,
    failures: 0,
    notBeforeMs: 0,
    ...rest,
  };
}

function bookOf(...entries: Entry[]): Book {
  const book = new Book();
  for (const one of entries) book.add(one);
  return book;
}

const committed = (id: number, settleAfter = 100) =>
  ({
    type: "committed",
    inferenceId: BigInt(id),
    batchId: 1n,
    outputRoot: "0x",
    feeWei: 5n,
    settleAfter: BigInt(settleAfter),
    blockNumber: 1n,
    proof: [],
  }) as const;

const ids = (entries: readonly Entry[]) => entries.map(({ inferenceId }) => Number(inferenceId));
const at = (nowMs: number, timestamp = 0) => ({ nowMs, timestamp: BigInt(timestamp) });

describe("what is committed now", () => {
  it("waits for a full batch, or for so long, or for a deadline", () => {
    const two = () => bookOf(entry(1), entry(2, { waitsSinceMs: 500 }));
    expect(ids(two().toCommit(at(999), RULES))).toEqual([]);
    expect(ids(two().toCommit(at(1_000), RULES))).toEqual([1, 2]);
    expect(ids(bookOf(entry(1), entry(2), entry(3)).toCommit(at(0), RULES))).toEqual([1, 2, 3]);
    expect(ids(bookOf(entry(1), entry(2, { deadline: 50 })).toCommit(at(0, 20), RULES))).toEqual([2, 1]);
    expect(ids(bookOf(entry(1, { deadline: 50 })).toCommit(at(0, 19), RULES))).toEqual([]);
  });

  it("takes the most urgent first, no more than fit, and one that alone is larger", () => {
    const four = bookOf(...[4, 3, 2, 1].map((id) => entry(id, { deadline: id * 1_000 })));
    expect(ids(four.toCommit(at(0), RULES))).toEqual([1, 2, 3]);
    const large = bookOf(entry(1, { commitBytes: 2_000, deadline: 1 }), entry(2));
    expect(ids(large.toCommit(at(0), RULES))).toEqual([1]);
    expect(ids(bookOf(entry(1, { commitBytes: 600 }), entry(2, { commitBytes: 600 })).toCommit(at(0), RULES))).toEqual([
      1,
    ]);
  });

  it("leaves out what is under way, waits after a failure, or is committed", () => {
    const failed = entry(1);
    fail(failed, 0);
    const book = bookOf(failed, entry(2, { isBusy: true }), entry(3));
    expect(book.apply(committed(3), 0)).toBe(false);
    expect(ids(book.toCommit(at(1_999), RULES))).toEqual([]);
    expect(ids(book.toCommit(at(2_000), RULES))).toEqual([1]);
    for (let i = 0; i < 20; i++) fail(failed, 0);
    expect(failed.notBeforeMs).toBe(60_000);
    expect(book.pendingLockWei).toBe(20n);
  });
});

describe("what is settled now", () => {
  it("is what is committed, after its window, without open demands", () => {
    const book = bookOf(entry(1), entry(2), entry(3));
    for (const id of [1, 2]) book.apply(committed(id), 0);
    expect(ids(book.toSettle(at(1_000, 99), RULES))).toEqual([]);
    expect(ids(book.toSettle(at(999, 100), RULES))).toEqual([]);
    expect(ids(book.toSettle(at(1_000, 100), RULES))).toEqual([1, 2]);
    const demand = { inferenceId: 2n, contribution: 1n, chunk: 0n };
    book.apply({ type: "demanded", ...demand, deadline: 50n }, 0);
    expect(ids(book.toSettle(at(1_000, 100), RULES))).toEqual([1]);
    book.apply({ type: "shown", ...demand, settleAfter: 120n }, 0);
    expect(ids(book.toSettle(at(1_000, 119), RULES))).toEqual([1]);
    expect(ids(book.toSettle(at(1_000, 120), RULES))).toEqual([1, 2]);
    expect(book.apply({ type: "settled", inferenceId: 1n }, 0)).toBe(true);
    expect(book.apply({ type: "settled", inferenceId: 1n }, 0)).toBe(false);
    expect(ids([...book.values()])).toEqual([2, 3]);
  });
});

it("batches hold the bounds whatever waits, and in the end everything had its turn", () => {
  const arbitrary = fc.record({
    commitBytes: fc.integer({ min: 1, max: 1_500 }),
    deadline: fc.integer({ min: 1, max: 99_999 }),
  });
  fc.assert(
    fc.property(fc.array(arbitrary, { maxLength: 30 }), (items) => {
      const book = bookOf(...items.map((item, i) => entry(i, item)));
      const seen: number[] = [];
      for (;;) {
        const batch = book.toCommit(at(10_000), RULES);
        if (batch.length === 0) break;
        expect(batch.length).toBeLessThanOrEqual(RULES.size);
        const bytes = batch.reduce((sum, { commitBytes }) => sum + commitBytes, 0);
        if (batch.length > 1) expect(bytes).toBeLessThanOrEqual(RULES.maxBytes);
        for (const one of batch) {
          one.isBusy = true;
          seen.push(Number(one.inferenceId));
        }
      }
      expect(seen.toSorted((a, b) => a - b)).toEqual(items.map((_, i) => i));
    }),
  );
});
