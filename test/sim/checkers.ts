/**
 * What must hold in every world, whatever goes wrong in it: written from the definitions, apart from the code that it
 * judges. The first violation ends the world.
 */

import type { ConsensusEffect, ConsensusEvent } from "../../consensus/events.ts";
import type { Domain } from "../../consensus/scheme.ts";
import { type Certificate, type Evidence, epochOfView, KIND, type Subject, type Vote } from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import { keyOf, type Ledger, type Member, type SimBlock } from "./ledger.ts";
import type { SimNode } from "./node.ts";
import { areContradictory, Proofs } from "./proofs.ts";
import type { SimScheme } from "./scheme.ts";
import { nameOfSubject, nameOfView } from "./trace.ts";

export class Violation extends Error {
  readonly rule: string;

  constructor(rule: string, detail: string) {
    super(`${rule}: ${detail}`);
    this.name = "Violation";
    this.rule = rule;
  }
}

/** What one honest validator has signed in one view, over all its lives. */
interface Released {
  notarize?: Subject;
  nullify?: Subject;
  finalize?: Subject;
}

/** Valid votes of Byzantine validators that one life of a node was given, by `signer/view`. */
type Seen = Map<string, Vote[]>;

interface Certified {
  block: string | undefined;
  isNullified: boolean;
  isFinalized: boolean;
}

/** Views that a node may have kept votes of: behind the final one, ahead of the current one, and undecided. */
const KEPT_VIEWS = 16 + 32 + 256;
const CHECK_SIZE_EVERY = 32;

export class Checkers {
  readonly #ledger: Ledger;
  readonly #proofs: Proofs;
  readonly #members: ReadonlyMap<string, Member>;
  readonly #muted: ReadonlySet<string>;
  readonly #isByzantinePeer: (endpoint: number) => boolean;
  /** The one chain, by height. */
  readonly final: SimBlock[];
  readonly #released = new Map<string, Released>();
  readonly #certified = new Map<number, Certified>();
  readonly #proven = new WeakSet<Certificate>();
  readonly #seen = new Map<SimNode, Seen>();
  readonly #nullifiedViews = new Set<number>();
  #expected: Vote | undefined;
  readonly #accused = new Set<string>();
  #steps = 0;
  evidence = 0;
  /** Of all honest nodes. */
  highestView = 0;

  constructor(
    ledger: Ledger,
    scheme: SimScheme,
    domain: Domain,
    members: readonly Member[],
    isByzantinePeer: (endpoint: number) => boolean,
    muted: readonly string[],
  ) {
    this.#muted = new Set(muted);
    this.#ledger = ledger;
    this.#proofs = new Proofs(scheme, domain, !muted.includes("certificate"));
    this.#members = new Map(members.map((member) => [keyOf(member.key.publicKey), member]));
    this.#isByzantinePeer = isByzantinePeer;
    this.final = [ledger.genesis];
  }

  get nullifiedViews(): number {
    return this.#nullifiedViews.size;
  }

