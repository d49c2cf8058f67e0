/**
 * Follows commitments, re-traces each while its window is open, and challenges those that are wrong. It keeps nothing on
 * disk: at each start it looks back over the blocks in which something can still be challenged.
 */
import { type Abi, encodeFunctionData, type PublicClient } from "viem";
import type { ChainReader, InferenceRequest } from "../../attribution/chain-reader.ts";
import { liveContributions } from "../../attribution/chain-reader.ts";
import { ATTRIBUTION_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { CHUNK_BYTES, chunkCount } from "../../core/content.ts";
import { RecentMap } from "../../core/recent-map.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { type Call, RevertError, type Sender } from "../host/sender.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";
import { type Commitment, outputFromCalldata, readActiveModels, readCommitments } from "./commitments.ts";
import { findContradiction, type Judge, type Refutation } from "./judge.ts";
import type { GivenAnswers } from "./signed-answers.ts";

const firstLine = (error: unknown): string | undefined => (error as Error).message.split("\n")[0];

const ATTRIBUTION = bytesToHex(ATTRIBUTION_ADDRESS);
/** No further blocks are read before everything that was committed in these is examined. */
const LOG_RANGE_BLOCKS = 1_000n;
/** Answers that could not be judged are tried again after the poll's time, then twice that, up to this. */
const MAX_RETRY_MS = 60_000;
/** Beyond this the one tried longest ago is given up. */
const MAX_UNJUDGED = 10_000;
/** Demands of this watcher that are followed up. */
const MAX_DEMANDED = 10_000;

export interface WatcherParts {
  readonly client: PublicClient;
  readonly chainId: bigint;
  readonly chain: ChainReader;
  readonly judge: Judge;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pollMs: number;
  readonly lookbackBlocks: bigint;
  /** Undefined: all. */
  readonly models: ReadonlySet<bigint> | undefined;
  /** Of a thousand commitments, how many get a demand for one random chunk of their model's data. */
  readonly demandsPerMille: number;
  readonly bondWei: () => Promise<bigint>;
  /** 0 to n - 1. */
  readonly random: (n: number) => number;
  /** Undefined: none. */
  readonly answers: GivenAnswers | undefined;
}

/** A chunk that this watcher demanded. */
interface Demanded {
  readonly commitment: Commitment;
  readonly contribution: bigint;
  readonly chunk: bigint;
  /** Block timestamp, seconds. */
  readonly deadline: bigint;
}

interface Unjudged {
  readonly commitment: Commitment;
  readonly waitMs: number;
  readonly atMs: number;
}

export interface WatchCounts {
  checked: number;
  challenged: number;
  upheld: number;
  demanded: number;
  /** Could not be judged at first: output or content was not to be had, or something failed. */
  unknown: number;
}

export class Watcher {
  readonly counts: WatchCounts = { checked: 0, challenged: 0, upheld: 0, demanded: 0, unknown: 0 };
  readonly #parts: WatcherParts;
  /** Of the blocks read last, those that are not examined yet, in their order. */
  #toExamine: Commitment[] = [];
  /** Tried again while their window is open. */
  readonly #unjudged = new RecentMap<bigint, Unjudged>(MAX_UNJUDGED);
  #demanded: Demanded[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #next: bigint | undefined;
  #cancel: (() => void) | undefined;
  #isStopped = false;
  #turn: Promise<void> = Promise.resolve();

  constructor(parts: WatcherParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#turn = this.#tick();
  }

  /** Resolves when what is under way has ended. The sender is to be stopped first: some of it waits for blocks. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    await this.#turn;
    await Promise.all(this.#underWay);
  }

  async #tick(): Promise<void> {
    const { clock, log, pollMs } = this.#parts;
    try {
      this.#readAnswers();
      await this.#follow();
    } catch (error) {
      log.warn({ reason: firstLine(error) }, "the chain cannot be read; trying again");
    }
    if (this.#isStopped) return;
    this.#cancel = clock.at(clock.nowMs() + pollMs, () => {
      this.#turn = this.#tick();
    });
  }

  #readAnswers(): void {
    const { answers, log } = this.#parts;
    try {
      for (const { message } of answers?.refresh() ?? []) log.warn(message);
    } catch (error) {
      log.warn({ reason: firstLine(error) }, "--answers cannot be read; trying again");
    }
  }

  async #follow(): Promise<void> {
    const { client, chain, lookbackBlocks } = this.#parts;
    const head = await chain.head();
    let next = this.#next ?? (head.number > lookbackBlocks ? head.number - lookbackBlocks : 0n);
    for (;;) {
      await this.#examineAll();
      if (this.#isStopped || this.#toExamine.length > 0 || next > head.number) break;
      const last = next + LOG_RANGE_BLOCKS - 1n;
      const to = last < head.number ? last : head.number;
      const [commitments, active] = await Promise.all([
        readCommitments(client, next, to),
        readActiveModels(client, next, to),
      ]);
      for (const [modelId, block] of active) this.#prepare(modelId, block);
      this.#toExamine = commitments;
      next = to + 1n;
      this.#next = next;
    }
    await this.#retry();
    await this.#collect(head.timestamp);
  }

  get #mayExamine(): boolean {
    return !this.#isStopped && this.#parts.sender.hasRoom;
  }

  /** As many as there is room for. */
  async #examineAll(): Promise<void> {
    const { pollMs } = this.#parts;
    while (this.#mayExamine) {
      const commitment = this.#toExamine.shift();
      if (commitment === undefined) return;
      if (await this.#examine(commitment)) continue;
      this.counts.unknown++;
      this.#tryLater(commitment, pollMs);
    }
  }

  async #retry(): Promise<void> {
    const nowMs = this.#parts.clock.nowMs();
    for (const [inferenceId, { commitment, waitMs, atMs }] of [...this.#unjudged.entries()]) {
      if (!this.#mayExamine) return;
      if (atMs > nowMs) continue;
      if (await this.#examine(commitment)) this.#unjudged.delete(inferenceId);
      else this.#tryLater(commitment, Math.min(MAX_RETRY_MS, waitMs * 2));
    }
  }

  #tryLater(commitment: Commitment, waitMs: number): void {
    const atMs = this.#parts.clock.nowMs() + waitMs;
    this.#unjudged.set(commitment.claim.inferenceId, { commitment, waitMs, atMs });
  }

  /** An answer will follow, and its window may be shorter than what it takes to index the model's data. */
  #prepare(modelId: bigint, block: bigint): void {
    const { models, judge, log } = this.#parts;
    if (models !== undefined && !models.has(modelId)) return;
    judge.prepare(modelId, block).then(
      (isNew) => isNew && log.info({ modelId: String(modelId) }, "model indexed"),
      (error: unknown) => {
        log.warn({ modelId: String(modelId), reason: firstLine(error) }, "no index yet");
      },
    );
  }

  /** True when there is nothing left to do about it. Whatever fails is of this answer alone: others must not wait for it. */
  async #examine(commitment: Commitment): Promise<boolean> {
    const { chain, models, log } = this.#parts;
    const { inferenceId } = commitment.claim;
    if (models !== undefined && !models.has(commitment.modelId)) return true;
    try {
      const request = await chain.inference(inferenceId);
      if (request?.state !== "committed") return true;
      const { timestamp } = await chain.head();
      if (timestamp >= request.settleAfter) return true;
      const call = await this.#refute(commitment, request);
      this.counts.checked++;
      this.#beside(call === undefined ? this.#demandNow(commitment, request) : this.#challenge(commitment, call));
      return true;
    } catch (error) {
      log.warn({ inferenceId: String(inferenceId), reason: firstLine(error) }, "cannot be judged yet");
      return false;
    }
  }

  /** Transactions wait for blocks: other answers are judged meanwhile. */
  #beside(work: Promise<void>): void {
    const { log } = this.#parts;
    const done: Promise<void> = work
      .catch((error: unknown) => log.warn({ reason: firstLine(error) }, "a transaction failed"))
      .finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  /** Undefined when the answer is right. Throws when it cannot be said. */
  async #refute(commitment: Commitment, request: InferenceRequest): Promise<Refutation | undefined> {
    const { client, chainId, judge } = this.#parts;
    const { inferenceId, outputRoot } = commitment.claim;
    const given = this.#parts.answers?.of(inferenceId) ?? [];
    const other = await findContradiction(chainId, commitment, request.requestRoot, given);
    if (other !== undefined) return other;
    const output =
      (await outputFromCalldata(client, commitment)) ??
      given.find((answer) => answer.outputRoot === outputRoot)?.output;
    if (output === undefined) throw new Error("its output is neither in the commitment's calldata nor in --answers");
    return judge.refute(commitment, request, output);
  }

  async #challenge(commitment: Commitment, { functionName, args }: Refutation): Promise<void> {
    const { log } = this.#parts;
    const { inferenceId } = commitment.claim;
    const fields = { inferenceId: String(inferenceId), host: commitment.host, challenge: functionName };
    this.counts.challenged++;
    const data = encodeFunctionData({ abi: attributionAbi as Abi, functionName, args });
    const outcome = await this.#send({ label: `${functionName} ${inferenceId}`, to: ATTRIBUTION, data });
    if (outcome === "mined") {
      this.counts.upheld++;
      log.info(fields, "the answer was wrong: it is void, and its host slashed");
    } else log.warn({ ...fields, outcome }, "the challenge was not upheld");
  }

  /** What became of it, or the precompile's error. */
  async #send(call: Call): Promise<string> {
    try {
      return (await this.#parts.sender.send(call)).type;
    } catch (error) {
      if (error instanceof RevertError) return error.errorName ?? error.message;
      throw error;
    }
  }

  /** For a share of the answers: does the host hold the data? */
  async #demandNow(commitment: Commitment, request: InferenceRequest): Promise<void> {
    const { chain, client, demandsPerMille, random, bondWei, log } = this.#parts;
    if (random(1_000) >= demandsPerMille || this.#demanded.length >= MAX_DEMANDED) return;
    const live = await liveContributions(chain, request.modelId, request.requestedAt);
    const entry = live[random(Math.max(1, live.length))];
    if (entry === undefined) return;
    const { inferenceId } = commitment.claim;
    const chunk = BigInt(random(chunkCount(entry.size)));
    const args = [inferenceId, entry.id, chunk] as const;
    const data = encodeFunctionData({ abi: attributionAbi, functionName: "demandChunk", args });
    const label = `demand ${inferenceId}`;
    const outcome = await this.#send({ label, to: ATTRIBUTION, data, valueWei: await bondWei() });
    if (outcome !== "mined") {
      log.debug({ inferenceId: String(inferenceId), outcome }, "no chunk was demanded");
      return;
    }
    this.counts.demanded++;
    const [, deadline] = await client.readContract({
      address: ATTRIBUTION,
      abi: attributionAbi,
      functionName: "demand",
      args,
    });
    this.#demanded.push({ commitment, contribution: entry.id, chunk, deadline });
    log.info(
      { inferenceId: String(inferenceId), contribution: String(entry.id), bytes: CHUNK_BYTES },
      "demanded a chunk",
    );
  }

  /** Demands whose deadline has passed: what was not shown voids the answer. */
  async #collect(now: bigint): Promise<void> {
    const due = this.#demanded.filter(({ deadline }) => deadline < now);
    this.#demanded = this.#demanded.filter(({ deadline }) => deadline >= now);
    for (const { commitment, contribution, chunk } of due) {
      const { claim } = commitment;
      const args = [claim.inferenceId, contribution, chunk] as const;
      const demand = { address: ATTRIBUTION as Hex, abi: attributionAbi, functionName: "demand", args } as const;
      const [, , closed] = await this.#parts.client.readContract(demand);
      if (closed) continue;
      await this.#challenge(commitment, {
        functionName: "proveUnavailable",
        args: [claim, contribution, chunk],
      } as never);
    }
  }
}
