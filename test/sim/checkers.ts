/**
 * What must hold in every world, whatever goes wrong in it: written from the definitions, apart from the code that it
 * judges. The first violation ends the world.
 */

import type { ConsensusEffect, ConsensusEvent } from "../../consensus/events.ts";
import type { Domain } from "../../consensus/scheme.ts";
import { type Certificate, type Evidence, epochOfView, KIND, type Subject, type Vote } from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import { keccak256 } from "../../core/crypto.ts";
import { keyOf, type Ledger, type Member, type SimBlock } from "./ledger.ts";
import type { SimNode } from "./node.ts";
import type { SimScheme } from "./scheme.ts";
import { nameOfSubject } from "./trace.ts";

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
  readonly #scheme: SimScheme;
  readonly #domain: Domain;
  readonly #members: ReadonlyMap<string, Member>;
  readonly #isByzantinePeer: (endpoint: number) => boolean;
  /** The one chain, by height. */
  readonly final: SimBlock[];
  readonly #released = new Map<string, Released>();
  readonly #certified = new Map<number, Certified>();
  readonly #proven = new WeakSet<Certificate>();
  readonly #seen = new Map<SimNode, Seen>();
  readonly #nullifiedViews = new Set<number>();
  #expected: Vote | undefined;
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
  ) {
    this.#ledger = ledger;
    this.#scheme = scheme;
    this.#domain = domain;
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
    if (!this.#isSigned(vote, core.set, [validator.publicKey])) return;
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

  afterStep(node: SimNode, _event: ConsensusEvent, effects: readonly ConsensusEffect[]): void {
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
            fail("blame", `node ${node.endpoint} blames honest ${effect.peer}: ${effect.reason}`);
          }
          break;
        case "halt":
          fail("halt", `node ${node.endpoint}: ${effect.reason}`);
          break;
        case "vote":
          if (node.member === undefined) fail("observer", `node ${node.endpoint} has no key and votes`);
          break;
        default:
          break;
      }
    }
    if (expected !== undefined && !this.#accused.has(accusation(node, expected))) {
      fail("evidence", `node ${node.endpoint} got both and says nothing: ${nameOfSubject(expected)}`);
    }
    if (core.view > this.highestView) this.highestView = core.view;
    if (++this.#steps % CHECK_SIZE_EVERY === 0) this.#checkSize(node);
  }

  readonly #accused = new Set<string>();

  #onEvidence(node: SimNode, { epoch, signer, first, second }: Evidence): void {
    const set = this.setOf(epoch);
    const validator = set?.validators[signer];
    if (set === undefined || validator === undefined) return fail("evidence", `of epoch ${epoch}, signer ${signer}`);
    const isOfOne = [first, second].every((vote) => vote.signer === signer && vote.epoch === epoch);
    const isSigned = isOfOne && [first, second].every((vote) => this.#isSigned(vote, set, [validator.publicKey]));
    if (!isSigned || !areContradictory(first, second)) {
      fail("evidence", `not genuine: ${nameOfSubject(first)} / ${nameOfSubject(second)}`);
    }
    if (!this.#members.get(keyOf(validator.publicKey))?.isByzantine) {
      fail("evidence", `against an honest validator: ${nameOfSubject(first)} / ${nameOfSubject(second)}`);
    }
    this.#accused.add(accusation(node, second));
    this.evidence++;
  }

  /** Quorums never contradict each other, whoever shows them. */
  #onCertificate(certificate: Certificate): void {
    if (this.#proven.has(certificate)) return;
    const { kind, epoch, view, block } = certificate;
    const set = this.setOf(epoch);
    if (set === undefined || epochOfView(view) !== epoch || !this.#isProof(certificate, set)) {
      fail("certificate", `no quorum of epoch ${epoch} signed ${nameOfSubject(certificate)}`);
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
      if (certified.block !== undefined && certified.block !== key) fail("agreement", `view ${view} certified twice`);
      certified.block = key;
      if (kind === KIND.finalize) certified.isFinalized = true;
    }
    if (certified.isNullified && certified.isFinalized) fail("agreement", `${nameOfSubject(certificate)}: both`);
    this.#proven.add(certificate);
  }

  #onFinalization(certificate: Certificate): void {
    this.#onCertificate(certificate);
    const block = this.#ledger.find(keyOf(certificate.block));
    if (certificate.kind !== KIND.finalize || block === undefined) {
      return fail("validity", `not a finalized block: ${nameOfSubject(certificate)}`);
    }
    if (this.#ledger.epochOf(block.height) !== certificate.epoch) {
      fail("epoch", `block of height ${block.height} finalized in epoch ${certificate.epoch}`);
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
        return fail("validity", `block of height ${at.height} has no parent of height ${at.height - 1}`);
      }
      at = parent;
    }
    if (this.final[at.height] !== at) fail("agreement", `two final blocks of height ${at.height}`);
    for (const next of path.reverse()) {
      if (!this.#ledger.isValid(next)) fail("validity", `an invalid block of height ${next.height} is final`);
      this.final.push(next);
    }
  }

  /** Precondition: called before the block is in the node's chain. */
  onCommit(node: SimNode, block: SimBlock, certificate: Certificate | undefined): void {
    if (block.height !== node.height + 1 || block.parentKey !== node.chain[node.height]!.key) {
      fail("validity", `node ${node.endpoint} commits height ${block.height} on ${node.height}`);
    }
    if (certificate !== undefined) this.#onFinalization(certificate);
    else if (this.#ledger.isLast(block.height))
      fail("epoch", `the last block of an epoch, ${block.height}, has no certificate`);
    if (this.final[block.height] !== undefined && this.final[block.height] !== block) {
      fail("agreement", `two final blocks of height ${block.height}`);
    }
  }

  /** A signature leaves an honest node: from here on it exists, whatever becomes of the node. */
  onRelease(node: SimNode, vote: Vote): void {
    const name = `node ${node.endpoint} signs ${nameOfSubject(vote)}`;
    const publicKey = node.member!.key.publicKey;
    const set = this.setOf(vote.epoch);
    if (set === undefined) return fail("epoch", `${name}: its epoch has not begun`);
    const validator = set.validators[vote.signer];
    if (validator?.publicKey !== publicKey || !this.#isSigned(vote, set, [publicKey])) {
      fail("epoch", `${name}: as ${vote.signer}, who it is not in epoch ${vote.epoch}`);
    }
    if (vote.epoch > this.#ledger.epochOf(node.height + 1)) {
      fail("epoch", `${name}: the epoch before is not committed`);
    }
    const isBehind = vote.view <= node.committedView;
    if (!isBehind && !node.log.hasDurable({ type: "vote", subject: vote })) fail("durability", name);
    if (vote.kind !== KIND.nullify) {
      const block = this.#ledger.find(keyOf(vote.block));
      if (block === undefined || !this.#ledger.isValid(block)) fail("validity", `${name}: an invalid block`);
    }
    const key = `${keyOf(publicKey)}${vote.view}`;
    let released = this.#released.get(key);
    if (released === undefined) {
      released = {};
      this.#released.set(key, released);
    }
    for (const other of [released.notarize, released.nullify, released.finalize]) {
      if (other === undefined) continue;
      if (areContradictory(other, vote)) fail("slashable", `${name} after ${nameOfSubject(other)}`);
      // Simplex rule 4: no vote of any kind was cast before.
      if (vote.kind === KIND.notarize && other.kind !== KIND.notarize && released.notarize === undefined) {
        fail("rule 4", `${name} after ${nameOfSubject(other)}`);
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
    return keyOf(certificate.block) === block.key && this.#isProof(certificate, set);
  }

  #isProof(certificate: Certificate, set: ValidatorSet): boolean {
    const { bitmap } = certificate;
    if (bitmap.length !== Math.ceil(set.validators.length / 8)) return false;
    const signed = set.validators.filter((_, i) => (bitmap[i >> 3]! & (1 << (i & 7))) !== 0);
    const bits = bitmap.reduce((sum, byte) => sum + countBits(byte), 0);
    const stake = signed.reduce((sum, validator) => sum + validator.stake, 0n);
    const total = set.validators.reduce((sum, validator) => sum + validator.stake, 0n);
    if (bits !== signed.length || stake * 3n <= total * 2n) return false;
    return this.#isSigned(
      certificate,
      set,
      signed.map(({ publicKey }) => publicKey),
    );
  }

  #isSigned(subject: Subject & { signature: Uint8Array }, set: ValidatorSet, keys: readonly Uint8Array[]): boolean {
    return this.#scheme.verify(keys, this.#digestOf(subject, set), subject.signature);
  }

  /** Nine words, as the specification of signed votes lists them. */
  #digestOf({ kind, epoch, view, parentView, block }: Subject, set: ValidatorSet): Uint8Array {
    const bytes = new Uint8Array(9 * 32);
    const words = new DataView(bytes.buffer);
    bytes.set(VOTE_DOMAIN);
    words.setBigUint64(56, this.#domain.chainId);
    bytes.set(this.#domain.l1Contract, 64 + 12);
    for (const [word, value] of [
      [3, epoch],
      [5, kind],
      [6, view],
      [7, parentView],
    ] as const) {
      words.setBigUint64(word * 32 + 24, BigInt(value));
    }
    bytes.set(set.hash, 4 * 32);
    bytes.set(block, 8 * 32);
    return keccak256(bytes);
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
      fail("memory", `node ${node.endpoint} keeps ${rounds} rounds (${maxRounds}) and ${votes} votes (${maxVotes})`);
    }
  }
}

const VOTE_DOMAIN = keccak256(new TextEncoder().encode("OpenLedger vote v1"));

const accusation = (node: SimNode, { signer, view }: Vote): string => `${node.endpoint}/${signer}/${view}`;

function fail(rule: string, detail: string): void {
  throw new Violation(rule, detail);
}

/**
 * The pairs that the specification calls slashable: two notarizations or two finalizations that differ, a nullification
 * and a finalization, a notarization and a finalization of something else; each in one view.
 */
function areContradictory(a: Subject, b: Subject): boolean {
  if (a.view !== b.view) return false;
  const isSame = a.parentView === b.parentView && keyOf(a.block) === keyOf(b.block);
  const kinds = [a.kind, b.kind].sort().join();
  switch (kinds) {
    case "1,1":
    case "3,3":
    case "1,3":
      return !isSame;
    case "2,3":
      return true;
    default:
      return false;
  }
}

function countBits(byte: number): number {
  let count = 0;
  for (let rest = byte; rest > 0; rest &= rest - 1) count++;
  return count;
}
