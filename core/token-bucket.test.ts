import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenBucket } from "./token-bucket.ts";

describe("token bucket", () => {
  it("gives a burst, then its rate", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, 0);
    expect([0, 0, 0, 0, 99, 100, 100].map((ms) => bucket.take(1, ms))).toEqual([
      true,
      true,
      true,
      false,
      false,
      true,
      false,
    ]);
  });

  it("is never fuller than its burst", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, 0);
    expect(bucket.take(4, 1_000_000)).toBe(false);
    expect(bucket.take(3, 1_000_000)).toBe(true);
  });

  it("what was charged beyond its contents is waited for", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, 0);
    bucket.charge(13, 0);
    expect(bucket.take(1, 1_000)).toBe(false);
    expect(bucket.take(1, 1_100)).toBe(true);
  });

  it("says how long to wait, after which there is enough", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, 0);
    expect(bucket.waitMs(3, 0)).toBe(0);
    bucket.charge(13, 0);
    expect([bucket.waitMs(0, 0), bucket.waitMs(1, 0), bucket.waitMs(1, 1_050)]).toEqual([1_000, 1_100, 50]);
  });

  it("a clock that is set back fills nothing", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 1 }, 1_000);
    expect(bucket.take(1, 1_000)).toBe(true);
    expect(bucket.take(1, 0)).toBe(false);
    expect(bucket.take(1, 50)).toBe(false);
    expect(bucket.take(1, 100)).toBe(true);
  });

  it("over any time it gives at most burst and rate", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(500), { maxLength: 200 }), (steps) => {
        const bucket = new TokenBucket({ perSecond: 7, burst: 5 }, 0);
        let nowMs = 0;
        let taken = 0;
        for (const step of steps) {
          nowMs += step;
          if (bucket.take(1, nowMs)) taken++;
        }
        expect(taken).toBeLessThanOrEqual(5 + Math.floor((nowMs * 7) / 1_000 + 1e-9));
      }),
    );
  });
});
