/** Runs random operations on both chains, one after another, and checks everything after each. */
import { Deriver } from "../../node/l1/derive.ts";
import { EPOCH_BLOCKS, TestL2 } from "../helpers/l1-world.ts";
import { Random } from "../sim/random.ts";
import { randomDeposits } from "./deposits.ts";
import { BridgedL1 } from "./l1.ts";
import { BridgedL2 } from "./l2.ts";
import { type L1Action, Ledger } from "./ledger.ts";
import { BridgeModel, Violation } from "./model.ts";
import { deletion, forgedOutput, nextBatch, randomOutput } from "./outputs.ts";
import { forgedProof, pausing, randomFinalizations, randomProofs, randomTransactions } from "./withdrawals.ts";
import type { World } from "./world.ts";

export interface RunOptions {
  readonly operations: number;
  readonly seed: number;
  readonly onProgress?: (operation: number) => void;
}

export interface RunResult {
  readonly operations: number;
  readonly violations: readonly string[];
  /** Of L1's transactions by kind, of L2's blocks, and of what befell both. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Operations between two counts of the whole state. */
const AUDIT_EVERY = 250;
/** L1 blocks that are not final: one less than the depth would allow to be replaced. */
const MOST_REORGANISED = 2;
/** Seconds from one L1 block to the next. */
const L1_BLOCK_SECONDS = 12n;

const OPERATIONS = {
  deposit: 20,
  "L2 block": 24,
  batch: 9,
  output: 9,
  "forged output": 2,
  prove: 12,
  "forged proof": 4,
  finalize: 14,
  pause: 1,
  unpause: 6,
  "delete outputs": 1,
  "story of a deleted output": 1,
  "idle L1 block": 2,
  "L1 reorganisation": 2,
  restart: 1,
};
type Operation = keyof typeof OPERATIONS;

/** What chance puts together too rarely. */
const DELETED_OUTPUT: readonly Operation[] = [
  "L2 block",
  "batch",
  "output",
  "prove",
  "delete outputs",
  "L2 block",
  "batch",
  "output",
];

export async function run({ operations, seed, onProgress }: RunOptions): Promise<RunResult> {
  const l1 = await BridgedL1.start();
  try {
    const model = new BridgeModel(l1.rules);
    const l2 = await BridgedL2.open(l1.world, model);
    const runner = new Runner({ l1, l2, model, random: new Random(seed) });
    return await runner.run(operations, onProgress);
  } finally {
    await l1.stop();
  }
}

class Runner {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #counts = new Map<string, number>();
  #timestamp = 0n;
  #story: Operation[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#ledger = new Ledger(world.model, world.l1.contracts);
  }

