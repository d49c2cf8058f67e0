/** What a signature proves, from the specification of signed votes and of quorums, apart from the code that it judges. */
import type { Domain } from "../../consensus/scheme.ts";
import { type Certificate, KIND, type Subject } from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import { keccak256 } from "../../core/crypto.ts";
import { keyOf } from "./ledger.ts";
import type { SimScheme } from "./scheme.ts";

const VOTE_DOMAIN = keccak256(new TextEncoder().encode("OpenLedger vote v1"));

export class Proofs {
  readonly #scheme: SimScheme;
  readonly #domain: Domain;
  /** Whether a certificate needs a quorum; not so where the simulator has to see what comes of it. */
  readonly #needsQuorum: boolean;

  constructor(scheme: SimScheme, domain: Domain, needsQuorum: boolean) {
    this.#scheme = scheme;
    this.#domain = domain;
    this.#needsQuorum = needsQuorum;
  }

  isSigned(subject: Subject & { signature: Uint8Array }, set: ValidatorSet, keys: readonly Uint8Array[]): boolean {
    return this.#scheme.verify(keys, this.#digestOf(subject, set), subject.signature);
  }

  /** Different validators with more than two thirds of the stake, and the sum of all their signatures. */
  isCertified(certificate: Certificate, set: ValidatorSet): boolean {
    const { bitmap } = certificate;
    if (bitmap.length !== Math.ceil(set.validators.length / 8)) return false;
    const signed = set.validators.filter((_, i) => (bitmap[i >> 3]! & (1 << (i & 7))) !== 0);
    const bits = bitmap.reduce((sum, byte) => sum + countBits(byte), 0);
    if (bits !== signed.length) return false;
    const stake = signed.reduce((sum, validator) => sum + validator.stake, 0n);
    const total = set.validators.reduce((sum, validator) => sum + validator.stake, 0n);
    if (this.#needsQuorum && stake * 3n <= total * 2n) return false;
    const keys = signed.map(({ publicKey }) => publicKey);
    return this.isSigned(certificate, set, keys);
  }

  /** Nine words of 32 bytes. */
  #digestOf({ kind, epoch, view, parentView, block }: Subject, set: ValidatorSet): Uint8Array {
    const bytes = new Uint8Array(9 * 32);
    const words = new DataView(bytes.buffer);
    bytes.set(VOTE_DOMAIN);
    words.setBigUint64(56, this.#domain.chainId);
    bytes.set(this.#domain.l1Contract, 64 + 12);
    const numbers: readonly (readonly [number, number])[] = [
      [3, epoch],
      [5, kind],
      [6, view],
      [7, parentView],
    ];
    for (const [word, value] of numbers) words.setBigUint64(word * 32 + 24, BigInt(value));
    bytes.set(set.hash, 4 * 32);
    bytes.set(block, 8 * 32);
    return keccak256(bytes);
  }
}

/**
 * The pairs that the specification calls slashable, each in one view: two notarizations or two finalizations that
 * differ, a nullification and a finalization, a notarization and a finalization of something else.
 */
export function areContradictory(a: Subject, b: Subject): boolean {
  if (a.view !== b.view) return false;
  const kinds = [a.kind, b.kind];
  if (!kinds.includes(KIND.nullify)) return a.parentView !== b.parentView || keyOf(a.block) !== keyOf(b.block);
  return kinds.includes(KIND.finalize);
}

function countBits(byte: number): number {
  let count = 0;
  for (let rest = byte; rest > 0; rest &= rest - 1) count++;
  return count;
}
