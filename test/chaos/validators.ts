/**
 * `npm run chaos`: validators as real processes, connected through proxies, under load, while one fault after another
 * befalls them: kill -9, pauses, links that are cut or go silent. After each round everything heals, and then has to
 * hold:
 *
 * - one chain: at every height all nodes have the same block, and the one that was seen there before;
 * - nothing final is lost: no node comes back lower than it was seen, no receipt disappears;
 * - nobody contradicted himself: no node holds evidence;
 * - a new final block within ten views.
 *
 * Prints `name value unit goal`; exits with 1 when something does not hold.
 *
 *   --rounds 200   --validators 4   --seed 1   --keep (leaves the data where it is)
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createWalletClient, type Hash, http } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { Cluster, type ClusterNode } from "../helpers/cluster.ts";
import { temporaryDirectory } from "../helpers/devnet-process.ts";
import { seededRandom } from "../helpers/random.ts";

const MNEMONIC = "test test test test test test test test test test test junk";
const FAULT_MS = { least: 300, most: 2_500 };
/** For a node that was away to reach the others, and for the first block after healing. */
const PATIENCE_MS = 60_000;
const VIEWS_TO_A_BLOCK = 10;
const RECEIPTS_LOOKED_AT = 20;

const FAULTS = ["kill", "pause", "cut", "silent"] as const;
type Fault = (typeof FAULTS)[number];

export interface ChaosResult {
  readonly rounds: number;
  readonly faults: Readonly<Record<Fault, number>>;
  readonly blocks: number;
  readonly receipts: number;
  readonly mostViews: number;
  readonly problems: readonly string[];
}

export async function chaos(rounds: number, validators: number, seed: number, directory: string): Promise<ChaosResult> {
  const random = seededRandom(seed);
  const cluster = await Cluster.create({
    directory,
    validators,
    intervalMs: 100,
    heartbeatMs: 400,
    deltaMs: 50 * validators,
  });
  const witness = new Witness(cluster.nodes);
  const faults: Record<Fault, number> = { kill: 0, pause: 0, cut: 0, silent: 0 };
  const load = new Load(cluster.nodes);
  let mostViews = 0;
  let round = 0;
  try {
    await cluster.start();
    await allReach(cluster.nodes, 2);
    load.start();
    for (; round < rounds && witness.problems.length === 0; round++) {
      const victims = chooseVictims(validators, random);
      await Promise.all(
        victims.map(async (index) => {
          const fault = FAULTS[Math.floor(random() * FAULTS.length)] as Fault;
          const durationMs = FAULT_MS.least + random() * (FAULT_MS.most - FAULT_MS.least);
          faults[fault]++;
          await befall(cluster, index, fault, durationMs);
        }),
      );
      cluster.healLinks();
      const views = await viewsToBlock(cluster.nodes);
      mostViews = Math.max(mostViews, views);
      if (views > VIEWS_TO_A_BLOCK) witness.problems.push(`round ${round}: ${views} views until a block`);
      await witness.look(round, load.seen);
    }
    await load.stop();
    await witness.compareChains();
    witness.lookForEvidence();
  } catch (error) {
    witness.problems.push(`round ${round}: ${(error as Error).message}`);
  } finally {
    await load.stop();
    await cluster.stop();
  }
  const { problems, highest } = witness;
  return { rounds: round, faults, blocks: highest, receipts: load.seen.size, mostViews, problems };
}

/** One validator mostly; sometimes so many that the chain has to stand still until they are back. */
function chooseVictims(validators: number, random: () => number): number[] {
  const tolerated = Math.floor((validators - 1) / 3);
  const many = random() < 0.25 ? validators : tolerated;
  const count = 1 + Math.floor(random() * many);
  const all = Array.from({ length: validators }, (_, i) => i);
  return Array.from({ length: count }, () => all.splice(Math.floor(random() * all.length), 1)[0] as number);
}

