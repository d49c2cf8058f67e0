/** One executor in a process of its own, driven by execution.ts: its garbage and background work are its own, too. */
import type { ChainRules } from "../execution/rules.ts";
import { OurExecutor } from "./execution-ours.ts";
import { StockExecutor } from "./execution-stock.ts";
import type { Genesis } from "./execution-workloads.ts";

export type Side = "ours" | "stock";
export type Command =
  | {
      readonly open: Side;
      readonly directory: string;
      readonly rules: ChainRules;
      readonly genesis: Genesis;
    }
  | { readonly import: Uint8Array }
  | "close";

export interface Answer {
  readonly stateRoot: Uint8Array;
  readonly wallMs: number;
  /** All threads of the process, so LevelDB's and the garbage collector's too. */
  readonly cpuMs: number;
}

export interface Executor {
  /** Of all the time that its imports took, what is left out of the figures. */
  readonly uncountedMs: number;
  readonly stateRoot: Uint8Array | Promise<Uint8Array>;
  import(raw: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

let executor: Executor | undefined;

process.on("message", async (command: Command) => {
  if (command === "close") {
    await executor?.close();
    process.disconnect?.();
    return;
  }
  const start = performance.now();
  const uncountedStart = executor?.uncountedMs ?? 0;
  const cpuStart = process.cpuUsage();
  if ("open" in command) executor = await open(command);
  else await executor!.import(command.import);
  const { user, system } = process.cpuUsage(cpuStart);
  const wallMs = performance.now() - start;
  const uncountedMs = executor!.uncountedMs - uncountedStart;
  const stateRoot = await executor!.stateRoot;
  await settle();
  const cpuMs = (user + system) / 1_000;
  process.send?.({ stateRoot, wallMs: wallMs - uncountedMs, cpuMs: cpuMs - uncountedMs } satisfies Answer);
});

function open({ open: side, directory, rules, genesis }: Extract<Command, { open: Side }>): Promise<Executor> {
  return side === "ours"
    ? OurExecutor.open(directory, rules, genesis)
    : StockExecutor.open(directory, rules, genesis.accounts);
}

/** Until compactions and garbage collection have ended, so that they do not slow the other side's turn. */
async function settle(): Promise<void> {
  for (let round = 0; round < 50; round++) {
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 40));
    const { user, system } = process.cpuUsage(before);
    if (user + system < 4_000) return;
  }
}
