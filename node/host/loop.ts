/**
 * What a host does on chain with the answers that it signed: commits them in batches, shows demanded chunks, settles.
 *
 * Everything it needs to know is on chain or in the answer log, so it may end at any moment: the next start reads both
 * and goes on. Each step looks at the chain first, and the precompile leaves out what is done already, so that nothing
 * is done twice to any effect.
 */
import type { AnswerLog, SignedAnswer } from "../../attribution/answer-log.ts";
import type { ChainReader, InferenceRequest } from "../../attribution/chain-reader.ts";
import type { Claim } from "../../attribution/challenge.ts";
import type { ContentSource } from "../../attribution/content-store.ts";
import { feeWei } from "../../core/settlement.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";
import { type BatchRules, Book, committedAt, type Entry, fail, type Moment } from "./book.ts";
import { commitCall, type HostChain, settleCall } from "./chain.ts";
import { Demands } from "./demands.ts";
import { RevertError, type Sender } from "./sender.ts";

export interface LoopParts {
  readonly chain: ChainReader;
  readonly hostChain: HostChain;
  readonly answers: AnswerLog;
  readonly content: ContentSource;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly log: Logger;
  readonly rules: BatchRules;
  /** Closed answers that are kept, for clients that ask again. */
  readonly keepClosed: number;
  readonly pollMs?: number;
}

const PARALLEL_READS = 16;
/** IAttribution.Fault */
const FAULTS = ["mismatch", "boundary", "omission", "earlier holder", "contradiction", "unavailable"] as const;

export class HostLoop {
  readonly book = new Book();
  readonly #parts: LoopParts;
  readonly #demands: Demands;
  readonly #working = new Set<Promise<void>>();
  /** Blocks up to this one are in the book. */
  #followed = 0n;
  #cancel: (() => void) | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isStopped = false;
  /** Of following the chain, and of sending. */
  readonly #problems: { chain?: string | undefined; sending?: string | undefined } = {};
  #sinceForget = 0;

  constructor(parts: LoopParts) {
    this.#parts = parts;
    this.#demands = new Demands(parts);
  }

  /** What went wrong the last time, until it goes right. */
  get problem(): string | undefined {
    return this.#problems.chain ?? this.#problems.sending;
  }

  /** Reads what became of every answer that is not closed. Rejects when the chain cannot be read. */
  async recover(): Promise<void> {
    const { chain, answers, log } = this.#parts;
    const { number, timestamp } = await chain.head();
    const ids = await answers.unclosed();
    const pending = ids.values();
    const reader = async () => {
      for (const id of pending) await this.#recoverOne(id, number, timestamp);
    };
    await Promise.all(Array.from({ length: PARALLEL_READS }, reader));
    this.#followed = number;
    if (ids.length > 0) {
      const [signed, committed] = [this.book.count("signed"), this.book.count("committed")];
      log.info({ signed, committed, ended: ids.length - signed - committed }, "answers found again");
    }
  }

  start(): void {
    this.#schedule(0);
  }

  /** Waits for what reads and sends at the moment; what was sent may still be mined. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    this.#parts.sender.stop();
    await this.#turn;
    await Promise.all([...this.#working, this.#demands.settled()]);
  }

  /** A new answer: it is recorded already. */
  signed(answer: SignedAnswer, request: InferenceRequest, lockWei: bigint): void {
    this.book.add(this.#entry(answer, request, lockWei));
    this.#wake();
  }

  async #recoverOne(id: bigint, head: bigint, timestamp: bigint): Promise<void> {
    const { chain, hostChain, answers, log, sender, clock } = this.#parts;
    const request = await chain.inference(id);
    const answer = await answers.read(id);
    if (request === undefined || answer === undefined || request.host !== sender.address.toLowerCase()) {
      log.error({ inference: Number(id) }, "an answer is of another chain or host: it is left alone");
      return;
    }
    const isOver = request.state === "requested" && request.commitDeadline < timestamp;
    if (isOver) log.error({ inference: Number(id) }, "an answer was not committed in time: nobody pays for it");
    if (isOver || (request.state !== "requested" && request.state !== "committed")) return answers.close(id);
    const { stakeMultiple } = await chain.parameters(request.requestedAt);
    const fee = feeWei(request, request.requestBytes, answer.outputBytes);
    const entry = this.#entry(answer, request, fee * stakeMultiple);
    if (request.state === "committed") {
      const event = await hostChain.commitment(id, request.requestedAt, head);
      if (event === undefined) throw new Error(`the commitment of inference ${id} is in no block up to ${head}`);
      Object.assign(entry, committedAt(event, clock.nowMs()), { settleAfter: request.settleAfter });
      if (request.openDemands > 0) {
        const demands = await hostChain.openDemands(id, event.blockNumber, head);
        entry.openDemands = demands.length;
        for (const demand of demands) this.#demands.add(demand);
      }
    }
    this.book.add(entry);
  }

