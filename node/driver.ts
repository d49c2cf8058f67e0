/**
 * Carries out what consensus decides: sets its timer, assembles the blocks it asks for, commits those it finalizes, and
 * feeds back what came of it. Events are handled one at a time, in order.
 */
import {
  type SoloConfig,
  type SoloEffect,
  type SoloEvent,
  type SoloState,
  startSolo,
  stepSolo,
} from "../consensus/solo.ts";
import { bytesToHex, equalsBytes } from "../core/bytes.ts";
import type { RejectedTransaction } from "../execution/block/assemble.ts";
import type { Mempool } from "../execution/mempool.ts";
import { StoreError } from "../execution/state/errors.ts";
import type { Chain, Proposal } from "./chain.ts";
import { DataError } from "./errors.ts";
import type { Logger } from "./log.ts";
import type { Clock } from "./ports.ts";

export interface DriverParts {
  readonly chain: Chain;
  readonly mempool: Mempool;
  readonly config: SoloConfig;
  /** Receives the priority fees of the blocks made here. */
  readonly feeAddress: Uint8Array;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called once when the store fails: the disk is full or broken, the data damaged. Nothing is produced after it. */
  readonly onHalt: (error: Error) => void;
}

/** Transactions wait this long in the queue at most; looked at once a minute. */
const EXPIRY_EVERY_MS = 60_000;

/**
 * What the pool does with a transaction that was refused at its turn in a block.
 *
 * `look-again`: the sender's account decides, and it is not what the pool believed: transactions of others moved the
 * balance or, through a delegation, the nonce. After the commit the pool looks at the account as it is then, drops what
 * cannot be paid or is used, and keeps the rest in the right place; dropping at once would lose a transaction that is
 * valid again and leave those behind it in the queue. `keep`: a later base fee or a block with more room decides, and
 * the pool offers it only then. `drop`: never valid again.
 */
const AFTER_REJECTION: Readonly<Record<RejectedTransaction["code"], "look-again" | "keep" | "drop">> = {
  "nonce-too-low": "look-again",
  "nonce-too-high": "look-again",
  "insufficient-funds": "look-again",
  "fee-cap-too-low": "keep",
  "gas-limit-reached": "keep",
  "nonce-max": "drop",
  "sender-has-code": "drop",
  "gas-limit-too-high": "drop",
  "tip-above-fee-cap": "drop",
  "intrinsic-gas": "drop",
  "floor-gas": "drop",
  "init-code-too-large": "drop",
  faulty: "drop",
};

export class Driver {
  readonly #parts: DriverParts;
  #state: SoloState | undefined;
  #proposal: Proposal | undefined;
  #cancelTimer: () => void = () => {};
  #unsubscribe: () => void = () => {};
  #expireAtMs = 0;
  /** Ends when all events so far have been handled. */
  #work: Promise<void> = Promise.resolve();
  #stopped = false;
  #halted = false;
  blocksProduced = 0;
  transactionsIncluded = 0;

  constructor(parts: DriverParts) {
    this.#parts = parts;
  }

  start(): void {
    const { chain, mempool, config, clock } = this.#parts;
    const step = startSolo(chain.head.number, config, clock.nowMs());
    this.#state = step.state;
    this.#unsubscribe = mempool.onIncludable(() => this.#post({ type: "includable" }));
    this.#work = this.#carryOut(step.effects);
    if (mempool.includableSinceMs !== undefined) this.#post({ type: "includable" });
  }

