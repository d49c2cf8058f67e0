/** Real nodes in processes of their own, connected to each other through proxies that the test owns. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writePosterKey } from "../../node/dev-l1/setup.ts";
import { devnetGenesis } from "../../node/devnet-genesis.ts";
import { freePorts } from "../../node/http.ts";
import type { NetworkDescription } from "../../node/network.ts";
import { loadIdentity } from "../../node/p2p/identity.ts";
import { anchoredGenesis, startTestL1 } from "./anchor.ts";
import type { Anvil } from "./anvil.ts";
import { LinkProxy, type LinkState } from "./proxy.ts";

const MAIN = fileURLToPath(new URL("../../node/main.ts", import.meta.url));

export interface ClusterOptions {
  readonly directory: string;
  readonly validators: number;
  /** Nodes without a key, after the validators. */
  readonly fullNodes?: number;
  readonly intervalMs?: number;
  readonly heartbeatMs?: number;
  readonly deltaMs?: number;
  /** Fields of the genesis that differ from the devnet's. */
  readonly genesis?: Readonly<Record<string, unknown>>;
  /** Further options of a node. */
  readonly options?: (index: number) => Readonly<Record<string, unknown>>;
  /** Beside an L1 with the network's contracts: every node reads it, and posts to it with an account of its own. */
  readonly anchored?: boolean;
  /** Straight connections, for measurements. */
  readonly unproxied?: boolean;
}

/** What /ready answers. */
export interface Readiness {
  readonly ready: boolean;
  readonly head: number;
  readonly mode: string;
  readonly epoch: number;
  readonly view: number;
  readonly peers: number;
  readonly problems: readonly string[];
}

export class ClusterNode {
  readonly name: string;
  readonly datadir: string;
  readonly #configFile: string;
  #child: ChildProcess | undefined;
  #network: NetworkDescription | undefined;

  constructor(name: string, datadir: string, configFile: string) {
    this.name = name;
    this.datadir = datadir;
    this.#configFile = configFile;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get logFile(): string {
    return join(this.datadir, "output.log");
  }

  get rpcUrl(): string {
    return this.#network?.rpcUrls.default.http[0] as string;
  }

  /** Resolves when it listens; rejects with its exit code when it ends before. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [MAIN, "node", "--config", this.#configFile], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("OPENLEDGER_"))),
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (bytes: Buffer) => appendFileSync(this.logFile, bytes));
    }
    const ready = once(child, "message") as Promise<[{ network: NetworkDescription }]>;
    const ended = once(child, "exit").then(([code, signal]) => {
      throw new Error(`${this.name} ended with ${code ?? signal} before it was ready: see ${this.logFile}`);
    });
    ended.catch(() => {});
    const [{ network }] = await Promise.race([ready, ended]);
    this.#network = network;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#child?.kill(signal);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning || this.#child === undefined) return;
    const ended = once(this.#child, "exit");
    this.#child.kill(signal);
    await ended;
  }

  async rpc<T>(method: string, params: readonly unknown[] = []): Promise<T> {
    const response = await fetch(this.rpcUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      signal: AbortSignal.timeout(10_000),
    });
    const { result, error } = (await response.json()) as { result: T; error?: { message: string } };
    if (error !== undefined) throw new Error(`${this.name}: ${method}: ${error.message}`);
    return result;
  }

  async readiness(): Promise<Readiness> {
    const response = await fetch(`${this.#metricsUrl}/ready`, { signal: AbortSignal.timeout(5_000) });
    return (await response.json()) as Readiness;
  }

  /** By series, labels included. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const response = await fetch(`${this.#metricsUrl}/metrics`, { signal: AbortSignal.timeout(5_000) });
    const lines = (await response.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
    );
  }

  get #metricsUrl(): string {
    return this.#network?.openledger.metrics as string;
  }
}

export class Cluster {
  readonly nodes: readonly ClusterNode[];
  /** By "from-to": the one that `from` dials. */
  readonly #proxies: ReadonlyMap<string, LinkProxy>;
  readonly #l1: Anvil | undefined;