  async run(operations: number, onProgress: RunOptions["onProgress"]): Promise<RunResult> {
    const violations: string[] = [];
    let done = 0;
    let operation: string = "the beginning";
    try {
      await this.#check();
      for (; done < operations; done++) {
        operation = this.#draw();
        this.#count(`operations.${operation}`);
        await this.#do(operation as Operation);
        await this.#check();
        if ((done + 1) % AUDIT_EVERY === 0) {
          this.#world.l2.audit();
          onProgress?.(done + 1);
        }
      }
      operation = "the end";
      await this.#end();
    } catch (error) {
      // Whatever else fails is a defect too, and is found again with the seed.
      const { message, stack } = error as Error;
      violations.push(`operation ${done} (${operation}): ${error instanceof Violation ? message : stack}`);
    } finally {
      await this.#world.l2.stop();
    }
    return { operations: done, violations, counts: this.#allCounts() };
  }

  #draw(): Operation {
    const { random } = this.#world;
    const next = this.#story.shift();
    if (next !== undefined) return next;
    const entries = Object.entries(OPERATIONS) as [Operation, number][];
    let place = random.real() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [operation, weight] of entries) {
      place -= weight;
      if (place < 0) return operation;
    }
    return entries[0]![0];
  }

  async #do(operation: Operation): Promise<void> {
    const world = this.#world;
    const { l2, model, random } = world;
    switch (operation) {
      case "deposit":
        return this.#mine(randomDeposits(world));
      case "L2 block":
        return l2.makeBlock(randomTransactions(world), random.chance(0.85));
      case "batch":
        return this.#mine(await nextBatch(world));
      case "output":
        return this.#mine(randomOutput(world));
      case "forged output":
        return this.#mine(forgedOutput(world));
      case "prove":
        return this.#mine(randomProofs(world));
      case "forged proof":
        return this.#mine(forgedProof(world));
      case "finalize":
        return this.#mine(randomFinalizations(world, this.#timestamp + L1_BLOCK_SECONDS));
      case "pause":
        return this.#mine(model.isPaused ? [] : pausing(world));
      case "unpause":
        return this.#mine(model.isPaused ? pausing(world) : []);
      case "delete outputs":
        return this.#mine(deletion(world, this.#timestamp + L1_BLOCK_SECONDS));
      case "story of a deleted output":
        this.#story = [...DELETED_OUTPUT];
        return;
      case "idle L1 block":
        return this.#mine([]);
      case "L1 reorganisation":
        return this.#reorganise();
      case "restart":
        await l2.restart();
        return l2.follow();
    }
  }

  async #mine(actions: readonly L1Action[]): Promise<void> {
    const block = await this.#world.l1.mine(actions);
    this.#timestamp = block.timestamp;
    this.#ledger.book(block, actions);
  }

  /** Other blocks take the place of the newest ones, with all, some or none of their transactions, or in another order. */
  async #reorganise(): Promise<void> {
    const { l1, l2, random } = this.#world;
    // L2 may have read the old ones, or not.
    if (random.chance(0.5)) await l2.follow();
    const dropped = this.#ledger.takeBack(random.between(1, MOST_REORGANISED));
    const share = random.pick([0, 0.5, 1]);
    const kept = dropped.flat().filter(() => random.chance(share));
    const lots = kept.map(() => random.below(dropped.length)).sort((a, b) => a - b);
    const blocks = dropped.map((_, index) => kept.filter((_, i) => lots[i] === index));
    const mined = await l1.reorg(blocks);
    for (const [index, block] of mined.entries()) this.#ledger.book(block, blocks[index]!);
    this.#timestamp = mined.at(-1)!.timestamp;
    this.#count("L1 blocks replaced", dropped.length);
  }

  async #check(): Promise<void> {
    const { l1, l2, model } = this.#world;
    model.check(await l1.read(), l2.read());
  }

  /** Nothing stays under way; every payment arrived; L1 alone gives the same chain. */
  async #end(): Promise<void> {
    const { l2, model } = this.#world;
    for (let i = 0; i < 3; i++) await this.#mine([]);
    while (model.queue.length > 0) await l2.makeBlock([], true);
    await l2.makeBlock([], true);
    await this.#check();
    if (model.totals.inFlightWei !== 0n) throw new Violation(`${model.totals.inFlightWei} wei stay in flight`);
    await this.#checkPayments();
    l2.audit();
    for (let batch = await nextBatch(this.#world); batch.length > 0; batch = await nextBatch(this.#world)) {
      await this.#mine(batch);
    }
    for (let i = 0; i < 3; i++) await this.#mine([]);
    await this.#derive();
    await this.#check();
  }

  /** Targets that nothing else has to do with have exactly what they were to be paid. */
  async #checkPayments(): Promise<void> {
    const { l1, model } = this.#world;
    const others = new Set<string>(Object.values(l1.contracts));
    const due = new Map<`0x${string}`, bigint>();
    for (const { target, value, hash } of model.withdrawals) {
      if (!others.has(target)) due.set(target, (due.get(target) ?? 0n) + (model.isPaid(hash) ? value : 0n));
    }
    const targets = [...due.keys()].filter((target) => !l1.holders.has(target));
    const balances = await l1.balancesOf(targets);
    for (const [index, target] of targets.entries()) {
      if (balances[index] === due.get(target)) continue;
      throw new Violation(`${target} has ${balances[index]} wei of OPEN instead of ${due.get(target)}`);
    }
    this.#count("targets with the exact payment", targets.length);
  }

  async #derive(): Promise<void> {
    const { l1, l2 } = this.#world;
    const other = await TestL2.open(l1.world);
    await other.watcher.poll();
    const { chain, watcher, sources, rules, log } = other;
    const deriver = new Deriver({ chain, watcher, parameters: l1.world.l1, sources, rules, log: log.log });
    await deriver.advance();
    const { number, hash } = chain.head;
    if (number < l2.chain.head.number - BigInt(EPOCH_BLOCKS)) {
      throw new Violation(`L1 gives L2 only up to block ${number} of ${l2.chain.head.number}`);
    }
    const ours = l2.chain.hashAt(number)!;
    if (Buffer.compare(ours, hash) !== 0) throw new Violation(`L1 gives another block ${number}`);
    other.client.stop();
    this.#count("L2 blocks derived from L1 alone", Number(number));
  }

  #count(name: string, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  #allCounts(): ReadonlyMap<string, number> {
    const { l2, model } = this.#world;
    const counts = new Map(this.#counts);
    for (const [name, count] of this.#ledger.counts) counts.set(`L1.${name}`, count);
    const { executed, paid } = model.totals;
    counts.set("deposits executed", executed);
    counts.set("withdrawals begun", model.withdrawals.length);
    counts.set("withdrawals paid", paid);
    counts.set("outputs", model.outputs.length);
    counts.set("L2 blocks", l2.blocks);
    counts.set("L2 restarts", l2.restarts);
    return counts;
  }
}
