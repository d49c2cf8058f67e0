/** Runs in a thread that threads.ts starts: calls on the chain as it is on disk. */
import { parentPort, workerData } from "node:worker_threads";
import { compact } from "../../core/compact.ts";
import { openReadStore } from "../../execution/state/level-store.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";
import { ChainView } from "../chain-view.ts";
import { Calls } from "./calls.ts";
import type { Answered, Asked, Everything, FromThread, RunnerData, ToThread } from "./protocol.ts";
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

async function run({ id, question, args }: Asked): Promise<Answered> {
  try {
    view.refreshOnce();
    // The other side took the arguments from the method's own type.
    const method = runner[question] as (...args: readonly unknown[]) => Promise<unknown>;
    const answer = await method(...args);
    // Traces are JSON, and large.
    return { id, answer: question.startsWith("trace") ? answer : compact(answer) };
  } catch (error) {
    return { id, failure: (error as Error).stack ?? String(error) };
  }
}

/** Answers to what came together, of one turn of the event loop. */
let answers: Answered[] = [];

function answer(answered: Answered): void {
  if (answers.push(answered) > 1) return;
  setImmediate(() => {
    const now = answers;
    answers = [];
    send(now);
  });
}

port.on("message", async (message: ToThread) => {
  if (message === "ping") return send("pong");
  if (message === "close") {
    await view.close();
    return port.close();
  }
  // Alone, it is answered at once: whatever comes after it may never give way.
  const isAlone = message.length === 1;
  for (const asked of message) void run(asked).then(isAlone ? (answered) => send([answered]) : answer);
});
send("ready");