  private constructor(nodes: readonly ClusterNode[], proxies: ReadonlyMap<string, LinkProxy>, l1: Anvil | undefined) {
    this.nodes = nodes;
    this.#proxies = proxies;
    this.#l1 = l1;
  }

  /** Of an anchored cluster. */
  get l1(): Anvil {
    if (this.#l1 === undefined) throw new Error("this cluster has no L1");
    return this.#l1;
  }

  /** Writes everything; nothing runs yet but the proxies and L1. */
  static async create(options: ClusterOptions): Promise<Cluster> {
    const l1 = options.anchored ? await startTestL1() : undefined;
    try {
      return await Cluster.#create(options, l1);
    } catch (error) {
      await l1?.stop();
      throw error;
    }
  }

  static async #create(options: ClusterOptions, l1: Anvil | undefined): Promise<Cluster> {
    const { directory, validators, fullNodes = 0, unproxied = false } = options;
    const count = validators + fullNodes;
    const names = Array.from({ length: count }, (_, i) => (i < validators ? `validator-${i}` : `full-${i}`));
    const ports = await freePorts(count);
    const genesisFile = join(directory, "genesis.json");
    mkdirSync(directory, { recursive: true });
    const genesis = { ...devnetGenesis(validators), ...options.genesis };
    writeFileSync(genesisFile, JSON.stringify(l1 === undefined ? genesis : await anchoredGenesis(l1, genesis)));
    const proxies = new Map<string, LinkProxy>();
    const peerIds: string[] = [];
    for (const name of names) {
      const folder = join(directory, name, "p2p");
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      peerIds.push((await loadIdentity(join(folder, "identity"))).peerId);
    }
    const address = async (from: number, to: number): Promise<string> => {
      if (unproxied) return `/ip4/127.0.0.1/tcp/${ports[to]}/p2p/${peerIds[to]}`;
      const proxy = new LinkProxy(() => ports[to] as number);
      await proxy.listen();
      proxies.set(`${from}-${to}`, proxy);
      return `/ip4/127.0.0.1/tcp/${proxy.port}/p2p/${peerIds[to]}`;
    };
    const nodes: ClusterNode[] = [];
    for (const [i, name] of names.entries()) {
      const peers: string[] = [];
      for (const to of names.keys()) if (to !== i) peers.push(await address(i, to));
      const datadir = join(directory, name);
      const configFile = join(datadir, "openledger.json");
      const config = {
        datadir,
        genesis: genesisFile,
        ...(i < validators ? { validator: true, "validator.devnetkey": i } : {}),
        "p2p.port": ports[i],
        "p2p.peers": peers,
        // Nobody shall find a way round the proxies.
        ...(unproxied ? {} : { "p2p.announce": ["/ip4/127.0.0.1/tcp/1"] }),
        ...(l1 && { "l1.urls": [l1.url], "l1.poll": 200, "l1.keyfile": writePosterKey(datadir, i) }),
        "http.port": 0,
        "metrics.port": 0,
        graphql: false,
        content: false,
        host: false,
        "block.interval": options.intervalMs ?? 100,
        "block.heartbeat": options.heartbeatMs ?? 500,
        "consensus.delta": options.deltaMs ?? 200,
        "log.format": "json",
        "log.level": "info",
        ...options.options?.(i),
      };
      writeFileSync(configFile, JSON.stringify(config, null, 2));
      nodes.push(new ClusterNode(name, datadir, configFile));
    }
    return new Cluster(nodes, proxies, l1);
  }

  async start(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start()));
  }

  /** Every link of a node, in both directions. */
  setLinks(index: number, state: LinkState): void {
    for (const [key, proxy] of this.#proxies) if (key.split("-").includes(String(index))) proxy.set(state);
  }

  healLinks(): void {
    for (const proxy of this.#proxies.values()) proxy.set("open");
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await Promise.all(
      this.nodes.map(async (node) => {
        node.signal("SIGCONT");
        await node.end(signal);
      }),
    );
    for (const proxy of this.#proxies.values()) await proxy.close();
    await this.#l1?.stop();
  }
}
