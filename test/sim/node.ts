/**
 * One simulated node: the production state machine, and a driver that carries out its effects on a simulated disk and
 * network as `consensus/events.ts` demands. It can stop at any effect; what it then remembers is what its disk has.
 */
import type { ConsensusEffect, ConsensusEvent } from "../../consensus/events.ts";
import { voteDigest } from "../../consensus/scheme.ts";
import { Simplex } from "../../consensus/simplex.ts";
import { type Certificate, KIND, type Proposal, type Subject, type Vote } from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import type { WalRecord } from "../../consensus/wal.ts";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import { SimChain } from "./chain.ts";
import { SimClock } from "./clock.ts";
import { Fetching } from "./fetching.ts";
import { keyOf, type Member, type SimBlock } from "./ledger.ts";
import { SimLog } from "./log.ts";
import type { Message, Range } from "./network.ts";
import { sign } from "./scheme.ts";
import type { Transport, World } from "./world.ts";

const STATUS_EVERY_MS = 300;
const MAX_FETCHED_VIEWS = 64;
/** Peers that are asked for the same thing. */
const ASKED_PEERS = 2;

export class SimNode {
  readonly endpoint: number;
  /** Undefined for one who only watches. */
  readonly member: Member | undefined;
  readonly isHonest: boolean;
  readonly log: SimLog;
  readonly chain: SimChain;
  readonly #world: World;
  readonly #transport: Transport;
  readonly #clock: SimClock;
  #core: Simplex | undefined;
  /** Counts starts and stops; what was scheduled in another life is void. */
  #life = 0;
  #timer = 0;
  /** Blocks whose bytes are in the log. */
  #logged = new Set<string>();
  readonly #fetching: Fetching;
  /** The newest finalization that is not committed. */
  #pending: Certificate | undefined;
  #isCommitting = false;
  /** It signs nothing before a peer has shown that it is not ahead. */
  #isBehind = false;

