/**
 * The votes of one view. Signatures are checked as late as possible: when the votes on one subject reach a quorum they
 * are added up and verified at once, and only when that fails are they bisected to find those that are wrong. A vote is
 * verified by itself only where it contradicts another one: as evidence it must stand alone.
 *
 * Bounded: a validator has one vote of each kind here, whatever arrives in its name.
 */
import { bitmapOf, isSameSubject } from "./certificates.ts";
import { type Domain, type Scheme, voteDigest } from "./scheme.ts";
import { type Certificate, type Evidence, KIND, type Subject, type Vote } from "./types.ts";
import { isQuorum, type ValidatorSet } from "./validators.ts";

export interface BallotRules {
  readonly set: ValidatorSet;
  readonly domain: Domain;
  readonly scheme: Scheme;
}

interface Ballot {
  readonly vote: Vote;
  readonly from: string | undefined;
  /** By itself, not only as a part of a sum. */
  verified: boolean;
}

/** Votes on one subject. */
interface Tally {
  readonly subject: Subject;
  readonly digest: Uint8Array;
  readonly ballots: Map<number, Ballot>;
  stake: bigint;
  isCertified: boolean;
}

export interface BallotOutcome {
  readonly certificate?: Certificate;
  readonly evidence: readonly Evidence[];
  /** Peers that sent signatures which their validators did not make. */
  readonly forgers: readonly string[];
}

const NOTHING: BallotOutcome = { evidence: [], forgers: [] };

/** Two votes of one validator in one view that no honest one makes. */
export function isSlashable(a: Subject, b: Subject): boolean {
  if (a.view !== b.view) return false;
  const [low, high] = a.kind <= b.kind ? [a, b] : [b, a];
  if (low.kind === high.kind) return !isSameSubject(low, high);
  if (high.kind !== KIND.finalize) return false; // notarize and nullify: timing out after a vote is honest
  return low.kind === KIND.nullify || !isSameSubject({ ...low, kind: KIND.finalize }, high);
}

export class Ballots {
  readonly #rules: BallotRules;
  /** By signer, for each kind the one ballot that is kept. */
  readonly #bySigner = new Map<number, Map<number, Ballot>>();
  readonly #tallies: Tally[] = [];
  readonly #accused = new Set<number>();

  constructor(rules: BallotRules) {
    this.#rules = rules;
  }

