/**
 * What agreeing costs: four validators on this machine against one, same options and same transfers, in turns.
 *
 *   commit      from the beginning of a proposal to its commit, as the nodes' own metric says, mean of the nodes
 *   transfer    from eth_sendRawTransactionSync to the receipt, one at a time, sent to validator 0
 *   gossip      what a node sends for a block, by topic, before compression
 *   throughput  transfers a second, sent to validator 0 in batches, from the first block that holds them to the last
 *   sync        a fresh full node takes those chains from the four, from the moment it listens
 *
 * Every validator is a process of its own and writes to its own files with fsync; all share this machine. Prints
 * `name value unit goal`, a line a figure. `--profile DIR`: validator 0 of the four leaves V8 profiles there.
 */
import { mkdtemp, open, rm } from "node:fs/promises";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DEVNET_CHAIN_ID } from "../node/accounts.ts";
import { TOPICS, type Topic } from "../node/p2p/types.ts";
import { createSenders, type Flood, flood, oneByOne, signTransfers, Transfers } from "./consensus-load.ts";
import { BenchNetwork, type Gossip, until } from "./consensus-network.ts";
import { quantile } from "./quantile.ts";

/** Together as many transfers as the nodes' quantiles are of. */
const LATENCY = {
  intervalMs: 50,
  senders: 1,
  warmUp: { transfers: 64, ms: 8_000 },
  rounds: 4,
  round: { transfers: 128, ms: 12_000 },
};
const THROUGHPUT = {
  intervalMs: 250,
  senders: 500,
  warmUp: { transfers: 2_000, ms: 8_000 },
  rounds: 2,
  round: { transfers: 10_000, ms: 15_000 },
};
const DISK_WRITES = 200;

const SIZES = ["one", "four"] as const;
type Pair<T> = Readonly<Record<(typeof SIZES)[number], T>>;

interface Runner {
  readonly network: BenchNetwork;
  readonly transfers: Transfers;
}

const { profile } = parseArgs({ options: { profile: { type: "string" } } }).values;
const directory = await mkdtemp(join(tmpdir(), "openledger-bench-"));
const running = new Set<BenchNetwork>();
const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // Whoever waits for one of these nodes then fails, and the rest is cleared away as always.
  process.once(signal, () => {
    ending.abort();
    for (const network of running) void network.stop();
  });
}
try {
  await measureMachine();
  await measureLatency();
  await measureThroughput();
  print("machine.load.after", loadavg()[0]!, "processes", "-");
} finally {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
}

async function measureMachine(): Promise<void> {
  process.stdout.write(`# ${cpus()[0]?.model}, ${process.platform}, Node ${process.version}\n`);
  print("machine.cores", availableParallelism(), "cores", "-");
  print("machine.load.before", loadavg()[0]!, "processes", "-");
  const file = await open(join(directory, "disk"), "w");
  const times: number[] = [];
  for (let i = 0; i < DISK_WRITES; i++) {
    const startMs = performance.now();
    await file.write(new Uint8Array(256));
    await file.datasync();
    times.push(performance.now() - startMs);
  }
  await file.close();
  print("machine.fsync.p50", quantile(times, 0.5), "ms", "-");
  print("machine.fsync.p99", quantile(times, 0.99), "ms", "-");
}

async function measureLatency(): Promise<void> {
  const { intervalMs, warmUp, rounds, round } = LATENCY;
  await withNetworks("latency", LATENCY, async (runners) => {
    const run = async ({ network, transfers }: Runner, limit: typeof round) =>
      oneByOne(network.first, transfers, intervalMs, limit);
    for (const runner of [runners.one, runners.four]) await run(runner, warmUp);
    const { network } = runners.four;
    const before = await counted(network);
    const times: Pair<number[]> = { one: [], four: [] };
    for (let i = 0; i < rounds; i++) {
      for (const size of SIZES) times[size].push(...(await run(runners[size], round)));
    }
    for (const share of [0.5, 0.99] as const) {
      const name = `p${share * 100}`;
      const commit = await both((size) => runners[size].network.commitLatencyMs(share));
      compare(`commit.${name}`, commit, "ms", share === 0.5 ? "<60" : "-");
      compare(`transfer.${name}`, await both((size) => quantile(times[size], share)), "ms", "-");
    }
    print("transfer.samples", Math.min(times.one.length, times.four.length), "transfers", "-");
    await printGossip("small", network, before);
    await measureSync("small", network);
  });
}

