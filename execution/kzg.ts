/**
 * KZG point evaluation for the precompile 0x0a (EIP-4844). The chain carries no blobs, but contracts may verify proofs
 * about those of L1. Without it ethereumjs throws when a transaction calls the precompile.
 */

import type { KZG } from "@ethereumjs/util";
import { bls12_381 } from "@noble/curves/bls12-381.js";

const { G1, G2 } = bls12_381;
const { Fp12 } = bls12_381.fields;

/** [τ]G2 of Ethereum's ceremony: element 1 of `g2_monomial` in the consensus specification's trusted_setup_4096.json. */
const TAU_G2 = G2.Point.fromHex(
  "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72" +
    "185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2",
);

/**
 * Whether the polynomial behind the commitment has the value y at z: e(C - [y]G1, -G2) * e(proof, [τ - z]G2) = 1.
 * Arguments are hex: points of G1 compressed (48 bytes), scalars 32 bytes. False also for malformed ones.
 */
export function verifyKzgProof(commitment: string, z: string, y: string, proof: string): boolean {
  const at = scalar(z);
  const value = scalar(y);
  const committed = point(commitment);
  const quotient = point(proof);
  if (at === undefined || value === undefined || committed === undefined || quotient === undefined) return false;
  const difference = committed.subtract(G1.Point.BASE.multiplyUnsafe(value));
  const shifted = TAU_G2.subtract(G2.Point.BASE.multiplyUnsafe(at));
  const pairs = [
    { g1: difference, g2: G2.Point.BASE.negate() },
    { g1: quotient, g2: shifted },
  ].filter(({ g1, g2 }) => !g1.is0() && !g2.is0()); // the pairing with the point at infinity is 1
  return pairs.length === 0 || Fp12.eql(bls12_381.pairingBatch(pairs), Fp12.ONE);
}

/** What ethereumjs asks for. It calls nothing else while executing. */
export const kzg: KZG = {
  verifyProof: verifyKzgProof,
  blobToKzgCommitment: unsupported,
  computeBlobProof: unsupported,
  verifyBlobProofBatch: unsupported,
  computeCells: unsupported,
  computeCellsAndProofs: unsupported,
  recoverCellsAndProofs: unsupported,
  verifyCellKzgProofBatch: unsupported,
};

function unsupported(): never {
  throw new Error("this chain has no blobs");
}

function scalar(hex: string): bigint | undefined {
  const value = BigInt(hex);
  return value < bls12_381.fields.Fr.ORDER ? value : undefined;
}

function point(hex: string): InstanceType<typeof G1.Point> | undefined {
  try {
    return G1.Point.fromHex(hex.slice(2));
  } catch {
    // noble says by throwing that the bytes are no point of the group.
    return undefined;
  }
}
