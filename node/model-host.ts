/** Placeholder wiring, completed when attribution/model-host.ts lands. */
import type { Hex } from "viem";
import type { Listener } from "./config.ts";
import type { DataDirectory } from "./data-directory.ts";
import type { Logger } from "./log.ts";

export async function startModelHost(
  _l: Listener,
  _k: Hex,
  _r: string,
  _c: string | undefined,
  _d: DataDirectory,
  _log: Logger,
  _closers: (() => unknown)[],
): Promise<string | undefined> {
  return undefined;
}