async function befall(cluster: Cluster, index: number, fault: Fault, durationMs: number): Promise<void> {
  const node = cluster.nodes[index] as ClusterNode;
  switch (fault) {
    case "kill":
      await node.end("SIGKILL");
      await delay(durationMs);
      await node.start();
      break;
    case "pause":
      node.signal("SIGSTOP");
      await delay(durationMs);
      node.signal("SIGCONT");
      break;
    case "cut":
    case "silent":
      cluster.setLinks(index, fault);
      await delay(durationMs);
      cluster.setLinks(index, "open");
      break;
  }
}

/** Views from now to the first block that is final everywhere and was not before. */
async function viewsToBlock(nodes: readonly ClusterNode[]): Promise<number> {
  const now = await Promise.all(nodes.map((node) => node.readiness()));
  const head = Math.max(...now.map((status) => status.head));
  const view = Math.max(...now.map((status) => status.view));
  return (await allReach(nodes, head + 1)) - view;
}

/** Resolves to the lowest view that a node was in when it was seen at the height. */
async function allReach(nodes: readonly ClusterNode[], height: number): Promise<number> {
  const untilMs = Date.now() + PATIENCE_MS;
  let firstView: number | undefined;
  for (;;) {
    const statuses = await Promise.all(nodes.map((node) => node.readiness()));
    for (const { head, view } of statuses) {
      if (head >= height) firstView = Math.min(firstView ?? Number.POSITIVE_INFINITY, view);
    }
    if (firstView !== undefined && statuses.every(({ head }) => head >= height)) return firstView;
    if (Date.now() > untilMs) {
      const heads = statuses.map(
        ({ head, view, peers, problems }) => `${head}@${view}/${peers} ${problems.join(", ")}`,
      );
      throw new Error(`not all nodes reached block ${height} in ${PATIENCE_MS / 1_000} s: ${heads.join("; ")}`);
    }
    await delay(50);
  }
}

interface Block {
  readonly hash: Hash;
  readonly parentHash: Hash;
}

/** Remembers what was final, and compares. */
class Witness {
  readonly problems: string[] = [];
  highest = 0;
  readonly #nodes: readonly ClusterNode[];
  readonly #hashes = new Map<number, Hash>();
  readonly #heads = new Map<ClusterNode, number>();

  constructor(nodes: readonly ClusterNode[]) {
    this.#nodes = nodes;
  }

  async look(round: number, receipts: ReadonlyMap<Hash, Hash>): Promise<void> {
    for (const node of this.#nodes) {
      const head = Number(await node.rpc<string>("eth_blockNumber"));
      const before = this.#heads.get(node) ?? 0;
      if (head < before) this.problems.push(`round ${round}: ${node.name} went back from ${before} to ${head}`);
      this.#heads.set(node, head);
      // The blocks since the last look, and some of before.
      for (const height of new Set([...range(Math.max(0, head - 20), head), Math.floor(head / 2)])) {
        await this.#compare(node, height);
      }
      this.highest = Math.max(this.highest, head);
    }
    await this.#lookForReceipts(round, receipts);
    this.lookForEvidence();
  }

  /** From genesis to the lowest head, block by block, on every node. */
  async compareChains(): Promise<void> {
    const lowest = Math.min(...this.#heads.values());
    for (const node of this.#nodes) for (const height of range(0, lowest)) await this.#compare(node, height);
  }

  lookForEvidence(): void {
    for (const { name, datadir } of this.#nodes) {
      const folder = join(datadir, "evidence");
      const files = existsSync(folder) ? readdirSync(folder) : [];
      if (files.length > 0) this.problems.push(`${name} holds evidence: ${files.slice(0, 3).join(", ")}`);
    }
  }

  async #compare(node: ClusterNode, height: number): Promise<void> {
    const block = await node.rpc<Block | null>("eth_getBlockByNumber", [`0x${height.toString(16)}`, false]);
    const known = this.#hashes.get(height);
    if (block === null) this.problems.push(`${node.name} lacks block ${height}`);
    else if (known === undefined) this.#hashes.set(height, block.hash);
    else if (known !== block.hash) {
      this.problems.push(`${node.name} has block ${height} ${block.hash}, where ${known} was seen`);
    }
  }

  async #lookForReceipts(round: number, receipts: ReadonlyMap<Hash, Hash>): Promise<void> {
    const node = this.#nodes[round % this.#nodes.length] as ClusterNode;
    for (const [tx, block] of [...receipts].slice(-RECEIPTS_LOOKED_AT)) {
      const receipt = await node.rpc<{ blockHash: Hash } | null>("eth_getTransactionReceipt", [tx]);
      // It may be a block behind whoever answered first.
      if (receipt !== null && receipt.blockHash !== block) {
        this.problems.push(`round ${round}: transaction ${tx} moved from block ${block} to ${receipt.blockHash}`);
      }
    }
  }
}

