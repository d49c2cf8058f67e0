/**
 * The Byzantine validators of a world. They act together, hear what reaches any of their nodes, and run the production
 * state machine to know where the others are; what leaves their nodes is theirs to change, hold back or invent.
 */
import type { Certificate, Vote } from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import type { Member, SimBlock } from "./ledger.ts";
import {
  assemble,
  cancelling,
  forgeCertificate,
  LIES,
  type LieContext,
  lieAbout,
  mutated,
  nullifyOf,
  randomSubject,
  type Signing,
  signVote,
} from "./lies.ts";
import { type Message, type Network, type Range, recoded } from "./network.ts";
import type { SimNode } from "./node.ts";
import type { Behaviour } from "./plan.ts";
import { moved } from "./scheme.ts";
import { nameOfSubject } from "./trace.ts";
import type { Transport, World } from "./world.ts";

const KEPT_TALLIES = 96;
const KEPT_CERTIFICATES = 160;
const KEPT_BLOCKS = 48;
const KEPT_OLD = 96;

interface Tally {
  readonly subject: Vote;
  readonly votes: Map<number, Vote>;
}

interface Actor {
  readonly endpoint: number;
  readonly member: Member;
  readonly behaviours: readonly Behaviour[];
  readonly peers: readonly number[];
  node: SimNode | undefined;
  /** Peers that it talks to now, where it is a twin or withholds. */
  side: ReadonlySet<number>;
  /** What it says instead of a proposal, by view. */
  readonly lies: Map<number, readonly Message[]>;
}

export class Coalition {
  readonly #world: World;
  readonly #network: Network;
  readonly #actors = new Map<number, Actor>();
  readonly #tallies = new Map<string, Tally>();
  readonly #certificates: Certificate[] = [];
  readonly #blocks: SimBlock[] = [];
  /** A sample of everything that was ever heard: epochs later somebody says it again. */
  readonly #old: Message[] = [];
  #heard = 0;

  constructor(world: World, network: Network) {
    this.#world = world;
    this.#network = network;
  }

