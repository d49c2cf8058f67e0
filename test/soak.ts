/**
 * `npm run soak -- [--minutes 60] [--rate N]`: a real node under a steady load for an hour, and what it keeps in memory.
 *
 * Transfers to new and old accounts, ERC-20 transfers and new Datanets are sent at 70 % of the peak, which is measured
 * first (`--rate`: at this many a second); beside them somebody reads, calls, traces, makes filters and subscribes. Once a
 * minute all threads of the node are made to collect their garbage, over V8's inspector. What is left after the last
 * collection must be at most 1.1 times what was left at minute 10 (of shorter runs, after a sixth of the time), and what
 * was sent has to be in blocks as fast: `minute.N.rate` is the mean from the start.
 *
 * Prints `name value unit goal` a line; a goal that is missed ends in exit code 1.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bytesToHex } from "../core/bytes.ts";
import { devnetGenesis } from "../node/devnet-genesis.ts";
import { Cluster, type ClusterNode } from "./helpers/cluster.ts";
import { areMet, atLeast, atMost, type Figure, figure, printFigure } from "./helpers/figures.ts";
import { INSPECTED, Inspector } from "./helpers/inspector.ts";
import { anonymousMib } from "./helpers/process-stats.ts";
import { Load, SOAK_ACCOUNTS } from "./soak-load.ts";
import { Reader } from "./soak-reads.ts";

export interface SoakOptions {
  readonly minutes: number;
  /** Transactions a second; undefined: 70 % of the peak, which is measured first. */
  readonly rate: number | undefined;
}

const SHARE = 0.7;
const PEAK_MS = 30_000;
const REFERENCE_MINUTE = 10;
const MOST_GROWTH = 1.1;
/** Of the transactions that were to be sent: a node that falls behind is not under the load that is claimed. */
const LEAST_OF_RATE = 0.95;
const MINUTE_MS = 60_000;
const BALANCE = 10n ** 26n;
/** A block that is full raises the base fee: so much gas is never used in an interval. */
const GAS_LIMIT = 120_000_000;

/** `log` is told of every line as soon as it is known. */
export async function soak({ minutes, rate }: SoakOptions, log: (line: Figure) => void): Promise<readonly Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), "openledger-soak-"));
  const { alloc } = devnetGenesis(1);
  const balances = SOAK_ACCOUNTS.map(({ address }) => [bytesToHex(address), { balance: String(BALANCE) }]);
  const cluster = await Cluster.create({
    directory,
    validators: 1,
    unproxied: true,
    intervalMs: 250,
    deltaMs: 500,
    genesis: { gasLimit: GAS_LIMIT, blockBytes: 2 ** 23, alloc: { ...alloc, ...Object.fromEntries(balances) } },
    options: () => ({ p2p: false, graphql: true, "graphql.port": 0, "log.blocks": false }),
  });
  try {
    process.env.NODE_OPTIONS = `--max-semi-space-size=64 ${INSPECTED}`;
    await cluster.start();
    delete process.env.NODE_OPTIONS;
    return await run(cluster.nodes[0]!, minutes, rate, log);
  } finally {
    await cluster.stop();
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

interface Memory {
  /** JavaScript's, of all threads, after a collection. */
  readonly heapMib: number;
  /** All that the process holds for itself, files not counted. */
  readonly residentMib: number;
}

async function run(
  node: ClusterNode,
  minutes: number,
  given: number | undefined,
  log: (line: Figure) => void,
): Promise<readonly Figure[]> {
  const lines: Figure[] = [];
  const say = (...measured: Parameters<typeof figure>): void => {
    const exact = figure(...measured);
    const line = { ...exact, name: `soak.${exact.name}`, value: Number(exact.value.toPrecision(4)) };
    lines.push(line);
    log(line);
  };
  const inspector = await Inspector.attach(node.logFile);
  const load = await Load.open(node.rpcUrl);
  const reader = new Reader(node.rpcUrl);
  try {
    await load.prepare();
    const peak = given === undefined ? await load.peak(PEAK_MS) : undefined;
    if (peak !== undefined) say("peak", peak, "tx/s");
    const rate = given ?? peak! * SHARE;
    say("rate", rate, "tx/s");
    const [startMs, before] = [performance.now(), load.committed];
    const endMs = startMs + minutes * MINUTE_MS;
    const sending = load.send(rate, endMs);
    const reading = reader.run(load, endMs);
    const ended = Promise.all([sending, reading]);
    const memory: Memory[] = [];
    const referenceMinute = Math.min(REFERENCE_MINUTE, minutes / 6);
    for (const minute of minutesTo(referenceMinute, minutes)) {
      await Promise.race([
        delay(Math.max(0, startMs + minute * MINUTE_MS - performance.now())),
        ended.then(() => delay(0)),
      ]);
      const left = await inspector.collect();
      const passedMs = performance.now() - startMs;
      say(`minute.${Number(minute.toFixed(2))}.rate`, (1_000 * (load.committed - before)) / passedMs, "tx/s");
      memory.push({ heapMib: left.used + left.external, residentMib: anonymousMib(node.pid!) });
      say(`minute.${Number(minute.toFixed(2))}.heap`, memory.at(-1)!.heapMib, "MiB");
      say(`minute.${Number(minute.toFixed(2))}.resident`, memory.at(-1)!.residentMib, "MiB");
    }
    await ended;
    const [first, last] = [memory[0]!, memory.at(-1)!];
    say("sent", load.sent, "tx");
    const committed = (1_000 * load.committedWhileSending) / (performance.now() - startMs);
    say("committed.rate", committed, "tx/s", atLeast(Math.floor(LEAST_OF_RATE * rate)));
    say("reads", reader.requests, "requests");
    say("reads.refused", reader.refused, "requests", atMost(0));
    say("memory.resident.growth", last.residentMib / first.residentMib, "times");
    say("memory.growth", last.heapMib / first.heapMib, "times", atMost(MOST_GROWTH));
    return lines;
  } finally {
    inspector.close();
    reader.close();
    load.close();
  }
}

/** The first one, whole minutes after it, and the end. */
function minutesTo(first: number, end: number): number[] {
  const minutes = [first];
  for (let minute = Math.floor(first) + 1; minute < end; minute++) minutes.push(minute);
  return [...minutes, end];
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { minutes: { type: "string", default: "60" }, rate: { type: "string" } } });
  const rate = values.rate === undefined ? undefined : Number(values.rate);
  const lines = await soak({ minutes: Number(values.minutes), rate }, printFigure);
  process.exitCode = areMet(lines) ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
