/** Several whole nodes on a network in memory. Same options, same run. */
import { expect } from "vitest";
import type { Timing } from "../../consensus/timing.ts";
import type { Subject } from "../../consensus/types.ts";
import { decodeValidators, encodeValidators, type ValidatorSet } from "../../core/validators.ts";
import type { Genesis } from "../../genesis/schema.ts";
import { testValidator } from "../../genesis/testing/validators.ts";
import { contradiction } from "../validator/positions.ts";
import { VirtualClock } from "./clock.ts";
import { FakeNetwork, type FakeNetworkOptions, type FakeNode } from "./network.ts";
import { type TestDisk, type TestNode, testNode } from "./node.ts";
import { rich, testGenesis } from "./world.ts";

export interface ClusterOptions {
  /** Test validators of epoch 0. */
  readonly members: readonly number[];
  readonly epochBlocks?: number;
  readonly changes?: Genesis["validatorChanges"];
  readonly timing?: Timing;
  readonly delayMs?: FakeNetworkOptions["delayMs"];
}

export interface MemberOptions {
  /** Index of its test validator; undefined: it follows. */
  readonly key?: number;
  /** What an earlier process left. */
  readonly disk?: TestDisk;
  readonly reasons?: readonly string[];
}

export interface Member extends TestNode {
  readonly id: string;
  readonly key: number | undefined;
  readonly net: FakeNode;
}

export const CLUSTER_TIMING: Timing = { intervalMs: 200, heartbeatMs: 1_000, deltaMs: 250 };

/** Of the test validators with these indices, in this order. */
export const setOfMembers = (...members: number[]): ValidatorSet =>
  decodeValidators(encodeValidators(members.map((index) => testValidator(index))));

export class Cluster {
  readonly clock = new VirtualClock();
  readonly network: FakeNetwork;
  readonly genesis: Genesis;
  readonly nodes = new Map<string, Member>();
  readonly #timing: Timing;
  /** Of all nodes that there ever were. */
  readonly #names = new Set<string>();
  /** By key, what processes that ended signed. */
  readonly #history = new Map<number, Subject[]>();
  readonly #ending: Promise<void>[] = [];

  private constructor({ members, epochBlocks = 1_000, changes = [], timing, delayMs }: ClusterOptions) {
    this.network = new FakeNetwork({ clock: this.clock, ...(delayMs === undefined ? {} : { delayMs }) });
    this.#timing = timing ?? CLUSTER_TIMING;
    this.genesis = testGenesis(
      [0, 1, 2, 3, 4].map((index) => rich(index)),
      { consensus: { epochBlocks }, validators: setOfMembers(...members), validatorChanges: changes },
    );
  }

  /** With a node for each member, named by its key, all connected and started. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    for (const key of options.members) await cluster.prepare(String(key), { key });
    cluster.network.connectAll();
    await cluster.clock.run(Promise.all([...cluster.nodes.values()].map((node) => node.start())));
    return cluster;
  }

  /** Adds a node, connects it to all others and starts it. */
  async add(id: string, options: MemberOptions = {}): Promise<Member> {
    const node = await this.prepare(id, options);
    this.network.connectAll();
    await this.clock.run(node.start());
    return node;
  }

  /** Adds a node without links that is not started. */
  async prepare(id: string, { key, disk, reasons }: MemberOptions = {}): Promise<Member> {
    const net = this.network.join(id);
    const node = await testNode({
      genesis: this.genesis,
      clock: this.clock,
      timing: this.#timing,
      network: net,
      validator: key === undefined ? undefined : testValidator(key),
      ...(disk === undefined ? {} : { disk }),
      ...(reasons === undefined ? {} : { reasons }),
    });
    const member = { ...node, id, key, net };
    this.nodes.set(id, member);
    this.#names.add(id);
    return member;
  }

  node(id: string): Member {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** Ends a node in order. Its disk outlives it. */
  async stop(id: string): Promise<TestDisk> {
    const node = this.node(id);
    await this.clock.run(node.stop());
    this.#remove(node);
    await this.network.leave(id);
    return node.disk;
  }

  /** Ends a node's process at this moment: what it leaves is what was durable. */
  crash(id: string): TestDisk {
    const node = this.node(id);
    const disk = node.disk.copy();
    this.#remove(node);
    this.#ending.push(this.network.leave(id), node.stop());
    return disk;
  }

  #remove({ id, key, validating }: Member): void {
    this.nodes.delete(id);
    if (key !== undefined) this.#history.set(key, this.signedBy(key, validating));
  }

  /** Everything that was signed with the key, by all processes that had it. */
  signedBy(key: number, running = [...this.nodes.values()].find((node) => node.key === key)?.validating): Subject[] {
    return [...(this.#history.get(key) ?? []), ...(running?.signed ?? [])];
  }

  /** Lets time pass until these nodes have the height. */
  async reach(height: number, nodes: readonly Member[] = [...this.nodes.values()], limitMs = 60_000): Promise<void> {
    const untilMs = this.clock.nowMs() + limitMs;
    while (nodes.some(({ chain }) => chain.head.number < height)) {
      if (this.clock.nowMs() > untilMs) {
        const heights = nodes.map(({ id, chain, engine }) => `${id}: ${chain.head.number}, view ${engine.view}`);
        throw new Error(`block ${height} is not reached after ${limitMs} ms: ${heights.join("; ")}`);
      }
      await this.clock.pass(10);
    }
  }

  /** Ends all nodes, and looks at what must hold whatever happened. */
  async end(): Promise<void> {
    const nodes = [...this.nodes.values()];
    await this.clock.run(Promise.all([...nodes.map((node) => node.stop()), ...this.#ending]));
    expect(nodes.flatMap(({ halts }) => halts)).toEqual([]);
    this.#expectOneChain(nodes);
    // Whoever is honest is never held for a liar.
    for (const { net } of nodes) for (const name of this.#names) expect([name, net.scoreOf(name)]).toEqual([name, 0]);
    for (const key of new Set([...this.#history.keys(), ...nodes.map((node) => node.key)])) {
      if (key !== undefined) expect(contradiction(this.signedBy(key))).toBeUndefined();
    }
    // What is on its way arrives, and begins nothing.
    await this.clock.pass(60_000);
    expect(this.clock.timers).toBe(0);
  }

  #expectOneChain(nodes: readonly Member[]): void {
    const [longest] = [...nodes].sort((a, b) => Number(b.chain.head.number - a.chain.head.number));
    for (const { chain } of nodes) {
      for (let number = 0n; number <= chain.head.number; number++) {
        expect(chain.hashAt(number)).toEqual(longest!.chain.hashAt(number));
      }
    }
  }
}