function* range(from: number, to: number): Iterable<number> {
  for (let i = from; i <= to; i++) yield i;
}

/** Transfers, each to whichever node answers, and the receipts that were seen. */
class Load {
  /** Block by transaction. */
  readonly seen = new Map<Hash, Hash>();
  readonly #nodes: readonly ClusterNode[];
  #isOver = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(nodes: readonly ClusterNode[]) {
    this.#nodes = nodes;
  }

  start(): void {
    this.#running = Promise.all([0, 1, 2].map((index) => this.#send(index)));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #send(index: number): Promise<void> {
    const account = mnemonicToAccount(MNEMONIC, { addressIndex: index });
    for (let turn = index; !this.#isOver; turn++) {
      const node = this.#nodes[turn % this.#nodes.length] as ClusterNode;
      try {
        const transport = http(node.rpcUrl, { retryCount: 0, timeout: 3_000 });
        const client = createWalletClient({ account, transport });
        const nonce = Number(await node.rpc<string>("eth_getTransactionCount", [account.address, "latest"]));
        const request = {
          to: account.address,
          value: 1n,
          gas: 21_000n,
          maxFeePerGas: 10n ** 10n,
          maxPriorityFeePerGas: 1n,
        };
        const raw = await client.signTransaction({ ...request, nonce, chainId: 161299, type: "eip1559", chain: null });
        const receipt = await node.rpc<{ transactionHash: Hash; blockHash: Hash }>("eth_sendRawTransactionSync", [
          raw,
          "0xbb8",
        ]);
        this.seen.set(receipt.transactionHash, receipt.blockHash);
      } catch {
        // Down, paused, cut off, or the nonce was used by what another node still held: the next one then.
        await delay(50);
      }
    }
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "200" },
      validators: { type: "string" },
      seed: { type: "string", default: "1" },
      keep: { type: "boolean", default: false },
    },
  });
  let failed = false;
  for (const validators of values.validators === undefined ? [4, 7] : [Number(values.validators)]) {
    const directory = temporaryDirectory();
    const result = await chaos(Number(values.rounds), validators, Number(values.seed), directory.path);
    const { rounds, faults, blocks, receipts, mostViews, problems } = result;
    const row = (name: string, value: number, unit: string, goal: string) =>
      process.stdout.write(`validators-${validators}/${name} ${value} ${unit} ${goal}\n`);
    row("rounds", rounds, "rounds", values.rounds);
    for (const [fault, count] of Object.entries(faults)) row(fault, count, "times", "-");
    row("blocks", blocks, "blocks", "-");
    row("receipts", receipts, "receipts", "-");
    row("views-to-a-block", mostViews, "views", String(VIEWS_TO_A_BLOCK));
    row("problems", problems.length, "problems", "0");
    for (const problem of problems) process.stdout.write(`problem: ${problem}\n`);
    failed ||= problems.length > 0;
    if (values.keep || problems.length > 0) process.stdout.write(`data: ${directory.path}\n`);
    else directory.remove();
  }
  return failed ? 1 : 0;
}

if (import.meta.main) process.exitCode = await main();