  /** Votes that are kept. */
  get size(): number {
    let size = 0;
    for (const ballots of this.#bySigner.values()) size += ballots.size;
    return size;
  }

  get votes(): Vote[] {
    return [...this.#bySigner.values()].flatMap((ballots) => [...ballots.values()].map(({ vote }) => vote));
  }

  votesOf(signer: number): Vote[] {
    return [...(this.#bySigner.get(signer)?.values() ?? [])].map(({ vote }) => vote);
  }

  /** Whether this vote, byte for byte, is here. */
  has(vote: Vote): boolean {
    const kept = this.#bySigner.get(vote.signer)?.get(vote.kind)?.vote;
    return kept !== undefined && isSameSubject(kept, vote) && sameBytes(kept.signature, vote.signature);
  }

  /** False for a vote that is here, and for another one of its kind from a signer whose guilt is proven. */
  wants(vote: Vote): boolean {
    const kept = this.#bySigner.get(vote.signer)?.get(vote.kind);
    return kept === undefined || !(this.has(vote) || (kept.verified && this.#accused.has(vote.signer)));
  }

  /**
   * Precondition: the signer is in the set, the vote is of this view and epoch. `isVerified`: its signature has been
   * checked. Counts it, and certifies its subject once the stake is enough and `mayCertify`.
   */
  add(vote: Vote, from: string | undefined, isVerified: boolean, mayCertify: boolean): BallotOutcome {
    if (!this.wants(vote)) {
      if (isVerified && this.has(vote)) this.#bySigner.get(vote.signer)!.get(vote.kind)!.verified = true;
      return NOTHING;
    }
    const ballot: Ballot = { vote, from, verified: isVerified };
    const evidence: Evidence[] = [];
    const forgers: string[] = [];
    for (const kept of [...(this.#bySigner.get(vote.signer)?.values() ?? [])]) {
      const isRival = kept.vote.kind === vote.kind;
      if (!isRival && !isSlashable(kept.vote, vote)) continue;
      // They exclude each other: one of them is forged, or both are proof.
      if (!this.#verify(ballot)) return { evidence, forgers: from === undefined ? forgers : [...forgers, from] };
      if (!this.#verify(kept)) {
        this.#remove(kept);
        if (kept.from !== undefined) forgers.push(kept.from);
        continue;
      }
      if (!this.#accused.has(vote.signer) && isSlashable(kept.vote, vote)) {
        this.#accused.add(vote.signer);
        evidence.push({ epoch: vote.epoch, signer: vote.signer, first: kept.vote, second: vote });
      }
      if (isRival) return { evidence, forgers };
    }
    const tally = this.#insert(ballot);
    if (!mayCertify || tally.isCertified || !isQuorum(tally.stake, this.#rules.set)) return { evidence, forgers };
    const certificate = this.#certify(tally, forgers);
    return certificate === undefined ? { evidence, forgers } : { certificate, evidence, forgers };
  }

  #insert(ballot: Ballot): Tally {
    const { vote } = ballot;
    const { set, domain } = this.#rules;
    let tally = this.#tallies.find(({ subject }) => isSameSubject(subject, vote));
    if (tally === undefined) {
      const digest = voteDigest(domain, set.hash, vote);
      tally = { subject: vote, digest, ballots: new Map(), stake: 0n, isCertified: false };
      this.#tallies.push(tally);
    }
    tally.ballots.set(vote.signer, ballot);
    tally.stake += set.validators[vote.signer]!.stake;
    let kept = this.#bySigner.get(vote.signer);
    if (kept === undefined) {
      kept = new Map();
      this.#bySigner.set(vote.signer, kept);
    }
    kept.set(vote.kind, ballot);
    return tally;
  }

  #remove(ballot: Ballot): void {
    const { vote } = ballot;
    this.#bySigner.get(vote.signer)?.delete(vote.kind);
    const at = this.#tallies.findIndex(({ subject }) => isSameSubject(subject, vote));
    const tally = this.#tallies[at];
    if (tally?.ballots.delete(vote.signer)) tally.stake -= this.#rules.set.validators[vote.signer]!.stake;
    if (tally?.ballots.size === 0) this.#tallies.splice(at, 1);
  }

  #verify(ballot: Ballot): boolean {
    if (ballot.verified) return true;
    const { vote } = ballot;
    const { set, domain, scheme } = this.#rules;
    const digest = voteDigest(domain, set.hash, vote);
    ballot.verified = scheme.verify([set.validators[vote.signer]!.publicKey], digest, vote.signature);
    return ballot.verified;
  }

  /** Adds up what there is; drops what is wrong, and tries again while a quorum is left. */
  #certify(tally: Tally, forgers: string[]): Certificate | undefined {
    const { set, scheme } = this.#rules;
    const ballots = [...tally.ballots.values()];
    let sum = this.#sum(tally, ballots);
    if (sum === undefined) {
      for (const wrong of this.#findWrong(tally, ballots)) {
        this.#remove(wrong);
        if (wrong.from !== undefined) forgers.push(wrong.from);
      }
      if (!isQuorum(tally.stake, set)) return undefined;
      sum = scheme.aggregate([...tally.ballots.values()].map(({ vote }) => vote.signature));
      if (sum === undefined) return undefined;
    }
    tally.isCertified = true;
    const { kind, epoch, view, parentView, block } = tally.subject;
    const bitmap = bitmapOf(tally.ballots.keys(), set.validators.length);
    return { kind, epoch, view, parentView, block, bitmap, signature: sum };
  }

  /** The aggregate of these ballots when it is valid. */
  #sum(tally: Tally, ballots: readonly Ballot[]): Uint8Array | undefined {
    const { set, scheme } = this.#rules;
    const sum = scheme.aggregate(ballots.map(({ vote }) => vote.signature));
    if (sum === undefined) return undefined;
    const keys = ballots.map(({ vote }) => set.validators[vote.signer]!.publicKey);
    return scheme.verify(keys, tally.digest, sum) ? sum : undefined;
  }

  /** Bisection: O(w · log n) sums for w wrong ones. Precondition: the sum of `ballots` is wrong. */
  #findWrong(tally: Tally, ballots: readonly Ballot[]): Ballot[] {
    if (ballots.length === 1) return [ballots[0]!];
    const half = ballots.length >> 1;
    const halves = [ballots.slice(0, half), ballots.slice(half)];
    const wrong = halves.filter((part) => this.#sum(tally, part) === undefined);
    return wrong.flatMap((part) => this.#findWrong(tally, part));
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