  #entry(answer: SignedAnswer, request: InferenceRequest, lockWei: bigint): Entry {
    const spanBytes = 128 * answer.spans.length;
    const output = request.audience === "public" ? answer.outputBytes : 32;
    return {
      inferenceId: answer.inferenceId,
      request,
      lockWei,
      commitBytes: 512 + output + spanBytes,
      settleBytes: 512 + spanBytes,
      waitsSinceMs: this.#parts.clock.nowMs(),
      committed: undefined,
      settleAfter: 0n,
      openDemands: 0,
      isBusy: false,
      failures: 0,
      notBeforeMs: 0,
    };
  }

  #schedule(afterMs: number): void {
    if (this.#isStopped) return;
    this.#cancel?.();
    const { clock, pollMs = 1_000 } = this.#parts;
    this.#cancel = clock.at(clock.nowMs() + afterMs, () => {
      this.#cancel = undefined;
      this.#turn = this.#turn.then(() => this.#tick()).then(() => this.#schedule(pollMs));
    });
  }

  /** As soon as the turn that runs is over. */
  #wake(): void {
    if (this.#cancel !== undefined) this.#schedule(0);
  }

  async #tick(): Promise<void> {
    if (this.#isStopped) return;
    const { chain, clock, rules, log } = this.#parts;
    try {
      const head = await chain.head();
      await this.#follow(head.number);
      const moment: Moment = { nowMs: clock.nowMs(), timestamp: head.timestamp };
      await this.#dropLate(moment);
      // Chunks first: their time is the shortest, and not to show one is dear.
      this.#demands.show(moment.timestamp);
      while (this.#parts.sender.hasRoom) {
        const batch = this.book.toCommit(moment, rules);
        if (batch.length === 0) break;
        this.#work(batch, () => this.#commit(batch));
      }
      while (this.#parts.sender.hasRoom) {
        const batch = this.book.toSettle(moment, rules);
        if (batch.length === 0) break;
        this.#work(batch, () => this.#settle(batch));
      }
      this.#problems.chain = undefined;
    } catch (err) {
      this.#problems.chain = firstLine(err);
      log.warn({ err }, "the chain cannot be followed; it is tried again");
    }
  }

  async #follow(to: bigint): Promise<void> {
    if (to <= this.#followed) return;
    const { hostChain, clock } = this.#parts;
    for (const event of await hostChain.events(this.#followed + 1n, to)) {
      if (this.book.get(event.inferenceId) === undefined) continue;
      this.#tell(event);
      if (event.type === "demanded") this.#demands.add(event);
      if (event.type === "shown") this.#demands.remove(event);
      if (this.book.apply(event, clock.nowMs())) await this.#close(event.inferenceId);
    }
    this.#followed = to;
  }

  #tell(event: Parameters<Book["apply"]>[0]): void {
    const { log } = this.#parts;
    const inference = Number(event.inferenceId);
    if (event.type === "committed") log.info({ inference, batch: Number(event.batchId) }, "committed");
    else if (event.type === "demanded") {
      log.info({ inference, contribution: Number(event.contribution), chunk: Number(event.chunk) }, "chunk demanded");
    } else if (event.type === "voided") {
      log.error({ inference, fault: FAULTS[event.fault], slashedWei: String(event.slashedWei) }, "slashed");
    } else log.info({ inference }, event.type);
  }

  async #close(inferenceId: bigint): Promise<void> {
    const { answers, keepClosed, log } = this.#parts;
    this.#demands.removeAllOf(inferenceId);
    await answers.close(inferenceId);
    // A directory is listed for it: not every time.
    if (++this.#sinceForget < 1 + keepClosed / 10) return;
    this.#sinceForget = 0;
    const forgotten = await answers.forget(keepClosed);
    if (forgotten > 0) log.debug({ forgotten }, "old answers removed");
  }

  async #dropLate({ timestamp }: Moment): Promise<void> {
    for (const { inferenceId, committed, request, isBusy } of [...this.book.values()]) {
      if (committed !== undefined || isBusy || request.commitDeadline >= timestamp) continue;
      this.#parts.log.error({ inference: Number(inferenceId) }, "an answer was not committed in time");
      this.book.remove(inferenceId);
      await this.#close(inferenceId);
    }
  }

  /** Keeps its entries out of other transactions until it is known what became of this one. */
  #work(entries: readonly Entry[], work: () => Promise<void>): void {
    for (const entry of entries) entry.isBusy = true;
    const { clock, log } = this.#parts;
    const working = work()
      .catch((err: unknown) => {
        if (this.#isStopped) return;
        this.#problems.sending = firstLine(err);
        log.warn({ err }, "a transaction was not sent; it is tried again");
        for (const entry of entries) fail(entry, clock.nowMs());
      })
      .finally(() => {
        for (const entry of entries) entry.isBusy = false;
        this.#working.delete(working);
        this.#wake();
      });
    this.#working.add(working);
  }

  async #commit(entries: readonly Entry[]): Promise<void> {
    const signed = await Promise.all(
      entries.map(async ({ inferenceId, request }) => ({
        answer: await this.#record(inferenceId),
        audience: request.audience,
      })),
    );
    await this.#send(entries, "commit", (part) => {
      const ids = new Set(part.map(({ inferenceId }) => inferenceId));
      return commitCall(signed.filter(({ answer }) => ids.has(answer.inferenceId)));
    });
  }

  async #settle(entries: readonly Entry[]): Promise<void> {
    const claims = await Promise.all(entries.map((entry) => this.#claim(entry)));
    await this.#send(entries, "settle", (part) => {
      const ids = new Set(part.map(({ inferenceId }) => inferenceId));
      return settleCall(claims.filter(({ inferenceId }) => ids.has(inferenceId)));
    });
  }

  async #claim({ inferenceId, committed }: Entry): Promise<Claim> {
    const { outputRoot, outputBytes, spans } = await this.#record(inferenceId);
    return { inferenceId, outputRoot, outputBytes, spans, proof: committed?.proof ?? [] };
  }

  async #record(inferenceId: bigint): Promise<SignedAnswer> {
    const answer = await this.#parts.answers.read(inferenceId);
    if (answer === undefined) throw new Error(`the answer to inference ${inferenceId} is gone`);
    return answer;
  }

  /** One that would revert is halved, so that a single bad answer holds up no other. */
  async #send(
    entries: readonly Entry[],
    what: "commit" | "settle",
    call: (entries: readonly Entry[]) => { readonly to: `0x${string}`; readonly data: `0x${string}` },
  ): Promise<void> {
    const { sender, clock, log } = this.#parts;
    try {
      const outcome = await sender.send({ label: `${what} ${entries.length}`, ...call(entries) });
      this.#problems.sending = undefined;
      if (outcome.type === "mined") return await this.#followTo(outcome.blockNumber);
      if (this.#isStopped) return;
      log.warn({ what, answers: entries.length, outcome: outcome.type }, "a transaction had no effect");
      await this.#refresh(entries);
    } catch (error) {
      if (!(error instanceof RevertError)) throw error;
      if (entries.length > 1) {
        const half = Math.ceil(entries.length / 2);
        await this.#send(entries.slice(0, half), what, call);
        return this.#send(entries.slice(half), what, call);
      }
      for (const entry of entries) fail(entry, clock.nowMs());
      if (error.errorName !== "WrongState" && error.errorName !== "WindowOpen") {
        this.#problems.sending = error.message;
        log.error(
          { what, inference: Number(entries[0]?.inferenceId), reason: error.message },
          "the chain refuses an answer",
        );
      }
      await this.#refresh(entries);
    }
  }

  /** So that nothing is sent again that is in that block. In its turn: following has an order. */
  #followTo(blockNumber: bigint): Promise<void> {
    this.#turn = this.#turn.then(() => this.#follow(blockNumber)).catch(() => {});
    return this.#turn;
  }

  /** Reads again what a transaction that had no effect leaves in doubt. */
  async #refresh(entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) {
      const request = await this.#parts.chain.inference(entry.inferenceId);
      if (request === undefined) continue;
      entry.openDemands = request.openDemands;
      if (request.settleAfter > entry.settleAfter) entry.settleAfter = request.settleAfter;
    }
  }
}

/** viem's messages have many, with all that was sent. */
const firstLine = (error: unknown): string => (error as Error).message.split("\n")[0] ?? "";
