/**
 * One validator's state machine under a test's hand: the test is everybody else. Own votes come back at once, blocks are
 * valid unless the test answers for them, and time moves from timer to timer.
 */
import type { ConsensusEffect, ConsensusEvent } from "../events.ts";
import { Simplex, type SimplexStart } from "../simplex.ts";
import type { Timing } from "../timing.ts";
import { type Certificate, epochOfView, type Proposal, type Subject, type Tip, type Vote } from "../types.ts";
import { leaderOf, type ValidatorSet } from "../validators.ts";
import { AdditiveScheme, block, certificateOf, DOMAIN, notarize, setOf, voteOf } from "./votes.ts";

export const TIMING: Timing = { intervalMs: 1_000, heartbeatMs: 5_000, deltaMs: 400 };
export const FOUR = setOf([1n, 1n, 1n, 1n]);
/** Leads the views 4, 8, 12…: validator i leads view i + 1. */
export const ME = 3;
export const OTHERS = [0, 1, 2];

export const at = (view: number, height: number, name: string): Tip => ({ view, height, block: block(name) });
export const GENESIS = at(0, 0, "genesis");

/** Signed by the leader of the view; `again` repeats the block it stands on. */
export function proposalOf(
  set: ValidatorSet,
  view: number,
  name: string,
  on: Tip,
  { signer = leaderOf(view, set), certificates = [] as readonly Certificate[], again = false } = {},
): Proposal {
  const vote = voteOf(set, signer, notarize(view, name, on.view));
  return { vote, height: on.height + (again ? 0 : 1), parent: on.block, certificates };
}

export interface TestNodeOptions {
  readonly set?: ValidatorSet;
  /** Index of the key it signs with; undefined follows without voting. */
  readonly me?: number | undefined;
  readonly epochBlocks?: number;
  readonly start?: Partial<SimplexStart>;
  readonly nowMs?: number;
  /** Answer `validate` with yes at once. */
  readonly isTrusting?: boolean;
}

export class TestNode {
  readonly core: Simplex;
  readonly scheme = new AdditiveScheme();
  readonly set: ValidatorSet;
  nowMs: number;
  timerAtMs = Number.POSITIVE_INFINITY;
  /** Everything it ever asked to sign, in order. */
  readonly signed: Subject[] = [];
  readonly first: readonly ConsensusEffect[];
  readonly #isTrusting: boolean;

  constructor(options: TestNodeOptions = {}) {
    const { set = FOUR, epochBlocks = 1_000, start, nowMs = 0, isTrusting = true } = options;
    const me = "me" in options ? options.me : ME;
    this.set = set;
    this.nowMs = nowMs;
    this.#isTrusting = isTrusting;
    const publicKey = me === undefined ? undefined : set.validators[me]?.publicKey;
    const config = { domain: DOMAIN, scheme: this.scheme, epochBlocks, timing: TIMING, publicKey };
    const base = start?.base ?? GENESIS;
    const epoch = epochOfView(base.view);
    const whole = { epoch, set, base, tip: base, votes: [], certificates: [], blocks: [], ...start };
    this.core = new Simplex(config, whole, nowMs);
    this.first = this.#carryOut(this.core.start(nowMs));
  }

  /** What it has to be done, own votes that came back included. */
  step(event: ConsensusEvent): readonly ConsensusEffect[] {
    return this.#carryOut(this.core.step(event, this.nowMs));
  }

  #carryOut(effects: readonly ConsensusEffect[]): readonly ConsensusEffect[] {
    const all: ConsensusEffect[] = [];
    for (const effect of effects) {
      all.push(effect);
      if (effect.type === "timer") this.timerAtMs = effect.atMs;
      if (effect.type === "vote") all.push(...this.#cast(effect));
      if (effect.type === "validate" && this.#isTrusting) {
        all.push(...this.step({ type: "validated", view: effect.view, block: effect.block, valid: true }));
      }
    }
    return all;
  }

  #cast({ subject, signer, proposal }: ConsensusEffect & { readonly type: "vote" }): readonly ConsensusEffect[] {
    this.signed.push(subject);
    const vote = voteOf(this.core.set, signer, subject);
    return proposal === undefined
      ? this.step({ type: "vote", vote, from: undefined })
      : this.step({ type: "proposal", proposal: { ...proposal, vote }, from: undefined });
  }

  // What others send

  vote(vote: Vote, from = `p${vote.signer}`): readonly ConsensusEffect[] {
    return this.step({ type: "vote", vote, from });
  }

  votes(subject: Subject, signers: readonly number[] = OTHERS): readonly ConsensusEffect[] {
    return signers.flatMap((signer) => this.vote(voteOf(this.core.set, signer, subject)));
  }

  certificate(subject: Subject, signers: readonly number[] = OTHERS, from = "peer"): readonly ConsensusEffect[] {
    return this.step({ type: "certificate", certificate: certificateOf(this.core.set, signers, subject), from });
  }

  proposal(proposal: Proposal, from = "peer"): readonly ConsensusEffect[] {
    return this.step({ type: "proposal", proposal, from });
  }

  /** Proposed and voted for by everybody: the position that follows. */
  notarized(view: number, name: string, on: Tip): Tip {
    this.proposal(proposalOf(this.core.set, view, name, on));
    this.votes(notarize(view, name, on.view));
    return at(view, on.height + 1, name);
  }

  /** Moves time on to `ms`, through every timer on the way. */
  until(ms: number): readonly ConsensusEffect[] {
    const all: ConsensusEffect[] = [];
    for (let timers = 0; this.timerAtMs <= ms; timers++) {
      if (timers === 1_000) throw new Error(`timers without end at ${this.nowMs} ms`);
      this.nowMs = Math.max(this.nowMs, this.timerAtMs);
      this.timerAtMs = Number.POSITIVE_INFINITY;
      all.push(...this.step({ type: "timer" }));
    }
    this.nowMs = ms;
    return all;
  }

  wait(ms: number): readonly ConsensusEffect[] {
    return this.until(this.nowMs + ms);
  }
}

type Effect<T extends ConsensusEffect["type"]> = ConsensusEffect & { readonly type: T };

export const only = <T extends ConsensusEffect["type"]>(effects: readonly ConsensusEffect[], type: T): Effect<T>[] =>
  effects.filter((effect): effect is Effect<T> => effect.type === type);

/** Subjects that it asked to sign. */
export const signedIn = (effects: readonly ConsensusEffect[]): Subject[] =>
  only(effects, "vote").map(({ subject }) => subject);

export const sentCertificates = (effects: readonly ConsensusEffect[]): Subject[] =>
  only(effects, "send-certificate").map(({ certificate }) => subjectOf(certificate));

export const subjectOf = ({ kind, epoch, view, parentView, block }: Subject): Subject => ({
  kind,
  epoch,
  view,
  parentView,
  block,
});
