/** A thread that runs seeds: one number in, one result out. */
import { parentPort, workerData } from "node:worker_threads";
import { runSeed } from "./world.ts";

const { active, replayEvery } = workerData as { readonly active: number; readonly replayEvery: number };

parentPort?.on("message", (seed: number) => {
  const before = process.threadCpuUsage();
  let result = runSeed({ seed, active });
  if (seed % replayEvery === 0 && result.violation === undefined) {
    const again = runSeed({ seed, active });
    if (again.traceHash !== result.traceHash || again.events !== result.events) {
      result = { ...result, violation: { rule: "replay", detail: "replay: the seed ran another way", atMs: 0 } };
    }
  }
  const { user, system } = process.threadCpuUsage(before);
  parentPort?.postMessage({ result, cpuMs: (user + system) / 1_000 });
});
