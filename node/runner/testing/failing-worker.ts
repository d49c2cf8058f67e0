/** A thread that is told by the message's data how to fail: "spin", "throw", "exit", "memory"; else it answers its id. */
import { parentPort, threadId } from "node:worker_threads";
import type { FromThread, ToThread } from "../protocol.ts";

const send = (message: FromThread): void => parentPort?.postMessage(message);
const failures: Readonly<Record<string, () => void>> = {
  throw: () =>
    setImmediate(() => {
      throw new Error("thrown");
    }),
  exit: () => process.exit(3),
  memory: () => {
    for (const all: unknown[] = []; ; ) all.push(Array.from({ length: 1_000 }, () => ({})));
  },
  spin: () => {
    for (;;);
  },
};

parentPort?.on("message", (message: ToThread) => {
  if (message === "ping") return send("pong");
  if (message === "close") return parentPort?.close();
  for (const { id, args } of message) {
    const [{ data }] = args as [{ data?: Uint8Array }];
    const how = Buffer.from(data ?? []).toString();
    const fail = failures[how];
    if (fail !== undefined) fail();
    else if (how === "defect") send([{ id, failure: "a defect" }]);
    else if (how !== "wait") send([{ id, answer: threadId }]);
  }
});
send("ready");
