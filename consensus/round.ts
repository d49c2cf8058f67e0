/** What is known of one view. */
import { type BallotRules, Ballots } from "./ballots.ts";
import { isSameBlock, isSameSubject } from "./certificates.ts";
import { type Certificate, KIND, type Proposal, type Subject } from "./types.ts";

export type ProposalPhase =
  /** Its parent, or a nullification that it needs, is not known yet; or its view has not begun. */
  "waiting" | "validating" | "valid" | "invalid";

export class Round {
  readonly view: number;
  readonly ballots: Ballots;
  proposal: Proposal | undefined;
  phase: ProposalPhase = "waiting";
  proposedAtMs: number | undefined;
  /** Its leader signed two proposals. */
  isEquivocated = false;
  notarization: Certificate | undefined;
  nullification: Certificate | undefined;
  finalization: Certificate | undefined;
  /** What this node signed here, or asked to sign: never to be contradicted. At most one of a kind. */
  #signed: readonly Subject[] = [];

  constructor(view: number, rules: BallotRules) {
    this.view = view;
    this.ballots = new Ballots(rules);
  }

  /** A certificate that lets everybody leave this view. */
  get isOver(): boolean {
    return this.notarization !== undefined || this.nullification !== undefined || this.finalization !== undefined;
  }

  /** The block that this view notarized; a finalized one is. */
  get notarized(): Certificate | undefined {
    return this.notarization ?? this.finalization;
  }

  get signed(): readonly Subject[] {
    return this.#signed;
  }

  /** Once is enough: a log has a vote again after each restart that announced it again. */
  sign(subject: Subject): void {
    if (!this.#signed.some((signed) => isSameSubject(signed, subject))) this.#signed = [...this.#signed, subject];
  }

  get hasVoted(): boolean {
    return this.#signed.length > 0;
  }

  /** For a view long past: what was certified, what this node signed, and what to build on stays. */
  withoutVotes(rules: BallotRules): Round {
    const kept = new Round(this.view, rules);
    kept.notarization = this.notarization;
    kept.nullification = this.nullification;
    kept.finalization = this.finalization;
    kept.isEquivocated = this.isEquivocated;
    kept.#signed = this.#signed;
    if (this.proposal !== undefined) kept.proposal = { ...this.proposal, certificates: [] };
    kept.phase = this.phase;
    return kept;
  }

  get certificates(): Certificate[] {
    return [this.notarization, this.nullification, this.finalization].filter((c) => c !== undefined);
  }

  certificateFor(kind: number): Certificate | undefined {
    return kind === KIND.notarize ? this.notarization : kind === KIND.nullify ? this.nullification : this.finalization;
  }

  /** False when there is one of its kind. */
  keep(certificate: Certificate): boolean {
    if (this.certificateFor(certificate.kind) !== undefined) return false;
    if (certificate.kind === KIND.notarize) this.notarization = certificate;
    else if (certificate.kind === KIND.nullify) this.nullification = certificate;
    else this.finalization = certificate;
    return true;
  }

  /** What two quorums cannot both have said while less than a third of the stake is faulty. */
  conflictWith(certificate: Certificate): string | undefined {
    const { kind } = certificate;
    const { notarized, nullification, finalization } = this;
    if (kind !== KIND.nullify && notarized !== undefined && !isSameSubject({ ...notarized, kind }, certificate)) {
      return `two blocks, or one on two parents, are certified in view ${this.view}`;
    }
    const isBoth =
      (kind === KIND.nullify && finalization !== undefined) || (kind === KIND.finalize && nullification !== undefined);
    return isBoth ? `view ${this.view} is both nullified and finalized` : undefined;
  }

  /** Height of a block that was proposed here, where it is known. */
  heightOf(block: Uint8Array): number | undefined {
    return this.proposal !== undefined && isSameBlock(this.proposal.vote.block, block)
      ? this.proposal.height
      : undefined;
  }
}
