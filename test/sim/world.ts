/** One seed: a world of nodes, 60 simulated seconds of it, and what became of it. */

import type { Domain } from "../../consensus/scheme.ts";
import { Coalition } from "./byzantine.ts";
import { Checkers, Violation } from "./checkers.ts";
import { Ledger, type Member } from "./ledger.ts";
import { type Message, Network } from "./network.ts";
import { SimNode } from "./node.ts";
import { drawPlan, END_MS, HEAL_MS, type Plan } from "./plan.ts";
import { Random } from "./random.ts";
import { Scheduler } from "./scheduler.ts";
import { SimScheme } from "./scheme.ts";
import { Trace } from "./trace.ts";

/** What all nodes of a world share. */
export interface World {
  readonly plan: Plan;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly scheme: SimScheme;
  readonly domain: Domain;
  readonly ledger: Ledger;
  readonly checkers: Checkers;
  readonly trace: Trace;
  /** Faults are over. */
  isHealed: boolean;
}

/** How a node reaches the others. */
export interface Transport {
  readonly peers: readonly number[];
  send(to: number, message: Message): void;
}

export interface Violated {
  readonly rule: string;
  readonly detail: string;
  /** Simulated. */
  readonly atMs: number;
}

export interface SeedResult {
  readonly seed: number;
  readonly violation: Violated | undefined;
  readonly traceHash: number;
  readonly events: number;
  readonly blocks: number;
  readonly epochs: number;
  readonly nullifiedViews: number;
  readonly evidence: number;
}

export interface SeedOptions {
  readonly seed: number;
  /** Validators of an epoch. */
  readonly active: number;
  readonly print?: (line: string) => void;
  /** Rules that are not looked at. */
  readonly muted?: readonly string[];
}

/** A block that is final this long before the end is final everywhere at the end. */
const SETTLE_MS = 6_000;
/** Views within which a healed network makes a new block final. */
const LIVENESS_VIEWS = 10;

export function runSeed({ seed, active, print, muted = [] }: SeedOptions): SeedResult {
  const random = new Random(seed * 256 + active);
  const plan = drawPlan(random, active);
  print?.(JSON.stringify(plan));
  const scheduler = new Scheduler();
  const scheme = new SimScheme();
  const members = createMembers(plan, scheme, random);
  const ledger = new Ledger({ ...plan, members }, random);
  // Each member has one endpoint; twins have one more, and so has each node that only watches.
  const twins = members.filter(({ index, isByzantine }) => isByzantine && plan.byzantine[index]?.includes("twins"));
  const keys: (Member | undefined)[] = [...members, ...twins, ...Array(plan.observers).fill(undefined)];
  const domain = { chainId: 161299n, l1Contract: new Uint8Array(20).fill(7) };
  const checkers = new Checkers(
    ledger,
    scheme,
    domain,
    members,
    (endpoint) => keys[endpoint]?.isByzantine === true,
    muted,
  );
  const trace = new Trace(scheduler, print);
  const world: World = { plan, scheduler, random, scheme, domain, ledger, checkers, trace, isHealed: false };
  const nodes: SimNode[] = [];
  const network = new Network(scheduler, random, plan.network, keys.length, (to, from, message) => {
    coalition.observe(to, message);
    nodes[to]!.receive(message, from);
  });
  const coalition = new Coalition(world, network);
  for (const [endpoint, member] of keys.entries()) {
    const peers = keys.map((_, i) => i).filter((i) => i !== endpoint);
    const transport = member?.isByzantine
      ? coalition.transport(endpoint, member, peers)
      : { peers, send: network.send.bind(network, endpoint) };
    nodes.push(new SimNode(world, endpoint, member, transport));
  }
  const honest = nodes.filter(({ isHonest }) => isHonest);
  let violation: SeedResult["violation"];
  try {
    for (const node of nodes) scheduler.after(random.between(0, 200), () => node.start());
    scheduleLoad(world, nodes);
    scheduleCrashes(world, nodes);
    if (plan.pauseSigning) schedulePauses(world, nodes);
    coalition.begin(nodes);
    scheduler.run(HEAL_MS);
    world.isHealed = true;
    network.heal();
    for (const node of nodes) if (node.core === undefined) node.start();
    for (const node of nodes) node.step({ type: "signing", allowed: true });
    checkLiveness(world, honest);
  } catch (error) {
    const isFound = error instanceof Violation;
    violation = {
      rule: isFound ? error.rule : "crash",
      detail: isFound ? error.message : String((error as Error).stack),
      atMs: scheduler.nowMs,
    };
  }
  const blocks = checkers.final.length - 1;
  return {
    seed,
    violation,
    traceHash: trace.hash,
    events: trace.events,
    blocks,
    epochs: ledger.epochOf(blocks + 1) + 1,
    nullifiedViews: checkers.nullifiedViews,
    evidence: checkers.evidence,
  };
}

