/**
 * `npm run sim`: runs seeds of the simulated world and prints `name value unit goal`. Ends with 1 on a violation.
 *
 *   --seeds 2000 --n 4 --from 1 --workers 2    that many seeds, with n validators
 *   --whole --seeds 20                         whole nodes in place of state machines
 *   --hours 1                                  as many seeds as that takes, by the clock
 *   --seed 17 --trace                          one seed, with everything that happened
 *   --mutants [--mutant NAME]                  the planted bugs: the first seed that finds each
 */
import { parseArgs } from "node:util";
import { MessageChannel, Worker } from "node:worker_threads";
import { checkBls } from "./bls.ts";
import { loadMutated } from "./load.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";
import type { Report, WorkerOptions } from "./worker.ts";
import { runSeed, type Violated } from "./world.ts";

/** A mutant that so many seeds do not find has survived. */
const MUTANT_SEEDS = 10_000;
/** From the recorded one on. */
const RECORDED_SEEDS = 1_000;
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
  readonly isWhole: boolean;
  readonly workers: number;
}

/** Reports of the seeds that failed, rising. */
async function runSeeds({ from, seeds, untilMs, active, isWhole, workers }: Options): Promise<Report[]> {
  const totals = new Map<string, number>();
  const failed: Report[] = [];
  let next = from;
  let done = 0;
  let cpuMs = 0;
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      const { port1, port2 } = new MessageChannel();
      const workerData: WorkerOptions = { active, isWhole, replayEvery: REPLAY_EVERY, port: port2 };
      const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData, transferList: [port2] });
      const broken = new Promise<never>((_, reject) => {
        worker.once("error", reject);
      });
      const run = (seed: number): Promise<Report> => {
        port1.postMessage(seed);
        return Promise.race([broken, new Promise<Report>((resolve) => port1.once("message", resolve))]);
      };
      while (next < from + seeds && performance.now() < untilMs) {
        const report = await run(next++);
        done++;
        cpuMs += report.cpuMs;
        for (const [name, count] of Object.entries(report.counts)) totals.set(name, (totals.get(name) ?? 0) + count);
        const { seed, violation } = report;
        if (violation === undefined) continue;
        failed.push(report);
        process.stderr.write(`seed ${seed} at ${violation.atMs} ms: ${violation.detail}\n`);
      }
      port1.close();
      await worker.terminate();
    }),
  );
  failed.sort((a, b) => a.seed - b.seed);
  const { simulated_ms: simulatedMs = 0, ...counts } = Object.fromEntries(totals);
  print("validators", active, "validators", "-");
  print("seeds", done, "seeds", seeds === Number.POSITIVE_INFINITY ? "-" : seeds);
  print("simulated_hours", (simulatedMs / 3_600_000).toFixed(2), "hours", "-");
  print("seeds_per_second", ((done * 1_000) / (performance.now() - startedMs)).toFixed(1), "1/s", "-");
  print("seeds_per_cpu_second", ((done * 1_000) / cpuMs).toFixed(1), "1/s", "-");
  for (const [name, count] of Object.entries(counts)) print(name, count, "total", "-");
  print("violations", failed.length, "seeds", 0);
  print("first_failing_seed", failed[0]?.seed ?? "none", "seed", "none");
  return failed;
}

interface Kill {
  readonly seed: number;
  readonly rule: string;
}

/** The first of these seeds that finds it, and by which rule. */
async function kill(mutant: Mutant, from: number, seeds: number): Promise<Kill | undefined> {
  if (mutant.seed === undefined) {
    const rule = checkBls(await loadMutated(mutant, "core/bls.ts"));
    return rule === undefined ? undefined : { seed: 0, rule };
  }
  const run = await runnerOf(mutant);
  for (let seed = from; seed < from + seeds; seed++) {
    const violation = await run(seed);
    if (violation !== undefined) return { seed, rule: violation.rule.replaceAll(" ", "_") };
  }
  return undefined;
}

async function runnerOf(
  mutant: Mutant,
): Promise<(seed: number) => Violated | undefined | Promise<Violated | undefined>> {
  const { active: validators = 4, muted = [], isWhole = false } = mutant;
  if (isWhole) {
    const whole = await loadMutated<typeof import("./whole/world.ts")>(mutant, "test/sim/whole/world.ts");
    return async (seed) => (await whole.runWholeSeed(seed)).violation;
  }
  const world = await loadMutated<typeof import("./world.ts")>(mutant, "test/sim/world.ts");
  return (seed) => world.runSeed({ seed, active: validators, muted }).violation;
}

/**
 * Names of those that survive. With `isRecorded`, each is looked for from the seed on that is known to find it: that is
 * quick, and where a change of the code has moved it on, it is found a little later.
 */
async function runMutants(mutants: readonly Mutant[], isRecorded: boolean): Promise<string[]> {
  const survivors: string[] = [];
  for (const mutant of mutants) {
    const killed = isRecorded
      ? await kill(mutant, mutant.seed ?? 0, RECORDED_SEEDS)
      : await kill(mutant, 1, MUTANT_SEEDS);
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
    whole: { type: "boolean", default: false },
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
  const seed = Number(values.seed);
  const write = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  const traced = values.trace ? write : undefined;
  const result = values.whole
    ? await (await import("./whole/world.ts")).runWholeSeed(seed, traced)
    : runSeed({ seed, active, ...(traced === undefined ? {} : { print: traced }) });
  write(JSON.stringify(result));
  isFine = result.violation === undefined;
} else {
  const isTimed = values.hours !== undefined;
  const failed = await runSeeds({
    from: Number(values.from),
    seeds: Number(values.seeds ?? (isTimed ? Number.POSITIVE_INFINITY : values.whole ? 20 : 200)),
    untilMs: isTimed ? performance.now() + Number(values.hours) * 3_600_000 : Number.POSITIVE_INFINITY,
    active: values.whole ? 4 : active,
    isWhole: values.whole,
    workers: Number(values.workers),
  });
  isFine = failed.length === 0;
}
process.exitCode = isFine ? 0 : 1;
