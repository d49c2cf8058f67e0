import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import * as bls from "../../core/bls.ts";
import { checkBls } from "./bls.ts";
import { MUTANTS } from "./mutants.ts";
import { runSeed, type SeedResult } from "./world.ts";

/** Validators, and how many seeds of them. */
const WORLDS = [
  { active: 4, seeds: 30 },
  { active: 7, seeds: 12 },
] as const;

/** From seed 1 on; a failing one is reproduced by `npm run sim -- --n N --seed S --trace`. */
function runAll(active: number, seeds: number): SeedResult[] {
  return Array.from({ length: seeds }, (_, i) => runSeed({ seed: i + 1, active }));
}

const sum = (results: readonly SeedResult[], count: (result: SeedResult) => number): number =>
  results.reduce((total, result) => total + count(result), 0);

describe("the simulator", () => {
  for (const { active, seeds } of WORLDS) {
    it(`finds nothing wrong in ${seeds} seeds of ${active} validators`, { timeout: 300_000 }, () => {
      const results = runAll(active, seeds);
      expect(results.filter(({ violation }) => violation !== undefined)).toEqual([]);
      // Worlds in which little happens would find nothing wrong either.
      expect(sum(results, ({ blocks }) => blocks)).toBeGreaterThan(20 * seeds);
      expect(sum(results, ({ epochs }) => epochs)).toBeGreaterThan(3 * seeds);
      expect(sum(results, ({ nullifiedViews }) => nullifiedViews)).toBeGreaterThan(3 * seeds);
      expect(sum(results, ({ evidence }) => evidence)).toBeGreaterThan(seeds);
    });
  }

  it("runs a seed the same way each time, and another one another way", () => {
    const hashes = [1, 2, 3, 4, 5, 6].map((seed) => runSeed({ seed, active: 4 }).traceHash);
    expect([1, 2, 3, 4, 5, 6].map((seed) => runSeed({ seed, active: 4 }).traceHash)).toEqual(hashes);
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it("has real signatures that no rogue key and no infinity gets around", () => {
    expect(checkBls(bls)).toBeUndefined();
  });

  it("finds every planted bug in the seed that is known to find it", { timeout: 300_000 }, async () => {
    // In a process of its own: Node loads the patched sources there, and vitest would load the real ones.
    const main = fileURLToPath(new URL("main.ts", import.meta.url));
    const run = promisify(execFile)(process.execPath, [main, "--mutants", "--recorded"], { maxBuffer: 2 ** 24 });
    const { stdout } = await run.catch((error: { stdout: string; stderr: string }) => {
      throw new Error(`${error.stdout}\n${error.stderr}`);
    });
    for (const { name } of MUTANTS) expect(stdout).toMatch(new RegExp(`^mutant_${name} \\d+ `, "m"));
    expect(stdout).toMatch(/^mutants_survived 0 /m);
  });
});
