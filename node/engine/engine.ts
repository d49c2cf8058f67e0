/**
 * Carries out what consensus decides. Events are handled one at a time, in order, and the effects of one are seen to
 * before the next: a vote is durable before anything that follows from it. Blocks are made, checked and committed
 * beside that loop, so that votes are heard meanwhile; what comes of it is posted as an event.
 */

import { isSameSubject } from "../../consensus/certificates.ts";
import { CodecError, decodeCertificate, decodeVote, encodeCertificate, encodeVote } from "../../consensus/codec.ts";
import type { ConsensusEffect, ConsensusEvent } from "../../consensus/events.ts";
import { voteDigest } from "../../consensus/scheme.ts";
import { Simplex } from "../../consensus/simplex.ts";
import { type Certificate, KIND, type Proposal, type Vote } from "../../consensus/types.ts";
import type { WalRecord } from "../../consensus/wal.ts";
import { bytesToHex, EMPTY_BYTES, equalsBytes } from "../../core/bytes.ts";
import type { Topic, Verdict } from "../p2p/types.ts";
import { VoteRefused } from "../validator/positions.ts";
import { BlockWork } from "./block-work.ts";
import { Bodies } from "./bodies.ts";
import { Committer } from "./committer.ts";
import { decodeBlockMessage, encodeBlockMessage, isBlockOf, placeOf } from "./messages.ts";
import { Origins } from "./origins.ts";
import { RelayCheck, type SignedDigest } from "./relay-check.ts";
import { setOf, simplexStart } from "./start.ts";
import { type EngineStatus, Statistics } from "./status.ts";
import { SteadyClock } from "./steady-clock.ts";
import type { Catching, EngineParts } from "./types.ts";

/** Events from the network that wait; further ones are ignored. */
const MOST_WAITING = 4_096;
/** The log begins anew when it is larger than this. */
const ROTATE_BYTES = 64 * 1024 * 1024;
/** Of the interval and of Δ: making and checking a block both have to fit into a leader's time. Nobody checks a lone one's. */
const BUILD_SHARE = 0.5;

interface Job {
  readonly event: ConsensusEvent;
  readonly judged?: (verdict: Verdict) => void;
}

