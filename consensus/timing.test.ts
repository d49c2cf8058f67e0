import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dueAtMs, patience } from "./timing.ts";

const TIMING = { intervalMs: 1_000, heartbeatMs: 5_000, deltaMs: 300 };

describe("a leader is due", () => {
  const due = (enteredAtMs: number, lastBlockAtMs?: number, includableAtMs?: number) =>
    dueAtMs({ enteredAtMs, lastBlockAtMs, includableAtMs }, TIMING);

  test("at once after a skipped view", () => {
    expect(due(70)).toBe(70);
    expect(due(70, undefined, 9_000)).toBe(70);
  });

  test("a heartbeat after the last block while nothing waits", () => {
    expect(due(10_100, 10_000)).toBe(15_000);
    expect(due(16_000, 10_000)).toBe(16_000);
  });

  test("an interval after the last block when something waited already", () => {
    expect(due(10_100, 10_000, 9_000)).toBe(11_000);
    expect(due(10_100, 10_000, 10_200)).toBe(11_000);
  });

  test("when the first transaction comes, between interval and heartbeat", () => {
    expect(due(10_100, 10_000, 12_345)).toBe(12_345);
    expect(due(10_100, 10_000, 14_999)).toBe(14_999);
    expect(due(10_100, 10_000, 15_001)).toBe(15_000);
  });

  test("never before its view, and never later than without a transaction", () => {
    const ms = fc.nat(100_000);
    fc.assert(
      fc.property(ms, ms, ms, (entered, last, includable) => {
        const idle = due(entered, last);
        const busy = due(entered, last, includable);
        expect(busy).toBeGreaterThanOrEqual(entered);
        expect(busy).toBeLessThanOrEqual(idle);
        expect(busy).toBeGreaterThanOrEqual(Math.min(idle, last + TIMING.intervalMs));
      }),
    );
  });
});

describe("patience", () => {
  test("doubles with each full turn of leaders without a block, up to 16", () => {
    expect([0, 3, 4, 7, 8, 12, 15, 16, 19, 20, 10 ** 9].map((views) => patience(views, 4))).toEqual([
      1, 1, 2, 2, 4, 8, 8, 16, 16, 16, 16,
    ]);
    expect([0, 1, 2, 3, 4, 5].map((views) => patience(views, 1))).toEqual([1, 2, 4, 8, 16, 16]);
  });
});