  /** How a Byzantine member's node reaches the others. */
  transport(endpoint: number, member: Member, peers: readonly number[]): Transport {
    const behaviours = this.#world.plan.byzantine[member.index] ?? [];
    const side = new Set(peers);
    this.#actors.set(endpoint, { endpoint, member, behaviours, peers, node: undefined, side, lies: new Map() });
    return { peers, send: (to, message) => this.#say(endpoint, to, message) };
  }

  begin(nodes: readonly SimNode[]): void {
    const { scheduler, random, plan } = this.#world;
    for (const actor of this.#actors.values()) {
      actor.node = nodes[actor.endpoint];
      const act = (): void => {
        if (actor.node?.core !== undefined) this.#act(actor);
        scheduler.after(random.between(1, 2 * plan.attackEveryMs), act);
      };
      scheduler.after(random.between(1, 1_000), act);
      this.#chooseSide(actor);
    }
  }

  /** Something arrived at a node; the coalition hears it when the node is one of its own. */
  observe(to: number, message: Message): void {
    if (!this.#actors.has(to)) return;
    const { random } = this.#world;
    this.#heard++;
    if (message.type === "vote" || message.type === "certificate") {
      if (this.#old.length < KEPT_OLD) this.#old.push(message);
      else if (random.below(this.#heard) < KEPT_OLD) this.#old[random.below(KEPT_OLD)] = message;
    }
    if (message.type === "vote") this.#count(message.vote);
    if (message.type === "certificate") keep(this.#certificates, message.certificate, KEPT_CERTIFICATES);
    if (message.type !== "proposal") return;
    this.#count(message.proposal.vote);
    if (message.block !== undefined) keep(this.#blocks, message.block, KEPT_BLOCKS);
    const actor = this.#actors.get(to) as Actor;
    if (actor.behaviours.includes("mutator") && random.chance(0.3)) this.#tell(actor, this.#mutated(actor, message));
    for (const certificate of message.proposal.certificates) keep(this.#certificates, certificate, KEPT_CERTIFICATES);
  }

  #count(vote: Vote): void {
    const key = nameOfSubject(vote);
    let tally = this.#tallies.get(key);
    if (tally === undefined) {
      tally = { subject: vote, votes: new Map() };
      this.#tallies.set(key, tally);
      for (const oldest of this.#tallies.keys()) {
        if (this.#tallies.size <= KEPT_TALLIES) break;
        this.#tallies.delete(oldest);
      }
    }
    tally.votes.set(vote.signer, vote);
  }

  // Talking

  /** What a node of the coalition would say, and what it says instead. */
  #say(endpoint: number, to: number, message: Message): void {
    const actor = this.#actors.get(endpoint) as Actor;
    const { behaviours } = actor;
    const { random } = this.#world;
    const isVoice = message.type === "vote" || message.type === "proposal" || message.type === "certificate";
    if (behaviours.includes("silent") && isVoice) return;
    if ((behaviours.includes("twins") || behaviours.includes("withholder")) && isVoice && !actor.side.has(to)) return;
    let said = message;
    if (message.type === "proposal" && behaviours.includes("liar")) said = this.#lieOf(actor, message);
    if (message.type === "range" && behaviours.includes("liar") && random.chance(0.3))
      said = this.#falseRange(message.range);
    if (behaviours.includes("mutator") && random.chance(0.1)) said = this.#mutated(actor, said);
    const sent = said === message ? message : wellFormed(said);
    if (sent !== undefined) this.#network.send(endpoint, to, sent);
  }

  /** Each peer hears it with this probability. */
  #tell(actor: Actor, message: Message, probability = 0.6): void {
    const sent = wellFormed(message);
    if (sent === undefined) return;
    for (const to of this.#world.random.some(actor.peers, probability)) this.#network.send(actor.endpoint, to, sent);
  }

  #lieOf(actor: Actor, message: Message & { readonly type: "proposal" }): Message {
    const { random } = this.#world;
    const { view } = message.proposal.vote;
    let variants = actor.lies.get(view);
    if (variants === undefined) {
      const context = this.#context(actor);
      variants = [message];
      if (context !== undefined && random.chance(0.8)) {
        variants = [
          lieAbout(random.pick(LIES), message, context),
          random.chance(0.5) ? message : lieAbout(random.pick(LIES), message, context),
        ];
      }
      actor.lies.clear();
      actor.lies.set(view, variants);
    }
    return random.pick(variants);
  }

  #falseRange({ blocks, certificates }: Range): Message {
    const { random, ledger } = this.#world;
    const at = random.below(blocks.length);
    const other = ledger.create(blocks[at]!.parent, blocks[at]!.height, random.bits(), random.chance(0.5));
    return {
      type: "range",
      range: {
        blocks: random.chance(0.6) ? blocks.map((block, i) => (i === at ? other : block)) : blocks,
        certificates: certificates.map((certificate) => (random.chance(0.3) ? random.pick(certificates) : certificate)),
      },
    };
  }

  #mutated(actor: Actor, message: Message): Message {
    const core = actor.node?.core;
    return core === undefined ? message : mutated(message, this.#world.random, core.epoch, core.view);
  }

  // Acting

  #chooseSide(actor: Actor): void {
    const { scheduler, random } = this.#world;
    if (!actor.behaviours.some((behaviour) => behaviour === "twins" || behaviour === "withholder")) return;
    actor.side = new Set(random.some(actor.peers, random.pick([0.3, 0.6, 0.9])));
    scheduler.after(random.between(500, 6_000), () => this.#chooseSide(actor));
  }

  #act(actor: Actor): void {
    const { random } = this.#world;
    const context = this.#context(actor);
    if (context === undefined) return;
    switch (random.pick(actor.behaviours)) {
      case "mutator":
        this.#replay(actor);
        break;
      case "splitter":
        if (random.chance(0.5)) this.#voteTwice(actor, context);
        else this.#splitCertificates(actor);
        break;
      case "flooder":
        this.#flood(actor, context);
        break;
      case "liar":
        this.#contradict(actor, context);
        break;
      default:
        break; // the others only hold back
    }
  }

  /** Undefined while the member is not in the set. */
  #context(actor: Actor): LieContext | undefined {
    const { ledger, random } = this.#world;
    const signing = this.#signing(actor);
    if (signing === undefined) return undefined;
    return { ledger, random, signing, certificates: this.#certificates, blocks: this.#blocks };
  }

  #signing({ member, node }: Actor): Signing | undefined {
    const core = node?.core;
    if (core === undefined) return undefined;
    return this.#signingIn(core.set, member);
  }

  #signingIn(set: ValidatorSet, member: Member): Signing | undefined {
    const signer = set.validators.findIndex(({ publicKey }) => publicKey === member.key.publicKey);
    return signer < 0 ? undefined : { domain: this.#world.domain, set, member, signer };
  }

  /** Says again what somebody said, perhaps epochs ago, as it was or changed. */
  #replay(actor: Actor): void {
    const { random } = this.#world;
    if (this.#old.length === 0) return;
    for (let i = 0; i < 4; i++) {
      const message = random.pick(this.#old);
      this.#tell(actor, random.chance(0.3) ? message : this.#mutated(actor, message));
    }
  }

  /** Votes of every kind in the newest views, each to some. */
  #voteTwice(actor: Actor, { signing }: LieContext): void {
    const { random } = this.#world;
    const { epoch, view } = actor.node!.core!;
    const partners = [...this.#actors.values()]
      .filter(({ member }) => member !== actor.member)
      .map(({ member }) => this.#signingIn(signing.set, member))
      .filter((partner) => partner !== undefined);
    const subjects = [...this.#tallies.values()]
      .map(({ subject }) => subject)
      .filter((s) => s.epoch === epoch && s.view >= view - 2);
    const finals = subjects.filter(({ kind }) => kind === 1).map((subject) => ({ ...subject, kind: 3 as const }));
    for (const subject of random.some([...subjects, ...finals, nullifyOf(epoch, view)], 0.6).slice(0, 6)) {
      const vote = signVote(signing, subject);
      const partner = partners[0];
      const votes =
        partner !== undefined && random.chance(0.4) ? cancelling(vote, signVote(partner, subject), random) : [vote];
      for (const cast of votes) this.#tell(actor, { type: "vote", vote: cast });
      if (random.chance(0.2))
        this.#tell(actor, { type: "vote", vote: { ...vote, signature: moved(vote.signature, 1) } }, 0.3);
    }
  }

  /** Completes what the honest have begun, and tells some one thing and others the other. */
  #splitCertificates(actor: Actor): void {
    const { random, scheme } = this.#world;
    const { epoch, view, set } = actor.node!.core!;
    for (const { subject, votes } of this.#tallies.values()) {
      if (subject.epoch !== epoch || subject.view < view - 3) continue;
      const all = new Map(
        [...votes].filter(([signer, vote]) => signer < set.validators.length && vote.epoch === epoch),
      );
      for (const { member } of this.#actors.values()) {
        const signing = this.#signingIn(set, member);
        if (signing !== undefined) all.set(signing.signer, signVote(signing, subject));
      }
      const certificate = assemble(subject, all, set, scheme);
      if (certificate === undefined) continue;
      keep(this.#certificates, certificate, KEPT_CERTIFICATES);
      this.#tell(actor, { type: "certificate", certificate }, random.pick([0.2, 0.5]));
    }
  }

  /** More than anybody should keep. */
  #flood(actor: Actor, context: LieContext): void {
    const { random } = this.#world;
    const { epoch, view } = actor.node!.core!;
    for (let i = 0; i < 6; i++) {
      const ahead = random.chance(0.5) ? random.between(1, 40) : random.below(2 ** 31);
      const inEpoch = random.chance(0.9) ? epoch : epoch + 1;
      const subject = randomSubject(inEpoch, (inEpoch - epoch) * 2 ** 32 + view + ahead, context);
      if (random.chance(0.2)) {
        this.#tell(
          actor,
          { type: "certificate", certificate: forgeCertificate(context.signing, subject, random) },
          0.3,
        );
        continue;
      }
      const vote = signVote(context.signing, subject);
      const signer = random.chance(0.7) ? vote.signer : random.below(300);
      this.#tell(actor, { type: "vote", vote: { ...vote, signer } }, 0.5);
    }
  }

  /** Speaks against what it said itself. */
  #contradict(actor: Actor, context: LieContext): void {
    const { random } = this.#world;
    const { epoch, view } = actor.node!.core!;
    const subject = randomSubject(epoch, Math.max(view + random.between(-3, 1), epoch * 2 ** 32 + 1), context);
    this.#tell(actor, { type: "vote", vote: signVote(context.signing, subject) });
  }
}

/** The newest last; none twice. */
function keep<T>(list: T[], item: T, limit: number): void {
  if (list.includes(item)) return;
  list.push(item);
  if (list.length > limit) list.shift();
}

/** Only what is well formed gets anywhere: bytes that no codec takes are dropped at the door. */
function wellFormed(message: Message): Message | undefined {
  try {
    return recoded(message);
  } catch (error) {
    if ((error as Error).name !== "CodecError" && !(error instanceof RangeError)) throw error;
    return undefined;
  }
}
