/** One seed of whole nodes: 35 simulated seconds, and what became of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { decodeVote } from "../../../consensus/codec.ts";
import type { Subject, Vote } from "../../../consensus/types.ts";
import { bytesToHex } from "../../../core/bytes.ts";
import { validatorSet } from "../../../core/validators.ts";
import { memoryStore } from "../../../execution/state/memory-store.ts";
import type { Genesis } from "../../../genesis/schema.ts";
import { testValidator } from "../../../genesis/testing/validators.ts";
import { decodeBlockMessage, encodeTransactions } from "../../../node/engine/messages.ts";
import { buildGenesisBlock } from "../../../node/genesis-block.ts";
import type { Topic } from "../../../node/p2p/types.ts";
import { VirtualClock } from "../../../node/testing/clock.ts";
import { FakeNetwork, type FakeNode } from "../../../node/testing/network.ts";
import { rich, signed, testGenesis } from "../../../node/testing/world.ts";
import { MemoryFiles } from "../../../node/validator/testing/memory-files.ts";
import { Violation } from "../checkers.ts";
import { areContradictory } from "../proofs.ts";
import { mix32, Random } from "../random.ts";
import { nameOfSubject } from "../trace.ts";
import type { Violated } from "../world.ts";
import { type Disk, newDisk, openProcess, type Process } from "./node.ts";
import { drawWholePlan, KEYS, WHOLE_END_MS, WHOLE_HEAL_MS, type WholePlan } from "./plan.ts";

export interface WholeResult {
  readonly seed: number;
  readonly violation: Violated | undefined;
  readonly traceHash: number;
  readonly blocks: number;
  readonly crashes: number;
  readonly transactions: number;
}

/** A machine, whichever process runs on it. */
interface Machine {
  readonly id: string;
  readonly key: number;
  readonly offsetMs: number;
  disk: Disk;
  process: Process | undefined;
  /** Between its process and the next one. */
  isDown: boolean;
  /** Of the newest block that a process of it said is committed. */
  height: bigint;
}

const START_MS = 1_700_000_000_000;
/** Transactions come this often on average. */
const LOAD_EVERY_MS = 400;
/** What is final this long before the end is final everywhere at the end. */
const SETTLE_MS = 8_000;

export class WholeWorld {
  readonly #random: Random;
  readonly #plan: WholePlan;
  readonly #time = new VirtualClock(START_MS);
  readonly #network: FakeNetwork;
  readonly #genesis: Genesis;
  readonly #genesisHash: Uint8Array;
  readonly #machines: Machine[] = [];
  readonly #path = mkdtempSync(join(tmpdir(), "openledger-sim-"));
  readonly #print: ((line: string) => void) | undefined;
  readonly #user: FakeNode;
  /** Hashes of final blocks by number. */
  readonly #final = new Map<bigint, string>();
  /** By key, what left as a vote, by view. */
  readonly #released = new Map<number, Map<number, Subject[]>>();
  /** Processes that ended without knowing it. */
  readonly #ghosts: Promise<unknown>[] = [];
  #isHealed = false;
  #isOver = false;
  #violation: WholeResult["violation"];
  #hash = 0;
  #crashes = 0;
  #transactions = 0;
  /** Pairs of machines without a link. */
  #cuts: readonly (readonly [string, string])[] = [];

  constructor(seed: number, print: ((line: string) => void) | undefined) {
    this.#random = new Random(seed * 256 + 255);
    this.#plan = drawWholePlan(this.#random);
    this.#print = print;
    print?.(JSON.stringify(this.#plan));
    this.#network = new FakeNetwork({ clock: this.#time, delayMs: () => this.#delayMs() });
    this.#user = this.#network.join("user");
    const { epochBlocks, sets } = this.#plan;
    const setOf = (keys: readonly number[]) => validatorSet(keys.map((key) => testValidator(key)));
    const changes = sets
      .slice(1)
      .map((keys, i) => ({ block: BigInt(2 * (i + 1) * epochBlocks + 1), set: setOf(keys) }));
    this.#genesis = testGenesis([rich(0)], {
      consensus: { epochBlocks },
      validators: { ...setOf(sets[0]!), validators: sets[0]!.map((key) => testValidator(key)) },
      validatorChanges: changes,
    });
    this.#genesisHash = buildGenesisBlock(this.#genesis, memoryStore()).block.hash;
  }