export class Engine {
  readonly #parts: EngineParts;
  readonly #clock: SteadyClock;
  readonly #bodies = new Bodies();
  readonly #work: BlockWork;
  readonly #committer: Committer;
  readonly #statistics: Statistics;
  readonly #relayCheck: RelayCheck;
  #catching: Catching | undefined;
  #core: Simplex;
  readonly #queue: Job[] = [];
  #pumping: Promise<void> | undefined;
  /** Work beside the loop that has not come back yet. */
  readonly #tasks = new Set<Promise<void>>();
  #cancelTimer: () => void = () => {};
  #cancelRetry: () => void = () => {};
  #offIncludable: () => void = () => {};
  #offAdvance: () => void = () => {};
  #offCommit: () => void = () => {};
  #isStopped = false;
  #isHalted = false;
  #isRotating = false;
  #signingProblem: string | undefined;
  /** At the start, as long as there are others who may know more. */
  #isBehind: boolean;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    const reasons = parts.validating?.reasons ?? [];
    if (reasons.length > 0) this.#signingProblem = reasons.join("; ");
    this.#clock = new SteadyClock(parts.clock);
    const { chain, mempool, clock, log, timing, validating, network } = parts;
    const start = simplexStart(chain, parts.epochBlocks, validating?.log.records ?? []);
    // Where one validator is all there is, nobody knows more than it does.
    this.#isBehind = network !== undefined && start.set.validators.length > 1;
    const { l1 } = parts;
    const origins = l1 && new Origins({ ...l1, chain, clock, patienceMs: timing.deltaMs });
    this.#work = new BlockWork({
      chain,
      mempool,
      clock,
      log,
      get feeAddress() {
        return parts.feeAddress;
      },
      get buildMs() {
        const epoch = Number((chain.head.number + 1n) / BigInt(parts.epochBlocks));
        const isAlone = setOf(chain, epoch).validators.length === 1;
        return isAlone ? timing.deltaMs : BUILD_SHARE * Math.min(timing.intervalMs, timing.deltaMs);
      },
      bodies: this.#bodies,
      origins,
      fetch: async (hashes) => (await this.#catching?.blocks(hashes)) ?? [],
    });
    this.#statistics = new Statistics(this.#clock);
    const { scheme } = parts;
    this.#relayCheck = new RelayCheck({
      clock: this.#clock,
      resolve: (vote) => this.#signedDigest(vote),
      isCertified: (vote) => this.#core.viewState(vote.view).certificates.some((known) => isSameSubject(known, vote)),
      verifyEach: (digest, signed) =>
        scheme.verifyEach?.(digest, signed) ??
        signed.every(({ publicKey, signature }) => scheme.verify([publicKey], digest, signature)),
    });
    this.#committer = new Committer({
      parts,
      work: this.#work,
      ensure: async (certificate) => (await this.#catching?.ensure(certificate)) === true,
      post: (event) => this.#post(event),
      statistics: this.#statistics,
    });
    this.#core = new Simplex(
      {
        domain: parts.domain,
        scheme: parts.scheme,
        epochBlocks: parts.epochBlocks,
        timing,
        publicKey: validating?.publicKey,
      },
      { ...start, maySign: !this.#isBehind && this.#signingProblem === undefined },
      this.#clock.nowMs(),
    );
  }

  /** Sync needs the engine and the engine needs sync. Call once, before `start`. */
  connect(catching: Catching): void {
    this.#catching = catching;
  }

  /** Whatever commits blocks does it here, one after another. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.#committer.exclusive(work);
  }

  /** Executes again what the log remembers, then begins. */
  async start(): Promise<void> {
    const { chain, network, mempool, validating, l1, log } = this.#parts;
    const { number } = chain.head;
    if (this.#signingProblem !== undefined) log.error({ reason: this.#signingProblem }, "this validator does not sign");
    for (const record of validating?.log.records ?? []) {
      if (record.type === "block" && record.height > number) this.#bodies.add(record.id, record.bytes);
    }
    for (const block of this.#core.openBlocks()) await this.#work.execute(block);
    network?.handleTopic("vote", (data, from) => this.#onVoteMessage(data, from));
    network?.handleTopic("cert", (data, from) => this.#onCertificateMessage(data, from));
    network?.handleTopic("block", (data, from) => this.#onBlockMessage(data, from));
    const lookForWork = () => {
      if (this.#work.isWorthwhile) this.#post({ type: "includable", value: true });
    };
    this.#offIncludable = mempool.onIncludable(lookForWork);
    this.#offAdvance = l1?.source.onAdvance(lookForWork) ?? (() => {});
    this.#offCommit = chain.onCommit(({ number, hash }) => {
      this.#bodies.drop(hash);
      this.#committer.committed(number);
    });
    lookForWork();
    await this.#carryOutAll(this.#core.start(this.#clock.nowMs()));
  }

  /** Resolves when a block that is being made is committed, where that takes no votes of others. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer();
    this.#cancelRetry();
    this.#offIncludable();
    this.#offAdvance();
    this.#relayCheck.stop();
    // An event begins work, and what comes of that is an event.
    while (this.#pumping !== undefined || this.#tasks.size > 0) {
      await this.#pumping;
      await Promise.allSettled(this.#tasks);
    }
    await this.#committer.idle();
    this.#offCommit();
  }

  get status(): EngineStatus {
    const { validating, network } = this.#parts;
    const mode = validating === undefined ? "follow" : this.#signingProblem === undefined ? "validate" : "observe";
    return this.#statistics.status(this.#core, mode, this.#signingProblem, network?.peers.length);
  }

  get view(): number {
    return this.#core.view;
  }

  /** What is known of views, for peers who missed it. */
  viewState(view: number): { readonly certificates: readonly Certificate[]; readonly votes: readonly Vote[] } {
    return this.#core.viewState(view);
  }

  /** A certificate or vote that a peer sent when it was asked. */
  offer(event: ConsensusEvent): Promise<Verdict> {
    if (this.#isStopped || this.#queue.length >= MOST_WAITING) return Promise.resolve("ignore");
    return new Promise((judged) => this.#enqueue({ event, judged }));
  }

  post(event: ConsensusEvent): void {
    this.#post(event);
  }

  block(hash: Uint8Array): Uint8Array | undefined {
    return this.#bodies.get(hash) ?? this.#parts.chain.raw(hash);
  }

  /**
   * The chain has what its peers have. Until then nothing is signed: who comes back to a network that went on must not
   * speak of views that are long decided, least of all when what it remembers is older than what it signed.
   */
  inStep(): void {
    if (!this.#isBehind) return;
    this.#isBehind = false;
    if (this.#signingProblem === undefined) this.#post({ type: "signing", allowed: true });
  }

  // From the network: cheap checks first

  #onVoteMessage(data: Uint8Array, from: string): Verdict | Promise<Verdict> {
    const vote = decoded(() => decodeVote(data));
    if (vote === undefined) return "reject";
    if (!this.#core.isNews(vote)) {
      this.#hintWhenAhead(vote.epoch, from);
      return "ignore";
    }
    return this.#countThenCheck(vote, from);
  }

  /** Counted at once, passed on when its signature has been looked at. */
  async #countThenCheck(vote: Vote, from: string): Promise<Verdict> {
    const verdict = await this.offer({ type: "vote", vote, from });
    return verdict === "accept" ? this.#relayCheck.judge(vote) : verdict;
  }

  /** Undefined when the vote is not of the current epoch any more. */
  #signedDigest(vote: Vote): SignedDigest | undefined {
    const { epoch, set } = this.#core;
    const validator = set.validators[vote.signer];
    if (vote.epoch !== epoch || validator === undefined) return undefined;
    const digest = voteDigest(this.#parts.domain, set.hash, vote);
    return { publicKey: validator.publicKey, digest, signature: vote.signature };
  }

  #onCertificateMessage(data: Uint8Array, from: string): Verdict | Promise<Verdict> {
    const certificate = decoded(() => decodeCertificate(data));
    if (certificate === undefined) return "reject";
    if (!this.#core.isNewCertificate(certificate)) {
      this.#hintWhenAhead(certificate.epoch, from);
      return "ignore";
    }
    return this.offer({ type: "certificate", certificate, from });
  }

  #onBlockMessage(data: Uint8Array, from: string): Verdict | Promise<Verdict> {
    const message = decoded(() => decodeBlockMessage(data));
    if (message === undefined) return "reject";
    const { proposal, raw } = message;
    if (!this.#core.isNewProposal(proposal)) {
      this.#hintWhenAhead(proposal.vote.epoch, from);
      return "ignore";
    }
    // Only what everybody has already may come without its bytes: a stripped proposal could claim any height.
    if (raw.length === 0 && !equalsBytes(proposal.parent, proposal.vote.block)) return "reject";
    if (raw.length > 0) {
      if (!isBlockOf(raw, proposal)) return "reject";
      this.#bodies.add(proposal.vote.block, raw);
      this.#statistics.proposed(proposal.vote.block, this.#clock.nowMs());
    }
    return this.offer({ type: "proposal", proposal, from });
  }

  #hintWhenAhead(epoch: number, from: string): void {
    if (epoch > this.#core.epoch) this.#catching?.hint(from);
  }

  // The loop

  #post(event: ConsensusEvent): void {
    this.#enqueue({ event });
  }

  #enqueue(job: Job, isNext = false): void {
    if (isNext) this.#queue.unshift(job);
    else this.#queue.push(job);
    this.#pumping ??= this.#pump();
  }

  async #pump(): Promise<void> {
    // After this turn, so that whoever posts is done first.
    await null;
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      const { event, judged } = job;
      if (this.#isHalted || (this.#isStopped && event.type === "timer")) {
        judged?.("ignore");
        continue;
      }
      try {
        const effects = this.#core.step(event, this.#clock.nowMs());
        const from = "from" in event ? event.from : undefined;
        judged?.(effects.some((effect) => effect.type === "blame" && effect.peer === from) ? "reject" : "accept");
        await this.#carryOutAll(effects);
      } catch (error) {
        judged?.("ignore");
        this.#halt(error as Error);
      }
    }
    // At once: a job that comes a moment later must not find a pump that has ended.
    this.#pumping = undefined;
  }

  async #carryOutAll(effects: readonly ConsensusEffect[]): Promise<void> {
    for (const effect of effects) await this.#carryOut(effect);
  }

  async #carryOut(effect: ConsensusEffect): Promise<void> {
    const { log, network, validating } = this.#parts;
    switch (effect.type) {
      case "timer":
        this.#cancelTimer();
        if (!this.#isStopped && Number.isFinite(effect.atMs)) {
          this.#cancelTimer = this.#clock.at(effect.atMs, () => this.#post({ type: "timer" }));
        }
        break;
      case "vote":
        await this.#castVote(effect);
        break;
      case "send-vote":
        this.#publish("vote", encodeVote(effect.vote));
        break;
      case "send-certificate":
        this.#publish("cert", encodeCertificate(effect.certificate));
        break;
      case "log-certificate":
        this.#statistics.certified(effect.certificate);
        validating?.log.appendLazy([{ type: "certificate", certificate: effect.certificate }]);
        break;
      case "build":
        if (!this.#isStopped) this.#beside(() => this.#build(effect.view, effect.parent));
        break;
      case "validate":
        this.#beside(async () => {
          const valid = await this.#work.validate(effect.block);
          this.#post({ type: "validated", view: effect.view, block: effect.block, valid });
        });
        break;
      case "finalize":
        this.#beside(async () => {
          await this.#committer.finalize(effect.certificate, effect.tip);
          this.#rotateWhenLarge();
        });
        break;
      case "fetch":
        this.#beside(async () => this.#catching?.views(effect.epoch, effect.views));
        break;
      case "evidence": {
        const { signer, epoch, first } = effect.evidence;
        this.#statistics.evidence++;
        log.warn({ validator: signer, epoch, view: first.view }, "a validator contradicted itself");
        this.#parts.onEvidence(effect.evidence);
        break;
      }
      case "blame":
        log.debug({ peer: effect.peer, reason: effect.reason }, "peer blamed");
        network?.penalize(effect.peer, effect.reason);
        break;
      case "halt":
        throw new Error(`consensus is broken: ${effect.reason}`);
    }
  }

  async #build(view: number, parent: Uint8Array): Promise<void> {
    const startedMs = this.#clock.nowMs();
    const block = await this.#work.build(parent);
    if (block !== undefined) {
      this.#statistics.proposed(block, startedMs);
      this.#post({ type: "built", view, block });
    } else if (!this.#isStopped) {
      // Not at once: one who is alone leads the next view too, and would fail again and again.
      const atMs = this.#clock.nowMs() + this.#parts.timing.intervalMs;
      this.#cancelRetry();
      this.#cancelRetry = this.#clock.at(atMs, () => this.#post({ type: "build-failed", view }));
    }
  }

  /** Durable first, then signed, then sent, then heard here too. */
  async #castVote({ subject, signer, proposal }: ConsensusEffect & { readonly type: "vote" }): Promise<void> {
    const { validating, log } = this.#parts;
    if (validating === undefined || this.#signingProblem !== undefined) return;
    const raw = subject.kind === KIND.notarize ? this.block(subject.block) : undefined;
    const records: WalRecord[] = [];
    if (raw !== undefined) {
      const { number, parentHash } = placeOf(raw);
      records.push({ type: "block", id: subject.block, height: Number(number), parent: parentHash, bytes: raw });
    }
    let signature: Uint8Array;
    try {
      signature = await validating.signer.signVote(subject, records);
    } catch (error) {
      if (error instanceof VoteRefused) {
        log.error({ err: error, view: subject.view }, "vote refused by the signer guard");
      } else this.#stopSigning((error as Error).message);
      return;
    }
    this.#statistics.voted();
    const vote: Vote = { ...subject, signer, signature };
    if (proposal === undefined) {
      this.#publish("vote", encodeVote(vote));
      this.#enqueue({ event: { type: "vote", vote, from: undefined } }, true);
      return;
    }
    const signed: Proposal = { ...proposal, vote };
    const isAgain = equalsBytes(proposal.parent, subject.block);
    this.#publish("block", encodeBlockMessage({ proposal: signed, raw: isAgain ? EMPTY_BYTES : (raw ?? EMPTY_BYTES) }));
    this.#enqueue({ event: { type: "proposal", proposal: signed, from: undefined } }, true);
  }

  /** Nothing is lost by it but the votes: the node goes on as an observer until the operator has looked at it. */
  #stopSigning(reason: string): void {
    if (this.#signingProblem !== undefined) return;
    this.#signingProblem = reason;
    this.#parts.log.error({ reason }, "this validator does not sign");
    this.#enqueue({ event: { type: "signing", allowed: false } }, true);
  }

  #publish(topic: Topic, data: Uint8Array): void {
    const { network, log } = this.#parts;
    network?.publish(topic, data).catch((err: unknown) => log.warn({ err, topic }, "message could not be published"));
  }

  /** What is below the head is not needed in the log any more. */
  #rotateWhenLarge(): void {
    const { validating, log } = this.#parts;
    const consensusLog = validating?.log;
    if (consensusLog === undefined || consensusLog.sizeBytes < ROTATE_BYTES || this.#isRotating) return;
    // Of a final block that was only just found consensus does not know the height yet: the next one does as well.
    if (this.#core.finalized.height < 0) return;
    this.#isRotating = true;
    this.#beside(async () => {
      try {
        await consensusLog.rotate(this.#openRecords());
      } catch (error) {
        log.error({ err: error }, "the log could not be rotated");
        this.#stopSigning(`the log could not be rotated: ${(error as Error).message}`);
      } finally {
        this.#isRotating = false;
      }
    });
  }

  #openRecords(): readonly WalRecord[] {
    const { votes, certificates } = this.#core.openRecords();
    const { finalized, epoch } = this.#core;
    // Also those that were voted for, and that consensus has not heard of again: an own proposal on its way, and all
    // that the log remembers after a restart.
    const voted = votes.flatMap(({ kind, block }) => (kind === KIND.notarize ? [block] : []));
    const ids = new Map([...this.#core.openBlocks(), ...voted].map((id) => [bytesToHex(id), id] as const));
    const blocks = [...ids.values()].flatMap((id): WalRecord[] => {
      const bytes = this.block(id);
      if (bytes === undefined) return [];
      const { number, parentHash } = placeOf(bytes);
      return [{ type: "block", id, height: Number(number), parent: parentHash, bytes }];
    });
    return [
      { type: "tip", epoch, ...finalized },
      ...votes.map((subject): WalRecord => ({ type: "vote", subject })),
      ...certificates.map((certificate): WalRecord => ({ type: "certificate", certificate })),
      ...blocks,
    ];
  }

  #beside(work: () => Promise<unknown>): void {
    const task = work()
      .then(() => {})
      .catch((error: unknown) => this.#halt(error as Error))
      .finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  /** Also while stopping: the last block may be the one that cannot be written. */
  #halt(error: Error): void {
    if (this.#isHalted) return;
    this.#isHalted = true;
    if (this.#isStopped) this.#parts.log.error({ err: error }, "failed while stopping");
    this.#cancelTimer();
    this.#cancelRetry();
    this.#offIncludable();
    this.#offAdvance();
    this.#offCommit();
    this.#parts.onHalt(error);
  }
}

/** Undefined for bytes that are no message. */
function decoded<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}
