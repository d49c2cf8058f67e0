/**
 * `npm run invariants:bridge -- [--operations 10000] [--seed 1]`: random operations on a real L1 with the network's
 * contracts and a real L2. After each, the sums of model.ts hold; every deposit was executed once, in order, and nothing
 * was paid twice. At the end nothing is in flight, and L1 alone gives the same chain.
 *
 * Prints `name value unit goal`. A violation is printed with its operation and the seed, and ends in exit code 1.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { run } from "./run.ts";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { operations: { type: "string", default: "10000" }, seed: { type: "string", default: "1" } },
  });
  const [operations, seed] = [Number(values.operations), Number(values.seed)];
  const begin = performance.now();
  const onProgress = (done: number) => process.stderr.write(`${done} operations\n`);
  const { operations: done, violations, counts } = await run({ operations, seed, onProgress });
  for (const [name, count] of counts) console.log(`bridge.${name.replace(/[,:]? /g, "-")} ${count} times -`);
  console.log(`bridge.duration ${Math.round((performance.now() - begin) / 1_000)} s -`);
  console.log(`bridge.operations ${done} operations >=${operations}`);
  for (const violation of violations) console.error(`seed ${seed}, ${violation}`);
  console.log(`violations ${violations.length} times 0`);
  process.exitCode = violations.length === 0 && done === operations ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