  get #nowMs(): number {
    return this.#time.nowMs() - START_MS;
  }

  async run(seed: number): Promise<WholeResult> {
    try {
      await this.#prepare();
      await this.#until(WHOLE_HEAL_MS);
      this.#isHealed = true;
      this.#cuts = [];
      this.#connect();
      const atHeal = this.#highest;
      await this.#until(WHOLE_END_MS - SETTLE_MS);
      const settled = this.#highest;
      await this.#until(WHOLE_END_MS);
      this.#checkLiveness(atHeal, settled);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isOver = true;
      await this.#end();
    }
    return {
      seed,
      violation: this.#violation,
      traceHash: this.#hash,
      blocks: Number(this.#highest),
      crashes: this.#crashes,
      transactions: this.#transactions,
    };
  }

  // What goes on

  async #prepare(): Promise<void> {
    const { twin, clockOffsetMs } = this.#plan;
    const keys = Array.from({ length: KEYS }, (_, key) => ({ id: `n${key}`, key }));
    if (twin !== undefined) keys.push({ id: `twin of n${twin}`, key: twin });
    for (const { id, key } of keys) {
      const disk = await newDisk(new MemoryFiles(), testValidator(key));
      const offsetMs = this.#random.between(-clockOffsetMs, clockOffsetMs);
      this.#machines.push({ id, key, offsetMs, disk, process: undefined, isDown: true, height: 0n });
    }
    for (const machine of this.#machines) await this.#start(machine);
    this.#repeat(LOAD_EVERY_MS, () => this.#submit());
    this.#repeat(this.#plan.crashEveryMs, () => {
      // Sometimes all at once: then nobody is there to say what was decided, and the disks have to.
      const ended = this.#random.chance(0.3) ? this.#machines : [this.#random.pick(this.#machines)];
      for (const machine of ended) this.#crash(machine);
    });
    this.#repeat(this.#plan.cutEveryMs, () => this.#cut());
  }

  /** On average every so many milliseconds, while there are faults; the load goes on. */
  #repeat(everyMs: number, action: () => void): void {
    if (everyMs === Number.POSITIVE_INFINITY) return;
    const next = (): void => {
      if (this.#isOver || (this.#isHealed && everyMs !== LOAD_EVERY_MS)) return;
      action();
      this.#after(this.#random.between(1, 2 * everyMs), next);
    };
    this.#after(this.#random.between(1, 2 * everyMs), next);
  }

  #after(delayMs: number, action: () => void): void {
    this.#time.at(this.#time.nowMs() + delayMs, action);
  }

  /** Lets time pass, up to the first violation. */
  async #until(ms: number): Promise<void> {
    while (this.#nowMs < ms && this.#violation === undefined) await this.#time.pass(Math.min(100, ms - this.#nowMs));
  }

  #delayMs(): number | undefined {
    const { lossRate, delayMs, tailRate } = this.#plan;
    if (!this.#isHealed && lossRate > 0 && this.#random.chance(lossRate)) return undefined;
    if (!this.#isHealed && tailRate > 0 && this.#random.chance(tailRate)) return this.#random.between(1, 2_000);
    return this.#random.between(1, delayMs);
  }

  #submit(): void {
    const tx = signed(0, BigInt(this.#transactions));
    this.#transactions++;
    // Also those of before: the only machine that had one may be gone.
    const again = Array.from({ length: Math.min(this.#transactions - 1, 20) }, (_, i) =>
      signed(0, BigInt(this.#transactions - 2 - i)),
    );
    const raws = [...again.reverse(), tx].map(({ raw }) => raw);
    void this.#user.publish("tx", encodeTransactions(raws, this.#transactions));
  }

  #cut(): void {
    const side = new Set(this.#random.some(this.#machines, 0.4).map(({ id }) => id));
    this.#cuts = this.#machines.flatMap(({ id }) =>
      side.has(id) ? this.#machines.filter((other) => !side.has(other.id)).map((other) => [id, other.id] as const) : [],
    );
    for (const [a, b] of this.#cuts) {
      if (this.#isUp(a) && this.#isUp(b)) this.#network.disconnect(a, b);
    }
    this.#after(this.#random.between(1, 2 * this.#plan.cutMs), () => {
      this.#cuts = [];
      this.#connect();
    });
  }

  #isUp(id: string): boolean {
    return this.#machines.some((machine) => machine.id === id && !machine.isDown);
  }

  /** Twins do not know of each other. */
  #connect(): void {
    if (this.#isOver) return;
    const up = this.#machines.filter(({ isDown }) => !isDown);
    for (const [i, a] of up.entries()) {
      this.#network.connect("user", a.id);
      for (const b of up.slice(i + 1)) {
        const isCut = this.#cuts.some(([x, y]) => (x === a.id && y === b.id) || (x === b.id && y === a.id));
        if (!isCut) this.#network.connect(a.id, b.id);
      }
    }
  }

  // Processes

  async #start(machine: Machine): Promise<void> {
    const { time, random, plan } = { time: this.#time, random: this.#random, plan: this.#plan };
    const network = this.#network.join(machine.id);
    const process = await openProcess({
      disk: machine.disk,
      key: testValidator(machine.key),
      genesis: this.#genesis,
      genesisHash: this.#genesisHash,
      timing: plan.timing,
      time,
      clock: {
        nowMs: () => time.nowMs() + machine.offsetMs,
        at: (atMs, callback) => time.at(atMs - machine.offsetMs, callback),
      },
      network,
      log: this.#logOf(machine),
      path: this.#path,
      random,
      syncMs: () => random.between(0, plan.syncMs),
      mayCrash: () => !this.#isHealed && plan.crashRate > 0 && random.chance(plan.crashRate),
      onCrash: () => this.#crash(machine),
      onPublish: (topic, data) => this.#onPublish(machine, topic, data),
      onCommit: (number, hash) => this.#onCommit(machine, number, hash),
      onHalt: (error) => this.#fail(new Violation("halt", `${machine.id}: ${error.stack}`)),
    });
    machine.process = process;
    machine.isDown = false;
    this.#note(machine, `starts at height ${process.node.chain.head.number}`);
    if (process.reasons.length > 0) {
      this.#fail(new Violation("memory of votes", `${machine.id} only observes: ${process.reasons.join("; ")}`));
    }
    if (process.node.chain.head.number < machine.height) {
      const { head } = process.node.chain;
      this.#fail(new Violation("durability", `${machine.id} had ${machine.height} and starts with ${head.number}`));
    }
    this.#connect();
    process.start().catch((error: unknown) => {
      if (machine.process === process) this.#fail(error);
    });
  }

  #crash(machine: Machine): void {
    const { process } = machine;
    if (process === undefined) return;
    this.#crashes++;
    this.#note(machine, "crashes");
    machine.process = undefined;
    machine.isDown = true;
    machine.disk = process.crash();
    this.#ghosts.push(
      this.#network.leave(machine.id),
      process.stop().catch(() => undefined),
    );
    this.#after(this.#random.between(1, 2 * this.#plan.downMs), () => {
      if (this.#isOver) return;
      void this.#time.hold(this.#start(machine).catch((error: unknown) => this.#fail(error)));
    });
  }

  async #end(): Promise<void> {
    const stopping = this.#machines.map(({ process }) => process?.stop());
    await this.#time.run(Promise.all([...stopping, ...this.#ghosts, this.#network.leave("user")])).catch((error) => {
      this.#fail(error);
    });
    rmSync(this.#path, { recursive: true, force: true });
  }

  // What must hold

  #fail(error: unknown): void {
    if (this.#violation !== undefined) return;
    const isFound = error instanceof Violation;
    const detail = isFound ? error.message : String((error as Error).stack);
    this.#violation = { rule: isFound ? error.rule : "crash", detail, atMs: this.#nowMs };
  }

  #onCommit(machine: Machine, number: bigint, hash: Uint8Array): void {
    const name = bytesToHex(hash);
    const known = this.#final.get(number);
    if (known === undefined) this.#final.set(number, name);
    else if (known !== name) {
      this.#fail(new Violation("agreement", `${machine.id} commits ${name} as block ${number}, another ${known}`));
    }
    machine.height = number;
    this.#note(machine, `commits ${number} ${name.slice(0, 10)}`);
  }

  #onPublish(machine: Machine, topic: Topic, data: Uint8Array): void {
    if (topic !== "vote" && topic !== "block") return;
    const vote: Vote = topic === "vote" ? decodeVote(data) : decodeBlockMessage(data).proposal.vote;
    this.#note(machine, `says ${nameOfSubject(vote)}`);
    if (machine.key === this.#plan.twin) return;
    let views = this.#released.get(machine.key);
    if (views === undefined) {
      views = new Map();
      this.#released.set(machine.key, views);
    }
    const others = views.get(vote.view) ?? [];
    for (const other of others) {
      if (areContradictory(other, vote)) {
        const pair = `${nameOfSubject(vote)} after ${nameOfSubject(other)}`;
        this.#fail(new Violation("slashable", `${machine.id} signs ${pair}`));
      }
    }
    views.set(vote.view, [...others, vote]);
  }

  get #highest(): bigint {
    return BigInt(this.#final.size);
  }

  #checkLiveness(atHeal: bigint, settled: bigint): void {
    if (this.#violation !== undefined) return;
    if (settled <= atHeal) throw new Violation("liveness", `height ${settled}, and ${atHeal} when the network healed`);
    for (const { id, process } of this.#machines) {
      const height = process?.node.chain.head.number ?? -1n;
      if (height < settled) throw new Violation("liveness", `${id} is at ${height}, and ${settled} is final for long`);
    }
  }

  // What can be seen

  #note(machine: Machine, what: string): void {
    for (const value of [this.#nowMs, this.#machines.indexOf(machine), what.length]) {
      this.#hash = mix32((this.#hash ^ value) + 0x9e3779b9);
    }
    this.#print?.(`${String(this.#nowMs).padStart(6)} ${machine.id} ${what}`);
  }

  #logOf(machine: Machine): pino.Logger {
    const print = this.#print;
    if (print === undefined) return pino({ level: "silent" });
    return pino(
      { level: "debug", base: null, timestamp: false },
      { write: (line: string) => print(`${String(this.#nowMs).padStart(6)} ${machine.id} ${line.trimEnd()}`) },
    );
  }
}

export async function runWholeSeed(seed: number, print?: (line: string) => void): Promise<WholeResult> {
  return new WholeWorld(seed, print).run(seed);
}
