/** A thread that serves like server-worker.ts and fails on demand: /throw, /exit and /spin; else it answers its thread id. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parentPort, threadId, workerData } from "node:worker_threads";
import type { FromThread, ToThread } from "../supervised-thread.ts";

const send = (message: FromThread): void => parentPort?.postMessage(message);
const failures: Readonly<Record<string, () => void>> = {
  "/throw": () => void setImmediate(() => failed("thrown")),
  "/exit": () => process.exit(3),
  "/spin": () => {
    for (;;);
  },
};

function failed(message: string): never {
  throw new Error(message);
}

const server = createServer((request, response) => {
  failures[request.url ?? ""]?.();
  response.end(String(threadId));
});
server.on("error", ({ message, code }: NodeJS.ErrnoException) => send({ failed: { message, code } }));
server.listen((workerData as { port: number }).port, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  send({ listening: { url: `http://127.0.0.1:${port}/`, port } });
});
parentPort?.on("message", (message: ToThread) => {
  if (message === "ping") return send("pong");
  server.close();
  server.closeAllConnections();
  parentPort?.close();
});
