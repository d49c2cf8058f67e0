/**
 * What must be true of the bridge, from what was asked of it: sums and sets of what was deposited, executed, withdrawn,
 * proven and paid. Contracts and chain are read only to be compared with it.
 *
 *   portal.balance      = supply on L2 outside the message passer + deposits in flight + withdrawals begun and not
 *                         finalized + counted burns
 *   token.balanceOf     = portal.balance + what was sent to the portal without a deposit
 *   supply on L2        = genesis + executed mints − counted burns − what the message passer destroyed
 *   passer's balance    = withdrawals begun − what it destroyed
 *
 * Counted burns: what a contract destroys that ends in its own creation (EIP-6780).
 */

import type { Hex } from "viem";
import { Journal } from "./journal.ts";

/** Something that must not be. */
export class Violation extends Error {
  constructor(message: string) {
    super(message);
    this.name = "Violation";
  }
}

/** What L1 has to make of an action. "either": it depends on what others have bought of what L1 sells. */
export type Expectation = "taken" | "either" | `refused: ${string}`;

export interface QueuedDeposit {
  /** Of the L2 transaction, by viem: it covers source hash, sender, amounts and data. */
  readonly l2Hash: Hex;
  readonly mintWei: bigint;
  readonly l1Number: bigint;
}

export interface SentWithdrawal {
  readonly hash: Hex;
  readonly nonce: bigint;
  readonly sender: Hex;
  readonly target: Hex;
  readonly value: bigint;
  readonly gasLimit: bigint;
  readonly data: Hex;
  readonly l2Number: bigint;
}

export interface Output {
  readonly root: Hex;
  readonly l2Number: bigint;
  /** Of L1, seconds. */
  readonly timestamp: bigint;
}

interface Proof {
  readonly root: Hex;
  readonly index: number;
  readonly timestamp: bigint;
}

export interface ModelRules {
  readonly genesisSupplyWei: bigint;
  readonly genesisOutput: Hex;
  readonly periodSeconds: bigint;
  readonly submissionInterval: bigint;
  readonly epochBlocks: bigint;
  readonly releaseLimitWei: bigint;
  readonly releaseWindowSeconds: bigint;
  /** The portal and the token, in lower case: no target of a withdrawal. */
  readonly refusedTargets: readonly Hex[];
}

export interface L1Reading {
  readonly portalBalanceWei: bigint;
  readonly tokenBalanceWei: bigint;
}

export interface L2Reading {
  readonly supplyWei: bigint;
  readonly passerWei: bigint;
}

export class BridgeModel {
  readonly rules: ModelRules;
  readonly journal = new Journal();

  // L1
  readonly queue: QueuedDeposit[] = [];
  readonly outputs: Output[];
  /** Hashes of L2 blocks that the inbox recorded, with their numbers. */
  readonly recorded = new Map<Hex, bigint>();
  readonly #proofs = new Map<Hex, Proof>();
  readonly #paid = new Set<Hex>();
  isPaused = false;
  #inFlightWei = 0n;
  #paidWei = 0n;
  #donatedWei = 0n;
  #released = { level: 0n, updatedAt: 0n };

  // L2
  readonly withdrawals: SentWithdrawal[] = [];
  readonly #begun = new Map<Hex, SentWithdrawal>();
  readonly #executed = new Set<Hex>();
  #mintedWei = 0n;
  #withdrawnWei = 0n;
  #burntWei = 0n;
  #destroyedByPasserWei = 0n;

  constructor(rules: ModelRules) {
    this.rules = rules;
    this.outputs = [{ root: rules.genesisOutput, l2Number: 0n, timestamp: 0n }];
  }

  // What happens on L1

  deposited(deposit: QueuedDeposit): void {
    const { l2Hash, mintWei } = deposit;
    if (this.#executed.has(l2Hash) || this.queue.some((other) => other.l2Hash === l2Hash)) {
      throw new Violation(`L1 demands the deposit ${l2Hash} a second time`);
    }
    this.journal.do(
      () => {
        this.queue.push(deposit);
        this.#inFlightWei += mintWei;
      },
      () => {
        // L2 takes from the front only what is final.
        if (this.queue.pop() !== deposit) throw new Violation(`L2 executed ${l2Hash}, which L1 has taken back`);
        this.#inFlightWei -= mintWei;
      },
    );
  }

