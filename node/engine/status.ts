/** What operators see of consensus. */
import type { Simplex } from "../../consensus/simplex.ts";
import { baseView, type Certificate, KIND, type VoteKind } from "../../consensus/types.ts";
import { bytesToHex } from "../../core/bytes.ts";
import type { Clock } from "../ports.ts";

/** `follow`: no key. `observe`: there is a key, and it does not sign. */
export type EngineMode = "validate" | "observe" | "follow";

export interface EngineStatus {
  readonly mode: EngineMode;
  /** Why a validator does not sign. */
  readonly signingProblem: string | undefined;
  readonly epoch: number;
  /** Counted from the epoch's base. */
  readonly viewInEpoch: number;
  /** Index in the current set; undefined for who is not in it. */
  readonly validatorIndex: number | undefined;
  readonly validators: number;
  /** Undefined: alone. */
  readonly peers: number | undefined;
  readonly blocksCommitted: number;
  readonly transactionsCommitted: number;
  /** Since the start or the last block. */
  readonly sinceBlockMs: number;
  readonly notarizations: number;
  readonly nullifications: number;
  readonly finalizations: number;
  readonly votesCast: number;
  readonly evidence: number;
  /** From the beginning of a proposal here (its making, or its arrival) to the commit, of the last blocks. */
  readonly commitLatency: Latency;
  readonly roundsKept: number;
  readonly votesKept: number;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Since the start. */
  readonly count: number;
}

/** Latencies that the quantiles are of. */
const SAMPLES = 512;
/** Proposals whose commit is awaited; most others are never committed. */
const AWAITED = 64;

export class Statistics {
  readonly #clock: Clock;
  readonly #certificates: Record<VoteKind, number> = { 1: 0, 2: 0, 3: 0 };
  #votes = 0;
  #blocks = 0;
  #transactions = 0;
  #blockAtMs: number;
  /** By block, the oldest first. */
  readonly #proposedAtMs = new Map<string, number>();
  readonly #latenciesMs: number[] = [];
  #latencies = 0;
  evidence = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#blockAtMs = clock.nowMs();
  }

  certified({ kind }: Certificate): void {
    this.#certificates[kind]++;
  }

  voted(): void {
    this.#votes++;
  }

  proposed(block: Uint8Array, atMs: number): void {
    const key = bytesToHex(block);
    if (!this.#proposedAtMs.has(key)) this.#proposedAtMs.set(key, atMs);
    for (const oldest of this.#proposedAtMs.keys()) {
      if (this.#proposedAtMs.size <= AWAITED) return;
      this.#proposedAtMs.delete(oldest);
    }
  }

  committed(block: Uint8Array, transactions: number): void {
    this.#blocks++;
    this.#transactions += transactions;
    this.#blockAtMs = this.#clock.nowMs();
    const key = bytesToHex(block);
    const proposedAtMs = this.#proposedAtMs.get(key);
    if (proposedAtMs === undefined) return;
    this.#proposedAtMs.delete(key);
    this.#latenciesMs[this.#latencies++ % SAMPLES] = this.#blockAtMs - proposedAtMs;
  }

  get #latency(): Latency {
    const sorted = [...this.#latenciesMs].sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return { p50Ms: at(0.5), p99Ms: at(0.99), count: this.#latencies };
  }

  status(core: Simplex, mode: EngineMode, signingProblem: string | undefined, peers: number | undefined): EngineStatus {
    return {
      mode,
      signingProblem,
      epoch: core.epoch,
      viewInEpoch: core.view - baseView(core.epoch),
      validatorIndex: core.signer,
      validators: core.set.validators.length,
      peers,
      blocksCommitted: this.#blocks,
      transactionsCommitted: this.#transactions,
      sinceBlockMs: this.#clock.nowMs() - this.#blockAtMs,
      notarizations: this.#certificates[KIND.notarize],
      nullifications: this.#certificates[KIND.nullify],
      finalizations: this.#certificates[KIND.finalize],
      votesCast: this.#votes,
      evidence: this.evidence,
      commitLatency: this.#latency,
      roundsKept: core.size.rounds,
      votesKept: core.size.votes,
    };
  }
}
