/** `/health`: the server answers and can read. `/ready`: and what it reads is the chain as it is now. */
import type { Kysely } from "kysely";
import { bytesToHex } from "../core/bytes.ts";
import type { Database } from "./tables.ts";
import { readCheckpoint } from "./writer.ts";

/** Blocks that the index may be behind and still count as ready. */
const MAX_BEHIND = 10;

export interface HealthAnswer {
  /** 200, or 503. */
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export const isHealthPath = (path: string): path is "/health" | "/ready" => path === "/health" || path === "/ready";

/** Never rejects. */
export async function healthOf(path: "/health" | "/ready", readers: Kysely<Database>): Promise<HealthAnswer> {
  try {
    const checkpoint = await readCheckpoint(readers);
    if (path === "/health") return { status: 200, body: { status: "ok" } };
    if (checkpoint === undefined) return notReady("the index has no block yet", {});
    const progress = await readers.selectFrom("progress").selectAll().executeTakeFirst();
    const head = progress?.head ?? checkpoint.block;
    const state = { block: checkpoint.block, hash: bytesToHex(checkpoint.hash), head };
    if (progress?.error != null) return notReady(`the index has halted: ${progress.error}`, state);
    if (head - checkpoint.block > MAX_BEHIND) {
      return notReady(`the index is ${head - checkpoint.block} blocks behind the chain`, state);
    }
    return { status: 200, body: { status: "ready", ...state } };
  } catch {
    return notReady("the index cannot be read", {});
  }
}

const notReady = (reason: string, state: object): HealthAnswer => ({
  status: 503,
  body: { status: "not ready", reason, ...state },
});
