/** What a Byzantine validator can make of its own key, of what it has heard, and of nothing. Honest keys it has not. */
import { type Domain, voteDigest } from "../../consensus/scheme.ts";
import {
  baseView,
  type Certificate,
  KIND,
  type Proposal,
  type Subject,
  type Vote,
  type VoteKind,
} from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import { keyOf, type Ledger, type Member, type SimBlock } from "./ledger.ts";
import type { Message } from "./network.ts";
import type { Random } from "./random.ts";
import { moved, type SimScheme, sign } from "./scheme.ts";

export const NO_BLOCK = new Uint8Array(32);

export const nullifyOf = (epoch: number, view: number): Subject => ({
  kind: KIND.nullify,
  epoch,
  view,
  parentView: 0,
  block: NO_BLOCK,
});

export interface Signing {
  readonly domain: Domain;
  readonly set: ValidatorSet;
  readonly member: Member;
  /** The member's index in the set. */
  readonly signer: number;
}

export function signVote({ domain, set, member, signer }: Signing, subject: Subject): Vote {
  const { kind, epoch, view, parentView, block } = subject;
  const signature = sign(member.key, voteDigest(domain, set.hash, subject));
  return { kind, epoch, view, parentView, block, signer, signature };
}

/** Everybody's bits over a signature of nobody's, or of the one who forges; now and then with bits to spare. */
export function forgeCertificate(signing: Signing, subject: Subject, random: Random): Certificate {
  const { kind, epoch, view, parentView, block } = subject;
  const size = signing.set.validators.length;
  const own = signVote(signing, subject).signature;
  const bitmap = new Uint8Array(Math.ceil(size / 8));
  const bits = random.pick(["all", "all", "own", "spare"] as const);
  for (let i = 0; i < (bits === "spare" ? bitmap.length * 8 : size); i++) {
    if (bits === "own" && i !== signing.signer) continue;
    bitmap[i >> 3] = bitmap[i >> 3]! | (1 << (i & 7));
  }
  const signature = bits === "own" || random.chance(0.5) ? own : moved(own, random.bits());
  return { kind, epoch, view, parentView, block, bitmap, signature };
}

export const LIES = [
  "unsound block",
  "wrong height",
  // More often than others: what it leaves out may have become final meanwhile.
  "old parent",
  "old parent",
  "old parent",
  "old parent, forged skips",
  "forged parent",
  "foreign certificates",
  "beyond the epoch",
  "no certificates",
  "again",
  "second block",
  "header mismatch",
  "another's view",
] as const;
export type Lie = (typeof LIES)[number];

export interface LieContext {
  readonly ledger: Ledger;
  readonly random: Random;
  readonly signing: Signing;
  /** Certificates that were heard of, the newest last. */
  readonly certificates: readonly Certificate[];
  readonly blocks: readonly SimBlock[];
}

/** A false proposal in the place of a true one. */
export function lieAbout(
  lie: Lie,
  { proposal, block: made }: { proposal: Proposal; block: SimBlock | undefined },
  context: LieContext,
): Message {
  const { ledger, random, signing, certificates } = context;
  const { epoch, view, parentView } = proposal.vote;
  const block = made ?? ledger.find(keyOf(proposal.vote.block)) ?? ledger.genesis;
  const salt = random.bits();
  const make = (on: SimBlock | undefined, height = (on?.height ?? 0) + 1, isSound = true): SimBlock =>
    ledger.create(on?.id ?? proposal.parent, height, salt, isSound);
  const parent = ledger.find(keyOf(proposal.parent));
  const propose = (made: SimBlock, changes: Partial<Proposal> & { readonly parentView?: number } = {}): Message => {
    const subject = { ...proposal.vote, block: made.id, parentView: changes.parentView ?? parentView };
    const whole = {
      ...proposal,
      height: made.height,
      parent: made.parent,
      ...changes,
      vote: signVote(signing, subject),
    };
    return { type: "proposal", proposal: whole, block: made };
  };
  /** Nullifications of all views between, real where there are any. */
  const skips = (from: number, mayForge: boolean): Certificate[] => {
    const found: Certificate[] = [];
    for (let at = view - 1; at > from && found.length < 60; at--) {
      const real = certificates.find((c) => c.view === at && c.kind === KIND.nullify);
      if (real !== undefined) found.push(real);
      else if (mayForge) found.push(forgeCertificate(signing, nullifyOf(epoch, at), random));
    }
    return found;
  };
  switch (lie) {
    case "unsound block":
      return propose(make(parent, undefined, false));
    case "wrong height":
      return propose(make(parent, (parent?.height ?? 0) + random.pick([0, 2])));
    case "old parent":
    case "old parent, forged skips": {
      const older = certificates.filter((c) => c.epoch === epoch && c.kind !== KIND.nullify && c.view < parentView);
      const chosen = random.chance(0.3) || older.length === 0 ? undefined : random.pick(older.slice(-2));
      const oldView = chosen?.view ?? baseView(epoch);
      const old =
        chosen === undefined
          ? context.blocks.find((b) => b.height === ledger.baseHeight(epoch))
          : ledger.find(keyOf(chosen.block));
      const certified = chosen === undefined ? [] : [chosen];
      const proof = [...certified, ...skips(oldView, lie !== "old parent")];
      return propose(make(old ?? ledger.genesis), { parentView: oldView, certificates: proof });
    }
    case "forged parent": {
      const invented = ledger.create(proposal.parent, block.height, salt ^ 1, random.chance(0.5));
      const subject = {
        ...proposal.vote,
        view: view - 1,
        parentView: Math.min(parentView, view - 2),
        block: invented.id,
      };
      const forged = [forgeCertificate(signing, subject, random)];
      return propose(make(invented), { parentView: view - 1, certificates: forged });
    }
    case "foreign certificates": {
      // True ones, of another time: as they are, or renamed for here.
      const foreign = random.shuffled(certificates).slice(0, 8);
      const renamed = foreign.map((c, i) => ({
        ...c,
        ...(c.kind === KIND.nullify ? { epoch, view: view - 1 - i } : {}),
      }));
      return propose(make(parent), { certificates: random.chance(0.5) ? foreign : renamed });
    }
    case "beyond the epoch": {
      const last = context.blocks.findLast((b) => ledger.isLast(b.height)) ?? block;
      return propose(make(last));
    }
    case "no certificates":
      return propose(make(parent), { certificates: [] });
    case "again":
      return propose(parent ?? block, { parent: (parent ?? block).id });
    case "second block":
      return propose(make(parent));
    case "header mismatch":
      return propose(make(parent), { height: block.height + 1 });
    case "another's view":
      return {
        type: "proposal",
        block,
        proposal: { ...proposal, vote: signVote(signing, { ...proposal.vote, view: view + random.between(1, 3) }) },
      };
  }
}

