/** What tests of consensus are made of: cheap signatures that add up as BLS ones do, validator sets, votes. */
import fc from "fast-check";
import { bigIntToFixed, bytesToBigInt } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import type { BallotRules } from "../ballots.ts";
import { bitmapOf } from "../certificates.ts";
import { type Domain, type Scheme, voteDigest } from "../scheme.ts";
import { baseView, type Certificate, epochOfView, KIND, type Subject, VIEWS_PER_EPOCH, type Vote } from "../types.ts";
import { type ValidatorSet, validatorSet } from "../validators.ts";

const MODULUS = 1n << 256n;
/** Bytes of a signature of `AdditiveScheme` without it are no point of its group. */
const MARK = 0x5a;

/**
 * Signatures are 256-bit numbers, keccak256(key ‖ digest) for one key and the sum for several, in 96 bytes: as linear as
 * BLS, so shares that cancel out exist, and no secret at all.
 */
export class AdditiveScheme implements Scheme {
  /** How often a signature, single or aggregated, was checked. */
  verifications = 0;

  verify(publicKeys: readonly Uint8Array[], digest: Uint8Array, signature: Uint8Array): boolean {
    this.verifications++;
    const sum = numberOf(signature);
    if (publicKeys.length === 0 || sum === undefined) return false;
    return sum === publicKeys.reduce((total, key) => (total + share(key, digest)) % MODULUS, 0n);
  }

  aggregate(signatures: readonly Uint8Array[]): Uint8Array | undefined {
    let sum = 0n;
    for (const signature of signatures) {
      const value = numberOf(signature);
      if (value === undefined) return undefined;
      sum = (sum + value) % MODULUS;
    }
    return signatureOf(sum);
  }
}

const share = (publicKey: Uint8Array, digest: Uint8Array): bigint => bytesToBigInt(keccak256(publicKey, digest));

function signatureOf(value: bigint): Uint8Array {
  const bytes = new Uint8Array(96);
  bytes.set(bigIntToFixed(value, 32));
  bytes[95] = MARK;
  return bytes;
}

const numberOf = (signature: Uint8Array): bigint | undefined =>
  signature[95] === MARK ? bytesToBigInt(signature.subarray(0, 32)) : undefined;

/** The same signature moved by `offset`: two that are moved by opposite offsets still add up. */
export const moved = (signature: Uint8Array, offset: bigint): Uint8Array =>
  signatureOf(((numberOf(signature) as bigint) + offset + MODULUS) % MODULUS);

export const DOMAIN: Domain = { chainId: 161_299n, l1Contract: new Uint8Array(20).fill(0x11) };

/** 32 bytes that stand for a block. */
export const block = (name: string): Uint8Array => keccak256(new TextEncoder().encode(name));

/** `seed` tells the keys of one set from another's. */
export const setOf = (stakes: readonly bigint[], seed = "key"): ValidatorSet =>
  validatorSet(
    stakes.map((stake, i) => {
      const half = keccak256(new TextEncoder().encode(`${seed} ${i}`));
      const publicKey = new Uint8Array(96);
      publicKey.set(half);
      return { address: half.subarray(0, 20), publicKey, stake };
    }),
  );

export const rulesOf = (set: ValidatorSet): BallotRules & { readonly scheme: AdditiveScheme } => ({
  set,
  domain: DOMAIN,
  scheme: new AdditiveScheme(),
});

const NO_BLOCK = new Uint8Array(32);

/** Parent view: the view before, unless said otherwise. */
export const notarize = (view: number, name: string | Uint8Array, parentView = view - 1): Subject => ({
  kind: KIND.notarize,
  epoch: epochOfView(view),
  view,
  parentView,
  block: typeof name === "string" ? block(name) : name,
});

export const finalize = (view: number, name: string | Uint8Array, parentView = view - 1): Subject => ({
  ...notarize(view, name, parentView),
  kind: KIND.finalize,
});

export const nullify = (view: number): Subject => ({
  kind: KIND.nullify,
  epoch: epochOfView(view),
  view,
  parentView: 0,
  block: NO_BLOCK,
});

/** Signed by one of the set, with the signatures of `AdditiveScheme`. */
export function voteOf(set: ValidatorSet, signer: number, subject: Subject): Vote {
  const key = set.validators[signer]!.publicKey;
  return { ...subject, signer, signature: signatureOf(share(key, voteDigest(DOMAIN, set.hash, subject))) };
}

/** A point of the group, but not what the validator would have signed. `offset` tells forgeries apart. */
export function forgedVote(set: ValidatorSet, signer: number, subject: Subject, offset = 1n): Vote {
  const vote = voteOf(set, signer, subject);
  return { ...vote, signature: moved(vote.signature, offset) };
}

export function certificateOf(set: ValidatorSet, signers: readonly number[], subject: Subject): Certificate {
  const votes = signers.map((signer) => voteOf(set, signer, subject));
  const signature = new AdditiveScheme().aggregate(votes.map((vote) => vote.signature)) as Uint8Array;
  return { ...subject, bitmap: bitmapOf(signers, set.validators.length), signature };
}

// Arbitrary values that codec.ts accepts

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

export const subjects: fc.Arbitrary<Subject> = fc
  .tuple(
    fc.constantFrom(...Object.values(KIND)),
    fc.nat(2 ** 21 - 1),
    fc.integer({ min: 1, max: VIEWS_PER_EPOCH - 1 }),
    fc.nat(),
    bytes(32),
  )
  .map(([kind, epoch, offset, before, id]) => {
    const view = baseView(epoch) + offset;
    return kind === KIND.nullify ? nullify(view) : { ...notarize(view, id, baseView(epoch) + (before % offset)), kind };
  });

export const votes: fc.Arbitrary<Vote> = fc
  .tuple(subjects, fc.nat(0xffff), bytes(96))
  .map(([subject, signer, signature]) => ({ ...subject, signer, signature }));

export const certificates: fc.Arbitrary<Certificate> = fc
  .tuple(subjects, fc.uint8Array({ minLength: 1, maxLength: 32 }), bytes(96))
  .map(([subject, bitmap, signature]) => ({ ...subject, bitmap, signature }));
