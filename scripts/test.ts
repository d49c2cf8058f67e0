/**
 * `npm test`: everything that must hold at each commit, cheapest first. Arguments go to vitest; with arguments only
 * vitest runs (`npm test -- execution/state`).
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const script = (path: string): string => `${root}node_modules/${path}`;
const forwarded = process.argv.slice(2);

interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

const checks: readonly Step[] = [
  { name: "generated ABIs", args: [`${root}scripts/build-abi.js`, "--check"] },
  { name: "types", args: [script("typescript/bin/tsc"), "-p", "."] },
  { name: "types of the pure folders", args: [script("typescript/bin/tsc"), "-p", "tsconfig.pure.json"] },
  { name: "format and lint", args: [script("@biomejs/biome/bin/biome"), "check", "--error-on-warnings", "."] },
  { name: "dead code", args: [script("knip/bin/knip.js")] },
];
const results = mkdtempSync(join(tmpdir(), "openledger-results-"));
const report = join(results, "vitest.json");
const tests: Step = {
  name: "tests",
  args: [
    script("vitest/vitest.mjs"),
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    ...forwarded,
  ],
};
process.on("exit", () => rmSync(results, { recursive: true, force: true }));

for (const step of forwarded.length > 0 ? [tests] : [...checks, tests]) {
  const startedMs = performance.now();
  process.stdout.write(`== ${step.name}\n`);
  const { status } = spawnSync(process.execPath, step.args, { cwd: root, stdio: "inherit" });
  if (status !== 0) {
    process.stderr.write(`== ${step.name} failed\n`);
    process.exit(status ?? 1);
  }
  process.stdout.write(`== ${step.name}: ok, ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`);
}

const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, "utf8")) as Record<string, number>;
process.stdout.write(`${numPassedTests} passed, ${numFailedTests} failed\n`);
