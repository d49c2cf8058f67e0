import { describe, expect, it } from "vitest";
import { RecentMap, SizedMap } from "./recent-map.ts";

describe("recent map", () => {
  it("forgets what was used longest ago", () => {
    const map = new RecentMap<string, number>(2);
    map.set("a", 1);
    map.set("b", 2);
    map.get("a");
    map.set("c", 3);
    expect([...map.entries()]).toEqual([
      ["a", 1],
      ["c", 3],
    ]);
  });
});

describe("sized map", () => {
  it("lets go of what came first when there is too much", () => {
    const map = new SizedMap<number, string>(3, 10);
    const held = () => [1, 2, 3, 4, 5].filter((key) => map.get(key) !== undefined);
    for (const key of [1, 2, 3, 4]) map.set(key, "", 1);
    expect(held()).toEqual([2, 3, 4]);
    map.set(5, "", 9);
    expect(held()).toEqual([4, 5]);
    map.set(5, "", 8);
    map.set(1, "", 1);
    expect(held()).toEqual([1, 4, 5]);
    map.set(2, "", 11);
    expect(held()).toEqual([2]);
    expect(map.size).toBe(1);
  });
});
