/** A network of real nodes for the benchmark: funded senders, loopback only, and what its nodes count. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { bytesToHex } from "../core/bytes.ts";
import { devnetGenesis } from "../node/devnet-genesis.ts";
import { TOPICS, type Topic } from "../node/p2p/types.ts";
import { Cluster, type ClusterNode } from "../test/helpers/cluster.ts";

/** As bin/runtime.js starts nodes: cluster.ts starts them without it. */
const V8_OPTIONS = "--max-semi-space-size=64";
/** So that a chain that nobody uses does nothing. */
const NEVER_MS = 600_000;
const DELTA_MS = 500;
const PATIENCE_MS = 60_000;
const BALANCE_WEI = 10n ** 20n;

export interface Gossip {
  readonly messages: number;
  readonly bytes: number;
}

export interface NetworkOptions {
  readonly directory: string;
  readonly validators: number;
  readonly intervalMs: number;
  /** Accounts that hold something from the beginning. */
  readonly funded: readonly Uint8Array[];
  /** Where validator 0 writes a V8 profile as it ends. */
  readonly profiles?: string | undefined;
}

export class BenchNetwork {
  readonly size: number;
  readonly #cluster: Cluster;

  private constructor(size: number, cluster: Cluster) {
    this.size = size;
    this.#cluster = cluster;
  }

  /** Its validators run and are connected when it resolves; the full node does not run yet. */
  static async start({ directory, validators, intervalMs, funded, profiles }: NetworkOptions): Promise<BenchNetwork> {
    const { alloc } = devnetGenesis(validators);
    const balances = funded.map((address) => [bytesToHex(address), { balance: String(BALANCE_WEI) }]);
    const cluster = await Cluster.create({
      directory: join(directory, `network-${validators}`),
      validators,
      fullNodes: 1,
      unproxied: true,
      intervalMs,
      heartbeatMs: NEVER_MS,
      deltaMs: DELTA_MS,
      genesis: { alloc: { ...alloc, ...Object.fromEntries(balances) } },
    });
    const network = new BenchNetwork(validators, cluster);
    try {
      await Promise.all(network.validators.map((node, index) => startNode(node, index === 0 ? profiles : undefined)));
      for (const node of network.validators) {
        await until(`${node.name} knows the others`, async () => (await node.readiness()).peers >= validators - 1);
      }
      return network;
    } catch (error) {
      await network.stop();
      throw error;
    }
  }

  get validators(): readonly ClusterNode[] {
    return this.#cluster.nodes.slice(0, this.size);
  }

  /** The one that clients talk to. */
  get first(): ClusterNode {
    return this.#cluster.nodes[0]!;
  }

  async startFullNode(): Promise<ClusterNode> {
    const node = this.#cluster.nodes.at(-1)!;
    await startNode(node, undefined);
    return node;
  }

  stop(): Promise<void> {
    return this.#cluster.stop();
  }

  /** Processor time of all validators since their start, in milliseconds; 0 where the system has no /proc. */
  cpuMs(): number {
    if (process.platform !== "linux") return 0;
    return this.validators.reduce((sum, { pid }) => sum + processorMs(pid!), 0);
  }

  /** What all validators sent since their start. */
  async gossip(): Promise<Readonly<Record<Topic, Gossip>>> {
    const metrics = await Promise.all(this.validators.map((node) => node.metrics()));
    const sum = (topic: Topic, unit: keyof Gossip): number => {
      const series = `openledger_p2p_gossip_${unit}_total{topic="${topic}",direction="out"}`;
      return metrics.reduce((total, values) => total + (values.get(series) ?? 0), 0);
    };
    const entries = TOPICS.map((topic) => [topic, { messages: sum(topic, "messages"), bytes: sum(topic, "bytes") }]);
    return Object.fromEntries(entries) as Record<Topic, Gossip>;
  }

  /** Of the last 512 blocks, the mean of what the validators say. */
  async commitLatencyMs(share: 0.5 | 0.99): Promise<number> {
    const series = `openledger_consensus_commit_latency_seconds{quantile="${share}"}`;
    const values = await Promise.all(this.validators.map(async (node) => (await node.metrics()).get(series)!));
    return (1_000 * values.reduce((sum, value) => sum + value, 0)) / values.length;
  }
}

/** Its environment is read as it is called. */
function startNode(node: ClusterNode, profiles: string | undefined): Promise<void> {
  const profile = profiles === undefined ? "" : ` --cpu-prof --cpu-prof-dir=${profiles}`;
  process.env.NODE_OPTIONS = V8_OPTIONS + profile;
  try {
    return node.start();
  } finally {
    delete process.env.NODE_OPTIONS;
  }
}

/** Rejects with what was waited for. */
export async function until(what: string, isTrue: () => Promise<boolean>, everyMs = 50): Promise<void> {
  const giveUpMs = performance.now() + PATIENCE_MS;
  while (!(await isTrue())) {
    if (performance.now() > giveUpMs) throw new Error(`waited ${PATIENCE_MS / 1_000} s in vain: ${what}`);
    await delay(everyMs);
  }
}

/** User and system time: fields 14 and 15 of /proc/PID/stat, in hundredths of a second on every Linux. */
function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The program's name stands in parentheses and may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return 10 * (Number(fields[11]) + Number(fields[12]));
}
