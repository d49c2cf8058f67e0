/**
 * Attribution records in batched commitments: the precompile in this node's block executor against Solidity that does the
 * same. All sides take the same calldata, byte for byte, and must keep the same batch roots. The sides:
 *   precompile      bytes of a block to persisted roots, as node/chain.ts imports it, without fsync; decoding and
 *                   recovery of senders included
 *   solidity        AttributionPeer.sol on anvil: the same checks, events and storage, one hash a batch; optimized
 *                   through solc's IR. Mining a block of waiting transactions is timed, so neither their arrival nor
 *                   the recovery of senders, and anvil keeps its state in memory
 *   record-storage  the same on anvil, with three slots of its own for each record, readable by id
 *   solidity-here   AttributionPeer.sol in this node's block executor
 * A record is an answer of 512 bytes with 8 spans, of random contributions; a batch has 32, a block 8 batches of 8 hosts.
 * Gas is that of execution, without the transaction's 21,000 and calldata unless it says so; slots are those written.
 * Times are the shortest of the measured blocks, because other programs can only add to them. `floor` is what this scheme
 * costs at Ethereum's prices however it is programmed: four slots of the request read and one written, a slot of each
 * contribution read, a signature recovered, the spans logged.
 * Prints `name value unit goal`, a line a figure, and for each goal that is missed a line why.
 * `node bench/attribution.ts [measured blocks] [contributions]`
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ecdsaSign, keccak256, recoverPublicKey } from "../core/crypto.ts";
import { openAnvilSide } from "./attribution-anvil.ts";
import { openNodeSide, preparePeerHere, preparePrecompile } from "./attribution-node.ts";
import { type BenchSide, type BlockRun, TRANSACTION_GAS } from "./attribution-side.ts";
import {
  type Audience,
  BATCH_RECORDS,
  type CommitBatch,
  calldataGas,
  createWorkload,
  SPANS,
} from "./attribution-workload.ts";

const MEASURED = Number(process.argv[2] ?? 5);
const CONTRIBUTIONS = Number(process.argv[3] ?? 256);
/** Blocks of each audience that are run before it counts. */
const WARM_UP = 3;
const BATCHES = 8;
/** The peer in this node's EVM takes ten times as long as the others: it runs two blocks. */
const FIRST_HERE = WARM_UP - 1;
const LAST_HERE = WARM_UP;
const RATE_GOAL = 5;
const GAS_GOAL = 0.5;

const workload = createWorkload({ contributions: CONTRIBUTIONS, blocks: WARM_UP + MEASURED, batches: BATCHES });
const directory = await mkdtemp(join(tmpdir(), "openledger-bench-"));
const sides: BenchSide[] = [];
try {
  sides.push(await openNodeSide(await preparePrecompile(workload), directory));
  sides.push(await openAnvilSide("solidity", "AttributionPeer", workload));
  sides.push(await openAnvilSide("record-storage", "AttributionRecordPeer", workload));
  sides.push(await openNodeSide(await preparePeerHere(workload), directory));
  print("contributions", CONTRIBUTIONS, "contributions", "-");
  print("batch", BATCH_RECORDS, "records", "-");
  print("block", BATCHES * BATCH_RECORDS, "records", "-");
  for (const { name, requestGas } of sides) print(`request.${name}.gas`, Number(requestGas), "gas", "-");
  for (const audience of ["public", "private"] as const) await measure(audience, workload.blocks[audience]);
} finally {
  for (const side of sides) await side.close();
  await rm(directory, { recursive: true });
}

async function measure(audience: Audience, blocks: readonly (readonly CommitBatch[])[]): Promise<void> {
  const runs = new Map<BenchSide, BlockRun[]>(sides.map((side) => [side, []]));
  for (const [round, batches] of blocks.entries()) {
    for (const side of sides) {
      if (side.name === "solidity-here" && (round < FIRST_HERE || round > LAST_HERE)) continue;
      const run = await side.run(batches);
      if (round >= WARM_UP) runs.get(side)!.push(run);
    }
  }
  const costs = printWorkload(audience, blocks.slice(WARM_UP).flat());
  const [[, ours], ...peers] = [...runs].map(
    ([{ name }, of]) => [name, printSide(`${audience}.${name}`, of, costs.calldata)] as const,
  ) as [[string, Figures], ...[string, Figures][]];
  for (const [name, peer] of peers) {
    printRatios(`${audience}.ratio-to-${name}`, ours, peer, costs, name === "solidity");
  }
}

/** Gas a record that both sides pay. */
interface Costs {
  readonly calldata: number;
  readonly floor: number;
}