  donated(wei: bigint): void {
    this.journal.do(
      () => {
        this.#donatedWei += wei;
      },
      () => {
        this.#donatedWei -= wei;
      },
    );
  }

  posted(hash: Hex, number: bigint): void {
    if (this.recorded.has(hash)) return;
    this.journal.do(
      () => this.recorded.set(hash, number),
      () => this.recorded.delete(hash),
    );
  }

  paused(isPaused: boolean): void {
    const before = this.isPaused;
    this.journal.do(
      () => {
        this.isPaused = isPaused;
      },
      () => {
        this.isPaused = before;
      },
    );
  }

  /** Epochs whose validator set L1 knows. */
  get knownEpochs(): bigint {
    const { epochBlocks } = this.rules;
    return 1n + BigInt(this.outputs.filter(({ l2Number }) => (l2Number + 1n) % epochBlocks === 0n).length);
  }

  /** Of an output of `target`, certified by `certified` with this hash. */
  expectOutput(target: bigint, certified: bigint, hash: Hex): Expectation {
    const { epochBlocks, submissionInterval } = this.rules;
    const latest = this.outputs.at(-1)!.l2Number;
    const isLast = (target + 1n) % epochBlocks === 0n;
    if (target < latest + (isLast ? 1n : submissionInterval)) return "refused: too low";
    if (certified / epochBlocks >= this.knownEpochs) return "refused: of an unknown epoch";
    return this.recorded.has(hash) ? "taken" : "refused: not posted";
  }

  proposed(output: Output): void {
    this.journal.do(
      () => this.outputs.push(output),
      () => this.outputs.pop(),
    );
  }

  /** Of the guardian's deletion of this output and all after it. */
  expectDeletion(index: number, timestamp: bigint): Expectation {
    const output = this.outputs[index];
    if (index === 0 || output === undefined) return "refused: no such output";
    return timestamp - output.timestamp < this.rules.periodSeconds ? "taken" : "refused: final";
  }

  deleted(index: number): void {
    let gone: Output[] = [];
    this.journal.do(
      () => {
        gone = this.outputs.splice(index);
      },
      () => this.outputs.push(...gone),
    );
  }

  proofOf(hash: Hex): Proof | undefined {
    return this.#proofs.get(hash);
  }

  isPaid(hash: Hex): boolean {
    return this.#paid.has(hash);
  }

