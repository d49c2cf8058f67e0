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
import type { Mempool } from "../execution/mempool.ts";
import type { Chain, Proposal } from "./chain.ts";
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
  /** Called once when a block cannot be committed: the disk is full or broken. Nothing is produced after it. */
  readonly onHalt: (error: Error) => void;
}

/** Transactions wait this long in the queue at most; looked at once a minute. */
const EXPIRY_EVERY_MS = 60_000;

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
        else log.debug(fields, "transaction dropped");
        mempool.drop(transaction.hash, clock.nowMs());
      }
      this.#proposal = proposal;
      this.#post({ type: "proposed", height, blockId: proposal.block.hash });
    } catch (error) {
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

  #halt(error: Error): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cancelTimer();
    this.#unsubscribe();
    this.#parts.onHalt(error);
  }
}

const shortHash = (hash: Uint8Array): string => `${bytesToHex(hash.subarray(0, 4))}…`;
