/**
 * Simplex (Chan and Pass, eprint 2023/463) with stake-weighted certificates, as one state machine: events in, effects
 * out, no clock, no I/O, no keys. "Rule n" refers to docs/consensus.md.
 *
 * A view has one leader. Either its block is notarized by a quorum, or the view is nullified by one; both let everybody
 * go on. Who saw a notarization without having given up on the view votes to finalize; a quorum of those makes the block
 * and all its ancestors final. Nobody honest signs both nullify(v) and finalize(v), nor two notarizes in a view: that is
 * all that safety rests on, and `Round.own` is where it is kept.
 */
import { type BallotRules, isSlashable } from "./ballots.ts";
import { isSameBlock, isSameSubject, verifyCertificate } from "./certificates.ts";
import type { ConsensusEffect, ConsensusEvent } from "./events.ts";
import { Round } from "./round.ts";
import { type Domain, type Scheme, voteDigest } from "./scheme.ts";
import { dueAtMs, patience, type Timing } from "./timing.ts";
import {
  type Certificate,
  epochOfHeight,
  isLastOfEpoch,
  KIND,
  MAX_PROPOSAL_CERTIFICATES,
  type Proposal,
  type Subject,
  type Tip,
  type Vote,
} from "./types.ts";
import { leaderOf, type ValidatorSet } from "./validators.ts";

export interface SimplexConfig {
  readonly domain: Domain;
  readonly scheme: Scheme;
  readonly epochBlocks: number;
  readonly timing: Timing;
  /** The key this node signs with; undefined: it follows without voting. */
  readonly publicKey: Uint8Array | undefined;
}

/** Where a node begins: what is committed, and what its log says it signed and saw since. */
export interface SimplexStart {
  readonly epoch: number;
  readonly set: ValidatorSet;
  /** The last block of the epoch before, or genesis, at the epoch's base view. */
  readonly base: Tip;
  /** The last committed block. Equals `base` at the start of an epoch. */
  readonly tip: Tip;
  readonly votes: readonly Subject[];
  readonly certificates: readonly Certificate[];
  /** Blocks of the log. */
  readonly blocks: readonly { readonly block: Uint8Array; readonly height: number }[];
}

/** Votes and proposals this far ahead are kept; a certificate of any view is news. */
export const FUTURE_VIEWS = 16;
/** Finalized views whose votes are still compared, to catch those who contradict themselves late. */
const PAST_VIEWS = 32;
/** Undecided views older than this keep their certificates and forget their votes. */
const UNDECIDED_VIEWS = 256;
/** Views that one repair asks for. */
const FETCH_VIEWS = 64;
/** Open views whose votes are sent again while nothing moves. */
const RESEND_VIEWS = 4;

const ZERO_BLOCK = new Uint8Array(32);

export class Simplex {
  readonly #config: SimplexConfig;
  #epoch: number;
  #set: ValidatorSet;
  #rules: BallotRules;
  #base: Tip;
  /** Final; its height is -1 while only its certificate is known. */
  #finalized: Tip;
  #finalization: Certificate | undefined;
  #signer: number | undefined;
  #maySign = true;
  #isHalted = false;
  readonly #rounds = new Map<number, Round>();
  /** Of blocks of the log; asked only for parents of own proposals. */
  #heights: readonly { readonly block: Uint8Array; readonly height: number }[];

  #view: number;
  #enteredAtMs: number;
  #lastBlockAtMs: number | undefined;
  #includableAtMs: number | undefined;
  #parent: Tip | undefined;
  #isParentKnown = false;
  /** The highest notarized view before the current one, as far as it is known. */
  #lastNotarized: number;
  /** View in which a block is being built, or was. */
  #buildingView = -1;
  #retryAtMs = 0;
  #timerAtMs = Number.POSITIVE_INFINITY;

  #effects: ConsensusEffect[] = [];

