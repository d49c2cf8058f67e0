import { describe, expect, it } from "vitest";
import { PeerBuckets } from "./peer-buckets.ts";

describe("peer buckets", () => {
  it("are one a peer", () => {
    const buckets = new PeerBuckets({ perSecond: 1, burst: 1 }, 10);
    expect([buckets.take("a", 1, 0), buckets.take("a", 1, 0), buckets.take("b", 1, 0)]).toEqual([true, false, true]);
  });
});
