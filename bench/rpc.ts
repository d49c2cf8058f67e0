/**
 * Transactions and reads a second through JSON-RPC: this node, anvil and Hardhat, one after the other in one run.
 *
 * Signed transactions are submitted by a client process of its own until all are in blocks of 1,000: transfers and ERC-20
 * transfers (OpenZeppelin's), among 1,000 accounts. This node makes blocks at its interval and keeps them on disk; the
 * others keep all in memory, and make a block whenever the client has had 1,000 accepted. Reads are sent one a request,
 * over some connections at once, to chains that hold the ERC-20 transfers. At last, 1,000 subscribers to heads of this node,
 * whose limit of connections is raised for it.
 *
 * Hardhat is used where it is installed: `--hardhat DIR`, a folder with node_modules, or this repository.
 * Prints `name value unit goal`, a line a figure; times are those of the best round, because other programs can only add
 * to them. `--profile DIR`: a V8 profile of this node's main thread for each measurement.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { encodeFunctionData, erc20Abi, pad, toHex } from "viem";
import { bytesToHex } from "../core/bytes.ts";
import { Inspector } from "../test/helpers/inspector.ts";
import { processorMs } from "../test/helpers/process-stats.ts";
import type { Job, JobResult } from "./rpc-client.ts";
import { runClient } from "./rpc-client-process.ts";
import {
  committedTimes,
  findHardhat,
  openSide,
  openSubscribedNode,
  rpc,
  type Side,
  type SideName,
} from "./rpc-sides.ts";
import { BLOCK_TRANSACTIONS, senders, token, tokenWorkload, transferWorkload, type Workload } from "./rpc-workloads.ts";

const { values } = parseArgs({
  options: {
    transactions: { type: "string", default: "20000" },
    rounds: { type: "string", default: "2" },
    interval: { type: "string", default: "250" },
    batch: { type: "string", default: "100" },
    hardhat: { type: "string" },
    profile: { type: "string" },
    only: { type: "string", multiple: true },
  },
});
const TRANSACTIONS = Number(values.transactions);
const ROUNDS = Number(values.rounds);
const BATCH = Number(values.batch);
const CONNECTIONS = 4;
const MOST_WAITING = 4_000;
const READ_CONNECTIONS = 8;
const READ_MS = 3_000;
const GOAL = 1;
const SUBSCRIBERS = 1_000;
const HEADS = 20;

const hardhat = findHardhat(values.hardhat);
const sides = (["openledger", "anvil", "hardhat"] as const).filter(
  (name) => (name !== "hardhat" || hardhat !== undefined) && (values.only === undefined || values.only.includes(name)),
);
const directory = await mkdtemp(join(tmpdir(), "openledger-bench-"));
if (values.profile !== undefined) await mkdir(values.profile, { recursive: true });
try {
  process.stdout.write(`# ${cpus()[0]?.model}, ${availableParallelism()} cores, Node ${process.version}\n`);
  if (hardhat === undefined) process.stdout.write("# Hardhat is not installed: it is left out\n");
  for (const workload of [transferWorkload(TRANSACTIONS), tokenWorkload(TRANSACTIONS)]) await measure(workload);
  await measureSubscribers();
} finally {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
}

async function measure(workload: Workload): Promise<void> {
  const { name } = workload;
  const file = join(directory, `${name}.txt`);
  await writeFile(file, workload.raws.join("\n"));
  const rates = new Map<SideName, number>();
  const reads = new Map<string, Map<SideName, number>>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const sideName of sides) {
      const folder = join(directory, `${name}-${round}`);
      const intervalMs = Number(values.interval);
      const side = await openSide(sideName, {
        workload,
        directory: folder,
        intervalMs,
        hardhat,
        isInspected: values.profile !== undefined,
      });
      try {
        const cpuBefore = processorMs(side.pid);
        const result = await run(side, name, {
          kind: "submit",
          url: side.url,
          file,
          batch: BATCH,
          connections: CONNECTIONS,
          mostWaiting: MOST_WAITING,
          minedByHand: side.isMinedByHand ? BLOCK_TRANSACTIONS : undefined,
        });
        const rate = (1_000 * result.count) / result.ms;
        rates.set(sideName, Math.max(rates.get(sideName) ?? 0, rate));
        print(`${name}.${sideName}.round.${round}`, rate, "tx/s");
        print(`${name}.${sideName}.block`, result.count / result.blocks.length, "tx");
        print(`${name}.${sideName}.cpu`, (1_000 * (processorMs(side.pid) - cpuBefore)) / result.count, "us/tx");
        print(`${name}.${sideName}.client.cpu`, (1_000 * result.cpuMs) / result.count, "us/tx");
        if (name === "erc20") await measureReads(side, reads);
      } finally {
        await side.close();
      }
    }
  }
  for (const [side, rate] of rates) print(`${name}.${side}`, rate, "tx/s");
  compare(name, rates);
  for (const [read, of] of reads) {
    for (const [side, rate] of of) print(`read.${read}.${side}`, rate, "requests/s");
    compare(`read.${read}`, of);
  }
}

/** From the node's own log, which says when it committed a block, to the last of the subscribers that hears of it. */
async function measureSubscribers(): Promise<void> {
  const side = await openSubscribedNode(join(directory, "subscribers"), SUBSCRIBERS);
  try {
    const { url } = side;
    const { heads = [] } = await runClient({ kind: "subscribe", url, subscribers: SUBSCRIBERS, heads: HEADS });
    const committedMs = await committedTimes(side.logFile!);
    const missed = heads.reduce((sum, { subscribers }) => sum + SUBSCRIBERS - subscribers, 0);
    const delays = heads.map(({ number, lastMs }) => lastMs - committedMs.get(number)!);
    print("subscribers", SUBSCRIBERS, "subscribers", "-");
    print("subscribers.heads", heads.length, "heads", "-");
    print("subscribers.missed", missed, "heads", "<=0");
    print("subscribers.slowest", Math.max(...delays), "ms", "<=1000");
  } finally {
    await side.close();
  }
}

