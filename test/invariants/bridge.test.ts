/** A slice of `npm run invariants:bridge`. */
import { expect, test } from "vitest";
import { run } from "./run.ts";

test("random operations across the bridge: the sums hold after each, nothing is paid twice", async () => {
  const { operations, violations, counts } = await run({ operations: 500, seed: 5 });
  expect(violations).toEqual([]);
  expect(operations).toBe(500);
  for (const name of ["deposits executed", "withdrawals paid", "L1 blocks replaced", "L2 restarts", "outputs"]) {
    expect(counts.get(name), name).toBeGreaterThan(0);
  }
}, 120_000);