function createMembers(plan: Plan, scheme: SimScheme, random: Random): Member[] {
  return Array.from({ length: plan.active + plan.spare }, (_, index) => ({
    index,
    key: scheme.createKey(random),
    address: Uint8Array.from({ length: 20 }, () => random.below(256)),
    isByzantine: index < plan.byzantine.length,
  }));
}

/** Transactions come, and every pool hears of them about now; some never do. */
function scheduleLoad({ scheduler, random, plan }: World, nodes: readonly SimNode[]): void {
  const arrive = (): void => {
    for (const node of random.some(nodes, 0.8)) {
      scheduler.after(random.between(0, 20), () => node.step({ type: "includable", value: true }));
    }
    scheduler.after(random.between(1, 2 * plan.loadEveryMs), arrive);
  };
  scheduler.after(1, arrive);
}

function scheduleCrashes(world: World, nodes: readonly SimNode[]): void {
  const { scheduler, random, plan } = world;
  if (plan.crash.everyMs === Number.POSITIVE_INFINITY) return;
  const crash = (): void => {
    if (world.isHealed) return;
    // Sometimes all at once: what was agreed must be on the disks.
    for (const node of random.chance(0.1) ? nodes : [random.pick(nodes)]) node.crash();
    scheduler.after(random.between(1, 2 * plan.crash.everyMs), crash);
  };
  scheduler.after(random.between(1, 2 * plan.crash.everyMs), crash);
}

/** An operator's word, or the guard's: a node signs nothing for a while. */
function schedulePauses(world: World, nodes: readonly SimNode[]): void {
  const { scheduler, random } = world;
  const pause = (): void => {
    if (world.isHealed) return;
    const node = random.pick(nodes);
    node.step({ type: "signing", allowed: false });
    scheduler.after(random.between(1, 5_000), () => node.step({ type: "signing", allowed: true }));
    scheduler.after(random.between(1, 10_000), pause);
  };
  scheduler.after(random.between(1, 10_000), pause);
}

/** Runs the healed world to its end. */
function checkLiveness({ scheduler, checkers }: World, honest: readonly SimNode[]): void {
  const heightAtHeal = checkers.final.length;
  const viewAtHeal = checkers.highestView;
  for (let atMs = HEAL_MS + 100; checkers.final.length <= heightAtHeal && atMs < END_MS; atMs += 100)
    scheduler.run(atMs);
  const views = checkers.highestView - viewAtHeal;
  if (checkers.final.length <= heightAtHeal) {
    throw new Violation("liveness", `no new block since the network healed, in ${views} views`);
  }
  if (views < 2 ** 32 - 2 ** 20 && views > LIVENESS_VIEWS) {
    throw new Violation("liveness", `${views} views since the network healed until a new block was final`);
  }
  scheduler.run(END_MS - SETTLE_MS);
  const settled = checkers.final.length - 1;
  scheduler.run(END_MS);
  for (const node of honest) {
    if (node.chain.height < settled) {
      throw new Violation(
        "liveness",
        `node ${node.endpoint} is at ${node.chain.height}, height ${settled} is final for long`,
      );
    }
  }
}