  /** Resolves when the block in the making, if any, is committed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer();
    this.#unsubscribe();
    // Handling an event may post the next one.
    for (let work: Promise<void> | undefined; work !== this.#work; ) {
      work = this.#work;
      await work;
    }
  }

  #post(event: SoloEvent): void {
    this.#work = this.#work.then(() => this.#handle(event)).catch((error: unknown) => this.#halt(error as Error));
  }

  async #handle(event: SoloEvent): Promise<void> {
    // A block that is being committed is seen through to the end, so that its effects are not half done.
    if (this.#state === undefined || (this.#stopped && event.type === "timer")) return;
    const step = stepSolo(this.#state, event, this.#parts.config, this.#parts.clock.nowMs());
    this.#state = step.state;
    await this.#carryOut(step.effects);
  }

  async #carryOut(effects: readonly SoloEffect[]): Promise<void> {
    for (const effect of effects) {
      switch (effect.type) {
        case "set-timer":
          this.#cancelTimer();
          if (!this.#stopped)
            this.#cancelTimer = this.#parts.clock.at(effect.atMs, () => this.#post({ type: "timer" }));
          break;
        case "propose":
          await this.#propose(effect.height);
          break;
        case "finalize":
          await this.#finalize(effect.blockId);
          break;
      }
    }
  }

  async #propose(height: bigint): Promise<void> {
    const { chain, mempool, clock, config, feeAddress, log } = this.#parts;
    const startedMs = clock.nowMs();
    try {
      const proposal = await chain.propose({
        candidates: mempool.candidates(chain.nextBaseFee()),
        timestamp: BigInt(Math.floor(startedMs / 1000)),
        feeAddress,
        // A block that takes longer than the interval to make would also take longer to check.
        isOutOfTime: () => clock.nowMs() - startedMs > config.intervalMs,
      });
      for (const { transaction, code, message } of proposal.rejected) {
        const fields = { hash: bytesToHex(transaction.hash), code, reason: message };
        if (code === "faulty") log.error(fields, "transaction dropped: executing it failed");
        else log.debug(fields, "transaction left out");
        if (AFTER_REJECTION[code] === "drop") mempool.drop(transaction.hash, clock.nowMs());
      }
      this.#proposal = proposal;
      this.#post({ type: "proposed", height, blockId: proposal.block.hash });
    } catch (error) {
      // No later attempt reads a damaged store better.
      if (error instanceof StoreError || error instanceof DataError) throw error;
      log.error({ err: error, height: Number(height) }, "block assembly failed");
      this.#post({ type: "proposal-failed" });
    }
  }

  async #finalize(blockId: Uint8Array): Promise<void> {
    const { chain, mempool, clock, log } = this.#parts;
    const proposal = this.#proposal;
    this.#proposal = undefined;
    if (proposal === undefined || !equalsBytes(proposal.block.hash, blockId)) {
      throw new Error("consensus finalized a block that was not proposed here");
    }
    await chain.commit(proposal);
    const { header, transactions } = proposal.block;
    const nowMs = clock.nowMs();
    const next = { baseFeePerGas: chain.nextBaseFee(), gasLimit: header.gasLimit };
    mempool.removeMined(proposal.block, chain.headState, next, nowMs);
    this.#lookAgain(proposal, nowMs);
    if (nowMs >= this.#expireAtMs) {
      mempool.expire(nowMs);
      this.#expireAtMs = nowMs + EXPIRY_EVERY_MS;
    }
    this.blocksProduced += 1;
    this.transactionsIncluded += transactions.length;
    log.info(
      {
        height: Number(header.number),
        txs: transactions.length,
        gas: Number(header.gasUsed),
        hash: shortHash(blockId),
      },
      "block committed",
    );
    const includable = mempool.includableSinceMs !== undefined;
    this.#post({ type: "committed", height: header.number, includable });
  }

  /** At those that the block left out, on the state after it. See AFTER_REJECTION. */
  #lookAgain({ block, rejected }: Proposal, nowMs: number): void {
    const { chain, mempool } = this.#parts;
    const senders = rejected.filter(({ code }) => AFTER_REJECTION[code] === "look-again");
    if (senders.length > 0) {
      const addresses = senders.map(({ transaction }) => transaction.from);
      mempool.revalidate(addresses, chain.headState, nowMs);
    }
    if (block.transactions.length > 0) return;
    // Nothing else was in the block, so the next one would refuse the same: pool and execution disagree. Without this
    // the proposer would make an empty block each interval.
    for (const { transaction } of rejected) mempool.drop(transaction.hash, nowMs);
  }

  /** Also while stopping: the last block may be the one that cannot be written. */
  #halt(error: Error): void {
    if (this.#halted) return;
    this.#halted = true;
    if (this.#stopped) this.#parts.log.error({ err: error }, "failed while stopping");
    this.#stopped = true;
    this.#cancelTimer();
    this.#unsubscribe();
    this.#parts.onHalt(error);
  }
}

const shortHash = (hash: Uint8Array): string => `${bytesToHex(hash.subarray(0, 4))}…`;
