/**
 * Simplex (Chan and Pass, eprint 2023/463) with stake-weighted certificates, as one state machine: events in, effects
 * out, no clock, no I/O, no keys. "Rule n" refers to docs/consensus.md.
 *
 * A view has one leader. Either its block is notarized by a quorum, or the view is nullified by one; both let everybody
 * go on. Who saw a notarization without having given up on the view votes to finalize; a quorum of those makes the block
 * and all its ancestors final. Nobody honest signs both nullify(v) and finalize(v), nor two notarizes in a view: that is
 * all that safety rests on, and `#vote` is where it is kept.
 */
import { equalsBytes } from "../core/bytes.ts";
import { type BallotRules, isSlashable } from "./ballots.ts";
import { isSameBlock, isSameSubject, verifyCertificate } from "./certificates.ts";
import type { ConsensusEffect, ConsensusEvent } from "./events.ts";
import type { Round } from "./round.ts";
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
import { Views } from "./views.ts";

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
  /** False: signs nothing until a `signing` event allows it. */
  readonly maySign?: boolean;
  /** Blocks of the log. */
  readonly blocks: readonly { readonly block: Uint8Array; readonly height: number }[];
}

/** Open views whose votes are sent again while nothing moves. */
const RESEND_VIEWS = 4;

const NO_BLOCK = new Uint8Array(32);

export class Simplex {
  readonly #config: SimplexConfig;
  #views: Views;
  #signer: number | undefined;
  #maySign: boolean;
  #isHalted = false;
  /** The newest finalize certificate of the epoch. */
  #finalization: Certificate | undefined;

  #enteredAtMs: number;
  #lastBlockAtMs: number | undefined;
  #includableAtMs: number | undefined;
  /** View in which a block is being built, or was, and on what: another parent may come up meanwhile. */
  #building: { readonly view: number; readonly parent: Tip } | undefined;
  #retryAtMs = 0;
  #timerAtMs = Number.NaN;

  #effects: ConsensusEffect[] = [];

