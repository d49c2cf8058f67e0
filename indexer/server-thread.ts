/**
 * The GraphQL server on a thread of its own, so that the chain never waits for a query. What cannot be ended is one SQL
 * statement of SQLite: then the thread ends with the statement, and the chain goes on meanwhile.
 */
import { type GraphqlServer, type GraphqlServerOptions, TIMEOUT_MS } from "./server-options.ts";
import { PING_MS, RESTART_MS, superviseThread } from "./supervised-thread.ts";

/** Beyond the longest query, which lets others have their turns all the while. */
const SILENT_MS = 5_000;

/** Rejects like createGraphqlServer when the server cannot be started the first time; later trouble is logged. */
export function startGraphqlThread({ log, ...data }: GraphqlServerOptions): Promise<GraphqlServer> {
  return superviseThread({
    name: "GraphQL",
    data,
    log,
    supervision: {
      script: new URL("./server-worker.ts", import.meta.url),
      pingMs: PING_MS,
      silentMs: Math.max(0, data.timeoutMs ?? TIMEOUT_MS) + SILENT_MS,
      restartMs: RESTART_MS,
    },
  });
}
