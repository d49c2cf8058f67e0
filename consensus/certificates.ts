/** Certificates: what they must be to be believed, and how votes become one. */
import { type Domain, type Scheme, voteDigest } from "./scheme.ts";
import type { Certificate, Subject } from "./types.ts";
import { isQuorum, type ValidatorSet } from "./validators.ts";

/** Indices of the signers, rising; undefined when the bitmap is not that of a set of `size` validators. */
export function signersOf(bitmap: Uint8Array, size: number): number[] | undefined {
  if (bitmap.length !== Math.ceil(size / 8)) return undefined;
  const signers: number[] = [];
  for (let i = 0; i < bitmap.length * 8; i++) {
    if ((((bitmap[i >> 3] as number) >> (i & 7)) & 1) === 0) continue;
    if (i >= size) return undefined;
    signers.push(i);
  }
  return signers;
}

export function bitmapOf(signers: Iterable<number>, size: number): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(size / 8));
  for (const signer of signers) bitmap[signer >> 3] = (bitmap[signer >> 3] as number) | (1 << (signer & 7));
  return bitmap;
}

export function stakeOf(signers: Iterable<number>, set: ValidatorSet): bigint {
  let stake = 0n;
  for (const signer of signers) stake += set.validators[signer]?.stake ?? 0n;
  return stake;
}

/**
 * Why the certificate does not show what it says, or undefined when it does. Precondition: it was decoded by codec.ts,
 * and `set` is the one of its epoch.
 */
export function verifyCertificate(
  certificate: Certificate,
  set: ValidatorSet,
  domain: Domain,
  scheme: Scheme,
): string | undefined {
  const signers = signersOf(certificate.bitmap, set.validators.length);
  if (signers === undefined) return "its bitmap does not fit the validator set";
  if (!isQuorum(stakeOf(signers, set), set)) return "its signers are no quorum";
  const keys = signers.map((signer) => set.validators[signer]!.publicKey);
  return scheme.verify(keys, voteDigest(domain, set.hash, certificate), certificate.signature)
    ? undefined
    : "its signature is invalid";
}

/** The same statement, whoever signs it. */
export function isSameSubject(a: Subject, b: Subject): boolean {
  return (
    a.kind === b.kind &&
    a.view === b.view &&
    a.parentView === b.parentView &&
    a.epoch === b.epoch &&
    isSameBlock(a.block, b.block)
  );
}

export function isSameBlock(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  for (let i = 0; i < 32; i++) if (a[i] !== b[i]) return false;
  return true;
}
