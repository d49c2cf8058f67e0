/**
 * Transactions a second from the raw bytes of a block to its persisted roots: decoding, sender recovery, execution,
 * receipts, the three roots and the write to LevelDB, without fsync on either side.
 *
 *   ours   execution/ as node/chain.ts drives it: importBlock and one atomic batch
 *   stock  @ethereumjs/vm's runBlock on its own Merkle state manager (execution-stock.ts)
 *
 * Both import the same blocks onto the same genesis, each in a process of its own and in turns, and must reach the same
 * state roots. Caches of both are warm. The base fee is burned, because ethereumjs knows no recipient for it. Prints `name value unit goal`, a line a figure.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bytesToHex, equalsBytes } from "../core/bytes.ts";
import { type ChainRules, DEFAULT_RULES } from "../execution/rules.ts";
import { OurExecutor } from "./execution-ours.ts";
import type { Answer, Command, Side } from "./execution-side.ts";
import { CHAIN_ID, prepareBench, type Workload } from "./execution-workloads.ts";

const SIZE = { blocks: 7, transfers: 1_000, tokenTransfers: 500, commitments: 500 };

/** Blocks of each workload that are run before it counts. */
const WARM_UP = 3;

const { baseFeeRecipient: _treasury, ...shared } = DEFAULT_RULES;
const rules: ChainRules = { ...shared, chainId: BigInt(CHAIN_ID), gasLimit: 300_000_000n };

const { genesis, workloads } = await prepareBench(SIZE);
const directory = await mkdtemp(join(tmpdir(), "openledger-bench-"));
const builder = await OurExecutor.open(join(directory, "builder"), rules, genesis);
const processes = { ours: start(), stock: start() } as const;
for (const side of ["ours", "stock"] as const) {
  const { stateRoot } = await ask(side, { open: side, directory: join(directory, side), rules, genesis });
  requireRoot(side, stateRoot, "genesis");
}
print("state.accounts", genesis.accounts.length, "accounts", ">=20000");
for (const workload of workloads) await measure(workload);
for (const child of Object.values(processes)) {
  child.send("close" satisfies Command);
  await once(child, "exit");
}
await builder.close();
await rm(directory, { recursive: true });

async function measure({ name, goalRatio, blocks }: Workload): Promise<void> {
  const runs: Record<Side, Answer[]> = { ours: [], stock: [] };
  for (const [round, envelopes] of blocks.entries()) {
    const raw = await builder.assemble(envelopes);
    await builder.import(raw);
    for (const side of ["ours", "stock"] as const) {
      const run = await ask(side, { import: raw });
      requireRoot(side, run.stateRoot, `block ${round} of ${name}`);
      if (round >= WARM_UP) runs[side].push(run);
    }
  }
  const size = blocks[0]!.length;
  print(`${name}.block`, size, "tx", "-");
  for (const side of ["ours", "stock"] as const) {
    print(`${name}.${side}`, (1_000 * size) / median(runs[side].map(({ wallMs }) => wallMs)), "tx/s", "-");
    print(`${name}.${side}.cpu`, (1_000 * median(runs[side].map(({ cpuMs }) => cpuMs))) / size, "us/tx", "-");
  }
  const ratio = (of: (run: Answer) => number) => median(runs.stock.map(of)) / median(runs.ours.map(of));
  print(
    `${name}.ratio`,
    ratio(({ wallMs }) => wallMs),
    "times",
    goalRatio === undefined ? "-" : `>=${goalRatio}`,
  );
  // On a machine that does other things as well, the processor time says more than the clock.
  print(
    `${name}.ratio.cpu`,
    ratio(({ cpuMs }) => cpuMs),
    "times",
    "-",
  );
}

function start(): ChildProcess {
  const child = fork(fileURLToPath(new URL("execution-side.ts", import.meta.url)), { serialization: "advanced" });
  child.on("exit", (code) => {
    if (code !== 0) throw new Error(`an executor ended with code ${code}`);
  });
  return child;
}

async function ask(side: Side, command: Command): Promise<Answer> {
  processes[side].send(command);
  const [answer] = await once(processes[side], "message");
  return answer as Answer;
}

function requireRoot(side: Side, stateRoot: Uint8Array, where: string): void {
  if (equalsBytes(stateRoot, builder.stateRoot)) return;
  throw new Error(`state root of ${side} after ${where} is ${bytesToHex(stateRoot)}`);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function print(name: string, value: number, unit: string, goal: string): void {
  process.stdout.write(`execution.${name} ${Number(value.toPrecision(4))} ${unit} ${goal}\n`);
}
