/**
 * One simulated node: the production state machine, and a driver that carries out its effects on a simulated disk and
 * network as `consensus/events.ts` demands. It can stop at any effect; what it then remembers is what its disk has.
 */

import type { ConsensusEffect, ConsensusEvent } from "../../consensus/events.ts";
import { voteDigest } from "../../consensus/scheme.ts";
import { Simplex } from "../../consensus/simplex.ts";
import {
  baseView,
  type Certificate,
  KIND,
  type Proposal,
  type Subject,
  type Tip,
  type Vote,
} from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import type { WalRecord } from "../../consensus/wal.ts";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import type { Checkers } from "./checkers.ts";
import { SimClock } from "./clock.ts";
import { keyOf, type Ledger, type Member, type SimBlock } from "./ledger.ts";
import { SimLog } from "./log.ts";
import type { Message, Range } from "./network.ts";
import type { Plan } from "./plan.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";
import { type SimScheme, sign } from "./scheme.ts";
import type { Trace } from "./trace.ts";

/** What all nodes of a world share. */
export interface World {
  readonly plan: Plan;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly scheme: SimScheme;
  readonly domain: { readonly chainId: bigint; readonly l1Contract: Uint8Array };
  readonly ledger: Ledger;
  readonly checkers: Checkers;
  readonly trace: Trace;
  /** Faults are over. */
  isHealed: boolean;
}

/** How a node reaches the others. Broadcasts yield between peers, so that a node may stop in the middle. */
export interface Transport {
  readonly peers: readonly number[];
  send(to: number, message: Message): void;
}

/** A range that answers a status has at most so many blocks. */
const RANGE_BLOCKS = 64;
const STATUS_EVERY_MS = 300;
/** Work that waits for blocks is looked at again this often. */
const RETRY_MS = 150;
/** Proposals and finalizations that may wait for missing blocks at a time. */
const MAX_WAITING = 64;
const MAX_FETCHED_VIEWS = 64;
const ROTATE_BYTES = 8_192;

interface Waiting {
  readonly view: number;
  readonly parentKey: string;
  readonly run: (hasAncestry: boolean) => void;
}

export class SimNode {
  readonly endpoint: number;
  /** Undefined for one who only watches. */
  readonly member: Member | undefined;
  readonly isHonest: boolean;
  readonly log: SimLog;
  readonly #world: World;
  readonly #transport: Transport;
  readonly #clock: SimClock;
  /** The committed chain by height, and the certificate of each block that has its own. Durable. */
  readonly chain: SimBlock[];
  readonly #certificates = new Map<number, Certificate>();
  /** Sets by epoch, as the committed chain has them. */
  readonly #sets: ValidatorSet[];
  #core: Simplex | undefined;
  /** Counts starts and stops; what was scheduled in another life is void. */
  #life = 0;
  #timer = 0;
  /** Blocks by key: of the log, or only in memory. */
  #blocks = new Map<string, SimBlock>();
  #logged = new Set<string>();
  #waiting: Waiting[] = [];
  /** The newest finalization that is not committed. */
  #pending: Certificate | undefined;
  #isCommitting = false;
  #isRetryPlanned = false;