function printWorkload(audience: Audience, batches: readonly CommitBatch[]): Costs {
  const calldata = mean(batches.map(({ data }) => Number(calldataGas(data)))) / BATCH_RECORDS;
  const floor = floorGas(mean(batches.map(({ contributions }) => contributions)) / BATCH_RECORDS);
  print(`${audience}.calldata`, mean(batches.map(({ data }) => data.length)) / BATCH_RECORDS, "bytes/record", "-");
  print(`${audience}.calldata.gas`, calldata, "gas/record", "-");
  print(`${audience}.transaction.gas`, Number(TRANSACTION_GAS) / BATCH_RECORDS, "gas/record", "-");
  print(`${audience}.floor.gas`, floor, "gas/record", "-");
  return { calldata, floor };
}

/** Of one record. */
interface Figures {
  readonly gas: number;
  readonly wallMs: number;
  readonly cpuMs: number;
}

function printSide(name: string, runs: readonly BlockRun[], calldata: number): Figures {
  const records = BATCHES * BATCH_RECORDS;
  const gas = mean(runs.map(({ executionGas }) => Number(executionGas))) / records;
  const wallMs = Math.min(...runs.map((run) => run.wallMs)) / records;
  const cpuMs = Math.min(...runs.map((run) => run.cpuMs ?? Number.NaN)) / records;
  print(`${name}.gas`, gas, "gas/record", "-");
  print(`${name}.gas.with-calldata`, gas + calldata, "gas/record", "-");
  print(`${name}.slots`, mean(runs.map(({ slots }) => slots)) / records, "slots/record", "-");
  print(`${name}.ms`, wallMs, "ms/record", "-");
  print(`${name}.cpu`, cpuMs, "ms/record", "-");
  print(`${name}.rate`, 1_000 / wallMs, "records/s", "-");
  return { gas, wallMs, cpuMs };
}

function printRatios(name: string, ours: Figures, peer: Figures, { calldata, floor }: Costs, isGoal: boolean): void {
  const rate = peer.wallMs / ours.wallMs;
  const gas = ours.gas / peer.gas;
  print(`${name}.rate`, rate, "times", isGoal ? `>=${RATE_GOAL}` : "-");
  print(`${name}.cpu`, peer.cpuMs / ours.cpuMs, "times", "-");
  print(`${name}.gas`, gas, "of-peer", isGoal ? `<=${GAS_GOAL}` : "-");
  print(`${name}.gas.with-calldata`, (ours.gas + calldata) / (peer.gas + calldata), "of-peer", "-");
  if (isGoal && rate < RATE_GOAL) explainRate(name, rate, peer);
  if (isGoal && gas > GAS_GOAL) explainGas(name, gas, peer, floor);
}

function explainRate(name: string, rate: number, peer: Figures): void {
  const recovery = recoveryMs();
  say(
    `${name}.rate is ${(RATE_GOAL / rate).toPrecision(2)} times short of the goal: anvil runs contracts in revm, compiled ` +
      `Rust, where a record takes ${peer.wallMs.toPrecision(2)} ms; recovering one signature takes this node ` +
      `${recovery.toPrecision(2)} ms, and the goal leaves ${(peer.wallMs / RATE_GOAL).toPrecision(2)} ms for all.`,
  );
}

function explainGas(name: string, gas: number, peer: Figures, floor: number): void {
  say(
    `${name}.gas is ${(gas / GAS_GOAL).toPrecision(3)} times the goal: of the peer's ${Math.round(peer.gas)} gas a record ` +
      `${Math.round(floor)} are the floor.`,
  );
}

/** EIP-2929, EIP-2200, a LOG4 with nine words, the spans' count and four words a span; ecrecover. */
function floorGas(contributions: number): number {
  const coldRead = 2_100;
  const log = 375 * 5 + 8 * 32 * (9 + 1 + 4 * SPANS);
  return 4 * coldRead + 2_900 + coldRead * contributions + log + 3_000;
}

/** Of one signature, the shortest of many. */
function recoveryMs(): number {
  const digest = keccak256(new Uint8Array(32));
  const { r, s, yParity } = ecdsaSign(digest, digest);
  let shortest = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 500; run++) {
    const start = performance.now();
    if (recoverPublicKey(digest, r, s, yParity) === undefined) throw new Error("a signature that nobody made");
    shortest = Math.min(shortest, performance.now() - start);
  }
  return shortest;
}

function say(sentence: string): void {
  process.stdout.write(`# ${sentence}\n`);
}

function print(name: string, value: number, unit: string, goal: string): void {
  process.stdout.write(`attribution.${name} ${Number(value.toPrecision(4))} ${unit} ${goal}\n`);
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}
