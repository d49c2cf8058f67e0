/**
 * `npm run sim`: runs seeds of the simulated world and prints `name value unit goal`. Ends with 1 on a violation.
 *
 *   --seeds 2000 --n 4 --from 1 --workers 2    that many seeds, with n validators
 *   --hours 1                                  as many as that takes, by the clock
 *   --seed 17 --trace                          one seed, with everything that happened
 *   --mutants [--mutant NAME]                  the planted bugs: the first seed that finds each
 */
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { checkBls } from "./bls.ts";
import { loadMutated } from "./load.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { END_MS } from "./plan.ts";
import { runSeed, type SeedResult } from "./world.ts";

/** A mutant that so many seeds do not find has survived. */
export const MUTANT_SEEDS = 10_000;
/** Every so manieth seed runs twice. */
const REPLAY_EVERY = 25;

const print = (name: string, value: number | string, unit: string, goal: string | number): void => {
  process.stdout.write(`${name} ${value} ${unit} ${goal}\n`);
};

interface Options {
  readonly from: number;
  readonly seeds: number;
  readonly untilMs: number;
  readonly active: number;
  readonly workers: number;
}

/** Failing seeds, rising. */
async function runSeeds({ from, seeds, untilMs, active, workers }: Options): Promise<SeedResult[]> {
  const total = { seeds: 0, events: 0, blocks: 0, epochs: 0, nullifiedViews: 0, evidence: 0, cpuMs: 0 };
  const failed: SeedResult[] = [];
  let next = from;
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      const worker = new Worker(new URL("./worker.ts", import.meta.url), {
        workerData: { active, replayEvery: REPLAY_EVERY },
      });
      const run = (seed: number): Promise<{ result: SeedResult; cpuMs: number }> =>
        new Promise((resolve, reject) => {
          worker.once("message", resolve);
          worker.once("error", reject);
          worker.postMessage(seed);
        });
      while (next < from + seeds && performance.now() < untilMs) {
        const { result, cpuMs } = await run(next++);
        worker.removeAllListeners("error");
        total.seeds++;
        total.cpuMs += cpuMs;
        total.events += result.events;
        total.blocks += result.blocks;
        total.epochs += result.epochs;
        total.nullifiedViews += result.nullifiedViews;
        total.evidence += result.evidence;
        if (result.violation !== undefined) {
          failed.push(result);
          process.stderr.write(`seed ${result.seed} at ${result.violation.atMs} ms: ${result.violation.detail}\n`);
        }
      }
      await worker.terminate();
    }),
  );
  const seconds = (performance.now() - startedMs) / 1_000;
  failed.sort((a, b) => a.seed - b.seed);
  print("validators", active, "validators", "-");
  print("seeds", total.seeds, "seeds", seeds === Number.POSITIVE_INFINITY ? "-" : seeds);
  print("simulated_hours", ((total.seeds * END_MS) / 3_600_000).toFixed(2), "hours", "-");
  print("seeds_per_second", (total.seeds / seconds).toFixed(1), "1/s", "-");
  print("seeds_per_cpu_second", (total.seeds / (total.cpuMs / 1_000)).toFixed(1), "1/s", "-");
  print("events", total.events, "events", "-");
  print("finalized_blocks", total.blocks, "blocks", "-");
  print("epochs", total.epochs, "epochs", "-");
  print("views_nullified", total.nullifiedViews, "views", "-");
  print("evidence_found", total.evidence, "pairs", "-");
  print("violations", failed.length, "seeds", 0);
  print("first_failing_seed", failed[0]?.seed ?? "none", "seed", "none");
  return failed;
}

/** The rule by which the mutant falls, and the first seed from `from` on that finds it. */
async function kill(mutant: Mutant, from: number, seeds: number): Promise<{ seed: number; rule: string } | undefined> {
  if (mutant.seed === undefined) {
    const rule = checkBls(await loadMutated(mutant, "core/bls.ts"));
    return rule === undefined ? undefined : { seed: 0, rule };
  }
  const world = await loadMutated<typeof import("./world.ts")>(mutant, "test/sim/world.ts");
  for (let seed = from; seed < from + seeds; seed++) {
    const { violation } = world.runSeed({ seed, active: mutant.active ?? 4, muted: mutant.muted ?? [] });
    if (violation !== undefined) return { seed, rule: violation.rule };
  }
  return undefined;
}

/** Names of those that survive. With `isRecorded`, only the seed is run that is known to find it. */
async function runMutants(mutants: readonly Mutant[], isRecorded: boolean): Promise<string[]> {
  const survivors: string[] = [];
  for (const mutant of mutants) {
    const killed = isRecorded ? await kill(mutant, mutant.seed ?? 0, 1) : await kill(mutant, 1, MUTANT_SEEDS);
    print(`mutant_${mutant.name}`, killed?.seed ?? "survives", `seed_${killed?.rule ?? "-"}`, `<=${MUTANT_SEEDS}`);
    if (killed === undefined) survivors.push(mutant.name);
  }
  print("mutants_survived", survivors.length, "mutants", 0);
  return survivors;
}

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    n: { type: "string", default: "4" },
    from: { type: "string", default: "1" },
    workers: { type: "string", default: "2" },
    hours: { type: "string" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    mutants: { type: "boolean", default: false },
    mutant: { type: "string" },
    recorded: { type: "boolean", default: false },
  },
});

const active = Number(values.n);
let isFine = true;
if (values.mutants || values.mutant !== undefined) {
  const { mutant } = values;
  const chosen = MUTANTS.filter(({ name }) => mutant === undefined || name === mutant);
  if (chosen.length === 0) throw new Error(`no mutant is called ${mutant}`);
  isFine = (await runMutants(chosen, values.recorded)).length === 0;
} else if (values.seed !== undefined) {
  const result = runSeed({
    seed: Number(values.seed),
    active,
    ...(values.trace ? { print: (line: string) => process.stdout.write(`${line}\n`) } : {}),
  });
  process.stdout.write(`${JSON.stringify(result)}\n`);
  isFine = result.violation === undefined;
} else {
  const isTimed = values.hours !== undefined;
  const failed = await runSeeds({
    from: Number(values.from),
    seeds: Number(values.seeds ?? (isTimed ? Number.POSITIVE_INFINITY : 200)),
    untilMs: isTimed ? performance.now() + Number(values.hours) * 3_600_000 : Number.POSITIVE_INFINITY,
    active,
    workers: Number(values.workers),
  });
  isFine = failed.length === 0;
}
process.exitCode = isFine ? 0 : 1;