  constructor(config: SimplexConfig, start: SimplexStart, nowMs: number) {
    this.#config = config;
    this.#views = this.#viewsOf(start.epoch, start.set, start.base, start.tip, start.blocks);
    this.#signer = this.#indexIn(start.set);
    this.#maySign = start.maySign ?? true;
    this.#enteredAtMs = nowMs;
    this.#lastBlockAtMs = nowMs;
    for (const certificate of start.certificates) {
      if (this.#isOpen(certificate)) this.#views.at(certificate.view).keep(certificate);
    }
    for (const subject of start.votes) {
      if (!this.#isOpen(subject)) continue;
      this.#views.at(subject.view).sign(subject);
      // A vote in a view shows that the view had begun.
      this.#views.current = Math.max(this.#views.current, subject.view);
    }
    this.#views.advance();
  }

  get view(): number {
    return this.#views.current;
  }

  get epoch(): number {
    return this.#views.epoch;
  }

  get set(): ValidatorSet {
    return this.#views.rules.set;
  }

  get finalized(): Tip {
    return this.#views.finalized;
  }

  get finalization(): Certificate | undefined {
    return this.#finalization;
  }

  /** Index of the own key in the current set; undefined for one who only follows. */
  get signer(): number | undefined {
    return this.#signer;
  }

  get leader(): number {
    return leaderOf(this.view, this.set);
  }

  /** What is kept, for metrics and for those who watch that it stays bounded. */
  get size(): { readonly rounds: number; readonly votes: number } {
    return this.#views.size;
  }

  /**
   * What is proven of a view of the current epoch, and the own votes in it, for peers who missed it. Votes of others are
   * not passed on: nobody may have looked at their signatures, and whoever does blames the one who sent them.
   */
  viewState(view: number): { readonly certificates: readonly Certificate[]; readonly votes: readonly Vote[] } {
    return this.#views.stateOf(view, this.#signer);
  }

  /** Blocks that may still become final, or be built upon: their bytes have to be kept. */
  openBlocks(): Uint8Array[] {
    return this.#views.open.flatMap(({ proposal, notarization }) =>
      [proposal?.vote.block, notarization?.block].filter((block) => block !== undefined),
    );
  }

  /** Own votes and certificates that a new segment of the log has to begin with. */
  openRecords(): { readonly votes: readonly Subject[]; readonly certificates: readonly Certificate[] } {
    const { open } = this.#views;
    return { votes: open.flatMap(({ signed }) => signed), certificates: open.flatMap((round) => round.certificates) };
  }

  /** Whether the vote could tell anything that is not known: cheap, before its signature is looked at. */
  isNews(vote: Vote): boolean {
    if (!this.#isCountable(vote)) return false;
    const round = this.#views.get(vote.view);
    return round === undefined || round.ballots.wants(vote);
  }

  /** Whether the block, or what the proposal shows, could be of use: known votes may come with a block that is not. */
  isNewProposal({ vote }: Proposal): boolean {
    if (!this.#isCountable(vote) || !this.#isOpen(vote)) return false;
    const round = this.#views.get(vote.view);
    if (round?.proposal === undefined) return true;
    return isSameSubject(round.proposal.vote, vote) ? round.phase === "waiting" : this.isNews(vote);
  }

  isNewCertificate(certificate: Certificate): boolean {
    const known = this.#views.get(certificate.view)?.certificateFor(certificate.kind);
    // Another one of its kind is the worst of news.
    return this.#isOpen(certificate) && (known === undefined || !isSameSubject(known, certificate));
  }

  /** The first effects: the own votes of undecided views again, and the timer. */
  start(nowMs: number): readonly ConsensusEffect[] {
    this.#effects = [];
    this.#announceAgain();
    for (const { finalization } of this.#views.open) if (finalization !== undefined) this.#finalize(finalization);
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
        if (event.view === this.view) this.#nullify(this.#views.at(event.view));
        break;
      case "validated":
        this.#onValidated(event.view, event.block, event.valid);
        break;
      case "epoch":
        if (event.epoch > this.epoch) this.#beginEpoch(event.epoch, event.set, event.base, event.base, nowMs);
        break;
      case "synced":
        this.#onSynced(event.epoch, event.set, event.base, event.tip, nowMs);
        break;
      case "signing":
        if (event.allowed && !this.#maySign) {
          this.#maySign = true;
          this.#announceAgain();
        } else this.#maySign = event.allowed;
        break;
    }
    return this.#finish(nowMs);
  }

  /** What follows without a further event, and the next moment at which time alone will bring something about. */
  #finish(nowMs: number): readonly ConsensusEffect[] {
    if (!this.#isHalted) {
      this.#considerProposal();
      this.#considerTime(nowMs);
      const atMs = this.#nextTimeMs(nowMs);
      if (atMs !== this.#timerAtMs) this.#effects.push({ type: "timer", atMs });
      this.#timerAtMs = atMs;
    }
    return this.#effects;
  }

  // Votes

  /** Of this epoch and about now. Votes of another epoch count for nothing: another set signed them. */
  #isCountable(vote: Vote): boolean {
    return this.#views.isTimely(vote) && vote.signer < this.set.validators.length;
  }

  #isOpen({ epoch, view }: Subject): boolean {
    return epoch === this.epoch && view > this.finalized.view;
  }

  #onVote(vote: Vote, from: string | undefined, isVerified: boolean, nowMs: number): void {
    if (!this.#isCountable(vote)) return;
    // Whoever else votes in this node's name forges; kept, it would be sent again as the own vote.
    if (!isVerified && vote.signer === this.#signer) return;
    const round = this.#views.at(vote.view);
    // Late votes count as long as the view is open; after that only to catch a contradiction.
    const isNeeded = this.#isOpen(vote) && round.certificateFor(vote.kind) === undefined;
    const { certificate, evidence, forgers } = round.ballots.add(vote, from, isVerified, isNeeded);
    for (const peer of forgers) this.#blame(peer, "it sent a vote that its validator did not sign");
    for (const found of evidence) {
      this.#effects.push({ type: "evidence", evidence: found });
      const isTwoProposals = found.first.kind === KIND.notarize && found.second.kind === KIND.notarize;
      if (isTwoProposals && found.signer === leaderOf(round.view, this.set)) round.isEquivocated = true;
    }
    if (certificate === undefined) return;
    // Rules 5, 7 and 8: what a quorum said is passed on.
    this.#effects.push({ type: "send-certificate", certificate });
    this.#accept(certificate, nowMs);
  }

  // Certificates

  /** False when it is worth nothing. */
  #onCertificate(certificate: Certificate, from: string | undefined, nowMs: number): boolean {
    if (certificate.epoch !== this.epoch) return false;
    if (!this.#isOpen(certificate)) return true;
    const known = this.#views.get(certificate.view)?.certificateFor(certificate.kind);
    if (known !== undefined && isSameSubject(known, certificate)) return true;
    const problem = verifyCertificate(certificate, this.set, this.#config.domain, this.#config.scheme);
    if (problem !== undefined) {
      this.#blame(from, `it sent a certificate that is worth nothing: ${problem}`);
      return false;
    }
    this.#accept(certificate, nowMs);
    return true;
  }

  /** Precondition: it is valid and of this epoch. */
  #accept(certificate: Certificate, nowMs: number): void {
    if (this.#isHalted || !this.#isOpen(certificate)) return;
    const round = this.#views.at(certificate.view);
    const conflict = round.conflictWith(certificate);
    if (conflict !== undefined) {
      this.#halt(conflict);
      return;
    }
    if (!round.keep(certificate)) return;
    this.#effects.push({ type: "log-certificate", certificate });
    if (certificate.kind === KIND.notarize) this.#finalizeVote(round);
    if (certificate.kind === KIND.finalize) this.#finalize(certificate);
    this.#advance(nowMs);
  }

  /** Rule 8: the block and its ancestors are final. */
  #finalize(certificate: Certificate): void {
    const { view, block } = certificate;
    const height = this.#views.heightOf(view, block);
    this.#views.finalized = { view, height: height ?? -1, block };
    this.#finalization = certificate;
    const tip = height === undefined ? undefined : this.#views.finalized;
    this.#effects.push({ type: "finalize", certificate, tip });
  }

  /** Rules 5 and 7: a view that is notarized or nullified is over, and so are all before it. */
  #advance(nowMs: number): void {
    if (this.#views.advance()) this.#enter(nowMs);
  }

  /** Rule 2. */
  #enter(nowMs: number): void {
    const last = this.#views.get(this.view - 1);
    this.#enteredAtMs = nowMs;
    this.#lastBlockAtMs = last?.notarized === undefined ? undefined : (last.proposedAtMs ?? nowMs);
    this.#retryAtMs = 0;
  }

  // Proposals

  #onProposal(proposal: Proposal, from: string | undefined, nowMs: number): void {
    const { vote, height, parent } = proposal;
    if (!this.#isCountable(vote) || !this.#isOpen(vote)) return;
    if (vote.signer !== leaderOf(vote.view, this.set)) {
      this.#blame(from, "it sent a proposal of one who does not lead the view");
      return;
    }
    // D11: an epoch holds its own heights only, and only its last block is proposed again.
    const isOfEpoch = epochOfHeight(height, this.#config.epochBlocks) === this.epoch;
    const isMisplaced = isSameBlock(parent, vote.block) && !(isOfEpoch && this.#isLast(height));
    const round = this.#views.at(vote.view);
    const isKnown = round.proposal !== undefined && isSameSubject(round.proposal.vote, vote);
    // One statement has one signature of one key: with another one the same proposal was not signed.
    const isSigned = isKnown
      ? equalsBytes(round.proposal!.vote.signature, vote.signature)
      : from === undefined || this.#isSignedBy(vote);
    if (!isSigned) {
      this.#blame(from, "it sent a proposal that its leader did not sign");
      return;
    }
    if (!isKnown) this.#onVote(vote, from, true, nowMs);
    if (isMisplaced) {
      // Not the leader's fault, perhaps: its signature does not cover what is said of the parent.
      this.#blame(from, "it sent a block that stands on itself");
      return;
    }
    if (isKnown) {
      // Only the vote is signed: this one may bring what whoever sent the first left out.
      if (round.phase === "waiting") this.#takeCertificates(proposal, nowMs);
      return;
    }
    if (round.isEquivocated || round.proposal !== undefined) return;
    round.proposal = proposal;
    round.proposedAtMs = nowMs;
    if (!isOfEpoch) round.phase = "invalid";
    this.#takeCertificates(proposal, nowMs);
  }

  #takeCertificates(proposal: Proposal, nowMs: number): void {
    // Rule 3 asks for them. Where one is missing or wrong the proposal waits: it may be known from elsewhere.
    // Nobody is blamed: the leader's signature does not cover them, and who knew them passed them on unseen.
    for (const certificate of proposal.certificates) if (!this.#onCertificate(certificate, undefined, nowMs)) break;
  }

  #isSignedBy(vote: Vote): boolean {
    const { domain, scheme } = this.#config;
    const { publicKey } = this.set.validators[vote.signer]!;
    return scheme.verify([publicKey], voteDigest(domain, this.set.hash, vote), vote.signature);
  }

  /** Rule 4, in steps: when the parent and the skipped views are certified, the block is validated, then voted for. */
  #considerProposal(): void {
    const round = this.#views.get(this.view);
    if (round?.proposal === undefined) return;
    const { vote, height, parent } = round.proposal;
    if (round.phase === "waiting") {
      const standing = this.#views.standingOf(round.proposal);
      if (standing === "unsound") round.phase = "invalid";
      // Somebody between the leader and here changed what is not signed: wait for the true one.
      if (standing === "garbled") round.proposal = undefined;
      if (standing === "sound") {
        round.phase = "validating";
        this.#effects.push({ type: "validate", view: round.view, block: vote.block, height, parent });
      }
    }
    if (round.hasVoted) return;
    if (round.phase === "invalid") this.#nullify(round);
    if (round.phase === "valid") this.#vote(round, subjectOf(vote, KIND.notarize));
  }

  #onValidated(view: number, block: Uint8Array, valid: boolean): void {
    const round = this.#views.get(view);
    if (round?.proposal === undefined || !isSameBlock(round.proposal.vote.block, block)) return;
    if (round.phase === "validating") round.phase = valid ? "valid" : "invalid";
  }

