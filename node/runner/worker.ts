/** Runs in a thread that threads.ts starts: calls on the chain as it is on disk. */
import { parentPort, workerData } from "node:worker_threads";
import { compact } from "../../core/compact.ts";
import { openReadStore } from "../../execution/state/level-store.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";
import { ChainView } from "../chain-view.ts";
import { Calls } from "./calls.ts";
import type { Everything, FromThread, RunnerData, ToThread } from "./protocol.ts";
import { Traces } from "./traces.ts";

const port = parentPort;
if (port === null) throw new Error("this module runs in a thread: use RunnerThreads");
const send = (message: FromThread): void => port.postMessage(message);

const { directory, chain, callMs } = workerData as RunnerData;
const view = new ChainView(await openReadStore(directory), chain);
const calls = new Calls(view, PRECOMPILES, callMs);
const traces = new Traces(view, PRECOMPILES);
const runner: Everything = {
  call: (...args) => calls.call(...args),
  accessList: (...args) => calls.accessList(...args),
  estimateGas: (...args) => calls.estimateGas(...args),
  simulate: (...args) => calls.simulate(...args),
  prove: (...args) => calls.prove(...args),
  traceTransaction: (...args) => traces.traceTransaction(...args),
  traceBlock: (...args) => traces.traceBlock(...args),
  traceEncodedBlock: (...args) => traces.traceEncodedBlock(...args),
  traceCall: (...args) => traces.traceCall(...args),
};

port.on("message", async (message: ToThread) => {
  if (message === "ping") return send("pong");
  if (message === "close") {
    await view.close();
    return port.close();
  }
  const { id, question, args } = message;
  try {
    view.refreshOnce();
    // The other side took the arguments from the method's own type.
    const run = runner[question] as (...args: readonly unknown[]) => Promise<unknown>;
    const answer = await run(...args);
    // Traces are JSON, and large.
    send({ id, answer: question.startsWith("trace") ? answer : compact(answer) });
  } catch (error) {
    send({ id, failure: (error as Error).stack ?? String(error) });
  }
});
send("ready");
