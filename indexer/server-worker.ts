/** Runs in the thread that server-thread.ts starts: the server, and messages to and fro. */
import { parentPort, workerData } from "node:worker_threads";
import { createGraphqlServer } from "./server.ts";
import type { GraphqlServerOptions } from "./server-options.ts";
import type { FromThread, ToThread } from "./server-thread.ts";
import type { IndexerLog } from "./store.ts";

const port = parentPort;
if (port === null) throw new Error("this module runs in a thread: use startGraphqlThread");
const send = (message: FromThread): void => port.postMessage(message);

/** What cannot travel between threads is said in words. */
function forward(level: keyof IndexerLog) {
  return (fields: object, message: string): void => {
    try {
      send({ level, fields, message });
    } catch {
      const said = Object.entries(fields).map(([name, value]) => [
        name,
        value instanceof Error ? value.stack : `${value}`,
      ]);
      send({ level, fields: Object.fromEntries(said), message });
    }
  };
}

try {
  const server = await createGraphqlServer({
    ...(workerData as GraphqlServerOptions),
    log: { info: forward("info"), warn: forward("warn"), error: forward("error") },
  });
  port.on("message", async (message: ToThread) => {
    if (message === "ping") return send("pong");
    await server.close();
    port.close();
  });
  send({ listening: { url: server.url, port: server.port } });
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException;
  send({ failed: { message, code } });
}
