import { describe, expect, it } from "vitest";
import { RecentMap } from "./recent-map.ts";

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