  /** The set of an epoch, once the block that ends the epoch before it is final. */
  setOf(epoch: number): ValidatorSet | undefined {
    if (epoch === 0) return this.#ledger.genesisSet;
    const last = this.final[this.#ledger.baseHeight(epoch)];
    return last === undefined ? undefined : this.#ledger.setAfter(last);
  }

  #fail(rule: string, detail: string): void {
    if (!this.#muted.has(rule)) throw new Violation(rule, detail);
  }

  // What goes into a node

  onStart(node: SimNode): void {
    this.#seen.set(node, new Map());
  }

  beforeStep(node: SimNode, event: ConsensusEvent): void {
    this.#expected = undefined;
    if (event.type === "vote") this.#remember(node, event.vote, false);
    else if (event.type === "proposal") this.#remember(node, event.proposal.vote, true);
  }

  /** Two votes of one validator that exclude each other, both valid, both timely: whoever gets them must notice. */
  #remember(node: SimNode, vote: Vote, isProposal: boolean): void {
    const core = node.core!;
    const validator = core.set.validators[vote.signer];
    if (vote.epoch !== core.epoch || validator === undefined) return;
    if (!this.#members.get(keyOf(validator.publicKey))?.isByzantine) return;
    const { finalized, view } = core;
    if (vote.view <= finalized.view - (isProposal ? 0 : 31) || vote.view > view + 16 || vote.view < view - 200) return;
    if (isProposal && ((vote.view - 1) % 2 ** 32) % core.set.validators.length !== vote.signer) return;
    if (!this.#proofs.isSigned(vote, core.set, [validator.publicKey])) return;
    const seen = this.#seen.get(node)!;
    const key = `${vote.signer}/${vote.view}`;
    const earlier = seen.get(key);
    if (earlier === undefined) seen.set(key, [vote]);
    else {
      if (earlier.some((other) => areContradictory(other, vote))) this.#expected = vote;
      // One of each kind is enough to contradict whatever comes.
      if (!earlier.some(({ kind }) => kind === vote.kind)) earlier.push(vote);
    }
  }

  // What comes out of it

  afterStep(node: SimNode, effects: readonly ConsensusEffect[]): void {
    const core = node.core!;
    const expected = this.#expected;
    for (const effect of effects) {
      switch (effect.type) {
        case "send-certificate":
        case "log-certificate":
          this.#onCertificate(effect.certificate);
          break;
        case "finalize":
          this.#onFinalization(effect.certificate);
          break;
        case "evidence":
          this.#onEvidence(node, effect.evidence);
          break;
        case "blame":
          if (!this.#isByzantinePeer(Number(effect.peer))) {
            this.#fail("blame", `node ${node.endpoint} blames honest ${effect.peer}: ${effect.reason}`);
          }
          break;
        case "halt":
          this.#fail("halt", `node ${node.endpoint}: ${effect.reason}`);
          break;
        case "vote":
          if (node.member === undefined) this.#fail("observer", `node ${node.endpoint} has no key and votes`);
          break;
        default:
          break;
      }
    }
    if (expected !== undefined && !this.#accused.has(accusation(node, expected))) {
      this.#fail("evidence", `node ${node.endpoint} got both and says nothing: ${nameOfSubject(expected)}`);
    }
    if (core.view > this.highestView) this.highestView = core.view;
    if (++this.#steps % CHECK_SIZE_EVERY === 0) this.#checkSize(node);
  }

  #onEvidence(node: SimNode, { epoch, signer, first, second }: Evidence): void {
    const set = this.setOf(epoch);
    const validator = set?.validators[signer];
    if (set === undefined || validator === undefined) {
      this.#fail("evidence", `of epoch ${epoch}, signer ${signer}`);
      return;
    }
    const isOfOne = [first, second].every((vote) => vote.signer === signer && vote.epoch === epoch);
    const isSigned =
      isOfOne && [first, second].every((vote) => this.#proofs.isSigned(vote, set, [validator.publicKey]));
    if (!isSigned || !areContradictory(first, second)) {
      this.#fail("evidence", `not genuine: ${nameOfSubject(first)} / ${nameOfSubject(second)}`);
    }
    if (!this.#members.get(keyOf(validator.publicKey))?.isByzantine) {
      this.#fail("evidence", `against an honest validator: ${nameOfSubject(first)} / ${nameOfSubject(second)}`);
    }
    this.#accused.add(accusation(node, second));
    this.evidence++;
  }

  /** Quorums never contradict each other, whoever shows them. */
  #onCertificate(certificate: Certificate): void {
    if (this.#proven.has(certificate)) return;
    const { kind, epoch, view, block } = certificate;
    const set = this.setOf(epoch);
    if (set === undefined || epochOfView(view) !== epoch || !this.#proofs.isCertified(certificate, set)) {
      this.#fail("certificate", `no quorum of epoch ${epoch} signed ${nameOfSubject(certificate)}`);
    }
    let certified = this.#certified.get(view);
    if (certified === undefined) {
      certified = { block: undefined, isNullified: false, isFinalized: false };
      this.#certified.set(view, certified);
    }
    if (kind === KIND.nullify) {
      certified.isNullified = true;
      this.#nullifiedViews.add(view);
    } else {
      const key = keyOf(block);
      if (certified.block !== undefined && certified.block !== key)
        this.#fail("agreement", `view ${view} certified twice`);
      certified.block = key;
      if (kind === KIND.finalize) certified.isFinalized = true;
    }
    if (certified.isNullified && certified.isFinalized) this.#fail("agreement", `${nameOfSubject(certificate)}: both`);
    this.#proven.add(certificate);
  }

  #onFinalization(certificate: Certificate): void {
    this.#onCertificate(certificate);
    const block = this.#ledger.find(keyOf(certificate.block));
    if (certificate.kind !== KIND.finalize || block === undefined) {
      this.#fail("validity", `not a finalized block: ${nameOfSubject(certificate)}`);
      return;
    }
    if (this.#ledger.epochOf(block.height) !== certificate.epoch) {
      this.#fail("epoch", `block of height ${block.height} finalized in epoch ${certificate.epoch}`);
    }
    this.#extend(block);
  }

  /** The block and its ancestors belong to the one chain. */
  #extend(block: SimBlock): void {
    const path: SimBlock[] = [];
    let at = block;
    while (at.height >= this.final.length) {
      path.push(at);
      const parent = this.#ledger.find(at.parentKey);
      if (parent === undefined || parent.height !== at.height - 1) {
        this.#fail("validity", `block of height ${at.height} has no parent of height ${at.height - 1}`);
        return;
      }
      at = parent;
    }
    if (this.final[at.height] !== at) this.#fail("agreement", `two final blocks of height ${at.height}`);
    for (const next of path.reverse()) {
      if (!this.#ledger.isValid(next)) this.#fail("validity", `an invalid block of height ${next.height} is final`);
      this.final.push(next);
    }
  }

  /** Precondition: called before the block is in the node's chain. */
  onCommit(node: SimNode, block: SimBlock, certificate: Certificate | undefined): void {
    if (block.height !== node.chain.height + 1 || block.parentKey !== node.chain.head.key) {
      this.#fail("validity", `node ${node.endpoint} commits height ${block.height} on ${node.chain.height}`);
    }
    if (certificate !== undefined) this.#onFinalization(certificate);
    else if (this.#ledger.isLast(block.height))
      this.#fail("epoch", `the last block of an epoch, ${block.height}, has no certificate`);
    if (this.final[block.height] !== undefined && this.final[block.height] !== block) {
      this.#fail("agreement", `two final blocks of height ${block.height}`);
    }
  }

  /** A signature leaves an honest node: from here on it exists, whatever becomes of the node. */
  onRelease(node: SimNode, vote: Vote): void {
    const name = `node ${node.endpoint} signs ${nameOfSubject(vote)}`;
    const publicKey = node.member!.key.publicKey;
    const set = this.setOf(vote.epoch);
    if (set === undefined) {
      this.#fail("epoch", `${name}: its epoch has not begun`);
      return;
    }
    const validator = set.validators[vote.signer];
    if (validator?.publicKey !== publicKey || !this.#proofs.isSigned(vote, set, [publicKey])) {
      this.#fail("epoch", `${name}: as ${vote.signer}, who it is not in epoch ${vote.epoch}`);
    }
    if (vote.epoch > this.#ledger.epochOf(node.chain.height + 1)) {
      this.#fail("epoch", `${name}: the epoch before is not committed`);
    }
    const isBehind = vote.view <= node.chain.position.tip.view;
    if (!isBehind && !node.log.hasDurable({ type: "vote", subject: vote })) this.#fail("durability", name);
    if (vote.kind !== KIND.nullify) {
      const block = this.#ledger.find(keyOf(vote.block));
      if (block === undefined || !this.#ledger.isValid(block)) this.#fail("validity", `${name}: an invalid block`);
    }
    if (vote.kind === KIND.notarize) {
      for (let view = vote.parentView + 1; view < vote.view; view++) {
        if (!this.#nullifiedViews.has(view)) this.#fail("rule 4", `${name}: nobody nullified ${nameOfView(view)}`);
      }
    }
    const key = `${keyOf(publicKey)}${vote.view}`;
    let released = this.#released.get(key);
    if (released === undefined) {
      released = {};
      this.#released.set(key, released);
    }
    for (const other of [released.notarize, released.nullify, released.finalize]) {
      if (other === undefined) continue;
      if (areContradictory(other, vote)) this.#fail("slashable", `${name} after ${nameOfSubject(other)}`);
      // Simplex rule 4: no vote of any kind was cast before.
      if (vote.kind === KIND.notarize && other.kind !== KIND.notarize && released.notarize === undefined) {
        this.#fail("rule 4", `${name} after ${nameOfSubject(other)}`);
      }
    }
    if (vote.kind === KIND.notarize) released.notarize = vote;
    else if (vote.kind === KIND.nullify) released.nullify = vote;
    else released.finalize = vote;
  }

  /** Whether the certificate makes `block` final, by `set`. */
  isFinalization(certificate: Certificate, block: SimBlock, set: ValidatorSet): boolean {
    const { kind, epoch } = certificate;
    if (kind !== KIND.finalize || epoch !== this.#ledger.epochOf(block.height)) return false;
    return keyOf(certificate.block) === block.key && this.#proofs.isCertified(certificate, set);
  }

  /** Whatever arrives, what a node keeps is bounded by its validators and by the views that are not decided. */
  #checkSize(node: SimNode): void {
    const core = node.core!;
    const validators = core.set.validators.length;
    const undecided = core.view - core.finalized.view;
    const { rounds, votes } = core.size;
    // Twice the past: what is final moves on before the views behind it are forgotten.
    const maxRounds = undecided + 16 + 2 * 32;
    const maxVotes = 3 * validators * Math.min(maxRounds, KEPT_VIEWS);
    if (rounds > maxRounds || votes > maxVotes) {
      this.#fail(
        "memory",
        `node ${node.endpoint} keeps ${rounds} rounds (${maxRounds}) and ${votes} votes (${maxVotes})`,
      );
    }
  }
}

const accusation = (node: SimNode, { signer, view }: Vote): string => `${node.endpoint}/${signer}/${view}`;