async function measureReads(side: Side, rates: Map<string, Map<SideName, number>>): Promise<void> {
  const { name, url } = side;
  for (const [read, bodies] of Object.entries(await readRequests(url))) {
    const { count, ms } = await run(side, read, {
      kind: "read",
      url,
      bodies,
      connections: READ_CONNECTIONS,
      ms: READ_MS,
    });
    const of = rates.get(read) ?? new Map<SideName, number>();
    of.set(name, Math.max(of.get(name) ?? 0, (1_000 * count) / ms));
    rates.set(read, of);
  }
}

/** Of accounts and holders in turn; logs are those that one holder sent, over all blocks. */
async function readRequests(url: string): Promise<Record<string, string[]>> {
  const accounts = senders.slice(0, 100).map(({ address }) => bytesToHex(address));
  const address = bytesToHex(token);
  const head = await rpc<string>(url, "eth_blockNumber", []);
  const signature = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
  const request = (method: string, params: readonly unknown[]) =>
    JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return {
    blockNumber: [request("eth_blockNumber", [])],
    getBalance: accounts.map((account) => request("eth_getBalance", [account, "latest"])),
    call: accounts.map((account) => {
      const data = encodeFunctionData({ abi: erc20Abi, functionName: "balanceOf", args: [account] });
      return request("eth_call", [{ to: address, data }, "latest"]);
    }),
    getLogs: accounts.map((account) =>
      request("eth_getLogs", [{ address, fromBlock: toHex(1), toBlock: head, topics: [signature, pad(account)] }]),
    ),
  };
}

/** Where the node is inspected, with a profile of it. */
async function run(side: Side, name: string, job: Job): Promise<JobResult> {
  if (side.logFile === undefined) return runClient(job);
  const inspector = await Inspector.attach(side.logFile);
  await inspector.startProfile();
  const result = await runClient(job);
  await writeFile(join(values.profile!, `${name}.cpuprofile`), await inspector.stopProfile());
  inspector.close();
  return result;
}

function compare(name: string, rates: ReadonlyMap<SideName, number>): void {
  const ours = rates.get("openledger");
  if (ours === undefined) return;
  for (const peer of ["anvil", "hardhat"] as const) {
    const rate = rates.get(peer);
    if (rate === undefined) continue;
    print(`${name}.ratio.${peer}`, ours / rate, "times", peer === "anvil" ? `>=${GOAL}` : "-");
  }
}

function print(name: string, value: number, unit: string, goal = "-"): void {
  process.stdout.write(`rpc.${name} ${Number(value.toPrecision(4))} ${unit} ${goal}\n`);
}