  #isStanding({ index, root }: Proof): boolean {
    return this.outputs[index]?.root === root;
  }

  /** Of the proof of a withdrawal that L2 began before the output. */
  expectProof({ hash, target }: SentWithdrawal, index: number, root: Hex): Expectation {
    if (this.isPaused) return "refused: paused";
    if (this.rules.refusedTargets.includes(target)) return "refused: the target";
    if (this.outputs[index]?.root !== root) return "refused: the output is another";
    const earlier = this.#proofs.get(hash);
    return earlier !== undefined && this.#isStanding(earlier) ? "refused: proven already" : "taken";
  }

  proven(hash: Hex, proof: Proof): void {
    const before = this.#proofs.get(hash);
    this.journal.do(
      () => this.#proofs.set(hash, proof),
      () => {
        if (before === undefined) this.#proofs.delete(hash);
        else this.#proofs.set(hash, before);
      },
    );
  }

  /** Of a finalization. Takes for granted that the target can hold OPEN, and that there is gas enough. */
  expectFinalization({ hash, target, value }: SentWithdrawal, timestamp: bigint): Expectation {
    const { periodSeconds, refusedTargets } = this.rules;
    const proof = this.#proofs.get(hash);
    if (this.isPaused) return "refused: paused";
    if (refusedTargets.includes(target)) return "refused: the target";
    if (this.#paid.has(hash)) return "refused: paid already";
    if (proof === undefined) return "refused: not proven";
    if (timestamp <= proof.timestamp + periodSeconds) return "refused: too early";
    if (!this.#isStanding(proof)) return "refused: the output is no more";
    if (timestamp <= this.outputs[proof.index]!.timestamp + periodSeconds) return "refused: the output is too young";
    return value <= this.#releasable(timestamp) ? "taken" : "refused: above the rate limit";
  }

  #lacking(timestamp: bigint): bigint {
    const { releaseLimitWei, releaseWindowSeconds } = this.rules;
    const refilled = ((timestamp - this.#released.updatedAt) * releaseLimitWei) / releaseWindowSeconds;
    return this.#released.level > refilled ? this.#released.level - refilled : 0n;
  }

  #releasable(timestamp: bigint): bigint {
    return this.rules.releaseLimitWei - this.#lacking(timestamp);
  }

  /** The portal says that it finalized this one. */
  finalized(hash: Hex, timestamp: bigint): void {
    const withdrawal = this.#begun.get(hash);
    if (withdrawal === undefined) throw new Violation(`a withdrawal ${hash} is paid that L2 never began`);
    if (this.#paid.has(hash)) throw new Violation(`the withdrawal ${hash} is paid twice`);
    const { value } = withdrawal;
    const before = this.#released;
    this.journal.do(
      () => {
        this.#paid.add(hash);
        this.#paidWei += value;
        if (value > 0n) this.#released = { level: this.#lacking(timestamp) + value, updatedAt: timestamp };
      },
      () => {
        this.#paid.delete(hash);
        this.#paidWei -= value;
        this.#released = before;
      },
    );
  }

  // What happens on L2, which nothing takes back

  executed(l2Hash: Hex, originNumber: bigint): void {
    if (this.#executed.has(l2Hash)) throw new Violation(`the deposit ${l2Hash} is executed twice`);
    const next = this.queue.shift();
    if (next?.l2Hash !== l2Hash) throw new Violation(`L2 executes ${l2Hash} when ${next?.l2Hash} is due`);
    if (next.l1Number > originNumber) throw new Violation(`L2 executes ${l2Hash} before its L1 block is its origin`);
    this.#executed.add(l2Hash);
    this.#inFlightWei -= next.mintWei;
    this.#mintedWei += next.mintWei;
  }

  /** After an L2 block: nothing that its origin demands is left. */
  requireCaughtUp(originNumber: bigint): void {
    const [next] = this.queue;
    if (next !== undefined && next.l1Number <= originNumber)
      throw new Violation(`L2 left out the deposit ${next.l2Hash}`);
  }

  began(withdrawal: SentWithdrawal): void {
    const { hash, value } = withdrawal;
    if (this.#begun.has(hash)) throw new Violation(`the withdrawal ${hash} is begun twice`);
    this.#begun.set(hash, withdrawal);
    this.withdrawals.push(withdrawal);
    this.#withdrawnWei += value;
  }

  burnt(wei: bigint): void {
    this.#burntWei += wei;
  }

  destroyedByPasser(wei: bigint): void {
    this.#destroyedByPasserWei += wei;
  }

  // What must hold

  check(l1: L1Reading, l2: L2Reading): void {
    const passerWei = this.#withdrawnWei - this.#destroyedByPasserWei;
    const supplyWei = this.rules.genesisSupplyWei + this.#mintedWei - this.#burntWei - this.#destroyedByPasserWei;
    const lockedWei =
      l2.supplyWei - l2.passerWei + this.#inFlightWei + (this.#withdrawnWei - this.#paidWei) + this.#burntWei;
    requireEqual("the message passer's balance", l2.passerWei, passerWei);
    requireEqual("the supply on L2", l2.supplyWei, supplyWei);
    requireEqual("what the portal counts", l1.portalBalanceWei, lockedWei);
    requireEqual("what the portal holds", l1.tokenBalanceWei, lockedWei + this.#donatedWei);
  }

  get totals() {
    return {
      executed: this.#executed.size,
      paid: this.#paid.size,
      burntWei: this.#burntWei,
      inFlightWei: this.#inFlightWei,
    };
  }
}

function requireEqual(what: string, actual: bigint, expected: bigint): void {
  if (actual !== expected)
    throw new Violation(`${what} is ${actual} wei instead of ${expected} (${actual - expected})`);
}
