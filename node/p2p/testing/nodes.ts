/** Real networks on loopback, on ports of the system's choice, in one process. */
import { setTimeout as sleep } from "node:timers/promises";
import pino from "pino";
import type { NetworkConfig } from "../config.ts";
import { createIdentity } from "../identity.ts";
import { createLibp2pNetwork, type Libp2pNetwork } from "../network.ts";
import type { Network, PeerId, Topic, Verdict } from "../types.ts";

export const GENESIS_HASH = new Uint8Array(32).fill(0x47);

/** Faster than in production wherever a test waits for it. */
export const TUNING = {
  tickMs: 100,
  linkTicks: { missing: 10, silent: 50, stuck: 50, announce: 5 },
} as const satisfies NetworkConfig["tuning"];

export class Nodes {
  readonly #all: Network[] = [];

  async start(config: Partial<NetworkConfig> = {}): Promise<Libp2pNetwork> {
    const network = await createLibp2pNetwork(
      {
        chainId: 161_299n,
        genesisHash: GENESIS_HASH,
        privateKey: config.privateKey ?? (await createIdentity()).privateKey,
        listen: ["/ip4/127.0.0.1/tcp/0"],
        ...config,
        tuning: { ...TUNING, ...config.tuning },
      },
      { log: pino({ level: process.env.P2P_LOG ?? "silent" }) },
    );
    this.#all.push(network);
    return network;
  }

  /** Each knows all that came before it. */
  async startMesh(count: number, config: Partial<NetworkConfig> = {}): Promise<Libp2pNetwork[]> {
    const nodes: Libp2pNetwork[] = [];
    for (let index = 0; index < count; index++) {
      nodes.push(await this.start({ ...config, staticPeers: nodes.flatMap(({ addresses }) => addresses) }));
    }
    await until(() => nodes.every((node) => isLinked(node, count - 1)), "all nodes are linked");
    return nodes;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all.splice(0).map((network) => network.stop()));
  }
}

/** Gossip would go to so many peers. */
export function isLinked(node: Libp2pNetwork, peers: number): boolean {
  return node.peers.length >= peers && node.subscribers("vote").length >= peers;
}

/** Looks again and again; the test's own time limit ends it. */
export async function until(condition: () => boolean, what: string, limitMs = 20_000): Promise<void> {
  const endMs = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`still not so: ${what}`);
    await sleep(5);
  }
}

export interface Heard {
  readonly topic: Topic;
  readonly data: Uint8Array;
  readonly from: PeerId;
}

/** Keeps what comes, and answers the same to all. */
export function listen(node: Network, topic: Topic, verdict: Verdict = "accept"): Heard[] {
  const heard: Heard[] = [];
  node.handleTopic(topic, (data, from) => {
    heard.push({ topic, data, from });
    return verdict;
  });
  return heard;
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

/** The error of something that should fail. */
export async function failure(work: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not fail");
}