  constructor(world: World, endpoint: number, member: Member | undefined, transport: Transport) {
    const { scheduler, random, plan, ledger } = world;
    this.#world = world;
    this.endpoint = endpoint;
    this.member = member;
    this.isHonest = member === undefined || !member.isByzantine;
    this.#transport = transport;
    this.#clock = new SimClock(scheduler, random, plan.clock);
    this.log = new SimLog(scheduler, random, () => this.#syncTimeMs());
    this.chain = [ledger.genesis];
    this.#sets = [ledger.genesisSet];
  }

  get core(): Simplex | undefined {
    return this.#core;
  }

  get isRunning(): boolean {
    return this.#core !== undefined;
  }

  get height(): number {
    return this.chain.length - 1;
  }

  /** The view up to which the committed chain decides. */
  get committedView(): number {
    return this.#position().tip.view;
  }

  // Beginning and ending

  start(): void {
    const { plan, scheme, domain, trace, random } = this.#world;
    this.#life++;
    const records = this.log.open();
    const blocks = records.flatMap((record) => (record.type === "block" ? [record] : []));
    for (const { id } of blocks) {
      const block = this.#world.ledger.find(keyOf(id));
      if (block === undefined || block.height <= this.height) continue;
      this.#blocks.set(block.key, block);
      this.#logged.add(block.key);
    }
    const { epoch, set, base, tip } = this.#position();
    const core = new Simplex(
      {
        domain,
        scheme,
        epochBlocks: plan.epochBlocks,
        timing: plan.timing,
        publicKey: this.member?.key.publicKey,
      },
      {
        epoch,
        set,
        base,
        tip,
        votes: records.flatMap((record) => (record.type === "vote" ? [record.subject] : [])),
        certificates: records.flatMap((record) => (record.type === "certificate" ? [record.certificate] : [])),
        blocks: blocks.map(({ id, height }) => ({ block: id, height })),
      },
      this.#clock.nowMs(),
    );
    this.#core = core;
    trace.note(this.endpoint, "start", this.height, () => `height ${this.height} view ${core.view}`);
    if (this.isHonest) this.#world.checkers.onStart(this);
    this.#carryOutAll(core.start(this.#clock.nowMs()));
    this.#later(random.between(1, STATUS_EVERY_MS), () => this.#sendStatus());
  }

  stop(): void {
    if (this.#core === undefined) return;
    this.#world.trace.note(this.endpoint, "stop", this.height, () => "");
    this.#core = undefined;
    this.#life++;
    this.#blocks = new Map();
    this.#logged = new Set();
    this.#waiting = [];
    this.#pending = undefined;
    this.#isCommitting = false;
    this.#isRetryPlanned = false;
    this.log.stop(this.#world.random.chance(0.5));
  }

  /** Stops, and starts again after a drawn time. */
  crash(): void {
    if (this.#core === undefined) return;
    this.stop();
    const { scheduler, random, plan } = this.#world;
    const life = this.#life;
    scheduler.after(random.between(1, plan.crash.downMs), () => {
      if (this.#life === life) this.start();
    });
  }

  /** Where the committed chain ends, as the state machine counts it. */
  #position(): { epoch: number; set: ValidatorSet; base: Tip; tip: Tip } {
    const { ledger } = this.#world;
    const epoch = ledger.epochOf(this.height + 1);
    const baseHeight = ledger.baseHeight(epoch);
    const base = { view: baseView(epoch), height: baseHeight, block: this.chain[baseHeight]!.id };
    const certificate = this.#certificates.get(this.height);
    const tip =
      this.height === baseHeight || certificate === undefined
        ? base
        : { view: certificate.view, height: this.height, block: this.chain[this.height]!.id };
    return { epoch, set: this.#sets[epoch]!, base, tip };
  }

  // Time

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

  /** On a faulty seed a node may stop right here. True when it did. */
  #mayCrash(rate: number): boolean {
    const { random, isHealed } = this.#world;
    if (isHealed || rate === 0 || !random.chance(rate)) return false;
    this.crash();
    return true;
  }

  // Events

  step(event: ConsensusEvent): readonly ConsensusEffect[] {
    const core = this.#core;
    if (core === undefined) return [];
    if (this.isHonest) this.#world.checkers.beforeStep(this, event);
    const effects = core.step(event, this.#clock.nowMs());
    this.#world.trace.step(this.endpoint, core.view, event, effects);
    if (this.isHonest) this.#world.checkers.afterStep(this, event, effects);
    this.#carryOutAll(effects);
    return effects;
  }

  receive(message: Message, from: number): void {
    const core = this.#core;
    if (core === undefined) return;
    const peer = String(from);
    switch (message.type) {
      case "vote":
        if (core.isNews(message.vote)) this.#judge({ type: "vote", vote: message.vote, from: peer }, message);
        return;
      case "certificate": {
        const { certificate } = message;
        if (core.isNewCertificate(certificate)) this.#judge({ type: "certificate", certificate, from: peer }, message);
        return;
      }
      case "proposal": {
        const { proposal, block } = message;
        if (!core.isNews(proposal.vote) || !isBlockOf(block, proposal)) return;
        this.#learn(block);
        return this.#judge({ type: "proposal", proposal, from: peer }, message);
      }
      case "views":
        return this.#answerViews(message.views, from);
      case "block-request": {
        const block = this.#find(keyOf(message.id));
        if (block !== undefined) this.#transport.send(from, { type: "block", block });
        return;
      }
      case "block":
        return this.#learn(message.block);
      case "status":
        return this.#answerStatus(message.height, from);
      case "range":
        return this.#onRange(message.range);
    }
  }

  /** What is no reason to blame the one who sent it travels on, as gossip does. */
  #judge(event: ConsensusEvent & { readonly from: string | undefined }, message: Message): void {
    const life = this.#life;
    const effects = this.step(event);
    const { random, plan } = this.#world;
    const { relayRate } = plan.network;
    if (relayRate === 0 || this.#life !== life || message.type === "vote") return;
    if (effects.some((effect) => effect.type === "blame" && effect.peer === event.from)) return;
    for (const to of this.#transport.peers) {
      if (String(to) !== event.from && random.chance(relayRate)) this.#transport.send(to, message);
    }
  }

  #answerViews(views: readonly number[], from: number): void {
    for (const view of views.slice(0, MAX_FETCHED_VIEWS)) {
      const state = this.#core?.viewState(view);
      for (const certificate of state?.certificates ?? [])
        this.#transport.send(from, { type: "certificate", certificate });
      for (const vote of state?.votes ?? []) this.#transport.send(from, { type: "vote", vote });
    }
  }

  // Blocks

  #find(key: string): SimBlock | undefined {
    const block = this.#blocks.get(key);
    if (block !== undefined) return block;
    // Only blocks of the committed chain are found by height.
    const known = this.#world.ledger.find(key);
    return known !== undefined && this.chain[known.height] === known ? known : undefined;
  }

  #learn(block: SimBlock): void {
    if (this.#blocks.has(block.key) || block.height <= this.height) return;
    this.#blocks.set(block.key, block);
    this.#retry();
  }

  /** The first block missing between `key` and the committed chain; true when none is; false when it forks off. */
  #missing(key: string): string | boolean {
    for (let at = key; ; ) {
      const block = this.#find(at);
      if (block === undefined) return at;
      if (block.height <= this.height) return this.chain[block.height] === block;
      at = block.parentKey;
    }
  }

  /** Runs once all ancestors are here, or with false when they cannot lead to the committed chain. */
  #withAncestry(view: number, parentKey: string, run: (hasAncestry: boolean) => void): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.view > (this.#core as Simplex).finalized.view);
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift();
    this.#waiting.push({ view, parentKey, run });
    this.#retry();
  }

  #retry(): void {
    const ready: Waiting[] = [];
    const missing = new Set<string>();
    this.#waiting = this.#waiting.filter((waiting) => {
      const state = this.#missing(waiting.parentKey);
      if (typeof state === "string") missing.add(state);
      else ready.push(waiting);
      return typeof state === "string";
    });
    for (const { parentKey, run } of ready) run(this.#missing(parentKey) === true);
    this.#commit(missing);
    for (const key of missing) this.#request(key);
    if (missing.size === 0 || this.#isRetryPlanned) return;
    this.#isRetryPlanned = true;
    this.#later(RETRY_MS, () => {
      this.#isRetryPlanned = false;
      this.#retry();
    });
  }

  #request(key: string): void {
    const id = Uint8Array.from(Buffer.from(key, "latin1"));
    for (const to of this.#world.random.shuffled(this.#transport.peers).slice(0, 2)) {
      this.#transport.send(to, { type: "block-request", id });
    }
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
    const { random, plan, ledger, isHealed } = this.#world;
    switch (effect.type) {
      case "timer":
        return this.#setTimer(effect.atMs);
      case "vote":
        return this.#persistVote(effect.subject, effect.signer, effect.proposal);
      case "send-vote":
        return this.#broadcast({ type: "vote", vote: effect.vote });
      case "send-certificate":
        return this.#broadcast({ type: "certificate", certificate: effect.certificate });
      case "log-certificate":
        return this.log.appendLazy([{ type: "certificate", certificate: effect.certificate }]);
      case "build": {
        const { view, height, parent } = effect;
        this.#withAncestry(view, keyOf(parent), (hasAncestry) => {
          const isFailing = !hasAncestry || (!isHealed && random.chance(plan.work.failRate));
          this.#later(random.between(0, plan.work.buildMs), () => {
            if (isFailing) return this.step({ type: "build-failed", view });
            const block = ledger.create(parent, height, random.bits(), true);
            this.#blocks.set(block.key, block);
            this.step({ type: "built", view, block: block.id });
          });
        });
        return;
      }
      case "validate": {
        const { view, block: id } = effect;
        const block = this.#find(keyOf(id));
        if (block === undefined) return; // only a block that fell behind the committed chain is forgotten
        this.#withAncestry(view, block.parentKey, (hasAncestry) => {
          const valid = hasAncestry && ledger.isValid(block);
          this.#later(random.between(0, plan.work.validateMs), () =>
            this.step({ type: "validated", view, block: id, valid }),
          );
        });
        return;
      }
      case "finalize":
        if (this.#pending === undefined || this.#pending.view < effect.certificate.view) {
          this.#pending = effect.certificate;
        }
        return this.#retry();
      case "fetch":
        for (const to of random.shuffled(this.#transport.peers).slice(0, 2)) {
          this.#transport.send(to, { type: "views", views: effect.views });
        }
        return;
      case "evidence":
      case "blame":
      case "halt":
        return; // the checkers saw them
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

  #persistVote(subject: Subject, signer: number, proposal: Omit<Proposal, "vote"> | undefined): void {
    const { set } = this.#core as Simplex;
    const block = subject.kind === KIND.notarize ? this.#find(keyOf(subject.block)) : undefined;
    const records: WalRecord[] = [{ type: "vote", subject }];
    if (block !== undefined && !this.#logged.has(block.key) && block.height > this.height) {
      this.#logged.add(block.key);
      records.unshift(blockRecord(block));
    }
    const life = this.#life;
    this.log.append(records, () => {
      if (this.#life !== life || this.#mayCrash(this.#world.plan.crash.atPersistRate)) return;
      this.#release(subject, signer, set, proposal, block);
    });
  }

  #release(
    subject: Subject,
    signer: number,
    set: ValidatorSet,
    proposal: Omit<Proposal, "vote"> | undefined,
    block: SimBlock | undefined,
  ): void {
    const { domain, checkers } = this.#world;
    if (this.member === undefined) throw new Error("one who only watches cannot sign");
    const signature = sign(this.member.key, voteDigest(domain, set.hash, subject));
    const vote: Vote = { ...subject, signer, signature };
    if (this.isHonest) checkers.onRelease(this, vote);
    const life = this.#life;
    if (proposal === undefined || block === undefined) {
      this.#broadcast({ type: "vote", vote });
      if (this.#life === life) this.step({ type: "vote", vote, from: undefined });
    } else {
      const whole = { ...proposal, vote };
      this.#broadcast({ type: "proposal", proposal: whole, block });
      if (this.#life === life) this.step({ type: "proposal", proposal: whole, from: undefined });
    }
  }

  #broadcast(message: Message): void {
    const life = this.#life;
    const rate = this.#world.plan.crash.atEffectRate;
    for (const to of this.#transport.peers) {
      if (this.#life !== life || this.#mayCrash(rate / 8)) return;
      this.#transport.send(to, message);
    }
  }

  // Committing

  #commit(missing: Set<string>): void {
    const certificate = this.#pending;
    if (certificate === undefined || this.#isCommitting) return;
    const key = keyOf(certificate.block);
    const state = this.#missing(key);
    if (typeof state === "string") {
      missing.add(state);
      return;
    }
    this.#pending = undefined;
    const path: SimBlock[] = [];
    for (let at = this.#find(key); at !== undefined && at.height > this.height; at = this.#find(at.parentKey))
      path.push(at);
    path.reverse();
    if (path.length === 0) return;
    this.#isCommitting = true;
    this.#later(this.#syncTimeMs(), () => {
      this.#isCommitting = false;
      if (path[0]!.height === this.height + 1) this.#append(path, new Map([[path.at(-1)!.height, certificate]]));
      this.#retry();
    });
  }

  /** One atomic write. */
  #append(path: readonly SimBlock[], certificates: ReadonlyMap<number, Certificate>): void {
    const { ledger, random } = this.#world;
    for (const block of path) {
      const certificate = certificates.get(block.height);
      if (this.isHonest) this.#world.checkers.onCommit(this, block, certificate);
      this.chain.push(block);
      if (certificate !== undefined) this.#certificates.set(block.height, certificate);
      if (ledger.isLast(block.height)) this.#sets[ledger.epochOf(block.height) + 1] = ledger.setAfter(block);
    }
    for (const key of [...this.#blocks.keys()]) {
      if ((this.#blocks.get(key) as SimBlock).height <= this.height) this.#blocks.delete(key);
    }
    const { epoch, set, base, tip } = this.#position();
    const core = this.#core as Simplex;
    if (epoch > core.epoch) this.step({ type: "epoch", epoch, set, base });
    // Only a certificate was known of what is final; now the block is here.
    else if (core.finalized.height < 0) this.step({ type: "synced", epoch, set, base, tip });
    if (random.chance(0.5)) this.step({ type: "includable", value: false });
    if (this.isRunning) this.#rotate();
  }

  /**
   * What is behind the committed chain leaves the log. Not while a finalization waits to be committed: after a crash the
   * node would begin before it, without the votes that it cast since.
   */
  #rotate(): void {
    const core = this.#core as Simplex;
    if (this.log.sizeBytes < ROTATE_BYTES || core.finalized.view !== this.committedView) return;
    const { votes, certificates } = core.openRecords();
    const { epoch, tip } = this.#position();
    const blocks = [...this.#blocks.values()].filter(({ key }) => this.#logged.has(key));
    this.log.rotate([
      { type: "tip", epoch, ...tip },
      ...votes.map((subject): WalRecord => ({ type: "vote", subject })),
      ...certificates.map((certificate): WalRecord => ({ type: "certificate", certificate })),
      ...blocks.map(blockRecord),
    ]);
  }

  // Catching up

  #sendStatus(): void {
    const { random } = this.#world;
    this.#transport.send(random.pick(this.#transport.peers), { type: "status", height: this.height });
    this.#later(random.between(STATUS_EVERY_MS / 2, STATUS_EVERY_MS), () => this.#sendStatus());
  }

  #answerStatus(height: number, from: number): void {
    // The newest few blocks come by votes and certificates; a range is for those who missed them.
    if (height + 2 > this.height && !this.#world.ledger.isLast(this.height)) return;
    let end = Math.min(this.height, height + RANGE_BLOCKS);
    while (end > height && !this.#certificates.has(end)) end--;
    if (end <= height) return;
    const heights = Array.from({ length: end - height }, (_, i) => height + 1 + i);
    this.#transport.send(from, {
      type: "range",
      range: {
        blocks: heights.map((at) => this.chain[at] as SimBlock),
        certificates: heights.map((at) => this.#certificates.get(at)),
      },
    });
  }

  /** Verifies as sync does: parent by parent, the end and each epoch's last block by certificates of their epoch's set. */
  #onRange({ blocks, certificates }: Range): void {
    const { ledger, checkers } = this.#world;
    const skip = this.height + 1 - (blocks[0]?.height ?? Number.POSITIVE_INFINITY);
    if (skip < 0 || skip >= blocks.length || this.#isCommitting) return;
    const path = blocks.slice(skip);
    const kept = new Map<number, Certificate>();
    let parent = this.chain[this.height] as SimBlock;
    let set = this.#sets[ledger.epochOf(this.height + 1)] as ValidatorSet;
    for (const [i, block] of path.entries()) {
      if (block.parentKey !== parent.key || block.height !== parent.height + 1 || !ledger.isValid(block)) return;
      const certificate = certificates[skip + i];
      if ((certificate !== undefined && i === path.length - 1) || ledger.isLast(block.height)) {
        if (certificate === undefined || !checkers.isFinalization(certificate, block, set)) return;
        kept.set(block.height, certificate);
      }
      if (ledger.isLast(block.height)) set = ledger.setAfter(block);
      parent = block;
    }
    if (!kept.has(parent.height)) return;
    this.#isCommitting = true;
    this.#later(this.#syncTimeMs(), () => {
      this.#isCommitting = false;
      if (path[0]!.height === this.height + 1) {
        this.#append(path, kept);
        this.step({ type: "synced", ...this.#position() });
      }
      this.#retry();
    });
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
