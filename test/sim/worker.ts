/** A thread that runs seeds: one number in, one report out. */
import { type MessagePort, workerData } from "node:worker_threads";
import { END_MS } from "./plan.ts";
import { WHOLE_END_MS } from "./whole/plan.ts";
import { runSeed, type Violated } from "./world.ts";

export interface WorkerOptions {
  /** Validators of an epoch. */
  readonly active: number;
  /** Whole nodes, of which there are always four validators. */
  readonly isWhole: boolean;
  /** Every so manieth seed runs twice, and has to run the same way. */
  readonly replayEvery: number;
  /** Not the thread's own port: a whole node has modules that answer there. */
  readonly port: MessagePort;
}

/** What of a seed adds up, by name. */
export type Counts = Readonly<Record<string, number>>;

export interface Report {
  readonly seed: number;
  readonly violation: Violated | undefined;
  readonly counts: Counts;
  readonly cpuMs: number;
}

interface Run {
  readonly violation: Violated | undefined;
  readonly traceHash: number;
  readonly counts: Counts;
}

const { active, isWhole, replayEvery, port } = workerData as WorkerOptions;

async function run(seed: number): Promise<Run> {
  if (isWhole) {
    const { runWholeSeed } = await import("./whole/world.ts");
    const { violation, traceHash, blocks, crashes, transactions } = await runWholeSeed(seed);
    const counts = { simulated_ms: WHOLE_END_MS, finalized_blocks: blocks, crashes, transactions_sent: transactions };
    return { violation, traceHash, counts };
  }
  const { violation, traceHash, events, blocks, epochs, nullifiedViews, evidence } = runSeed({ seed, active });
  const counts = {
    simulated_ms: END_MS,
    events,
    finalized_blocks: blocks,
    epochs,
    views_nullified: nullifiedViews,
    evidence_found: evidence,
  };
  return { violation, traceHash, counts };
}

port.on("message", async (seed: number) => {
  const before = process.threadCpuUsage();
  const first = await run(seed);
  let { violation } = first;
  if (seed % replayEvery === 0 && violation === undefined && (await run(seed)).traceHash !== first.traceHash) {
    violation = { rule: "replay", detail: "replay: the seed ran another way", atMs: 0 };
  }
  const { user, system } = process.threadCpuUsage(before);
  const report: Report = { seed, violation, counts: first.counts, cpuMs: (user + system) / 1_000 };
  port.postMessage(report);
});
