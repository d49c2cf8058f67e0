/**
 * Transactions a second from the raw bytes of a block to its persisted roots: decoding, sender recovery, execution,
 * receipts, the three roots and the write to LevelDB, without fsync on either side.
 *
 *   ours   execution/ as node/chain.ts drives it: importBlock and one atomic batch
 *   stock  @ethereumjs/vm's runBlock on its own Merkle state manager (execution-stock.ts)
 *
 * Both import the same blocks onto the same genesis in turns within one process and must reach the same state roots.
 * The base fee is burned, because ethereumjs knows no recipient for it. Prints `name value unit goal`, a line a figure.
 * `--ours-only` leaves the peer out, for profiles: `node --cpu-prof bench/execution.ts --ours-only`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { bytesToHex, equalsBytes } from "../core/bytes.ts";
import { type ChainRules, DEFAULT_RULES } from "../execution/rules.ts";
import { OurExecutor } from "./execution-ours.ts";
import { StockExecutor } from "./execution-stock.ts";
import { CHAIN_ID, prepareBench, type Workload } from "./execution-workloads.ts";

/** The first block of each workload is the warm-up. */
const SIZE = { blocks: 6, transfers: 1_000, tokenTransfers: 500, commitments: 500 };

const { baseFeeRecipient: _treasury, ...shared } = DEFAULT_RULES;
const rules: ChainRules = { ...shared, chainId: BigInt(CHAIN_ID), gasLimit: 300_000_000n };

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const oursOnly = process.argv.includes("--ours-only");
const bench = await prepareBench(SIZE);
const directory = await mkdtemp(join(tmpdir(), "openledger-bench-"));
const ours = await OurExecutor.open(join(directory, "ours"), rules, bench);
const stock = oursOnly ? undefined : await StockExecutor.open(join(directory, "stock"), rules, bench.accounts);
await requireEqualRoots("genesis");
print("state.accounts", bench.accounts.length, "accounts", ">=20000");
for (const workload of bench.workloads) await measure(workload);
await ours.close();
await stock?.close();
await rm(directory, { recursive: true });

async function measure({ name, goalRatio, blocks }: Workload): Promise<void> {
  const runs = { ours: [] as Run[], stock: [] as Run[] };
  for (const [round, envelopes] of blocks.entries()) {
    const raw = await ours.assemble(envelopes);
    const oursRun = await time(() => ours.import(raw));
    const stockRun = stock && (await time(() => stock.import(raw)));
    await requireEqualRoots(`block ${round} of ${name}`);
    if (round === 0) continue;
    runs.ours.push(oursRun);
    if (stockRun !== undefined) runs.stock.push(stockRun);
  }
  const size = blocks[0]!.length;
  print(`${name}.block`, size, "tx", "-");
  for (const [side, list] of Object.entries(runs)) {
    if (list.length === 0) continue;
    print(`${name}.${side}`, (1_000 * size) / median(list.map(({ wallMs }) => wallMs)), "tx/s", "-");
    print(`${name}.${side}.cpu`, (1_000 * median(list.map(({ cpuMs }) => cpuMs))) / size, "us/tx", "-");
  }
  if (stock === undefined) return;
  const goal = goalRatio === undefined ? "-" : `>=${goalRatio}`;
  print(
    `${name}.ratio`,
    ratio((run) => run.wallMs),
    "times",
    goal,
  );
  print(
    `${name}.ratio.cpu`,
    ratio((run) => run.cpuMs),
    "times",
    "-",
  );

  function ratio(of: (run: Run) => number): number {
    return median(runs.stock.map(of)) / median(runs.ours.map(of));
  }
}

/** On a machine that does other things as well the processor time says more than the clock. */
interface Run {
  readonly wallMs: number;
  /** All threads, so LevelDB's too. */
  readonly cpuMs: number;
}

async function time(work: () => Promise<void>): Promise<Run> {
  collectGarbage(); // what the other side left behind
  const [start, cpuStart] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpuStart);
  return { wallMs: performance.now() - start, cpuMs: (user + system) / 1_000 };
}

async function requireEqualRoots(where: string): Promise<void> {
  if (stock === undefined) return;
  const theirs = await stock.stateRoot();
  if (equalsBytes(ours.stateRoot, theirs)) return;
  throw new Error(`state roots differ after ${where}: ${bytesToHex(ours.stateRoot)} and ${bytesToHex(theirs)}`);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function print(name: string, value: number, unit: string, goal: string): void {
  process.stdout.write(`execution.${name} ${Number(value.toPrecision(4))} ${unit} ${goal}\n`);
}