/** Any statement about a view, by any kind: about a block that was heard of, or about one that nobody made. */
export function randomSubject(epoch: number, view: number, context: LieContext): Subject {
  const { random, blocks } = context;
  const kind = random.pick([KIND.notarize, KIND.nullify, KIND.finalize]) as VoteKind;
  if (kind === KIND.nullify) return nullifyOf(epoch, view);
  const block =
    blocks.length === 0 || random.chance(0.2) ? new Uint8Array(32).fill(random.below(256)) : random.pick(blocks).id;
  const parentView = Math.max(baseView(epoch), view - random.between(1, 4));
  return { kind, epoch, view, parentView, block };
}

/** The message with one thing in it changed. */
export function mutated(message: Message, random: Random, epoch: number, view: number): Message {
  switch (message.type) {
    case "vote":
      return { type: "vote", vote: changed(message.vote, random, epoch, view) };
    case "certificate":
      return { type: "certificate", certificate: changed(message.certificate, random, epoch, view) };
    case "proposal": {
      const { proposal } = message;
      const { certificates } = proposal;
      const what = random.below(6);
      if (what === 5) {
        // Nothing but the vote is signed, and without the block nobody sees at once what is wrong with the rest.
        const parent = random.chance(0.5) ? proposal.vote.block : proposal.parent;
        const height = proposal.height + random.pick([0, 0, 1, 2, 3, -1]);
        return { ...message, proposal: { ...proposal, height, parent }, block: undefined };
      }
      if (what === 0)
        return { ...message, proposal: { ...proposal, vote: changed(proposal.vote, random, epoch, view) } };
      if (what === 1) return { ...message, proposal: { ...proposal, height: proposal.height + random.between(-1, 1) } };
      if (what === 2) return { ...message, proposal: { ...proposal, parent: flipped(proposal.parent, random) } };
      const kept = certificates.flatMap((c) =>
        random.chance(0.3) ? [] : [random.chance(0.3) ? changed(c, random, epoch, view) : c],
      );
      return { ...message, proposal: { ...proposal, certificates: kept } };
    }
    default:
      return message;
  }
}

function changed<T extends Vote | Certificate>(signed: T, random: Random, epoch: number, view: number): T {
  const near = view + random.between(-2, 2);
  switch (random.below(8)) {
    case 0: // as if it were said about now: where epochs are not signed, an old statement counts again
      return { ...signed, epoch, view: near, ...(signed.kind === KIND.nullify ? {} : { parentView: near - 1 }) };
    case 1:
      return { ...signed, epoch, view: baseView(epoch) + (signed.view - baseView(signed.epoch)) };
    case 2:
      return { ...signed, kind: random.between(1, 3) };
    case 3:
      return { ...signed, block: flipped(signed.block, random) };
    case 4:
      return {
        ...signed,
        signature: random.chance(0.5) ? moved(signed.signature, random.bits()) : flipped(signed.signature, random),
      };
    case 5:
      return { ...signed, parentView: signed.parentView + random.between(-2, 2) };
    case 6:
      return { ...signed, view: signed.view + random.between(-2, 2) };
    default:
      if ("bitmap" in signed) return { ...signed, bitmap: flipped(signed.bitmap, random) };
      return { ...signed, signer: random.below(8) };
  }
}

function flipped(bytes: Uint8Array, random: Random): Uint8Array {
  const out = bytes.slice();
  const at = random.below(out.length);
  out[at] = out[at]! ^ (1 << random.below(8));
  return out;
}

/** Two shares that are wrong each and right together; for one who holds both keys. */
export function cancelling(first: Vote, second: Vote, random: Random): Vote[] {
  const offset = random.bits();
  return [
    { ...first, signature: moved(first.signature, offset) },
    { ...second, signature: moved(second.signature, -offset) },
  ];
}

/** A certificate of the votes that were heard and those that the coalition adds; undefined without a quorum. */
export function assemble(
  subject: Subject,
  votes: ReadonlyMap<number, Vote>,
  set: ValidatorSet,
  scheme: SimScheme,
): Certificate | undefined {
  let stake = 0n;
  const bitmap = new Uint8Array(Math.ceil(set.validators.length / 8));
  for (const signer of votes.keys()) {
    stake += set.validators[signer]!.stake;
    bitmap[signer >> 3] = bitmap[signer >> 3]! | (1 << (signer & 7));
  }
  if (3n * stake <= 2n * set.totalStake) return undefined;
  const signature = scheme.aggregate([...votes.values()].map((vote) => vote.signature));
  if (signature === undefined) return undefined;
  const { kind, epoch, view, parentView, block } = subject;
  return { kind, epoch, view, parentView, block, bitmap, signature };
}
