import { expect, test } from "vitest";
import { run } from "./attribution.ts";

test("a right answer is never slashed, every other one is found, and nothing is left over", async () => {
  const { counts, problems } = await run(60, 7);
  expect(problems).toEqual([]);
  expect(counts.caught).toBe(counts.lies);
  expect(Math.min(counts.lies, counts.honest, counts.attacks, counts.demands)).toBeGreaterThan(10);
});
