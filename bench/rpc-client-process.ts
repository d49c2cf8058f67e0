/** Starts rpc-client.ts for one job. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Job, JobResult } from "./rpc-client.ts";

/** In a process of its own. Rejects with what went wrong there. */
export async function runClient(job: Job): Promise<JobResult> {
  const child = fork(fileURLToPath(new URL("rpc-client.ts", import.meta.url)), { stdio: "inherit" });
  const answered = once(child, "message") as Promise<[{ result?: JobResult; error?: string }]>;
  child.send(job);
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`the client ended with ${code} without a result`);
  });
  ended.catch(() => {});
  const [{ result, error }] = await Promise.race([answered, ended]);
  if (result === undefined) throw new Error(error);
  await ended.catch(() => {});
  return result;
}