  constructor(config: SimplexConfig, start: SimplexStart, nowMs: number) {
    this.#config = config;
    this.#epoch = start.epoch;
    this.#set = start.set;
    this.#rules = this.#rulesOf(start.set);
    this.#base = start.base;
    this.#finalized = start.tip;
    this.#signer = this.#indexIn(start.set);
    this.#heights = start.blocks;
    this.#view = start.tip.view + 1;
    this.#enteredAtMs = nowMs;
    this.#lastBlockAtMs = nowMs;
    for (const certificate of start.certificates) this.#restoreCertificate(certificate);
    for (const subject of start.votes) this.#restoreVote(subject);
    while (this.#rounds.get(this.#view)?.isOver) this.#view++;
    this.#lastNotarized = this.#findLastNotarized();
  }

  get view(): number {
    return this.#view;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get set(): ValidatorSet {
    return this.#set;
  }

  get finalized(): Tip {
    return this.#finalized;
  }

  /** Index of the own key in the current set; undefined for one who only follows. */
  get signer(): number | undefined {
    return this.#signer;
  }

  get leader(): number {
    return leaderOf(this.#view, this.#set);
  }

  /** Votes and views that are kept, for metrics and for those who watch that it stays bounded. */
  get size(): { readonly rounds: number; readonly votes: number } {
    let votes = 0;
    for (const round of this.#rounds.values()) votes += round.ballots.size;
    return { rounds: this.#rounds.size, votes };
  }

  /** What is known of a view of the current epoch, for peers who missed it. */
  viewState(view: number): { readonly certificates: readonly Certificate[]; readonly votes: readonly Vote[] } {
    const round = this.#rounds.get(view);
    return { certificates: round?.certificates ?? [], votes: round?.ballots.votes ?? [] };
  }

  /** The newest finalize certificate of the current epoch. */
  get finalization(): Certificate | undefined {
    return this.#finalization;
  }

  /** Blocks that may still become final, or be built upon: their bytes have to be kept. */
  openBlocks(): Uint8Array[] {
    const blocks: Uint8Array[] = [];
    for (const round of this.#rounds.values()) {
      if (round.view <= this.#finalized.view) continue;
      if (round.proposal !== undefined) blocks.push(round.proposal.vote.block);
      if (round.notarization !== undefined) blocks.push(round.notarization.block);
    }
    return blocks;
  }

  /** Own votes and certificates that a new segment of the log has to begin with. */
  openRecords(): { readonly votes: readonly Subject[]; readonly certificates: readonly Certificate[] } {
    const open = [...this.#rounds.values()].filter(({ view }) => view > this.#finalized.view);
    return {
      votes: open.flatMap(({ own }) => [own.notarize, own.nullify, own.finalize].filter((vote) => vote !== undefined)),
      certificates: open.flatMap(({ certificates }) => certificates),
    };
  }

  /** Whether the vote could tell anything that is not known: cheap, before its signature is looked at. */
  isNews(vote: Vote): boolean {
    if (!this.#isTimely(vote) || vote.signer >= this.#set.validators.length) return false;
    const round = this.#rounds.get(vote.view);
    return round === undefined || !round.ballots.has(vote);
  }

  isNewCertificate(certificate: Certificate): boolean {
    if (certificate.epoch !== this.#epoch || certificate.view <= this.#finalized.view) return false;
    return this.#rounds.get(certificate.view)?.certificateFor(certificate.kind) === undefined;
  }

  /** The first effects: the own votes of undecided views again, and the timer. */
  start(nowMs: number): readonly ConsensusEffect[] {
    this.#effects = [];
    this.#reannounce();
    return this.#finish(nowMs);
  }

  step(event: ConsensusEvent, nowMs: number): readonly ConsensusEffect[] {
    this.#effects = [];
    if (this.#isHalted) return this.#effects;
    switch (event.type) {
      case "timer":
        this.#timerAtMs = Number.NaN; // it is used up, be it early
        break;
      case "includable":
        this.#includableAtMs = event.value ? (this.#includableAtMs ?? nowMs) : undefined;
        break;
      case "vote":
        this.#onVote(event.vote, event.from, event.from === undefined, nowMs);
        break;
      case "certificate":
        this.#onCertificate(event.certificate, event.from, nowMs);
        break;
      case "proposal":
        this.#onProposal(event.proposal, event.from, nowMs);
        break;
      case "built":
        this.#onBuilt(event.view, event.block);
        break;
      case "build-failed":
        if (event.view === this.#view) this.#nullify(this.#round(event.view));
        break;
      case "validated":
        this.#onValidated(event.view, event.block, event.valid);
        break;
      case "epoch":
        if (event.epoch > this.#epoch) this.#beginEpoch(event.epoch, event.set, event.base, event.base, nowMs);
        break;
      case "synced":
        this.#onSynced(event.epoch, event.set, event.base, event.tip, nowMs);
        break;
      case "signing":
        this.#maySign = event.allowed;
        break;
    }
    return this.#finish(nowMs);
  }

  /** What time alone brings about, and the next moment at which it will. */
  #finish(nowMs: number): readonly ConsensusEffect[] {
    this.#considerProposal();
    this.#considerTime(nowMs);
    const next = this.#nextTimeMs(nowMs);
    if (next !== this.#timerAtMs) {
      this.#timerAtMs = next;
      this.#effects.push({ type: "timer", atMs: next });
    }
    return this.#effects;
  }

  // Rounds

  #round(view: number): Round {
    let round = this.#rounds.get(view);
    if (round === undefined) {
      round = new Round(view, this.#rules);
      this.#rounds.set(view, round);
    }
    return round;
  }

  /** Votes and proposals count from a little behind the finalized view to a little ahead of the current one. */
  #isTimely({ epoch, view }: Subject): boolean {
    return epoch === this.#epoch && view > this.#finalized.view - PAST_VIEWS && view <= this.#view + FUTURE_VIEWS;
  }

  #forgetPast(): void {
    for (const view of this.#rounds.keys()) {
      if (view <= this.#finalized.view - PAST_VIEWS) this.#rounds.delete(view);
    }
    for (const [view, old] of this.#rounds) {
      if (view >= this.#view - UNDECIDED_VIEWS) continue;
      if (old.ballots.size > 0) this.#rounds.set(view, old.withoutVotes(this.#rules));
    }
  }

  // Votes

  #onVote(vote: Vote, from: string | undefined, isVerified: boolean, nowMs: number): void {
    // Votes of another epoch count for nothing here: another set signed them.
    if (!this.#isTimely(vote) || vote.signer >= this.#set.validators.length) return;
    const round = this.#round(vote.view);
    const isOpen = vote.view > this.#finalized.view;
    const isNeeded = isOpen && round.certificateFor(vote.kind) === undefined;
    const { certificate, evidence, forgers } = round.ballots.add(vote, from, isVerified, isNeeded);
    for (const peer of forgers) this.#blame(peer, "it sent a vote that its validator did not sign");
    for (const found of evidence) {
      this.#effects.push({ type: "evidence", evidence: found });
      const isLeaders = found.signer === leaderOf(round.view, this.#set);
      if (isLeaders && found.first.kind === KIND.notarize && found.second.kind === KIND.notarize) {
        round.isEquivocated = true;
      }
    }
    if (certificate === undefined) return;
    // Rules 5, 7 and 8: what a quorum said is passed on.
    this.#effects.push({ type: "send-certificate", certificate });
    this.#accept(certificate, nowMs);
  }

  // Certificates

  #onCertificate(certificate: Certificate, from: string | undefined, nowMs: number): boolean {
    if (certificate.epoch !== this.#epoch) return false;
    if (certificate.view <= this.#finalized.view) return true;
    const known = this.#rounds.get(certificate.view)?.certificateFor(certificate.kind);
    if (known !== undefined && isSameSubject(known, certificate)) return true;
    const problem = verifyCertificate(certificate, this.#set, this.#config.domain, this.#config.scheme);
    if (problem !== undefined) {
      this.#blame(from, `it sent a certificate that is worth nothing: ${problem}`);
      return false;
    }
    this.#accept(certificate, nowMs);
    return true;
  }

  /** Precondition: it is valid and of this epoch. */
  #accept(certificate: Certificate, nowMs: number): void {
    const { kind, view } = certificate;
    if (view <= this.#finalized.view) return;
    const round = this.#round(view);
    const conflict = this.#conflictWith(round, certificate);
    if (conflict !== undefined) return this.#halt(conflict);
    if (round.certificateFor(kind) !== undefined) return;
    this.#effects.push({ type: "log-certificate", certificate });
    switch (kind) {
      case KIND.notarize:
        round.notarization = certificate;
        this.#finalizeVote(round);
        break;
      case KIND.nullify:
        round.nullification = certificate;
        break;
      case KIND.finalize:
        round.finalization = certificate;
        this.#finalize(round, certificate);
        break;
    }
    this.#isParentKnown = false;
    this.#advance(nowMs);
  }

  /** What two quorums cannot both have said while less than a third of the stake is faulty. */
  #conflictWith(round: Round, certificate: Certificate): string | undefined {
    const { kind, view, block } = certificate;
    if (kind !== KIND.nullify) {
      const other = round.notarized;
      if (other !== undefined && !isSameBlock(other.block, block)) return `two blocks are certified in view ${view}`;
    }
    const isBoth =
      (kind === KIND.nullify && round.finalization !== undefined) ||
      (kind === KIND.finalize && round.nullification !== undefined);
    return isBoth ? `view ${view} is both nullified and finalized` : undefined;
  }

  /** Rule 8: the block and its ancestors are final. */
  #finalize(round: Round, certificate: Certificate): void {
    const height = this.#heightOf(round.view, certificate.block);
    this.#finalized = { view: round.view, height: height ?? -1, block: certificate.block };
    this.#finalization = certificate;
    const tip = height === undefined ? undefined : this.#finalized;
    this.#effects.push({ type: "finalize", certificate, tip });
    this.#forgetPast();
  }

  /** Rules 5 and 7: a view that is notarized or nullified is over, and so are all before it. */
  #advance(nowMs: number): void {
    const before = this.#view;
    for (const view of this.#rounds.keys()) {
      if (view >= this.#view && this.#rounds.get(view)?.isOver) this.#view = view + 1;
    }
    if (this.#view <= this.#finalized.view) this.#view = this.#finalized.view + 1;
    this.#isParentKnown = false;
    if (this.#view !== before) this.#enter(nowMs);
  }

  /** Rule 2. */
  #enter(nowMs: number): void {
    this.#lastNotarized = this.#findLastNotarized();
    const last = this.#rounds.get(this.#view - 1);
    this.#enteredAtMs = nowMs;
    this.#lastBlockAtMs = last?.notarized === undefined ? undefined : (last.proposedAtMs ?? nowMs);
    this.#retryAtMs = 0;
    this.#forgetPast();
  }

  // Proposals

  #onProposal(proposal: Proposal, from: string | undefined, nowMs: number): void {
    const { vote, height, parent } = proposal;
    if (!this.#isTimely(vote) || vote.view <= this.#finalized.view) return;
    if (vote.signer !== leaderOf(vote.view, this.#set)) {
      return this.#blame(from, "it sent a proposal of one who does not lead the view");
    }
    const round = this.#round(vote.view);
    if (round.proposal !== undefined && isSameSubject(round.proposal.vote, vote)) return;
    if (from !== undefined && !this.#isSignedBy(vote))
      return this.#blame(from, "it sent a proposal that its leader did not sign");
    this.#onVote(vote, from, true, nowMs);
    if (round.isEquivocated || round.proposal !== undefined) return;
    const isAgain = isSameBlock(parent, vote.block);
    // D11: an epoch holds its own heights only, and only its last block is proposed again.
    if (epochOfHeight(height, this.#config.epochBlocks) !== this.#epoch || (isAgain && !this.#isLast(height))) {
      round.phase = "invalid";
    }
    round.proposal = proposal;
    round.proposedAtMs = nowMs;
    for (const certificate of proposal.certificates) {
      if (this.#onCertificate(certificate, from, nowMs)) continue;
      // Rule 3 asks for valid ones; without them it may still be good, if the others are known from elsewhere.
      break;
    }
  }

  #isSignedBy(vote: Vote): boolean {
    const { domain, scheme } = this.#config;
    const key = this.#set.validators[vote.signer]!.publicKey;
    return scheme.verify([key], voteDigest(domain, this.#set.hash, vote), vote.signature);
  }

  /** Rule 4, in steps: when the parent and the skipped views are certified, the block is validated, then voted for. */
  #considerProposal(): void {
    const round = this.#rounds.get(this.#view);
    if (round?.proposal === undefined || this.#isHalted) return;
    const { vote, height, parent } = round.proposal;
    if (round.phase === "waiting") {
      const standing = this.#standingOf(round.proposal);
      if (standing === "sound") {
        round.phase = "validating";
        this.#effects.push({ type: "validate", view: round.view, block: vote.block, height, parent });
      } else if (standing === "unsound") round.phase = "invalid";
    }
    if (round.hasVoted) return;
    if (round.phase === "invalid") this.#nullify(round);
    if (round.phase === "valid") this.#vote(round, { ...subjectOf(vote), kind: KIND.notarize });
  }

  /** Whether the parent is notarized or final, and each view between it and the proposal's nullified. */
  #standingOf({ vote, parent }: Proposal): "sound" | "unsound" | "unknown" {
    const parentView = vote.parentView;
    if (parentView < this.#finalized.view) return "unsound"; // it would revert what is final
    const known = this.#blockAt(parentView);
    if (known === undefined) return "unknown";
    if (!isSameBlock(known, parent)) return "unsound";
    return this.#firstUnskipped(parentView, vote.view) === undefined ? "sound" : "unknown";
  }

  /** The notarized or final block of a view. */
  #blockAt(view: number): Uint8Array | undefined {
    if (view === this.#finalized.view) return this.#finalized.block;
    if (view === this.#base.view) return this.#base.block;
    return this.#rounds.get(view)?.notarized?.block;
  }

  /** The newest view strictly between the two without a nullification. */
  #firstUnskipped(from: number, to: number): number | undefined {
    for (let view = to - 1; view > from; view--) {
      if (this.#rounds.get(view)?.nullification === undefined) return view;
    }
    return undefined;
  }

  #onValidated(view: number, block: Uint8Array, valid: boolean): void {
    const round = this.#rounds.get(view);
    if (round?.proposal === undefined || !isSameBlock(round.proposal.vote.block, block)) return;
    if (round.phase === "validating") round.phase = valid ? "valid" : "invalid";
  }

  // Leading

  /**
   * Rule 3: the highest notarized view after which everything was skipped. Undefined when a certificate or the height is
   * not known. Found once a view and certificate: there may be many skipped views.
   */
  #parentForProposal(): Tip | undefined {
    if (!this.#isParentKnown) {
      this.#parent = this.#findParent();
      this.#isParentKnown = this.#parent !== undefined;
    }
    return this.#parent;
  }

  #findParent(): Tip | undefined {
    for (let view = this.#view - 1; view >= this.#finalized.view; view--) {
      const block = this.#blockAt(view);
      if (block !== undefined) {
        const height = this.#heightOf(view, block);
        return height === undefined ? undefined : { view, height, block };
      }
      if (this.#rounds.get(view)?.nullification === undefined) return undefined;
    }
    return undefined;
  }

  #heightOf(view: number, block: Uint8Array): number | undefined {
    for (const tip of [this.#finalized, this.#base]) {
      if (tip.height >= 0 && isSameBlock(tip.block, block)) return tip.height;
    }
    return (
      this.#rounds.get(view)?.heightOf(block) ?? this.#heights.find((known) => isSameBlock(known.block, block))?.height
    );
  }

  #isLast(height: number): boolean {
    return isLastOfEpoch(height, this.#config.epochBlocks);
  }

  #lead(): void {
    if (this.#buildingView === this.#view) return;
    const parent = this.#parentForProposal();
    if (parent === undefined) return;
    this.#buildingView = this.#view;
    if (!this.#isLast(parent.height)) {
      this.#effects.push({ type: "build", view: this.#view, height: parent.height + 1, parent: parent.block });
    } else if (parent.view !== this.#finalized.view) {
      // D11: nothing stands on the last block of an epoch before it is final, so it is proposed until it is.
      this.#propose(parent, parent.block, parent.height);
    }
  }

  #onBuilt(view: number, block: Uint8Array): void {
    if (view !== this.#view || this.#buildingView !== view) return;
    const parent = this.#parentForProposal();
    if (parent !== undefined) this.#propose(parent, block, parent.height + 1);
  }

  #propose(parent: Tip, block: Uint8Array, height: number): void {
    const round = this.#round(this.#view);
    if (round.hasVoted || round.proposal !== undefined) return;
    const subject: Subject = {
      kind: KIND.notarize,
      epoch: this.#epoch,
      view: this.#view,
      parentView: parent.view,
      block,
    };
    const certificates: Certificate[] = [];
    const notarized = this.#rounds.get(parent.view)?.notarized;
    if (notarized !== undefined) certificates.push(notarized);
    else if (this.#finalization?.view === parent.view) certificates.push(this.#finalization);
    for (let view = this.#view - 1; view > parent.view; view--) {
      const nullification = this.#rounds.get(view)?.nullification;
      if (nullification !== undefined && certificates.length < MAX_PROPOSAL_CERTIFICATES) {
        certificates.push(nullification);
      }
    }
    this.#vote(round, subject, { height, parent: parent.block, certificates });
  }

  // Own votes

  /** The one way to a signature: what was signed in a view is looked at here, whoever asks. */
  #vote(round: Round, subject: Subject, proposal?: Omit<Proposal, "vote">): void {
    if (this.#signer === undefined || !this.#maySign) return;
    const { own } = round;
    for (const signed of [own.notarize, own.nullify, own.finalize]) {
      if (signed === undefined) continue;
      if (isSameSubject(signed, subject) || isSlashable(signed, subject)) return;
    }
    if (subject.kind === KIND.notarize) own.notarize = subject;
    else if (subject.kind === KIND.nullify) own.nullify = subject;
    else own.finalize = subject;
    const signer = this.#signer;
    this.#effects.push(
      proposal === undefined ? { type: "vote", subject, signer } : { type: "vote", subject, signer, proposal },
    );
  }

  /** Rule 6, and rule 4 for an invalid block. */
  #nullify({ view }: Round): void {
    const subject = { kind: KIND.nullify, epoch: this.#epoch, view, parentView: 0, block: ZERO_BLOCK };
    this.#vote(this.#round(view), subject);
  }

  /** Rule 5: unless this node gave up on the view, voted for another block in it, or saw its leader sign two. */
  #finalizeVote(round: Round): void {
    const { notarization } = round;
    if (notarization === undefined || round.isEquivocated || round.nullification !== undefined) return;
    this.#vote(round, { ...subjectOf(notarization), kind: KIND.finalize });
  }

  // Time

  get #isIdle(): boolean {
    // Between the last block of an epoch and the word that the next set has taken over, there is nothing to decide.
    return (
      this.#finalized.height >= 0 && this.#finalized.view !== this.#base.view && this.#isLast(this.#finalized.height)
    );
  }

  #dueAtMs(): number {
    const clock = {
      enteredAtMs: this.#enteredAtMs,
      lastBlockAtMs: this.#lastBlockAtMs,
      includableAtMs: this.#includableAtMs,
    };
    const { timing } = this.#config;
    const parent = this.#parentForProposal();
    // The last block of an epoch is proposed again only when its votes did not arrive.
    if (parent !== undefined && this.#isLast(parent.height) && parent.view !== this.#base.view) {
      return this.#enteredAtMs + timing.deltaMs;
    }
    return dueAtMs(clock, timing);
  }

  #findLastNotarized(): number {
    let view = this.#view - 1;
    while (view > this.#finalized.view && this.#rounds.get(view)?.notarized === undefined) view--;
    return view;
  }

  #deltaMs(): number {
    const skipped = this.#view - 1 - this.#lastNotarized;
    return this.#config.timing.deltaMs * patience(skipped, this.#set.validators.length);
  }

  #considerTime(nowMs: number): void {
    if (this.#isHalted || this.#isIdle) return;
    const dueMs = this.#dueAtMs();
    if (nowMs < dueMs) return;
    const round = this.#round(this.#view);
    if (this.#maySign && this.#signer === this.leader && !round.hasVoted) this.#lead();
    const deltaMs = this.#deltaMs();
    // Rule 6: 2Δ for a proposal, 3Δ for the view.
    const isLate = nowMs >= dueMs + (round.proposal === undefined ? 2 : 3) * deltaMs;
    if (!isLate) return;
    if (round.own.finalize === undefined) this.#nullify(round);
    if (nowMs >= Math.max(this.#retryAtMs, dueMs + 3 * deltaMs)) {
      this.#retryAtMs = nowMs + 2 * deltaMs;
      this.#repair();
    }
  }

  #nextTimeMs(nowMs: number): number {
    if (this.#isHalted || this.#isIdle) return Number.POSITIVE_INFINITY;
    const dueMs = this.#dueAtMs();
    const deltaMs = this.#deltaMs();
    const moments = [dueMs, dueMs + 2 * deltaMs, dueMs + 3 * deltaMs, this.#retryAtMs];
    return Math.min(...moments.filter((moment) => moment > nowMs));
  }

  /** Rules 6 and 9: nothing moves, so say again what was said, and ask for what others know. */
  #repair(): void {
    const oldest = Math.max(this.#finalized.view + 1, this.#view - RESEND_VIEWS);
    for (let view = oldest; view <= this.#view; view++) {
      const round = this.#rounds.get(view);
      if (round === undefined) continue;
      if (this.#signer !== undefined) {
        for (const vote of round.ownVotes(this.#signer)) this.#effects.push({ type: "send-vote", vote });
      }
      for (const certificate of round.certificates) this.#effects.push({ type: "send-certificate", certificate });
    }
    if (this.#finalization !== undefined) {
      this.#effects.push({ type: "send-certificate", certificate: this.#finalization });
    }
    this.#effects.push({ type: "fetch", epoch: this.#epoch, views: this.#missingViews() });
  }

  /** The current view and the last, and what the current proposal still needs. */
  #missingViews(): number[] {
    const views = new Set([this.#view, this.#view - 1]);
    const proposal = this.#rounds.get(this.#view)?.proposal;
    const from = proposal?.vote.parentView ?? this.#finalized.view;
    for (let view = this.#view - 1; view > from && views.size < FETCH_VIEWS; view--) {
      if (this.#rounds.get(view)?.nullification === undefined) views.add(view);
    }
    views.add(from);
    return [...views].filter((view) => view > this.#finalized.view).sort((a, b) => a - b);
  }

  // Beginnings

  #beginEpoch(epoch: number, set: ValidatorSet, base: Tip, tip: Tip, nowMs: number): void {
    this.#epoch = epoch;
    this.#set = set;
    this.#rules = this.#rulesOf(set);
    this.#base = base;
    this.#finalized = tip;
    this.#finalization = undefined;
    this.#signer = this.#indexIn(set);
    this.#rounds.clear();
    this.#heights = [];
    this.#buildingView = -1;
    this.#isParentKnown = false;
    this.#view = tip.view + 1;
    this.#enter(nowMs);
    this.#lastBlockAtMs = nowMs;
  }

  #onSynced(epoch: number, set: ValidatorSet, base: Tip, tip: Tip, nowMs: number): void {
    if (epoch < this.#epoch) return;
    if (epoch > this.#epoch) return this.#beginEpoch(epoch, set, base, tip, nowMs);
    if (tip.view < this.#finalized.view) return;
    this.#finalized = tip;
    this.#forgetPast();
    this.#advance(nowMs);
  }

  #restoreCertificate(certificate: Certificate): void {
    if (certificate.epoch !== this.#epoch || certificate.view <= this.#finalized.view) return;
    const round = this.#round(certificate.view);
    if (certificate.kind === KIND.notarize) round.notarization = certificate;
    else if (certificate.kind === KIND.nullify) round.nullification = certificate;
    else round.finalization = certificate;
    this.#view = Math.max(this.#view, certificate.view + 1);
  }

  /** A vote in a view shows that the view had begun. */
  #restoreVote(subject: Subject): void {
    if (subject.epoch !== this.#epoch || subject.view <= this.#finalized.view) return;
    const { own } = this.#round(subject.view);
    if (subject.kind === KIND.notarize) own.notarize = subject;
    else if (subject.kind === KIND.nullify) own.nullify = subject;
    else own.finalize = subject;
    this.#view = Math.max(this.#view, subject.view);
  }

  /** After a restart: nobody can tell which of the own votes arrived. A finalization of the log is committed again. */
  #reannounce(): void {
    const signer = this.#signer;
    for (const round of [...this.#rounds.values()].sort((a, b) => a.view - b.view)) {
      const { notarize, nullify, finalize } = round.own;
      for (const subject of [notarize, nullify, finalize]) {
        if (subject !== undefined && signer !== undefined) this.#effects.push({ type: "vote", subject, signer });
      }
      if (round.view > this.#finalized.view) this.#finalizeVote(round);
      if (round.finalization !== undefined) this.#finalize(round, round.finalization);
    }
  }

  #rulesOf(set: ValidatorSet): BallotRules {
    return { set, domain: this.#config.domain, scheme: this.#config.scheme };
  }

  #indexIn(set: ValidatorSet): number | undefined {
    const { publicKey } = this.#config;
    if (publicKey === undefined) return undefined;
    const index = set.validators.findIndex((validator) => validator.publicKey.every((b, i) => b === publicKey[i]));
    return index < 0 ? undefined : index;
  }

  #blame(peer: string | undefined, reason: string): void {
    if (peer !== undefined) this.#effects.push({ type: "blame", peer, reason });
  }

  #halt(reason: string): void {
    this.#isHalted = true;
    this.#effects.push({ type: "halt", reason });
  }
}

const subjectOf = ({ kind, epoch, view, parentView, block }: Subject): Subject => ({
  kind,
  epoch,
  view,
  parentView,
  block,
});
