/** The servers that bench:rpc measures, each fresh and with the workload's set-up behind it. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { bytesToHex } from "../core/bytes.ts";
import { DEVNET_CHAIN_ID } from "../node/accounts.ts";
import { devnetGenesis } from "../node/devnet-genesis.ts";
import { startAnvil } from "../test/helpers/anvil.ts";
import { Cluster } from "../test/helpers/cluster.ts";
import { INSPECTED } from "../test/helpers/inspector.ts";
import { funded, type Workload } from "./rpc-workloads.ts";

export type SideName = "openledger" | "anvil" | "hardhat";

export interface Side {
  readonly name: SideName;
  readonly url: string;
  readonly pid: number;
  /** What it prints, where it can be inspected. */
  readonly logFile?: string;
  /** Makes a block only when evm_mine tells it to. */
  readonly isMinedByHand: boolean;
  close(): Promise<void>;
}

export interface SideOptions {
  readonly workload: Workload;
  /** For what it writes. */
  readonly directory: string;
  readonly intervalMs: number;
  /** Where Hardhat is installed. */
  readonly hardhat?: string | undefined;
  /** This node can be profiled. */
  readonly isInspected?: boolean | undefined;
}

/** Of peers, which are told when a block is full: nothing else shall limit it. */
const PEER_BLOCK_GAS = 100_000_000;
const BALANCE = 10n ** 20n;
/** As bin/runtime.js starts nodes. */
const V8_OPTIONS = "--max-semi-space-size=64";
const NEVER_MS = 600_000;
/** The default of --consensus.delta: what a lone validator may fill a block for. */
const DELTA_MS = 500;
const PATIENCE_MS = 30_000;

export async function openSide(name: SideName, options: SideOptions): Promise<Side> {
  const open = { openledger: openNode, anvil: openAnvil, hardhat: openHardhat }[name];
  const side = await open(options);
  try {
    for (const raw of options.workload.setUp) await commit(side, raw);
    return side;
  } catch (error) {
    await side.close();
    throw error;
  }
}

/** Where Hardhat can be had: undefined where nobody installed it. */
export function findHardhat(given: string | undefined): string | undefined {
  const directory = given ?? fileURLToPath(new URL("..", import.meta.url));
  return existsSync(join(directory, "node_modules/hardhat/package.json")) ? directory : undefined;
}

/** A validator alone, as `openledger node` runs it: chain on disk with fsync, nothing else served. */
async function openNode({ workload, directory, intervalMs, isInspected = false }: SideOptions): Promise<Side> {
  const { alloc } = devnetGenesis(1);
  const balances = funded.map((address) => [bytesToHex(address), { balance: String(BALANCE) }]);
  const cluster = await Cluster.create({
    directory: join(directory, "node"),
    validators: 1,
    unproxied: true,
    intervalMs,
    heartbeatMs: NEVER_MS,
    deltaMs: DELTA_MS,
    genesis: { gasLimit: workload.blockGasLimit, alloc: { ...alloc, ...Object.fromEntries(balances) } },
    options: () => ({ p2p: false, "log.blocks": false }),
  });
  const [node] = cluster.nodes;
  process.env.NODE_OPTIONS = isInspected ? `${V8_OPTIONS} ${INSPECTED}` : V8_OPTIONS;
  try {
    await cluster.start();
  } finally {
    delete process.env.NODE_OPTIONS;
  }
  return {
    name: "openledger",
    url: node!.rpcUrl,
    pid: node!.pid!,
    ...(isInspected && { logFile: node!.logFile }),
    isMinedByHand: false,
    close: () => cluster.stop(),
  };
}

/** A node without transactions, a block every half second, that so many may subscribe to. */
export async function openSubscribedNode(directory: string, subscribers: number): Promise<Side> {
  const timing = { intervalMs: 250, heartbeatMs: 500 };
  const options = () => ({ p2p: false, "rpc.maxconnections": subscribers + 100 });
  const cluster = await Cluster.create({ directory, validators: 1, unproxied: true, ...timing, options });
  await cluster.start();
  const { rpcUrl: url, pid, logFile } = cluster.nodes[0]!;
  return { name: "openledger", url, pid: pid!, logFile, isMinedByHand: false, close: () => cluster.stop() };
}

/** Of each block in a node's log: when it was committed (Unix milliseconds). */
export async function committedTimes(logFile: string): Promise<ReadonlyMap<number, number>> {
  const lines = (await readFile(logFile, "utf8")).split("\n").filter((line) => line.includes("block committed"));
  return new Map(
    lines.map((line) => {
      const { height, time } = JSON.parse(line) as { height: number; time: number };
      return [height, time];
    }),
  );
}

async function openAnvil(_: SideOptions): Promise<Side> {
  const limits = ["--gas-limit", String(PEER_BLOCK_GAS), "--chain-id", String(DEVNET_CHAIN_ID)];
  const anvil = await startAnvil({ args: ["--no-mining", ...limits] });
  await fund(anvil.url, "anvil_setBalance");
  return { name: "anvil", url: anvil.url, pid: anvil.pid, isMinedByHand: true, close: () => anvil.stop() };
}

async function openHardhat({ hardhat }: SideOptions): Promise<Side> {
  const script = fileURLToPath(new URL("rpc-hardhat.ts", import.meta.url));
  const child = fork(script, [hardhat!, String(DEVNET_CHAIN_ID), String(PEER_BLOCK_GAS)], { stdio: "inherit" });
  const ended = once(child, "exit").then(() => {
    throw new Error(`Hardhat of ${hardhat} ended before it served anything`);
  });
  ended.catch(() => {});
  const [{ port }] = (await Promise.race([once(child, "message"), ended])) as [{ port: number }];
  const url = `http://127.0.0.1:${port}`;
  await fund(url, "hardhat_setBalance");
  const close = async () => {
    child.disconnect();
    await ended.catch(() => {});
  };
  return { name: "hardhat", url, pid: child.pid!, isMinedByHand: true, close };
}

async function fund(url: string, method: string): Promise<void> {
  for (const address of funded) await rpc(url, method, [bytesToHex(address), `0x${BALANCE.toString(16)}`]);
}

async function commit({ url, isMinedByHand }: Side, raw: string): Promise<void> {
  const hash = await rpc<string>(url, "eth_sendRawTransaction", [raw]);
  if (isMinedByHand) await rpc(url, "evm_mine", []);
  const giveUpMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const receipt = await rpc<{ status: string } | null>(url, "eth_getTransactionReceipt", [hash]);
    if (receipt?.status === "0x1") return;
    if (receipt !== null) throw new Error(`${hash}, which prepares the chain of ${url}, failed`);
    if (performance.now() > giveUpMs) throw new Error(`${hash} is in no block of ${url} after ${PATIENCE_MS} ms`);
    await delay(20);
  }
}

/** Throws with the server's words. */
export async function rpc<T = unknown>(url: string, method: string, params: readonly unknown[]): Promise<T> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const { result, error } = (await response.json()) as { result: T; error?: { message: string } };
  if (error !== undefined) throw new Error(`${method} was refused by ${url}: ${error.message}`);
  return result;
}
