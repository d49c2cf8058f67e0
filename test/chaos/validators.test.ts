/** A slice of `npm run chaos`. */
import { expect, test } from "vitest";
import { temporaryDirectory } from "../helpers/devnet-process.ts";
import { chaos } from "./validators.ts";

test("four validators through faults stay one chain", async () => {
  const directory = temporaryDirectory();
  try {
    const { rounds, blocks, receipts, problems } = await chaos(3, 4, 11, directory.path);
    expect(problems).toEqual([]);
    expect(rounds).toBe(3);
    expect(blocks).toBeGreaterThan(3);
    expect(receipts).toBeGreaterThan(0);
  } finally {
    directory.remove();
  }
}, 300_000);
