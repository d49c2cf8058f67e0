/**
 * `npm run invariants:attribution -- [--inferences 5000] [--seed 1]`: see attribution-run.ts.
 *
 * Prints `name value unit goal`. A problem is printed with the seed of its episode, and ends in exit code 1.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { seededRandom } from "../helpers/random.ts";
import { type Counts, episode, type Random } from "./attribution-run.ts";

const AN_EPISODE = 12;

export async function run(inferences: number, seed: number): Promise<{ counts: Counts; problems: string[] }> {
  const counts: Counts = {
    inferences: 0,
    honest: 0,
    lies: 0,
    caught: 0,
    attacks: 0,
    demands: 0,
    faults: new Map<string, number>(),
  };
  const problems: string[] = [];
  for (let i = 0; counts.inferences < inferences; i++) {
    const found = await episode(randomOf(seed * 1_000_003 + i), AN_EPISODE, counts);
    problems.push(...found.map((problem) => `episode ${i}: ${problem}`));
  }
  return { counts, problems };
}

function randomOf(seed: number): Random {
  const next = seededRandom(seed);
  return { below: (n) => Math.floor(next() * n), bool: (probability) => next() < probability };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { inferences: { type: "string", default: "5000" }, seed: { type: "string", default: "1" } },
  });
  const begin = performance.now();
  const { counts, problems } = await run(Number(values.inferences), Number(values.seed));
  const { faults, ...totals } = counts;
  for (const [name, count] of Object.entries(totals)) console.log(`attribution.${name} ${count} times -`);
  for (const [name, count] of [...faults].sort())
    console.log(`attribution.fault.${name.replaceAll(" ", "-")} ${count} times -`);
  console.log(`attribution.duration ${Math.round((performance.now() - begin) / 1_000)} s -`);
  for (const problem of problems) console.error(`seed ${values.seed}, ${problem}`);
  console.log(`attribution.lies-not-caught ${counts.lies - counts.caught} times 0`);
  console.log(`attribution.problems ${problems.length} times 0`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