async function measureThroughput(): Promise<void> {
  const { warmUp, rounds, round } = THROUGHPUT;
  await withNetworks("throughput", THROUGHPUT, async (runners) => {
    const run = ({ network, transfers }: Runner, limit: typeof round) => flood(network.first, transfers, limit);
    for (const size of SIZES) await run(runners[size], warmUp);
    const { network } = runners.four;
    const before = await counted(network);
    const floods: Pair<Flood[]> = { one: [], four: [] };
    const cpuMs: Pair<number[]> = { one: [], four: [] };
    for (let i = 0; i < rounds; i++) {
      for (const size of SIZES) {
        const spentMs = runners[size].network.cpuMs();
        floods[size].push(await run(runners[size], round));
        cpuMs[size].push(runners[size].network.cpuMs() - spentMs);
      }
    }
    const total = (size: keyof Pair<unknown>, field: keyof Flood) => sum(floods[size].map((each) => each[field]));
    compare("throughput", await both((size) => (1_000 * total(size, "transactions")) / total(size, "ms")), "tx/s", "-");
    for (const size of SIZES) {
      for (const [i, { transactions, ms }] of floods[size].entries()) {
        print(`throughput.${size}.round.${i}`, (1_000 * transactions) / ms, "tx/s", "-");
      }
      print(`throughput.${size}.block`, total(size, "sent") / total(size, "blocks"), "tx", "-");
    }
    // Of all validators together. On a machine that does other things as well, it says more than the clock.
    const perTransaction = await both((size) => (1_000 * sum(cpuMs[size])) / total(size, "sent"));
    if (perTransaction.one > 0) compare("throughput.cpu", perTransaction, "us/tx", "-");
    await printGossip("full", network, before);
    await measureSync("full", network);
  });
}

/** Both run at once, so that they can take turns: the one that has nothing to do costs next to nothing. */
async function withNetworks(
  name: string,
  { intervalMs, senders, warmUp, rounds, round }: typeof LATENCY,
  measure: (runners: Pair<Runner>) => Promise<void>,
): Promise<void> {
  const accounts = createSenders(senders);
  const raws = signTransfers(accounts, warmUp.transfers + rounds * round.transfers, DEVNET_CHAIN_ID);
  const funded = accounts.map(({ address }) => address);
  const start = async (validators: number): Promise<Runner> => {
    ending.signal.throwIfAborted();
    const profiles = validators === 4 ? profile : undefined;
    const options = { directory: join(directory, name), validators, intervalMs, funded, profiles };
    const network = await BenchNetwork.start(options);
    running.add(network);
    return { network, transfers: new Transfers(raws) };
  };
  try {
    await measure({ one: await start(1), four: await start(4) });
  } finally {
    await Promise.all([...running].map((network) => network.stop()));
    running.clear();
  }
}

async function measureSync(name: string, network: BenchNetwork): Promise<void> {
  const [head, transactions] = await Promise.all(
    ["openledger_head_block", "openledger_transactions_total"].map(
      async (series) => (await network.first.metrics()).get(series)!,
    ),
  );
  const node = await network.startFullNode();
  const startMs = performance.now();
  let firstMs: number | undefined;
  await until(
    `${node.name} has synced ${head} blocks`,
    async () => {
      const at = (await node.metrics()).get("openledger_head_block")!;
      if (at > 0) firstMs ??= performance.now() - startMs;
      return at >= head!;
    },
    10,
  );
  const seconds = (performance.now() - startMs) / 1_000;
  print(`sync.${name}.blocks`, head!, "blocks", "-");
  print(`sync.${name}.first`, firstMs!, "ms", "-");
  print(`sync.${name}.time`, seconds, "s", "-");
  print(`sync.${name}.rate.blocks`, head! / seconds, "blocks/s", "-");
  print(`sync.${name}.rate`, transactions! / seconds, "tx/s", "-");
}

interface Counted {
  readonly gossip: Readonly<Record<Topic, Gossip>>;
  readonly blocks: number;
}

async function counted(network: BenchNetwork): Promise<Counted> {
  const blocks = (await network.first.metrics()).get("openledger_head_block")!;
  return { gossip: await network.gossip(), blocks };
}

/** Of one node, for one block. */
async function printGossip(name: string, network: BenchNetwork, before: Counted): Promise<void> {
  const after = await counted(network);
  const blocks = after.blocks - before.blocks;
  print(`gossip.${name}.blocks`, blocks, "blocks", "-");
  const total = { messages: 0, bytes: 0 };
  for (const topic of TOPICS) {
    for (const unit of ["messages", "bytes"] as const) {
      const value = (after.gossip[topic][unit] - before.gossip[topic][unit]) / network.size / blocks;
      total[unit] += value;
      print(`gossip.${name}.${topic}.${unit}`, value, `${unit}/block`, "-");
    }
  }
  for (const unit of ["messages", "bytes"] as const) print(`gossip.${name}.${unit}`, total[unit], `${unit}/block`, "-");
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function both<T>(of: (size: keyof Pair<T>) => T | Promise<T>): Promise<Pair<T>> {
  return { one: await of("one"), four: await of("four") };
}

function compare(name: string, { one, four }: Pair<number>, unit: string, goalOfFour: string): void {
  print(`${name}.one`, one, unit, "-");
  print(`${name}.four`, four, unit, goalOfFour);
  print(`${name}.ratio`, four / one, "times", "-");
}

function print(name: string, value: number, unit: string, goal: string): void {
  process.stdout.write(`consensus.${name} ${Number(value.toPrecision(4))} ${unit} ${goal}\n`);
}
