/** Runs in the thread that server-thread.ts starts. */
import { workerData } from "node:worker_threads";
import { createGraphqlServer } from "./server.ts";
import type { GraphqlServerOptions } from "./server-options.ts";
import { serveInThread } from "./supervised-thread.ts";

await serveInThread(({ log }) => createGraphqlServer({ ...(workerData as GraphqlServerOptions), log }));