  // Leading

  #isLast(height: number): boolean {
    return isLastOfEpoch(height, this.#config.epochBlocks);
  }

  /** Rule 3. */
  #lead(): void {
    const { parent } = this.#views;
    if (this.#building?.view === this.view || parent === undefined) return;
    this.#building = { view: this.view, parent };
    if (!this.#isLast(parent.height) || parent.view === this.#views.base.view) {
      this.#effects.push({ type: "build", view: this.view, height: parent.height + 1, parent: parent.block });
    } else {
      // D11: nothing stands on the last block of an epoch before it is final, so it is proposed until it is.
      this.#propose(parent, parent.block, parent.height);
    }
  }

  #onBuilt(view: number, block: Uint8Array): void {
    if (view !== this.view || this.#building?.view !== view) return;
    const { parent } = this.#building;
    this.#propose(parent, block, parent.height + 1);
  }

  #propose(parent: Tip, block: Uint8Array, height: number): void {
    const round = this.#views.at(this.view);
    if (round.hasVoted || round.proposal !== undefined) return;
    const { epoch, view } = this;
    const subject: Subject = { kind: KIND.notarize, epoch, view, parentView: parent.view, block };
    const notarized = this.#views.get(parent.view)?.notarized;
    const certificates = notarized === undefined ? [] : [notarized];
    for (let skipped = view - 1; skipped > parent.view; skipped--) {
      const nullification = this.#views.get(skipped)?.nullification;
      if (nullification === undefined || certificates.length === MAX_PROPOSAL_CERTIFICATES) break;
      certificates.push(nullification);
    }
    this.#vote(round, subject, { height, parent: parent.block, certificates });
  }

  // Own votes

  /** The one way to a signature: what was signed in a view is looked at here, whoever asks. */
  #vote(round: Round, subject: Subject, proposal?: Omit<Proposal, "vote">): void {
    const signer = this.#signer;
    if (signer === undefined || !this.#maySign || this.#isHalted) return;
    if (round.signed.some((signed) => isSameSubject(signed, subject) || isSlashable(signed, subject))) return;
    round.sign(subject);
    const vote = { type: "vote", subject, signer } as const;
    this.#effects.push(proposal === undefined ? vote : { ...vote, proposal });
  }

  /** What was signed before a restart, or while nothing was to be sent: nobody can tell which of it arrived. */
  #announceAgain(): void {
    const signer = this.#signer;
    if (signer === undefined || !this.#maySign) return;
    for (const round of this.#views.open) {
      for (const subject of round.signed) this.#effects.push({ type: "vote", subject, signer });
      this.#finalizeVote(round);
    }
  }

  /** Rule 6, and rule 4 for an invalid block. */
  #nullify(round: Round): void {
    const { epoch } = this;
    this.#vote(round, { kind: KIND.nullify, epoch, view: round.view, parentView: 0, block: NO_BLOCK });
  }

  /** Rule 5: unless this node gave up on the view, voted for another block in it, or saw its leader sign two. */
  #finalizeVote(round: Round): void {
    const { notarization, nullification, isEquivocated } = round;
    if (notarization === undefined || nullification !== undefined || isEquivocated) return;
    this.#vote(round, subjectOf(notarization, KIND.finalize));
  }

  // Time

  /** Between the last block of an epoch and the word that the next set has taken over there is nothing to decide. */
  get #isBetweenEpochs(): boolean {
    const { finalized, base } = this.#views;
    return finalized.view !== base.view && finalized.height >= 0 && this.#isLast(finalized.height);
  }

  #dueAtMs(): number {
    const { timing } = this.#config;
    const { parent, base } = this.#views;
    // The last block of an epoch is proposed again only when its votes did not arrive.
    if (parent !== undefined && this.#isLast(parent.height) && parent.view !== base.view) {
      return this.#enteredAtMs + timing.deltaMs;
    }
    return dueAtMs(
      {
        enteredAtMs: this.#enteredAtMs,
        lastBlockAtMs: this.#lastBlockAtMs,
        includableAtMs: this.#includableAtMs,
      },
      timing,
    );
  }

  #deltaMs(): number {
    const skipped = this.view - 1 - this.#views.lastNotarized;
    return this.#config.timing.deltaMs * patience(skipped, this.set.validators.length);
  }

  #considerTime(nowMs: number): void {
    const dueMs = this.#dueAtMs();
    if (this.#isBetweenEpochs || nowMs < dueMs) return;
    const round = this.#views.at(this.view);
    if (this.#maySign && this.#signer === this.leader && !round.hasVoted) this.#lead();
    // Rule 6: 2Δ for a proposal, 3Δ for the view.
    const deltaMs = this.#deltaMs();
    const patienceMs = (round.proposal === undefined ? 2 : 3) * deltaMs;
    if (nowMs >= dueMs + patienceMs) this.#nullify(round);
    if (nowMs >= Math.max(this.#retryAtMs, dueMs + 3 * deltaMs)) {
      this.#retryAtMs = nowMs + 2 * deltaMs;
      this.#repair();
    }
  }

  /** Infinity when nothing is due. */
  #nextTimeMs(nowMs: number): number {
    if (this.#isBetweenEpochs) return Number.POSITIVE_INFINITY;
    const dueMs = this.#dueAtMs();
    const deltaMs = this.#deltaMs();
    const moments = [dueMs, dueMs + 2 * deltaMs, dueMs + 3 * deltaMs, this.#retryAtMs];
    return Math.min(...moments.filter((moment) => moment > nowMs));
  }

  /** Rules 6 and 9: nothing moves, so say again what was said, and ask for what others know. */
  #repair(): void {
    for (const round of this.#views.open.filter(({ view }) => view >= this.view - RESEND_VIEWS && view <= this.view)) {
      const votes = this.#signer === undefined ? [] : round.ballots.votesOf(this.#signer);
      for (const vote of votes) this.#effects.push({ type: "send-vote", vote });
      for (const certificate of round.certificates) this.#effects.push({ type: "send-certificate", certificate });
    }
    if (this.#finalization !== undefined) {
      this.#effects.push({ type: "send-certificate", certificate: this.#finalization });
    }
    this.#effects.push({ type: "fetch", epoch: this.epoch, views: this.#views.missing() });
  }

  // Beginnings

  #beginEpoch(epoch: number, set: ValidatorSet, base: Tip, tip: Tip, nowMs: number): void {
    this.#views = this.#viewsOf(epoch, set, base, tip, []);
    this.#signer = this.#indexIn(set);
    this.#finalization = undefined;
    this.#building = undefined;
    this.#enter(nowMs);
    this.#lastBlockAtMs = nowMs;
  }

  #onSynced(epoch: number, set: ValidatorSet, base: Tip, tip: Tip, nowMs: number): void {
    if (epoch > this.epoch) this.#beginEpoch(epoch, set, base, tip, nowMs);
    if (epoch !== this.epoch || tip.view < this.finalized.view) return;
    this.#views.finalized = tip;
    this.#advance(nowMs);
  }

  #viewsOf(epoch: number, set: ValidatorSet, base: Tip, tip: Tip, heights: SimplexStart["blocks"]): Views {
    const rules: BallotRules = { set, domain: this.#config.domain, scheme: this.#config.scheme };
    return new Views({ epoch, rules, base, tip, heights });
  }

  #indexIn(set: ValidatorSet): number | undefined {
    const key = this.#config.publicKey;
    const index = set.validators.findIndex(({ publicKey }) => publicKey.every((byte, i) => byte === key?.[i]));
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

const subjectOf = ({ epoch, view, parentView, block }: Subject, kind: Subject["kind"]): Subject => ({
  kind,
  epoch,
  view,
  parentView,
  block,
});