  constructor(world: World, endpoint: number, member: Member | undefined, transport: Transport) {
    const { scheduler, random, plan, ledger } = world;
    this.#world = world;
    this.endpoint = endpoint;
    this.member = member;
    this.isHonest = member === undefined || !member.isByzantine;
    this.#transport = transport;
    this.#clock = new SimClock(scheduler, random, plan.clock);
    this.log = new SimLog(scheduler, random, () => this.#syncTimeMs());
    this.chain = new SimChain(ledger);
    this.#fetching = new Fetching({
      chain: this.chain,
      ask: (key) => this.#ask({ type: "block-request", id: Uint8Array.from(Buffer.from(key, "latin1")) }),
      commit: () => this.#commit(),
      later: (delayMs, action) => this.#later(delayMs, action),
    });
  }

  /** Undefined while it does not run. */
  get core(): Simplex | undefined {
    return this.#core;
  }

  // Beginning and ending

  start(): void {
    const { plan, scheme, domain, ledger, trace, random } = this.#world;
    this.#life++;
    const records = this.log.open();
    const blocks = records.flatMap((record) => (record.type === "block" ? [record] : []));
    for (const { id } of blocks) {
      const block = ledger.find(keyOf(id));
      if (block !== undefined && this.chain.learn(block)) this.#logged.add(block.key);
    }
    this.#isBehind = plan.waitsForPeers;
    const core = new Simplex(
      {
        domain,
        scheme,
        epochBlocks: plan.epochBlocks,
        timing: plan.timing,
        publicKey: this.member?.key.publicKey,
      },
      {
        ...this.chain.position,
        votes: records.flatMap((record) => (record.type === "vote" ? [record.subject] : [])),
        certificates: records.flatMap((record) => (record.type === "certificate" ? [record.certificate] : [])),
        blocks: blocks.map(({ id, height }) => ({ block: id, height })),
        maySign: !this.#isBehind,
      },
      this.#clock.nowMs(),
    );
    this.#core = core;
    trace.note(this.endpoint, "start", core.view, () => `at height ${this.chain.height}`);
    if (this.isHonest) this.#world.checkers.onStart(this);
    this.#carryOutAll(core.start(this.#clock.nowMs()));
    this.#later(random.between(1, STATUS_EVERY_MS), () => this.#sendStatus());
  }

  #stop(): void {
    this.#world.trace.note(this.endpoint, "stop", this.chain.height, () => `at height ${this.chain.height}`);
    this.#core = undefined;
    this.#life++;
    this.chain.forgetLoose();
    this.#logged.clear();
    this.#fetching.clear();
    this.#pending = undefined;
    this.#isCommitting = false;
    this.log.stop(this.#world.random.chance(0.5));
  }

  /** Stops, and starts again after a drawn time. */
  crash(): void {
    if (this.#core === undefined) return;
    this.#stop();
    const { scheduler, random, plan } = this.#world;
    const life = this.#life;
    scheduler.after(random.between(1, plan.crash.downMs), () => {
      if (this.#life === life) this.start();
    });
  }

  /** On a faulty seed a node may stop right here. True when it did. */
  #mayCrash(rate: number): boolean {
    const { random, isHealed } = this.#world;
    if (isHealed || rate === 0 || !random.chance(rate)) return false;
    this.crash();
    return true;
  }

  /** Runs after `delayMs` of true time, unless this life ended. */
  #later(delayMs: number, action: () => void): void {
    const life = this.#life;
    this.#world.scheduler.after(delayMs, () => {
      if (this.#life === life) action();
    });
  }

  #syncTimeMs(): number {
    const { random, plan, isHealed } = this.#world;
    const { syncMs, slowRate, slowMs } = plan.disk;
    if (!isHealed && slowRate > 0 && random.chance(slowRate)) return random.between(syncMs, slowMs);
    return random.between(0, syncMs);
  }

  // Events

  step(event: ConsensusEvent): readonly ConsensusEffect[] {
    const core = this.#core;
    if (core === undefined) return [];
    if (this.isHonest) this.#world.checkers.beforeStep(this, event);
    const effects = core.step(event, this.#clock.nowMs());
    this.#world.trace.step(this.endpoint, core.view, event, effects);
    if (this.isHonest) this.#world.checkers.afterStep(this, effects);
    this.#carryOutAll(effects);
    return effects;
  }

  /** Cheap checks first, as the engine has them: what is no news goes no further. */
  receive(message: Message, from: number): void {
    const core = this.#core;
    if (core === undefined) return;
    const peer = String(from);
    switch (message.type) {
      case "vote":
        if (core.isNews(message.vote)) this.#judge({ type: "vote", vote: message.vote, from: peer }, message);
        break;
      case "certificate": {
        const { certificate } = message;
        if (core.isNewCertificate(certificate)) this.#judge({ type: "certificate", certificate, from: peer }, message);
        break;
      }
      case "proposal":
        if (core.isNewProposal(message.proposal)) this.#onProposal(message.proposal, message.block, peer, message);
        break;
      case "views":
        this.#answerViews(message.views, from);
        break;
      case "block-request": {
        const block = this.chain.find(keyOf(message.id));
        if (block !== undefined) this.#transport.send(from, { type: "block", block });
        break;
      }
      case "block":
        this.#learn(message.block);
        break;
      case "status":
        this.#answerStatus(message.height, from);
        break;
      case "range":
        this.#onRange(message.range);
        break;
    }
  }

  /** What a proposal says of its block has to be true before it is heard: only its vote is signed. */
  #onProposal(proposal: Proposal, sent: SimBlock | undefined, from: string, message: Message): void {
    const key = keyOf(proposal.vote.block);
    const block = sent ?? this.chain.find(key);
    if (block !== undefined) {
      if (!isBlockOf(block, proposal)) return;
      this.#learn(block);
      this.#judge({ type: "proposal", proposal, from }, message);
    } else if (keyOf(proposal.parent) === key) {
      this.#withAncestry(proposal.vote.view, key, (hasAncestry) => {
        if (hasAncestry) this.#onProposal(proposal, undefined, from, message);
      });
    }
  }

  /** What is no reason to blame the one who sent it travels on, as gossip does; a vote once it has been looked at. */
  #judge(event: ConsensusEvent & { readonly from: string | undefined }, message: Message): void {
    const life = this.#life;
    const effects = this.step(event);
    const { random, plan } = this.#world;
    const { relayRate } = plan.network;
    if (relayRate === 0 || this.#life !== life) return;
    if (message.type === "vote" && !this.#isSigned(message.vote)) return;
    if (effects.some((effect) => effect.type === "blame" && effect.peer === event.from)) return;
    for (const to of this.#transport.peers) {
      if (String(to) !== event.from && random.chance(relayRate)) this.#transport.send(to, message);
    }
  }

  #isSigned(vote: Vote): boolean {
    const { domain, scheme } = this.#world;
    const { epoch, set } = this.#core as Simplex;
    const publicKey = set.validators[vote.signer]?.publicKey;
    if (vote.epoch !== epoch || publicKey === undefined) return false;
    return scheme.verify([publicKey], voteDigest(domain, set.hash, vote), vote.signature);
  }

  #answerViews(views: readonly number[], from: number): void {
    for (const view of views.slice(0, MAX_FETCHED_VIEWS)) {
      const state = this.#core?.viewState(view);
      for (const certificate of state?.certificates ?? []) {
        this.#transport.send(from, { type: "certificate", certificate });
      }
      for (const vote of state?.votes ?? []) this.#transport.send(from, { type: "vote", vote });
    }
  }

  // Blocks

  #learn(block: SimBlock): void {
    if (this.chain.learn(block)) this.#fetching.retry();
  }

  #withAncestry(view: number, parentKey: string, run: (hasAncestry: boolean) => void): void {
    this.#fetching.withAncestry(view, (this.#core as Simplex).finalized.view, parentKey, run);
  }

  #ask(message: Message): void {
    const { peers } = this.#transport;
    for (const to of this.#world.random.shuffled(peers).slice(0, ASKED_PEERS)) this.#transport.send(to, message);
  }

  // Effects

  #carryOutAll(effects: readonly ConsensusEffect[]): void {
    const life = this.#life;
    const rate = this.#world.plan.crash.atEffectRate;
    for (const effect of effects) {
      if (this.#life !== life || this.#mayCrash(rate)) return;
      this.#carryOut(effect);
    }
  }

  #carryOut(effect: ConsensusEffect): void {
    switch (effect.type) {
      case "timer":
        this.#setTimer(effect.atMs);
        break;
      case "vote":
        this.#persistVote(effect.subject, effect.signer, effect.proposal);
        break;
      case "send-vote":
        this.#broadcast({ type: "vote", vote: effect.vote });
        break;
      case "send-certificate":
        this.#broadcast({ type: "certificate", certificate: effect.certificate });
        break;
      case "log-certificate":
        this.log.appendLazy([{ type: "certificate", certificate: effect.certificate }]);
        break;
      case "build":
        this.#build(effect.view, effect.height, effect.parent);
        break;
      case "validate":
        this.#validate(effect.view, effect.block);
        break;
      case "finalize":
        if (this.#pending === undefined || this.#pending.view < effect.certificate.view) {
          this.#pending = effect.certificate;
        }
        this.#fetching.retry();
        break;
      case "fetch":
        this.#ask({ type: "views", views: effect.views });
        break;
      case "evidence":
      case "blame":
      case "halt":
        break; // the checkers saw them
    }
  }

  #setTimer(atMs: number): void {
    const timer = ++this.#timer;
    if (atMs === Number.POSITIVE_INFINITY) return;
    // As setTimeout counts: a clock that is set back afterwards makes it early.
    this.#later(this.#clock.trueDelayMs(atMs), () => {
      if (this.#timer === timer) this.step({ type: "timer" });
    });
  }

  #build(view: number, height: number, parent: Uint8Array): void {
    const { random, plan, ledger, isHealed } = this.#world;
    this.#withAncestry(view, keyOf(parent), (hasAncestry) => {
      const isFailing = !hasAncestry || (!isHealed && random.chance(plan.work.failRate));
      this.#later(random.between(0, plan.work.buildMs), () => {
        if (isFailing) {
          this.step({ type: "build-failed", view });
          return;
        }
        const block = ledger.create(parent, height, random.bits(), true);
        this.chain.learn(block);
        this.step({ type: "built", view, block: block.id });
      });
    });
  }

  #validate(view: number, id: Uint8Array): void {
    const { random, plan, ledger } = this.#world;
    this.#withAncestry(view, keyOf(id), (hasAncestry) => {
      const block = this.chain.find(keyOf(id));
      const valid = hasAncestry && block !== undefined && ledger.isValid(block);
      this.#later(random.between(0, plan.work.validateMs), () =>
        this.step({ type: "validated", view, block: id, valid }),
      );
    });
  }

  #persistVote(subject: Subject, signer: number, proposal: Omit<Proposal, "vote"> | undefined): void {
    const { set } = this.#core as Simplex;
    const block = subject.kind === KIND.notarize ? this.chain.find(keyOf(subject.block)) : undefined;
    const records: WalRecord[] = [{ type: "vote", subject }];
    if (block !== undefined && !this.#logged.has(block.key) && block.height > this.chain.height) {
      this.#logged.add(block.key);
      records.unshift(blockRecord(block));
    }
    this.log.append(records, () => {
      if (this.#mayCrash(this.#world.plan.crash.atPersistRate)) return;
      this.#release(subject, signer, set, proposal, block);
    });
  }

  /** Precondition: the vote is durable. */
  #release(
    subject: Subject,
    signer: number,
    set: ValidatorSet,
    proposal: Omit<Proposal, "vote"> | undefined,
    block: SimBlock | undefined,
  ): void {
    if (this.member === undefined) throw new Error("one who only watches cannot sign");
    const signature = sign(this.member.key, voteDigest(this.#world.domain, set.hash, subject));
    const vote: Vote = { ...subject, signer, signature };
    if (this.isHonest) this.#world.checkers.onRelease(this, vote);
    const life = this.#life;
    if (proposal === undefined) {
      this.#broadcast({ type: "vote", vote });
      if (this.#life === life) this.step({ type: "vote", vote, from: undefined });
      return;
    }
    const whole = { ...proposal, vote };
    const isAgain = keyOf(proposal.parent) === keyOf(vote.block);
    this.#broadcast({ type: "proposal", proposal: whole, block: isAgain ? undefined : block });
    if (this.#life === life) this.step({ type: "proposal", proposal: whole, from: undefined });
  }

  /** May end in the middle. */
  #broadcast(message: Message): void {
    const { peers } = this.#transport;
    const rate = this.#world.plan.crash.atEffectRate / peers.length;
    for (const to of peers) {
      if (this.#mayCrash(rate)) return;
      this.#transport.send(to, message);
    }
  }

  // Committing

  /** The key of a block that is missing for it. */
  #commit(): string | undefined {
    const certificate = this.#pending;
    if (certificate === undefined || this.#isCommitting) return undefined;
    const key = keyOf(certificate.block);
    const state = this.chain.missing(key);
    if (typeof state === "string") return state;
    this.#pending = undefined;
    const path = this.chain.pathTo(key);
    const last = path.at(-1);
    if (last !== undefined) this.#commitPath(path, new Map([[last.height, certificate]]), false);
    return undefined;
  }

  /** One atomic write; until it is done, other paths wait. */
  #commitPath(path: readonly SimBlock[], certificates: ReadonlyMap<number, Certificate>, isSynced: boolean): void {
    this.#isCommitting = true;
    this.#later(this.#syncTimeMs(), () => {
      this.#isCommitting = false;
      for (const block of path) {
        const certificate = certificates.get(block.height);
        if (this.isHonest) this.#world.checkers.onCommit(this, block, certificate);
        this.chain.commit(block, certificate);
      }
      this.#onCommitted(isSynced);
      if (this.#core !== undefined) this.#fetching.retry();
    });
  }

  #onCommitted(isSynced: boolean): void {
    const core = this.#core as Simplex;
    const { epoch, set, base, tip } = this.chain.position;
    if (isSynced || core.finalized.height < 0) this.step({ type: "synced", epoch, set, base, tip });
    else if (epoch > core.epoch) this.step({ type: "epoch", epoch, set, base });
    if (this.#world.random.chance(0.5)) this.step({ type: "includable", value: false });
    this.#rotate();
  }

  /**
   * What is behind the committed chain leaves the log. Not while a finalization waits to be committed: after a crash the
   * node would begin before it, without the votes that it cast since.
   */
  #rotate(): void {
    const core = this.#core;
    if (core === undefined || this.log.sizeBytes < this.#world.plan.disk.rotateBytes) return;
    const { epoch, tip } = this.chain.position;
    if (core.finalized.view > tip.view) return;
    const { votes, certificates } = core.openRecords();
    this.log.rotate([
      { type: "tip", epoch, ...tip },
      ...votes.map((subject): WalRecord => ({ type: "vote", subject })),
      ...certificates.map((certificate): WalRecord => ({ type: "certificate", certificate })),
      ...this.chain.loose.filter(({ key }) => this.#logged.has(key)).map(blockRecord),
    ]);
  }

  // Catching up

  #sendStatus(): void {
    const { random } = this.#world;
    const { peers } = this.#transport;
    this.#transport.send(random.pick(peers), { type: "status", height: this.chain.height });
    this.#later(random.between(STATUS_EVERY_MS / 2, STATUS_EVERY_MS), () => this.#sendStatus());
  }

  /** The newest blocks come by votes and certificates; a range is for those who missed them. */
  #answerStatus(height: number, from: number): void {
    const { ledger } = this.#world;
    if (this.#isBehind && height <= this.chain.height) {
      this.#isBehind = false;
      this.step({ type: "signing", allowed: true });
    }
    if (height + 2 > this.chain.height && !ledger.isLast(this.chain.height)) return;
    const range = this.chain.rangeAfter(height);
    if (range !== undefined) this.#transport.send(from, { type: "range", range });
  }

  #onRange(range: Range): void {
    if (this.#isCommitting) return;
    const { checkers } = this.#world;
    const added = this.chain.verified(range, (...claim) => checkers.isFinalization(...claim));
    if (added !== undefined) this.#commitPath(added.path, added.certificates, true);
  }
}

const blockRecord = ({ id, height, parent }: SimBlock): WalRecord => ({
  type: "block",
  id,
  height,
  parent,
  bytes: EMPTY_BYTES,
});

/** The header is that of the proposal; the last block of an epoch may be proposed again, on itself. */
function isBlockOf(block: SimBlock, { vote, height, parent }: Proposal): boolean {
  const parentKey = keyOf(parent);
  const isAsSaid = block.key === keyOf(vote.block) && block.height === height;
  return isAsSaid && (parentKey === block.key || parentKey === block.parentKey);
}
