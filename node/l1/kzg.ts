/**
 * KZG commitments and proofs of blobs (EIP-4844, consensus-specs deneb/polynomial-commitments.md), with the points of
 * Ethereum's ceremony that viem carries. Slow, seconds a blob: only kzg-worker.ts runs it.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pippenger } from "@noble/curves/abstract/curve.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bigIntToFixed, bytesToBigInt, concatBytes } from "../../core/bytes.ts";

const { Point } = bls12_381.G1;
const { Fr } = bls12_381.fields;
type G1 = InstanceType<typeof Point>;

const ELEMENTS = 4_096;
const BITS = 12;
const PRIMITIVE_ROOT = 7n;
const CHALLENGE_DOMAIN = new TextEncoder().encode("FSBLOBVERIFY_V1_");

/** Of an index of twelve bits. The specification orders evaluations and points by it. */
function reversed(index: number): number {
  let result = 0;
  for (let bit = 0; bit < BITS; bit++) if ((index >> bit) & 1) result |= 1 << (BITS - 1 - bit);
  return result;
}

const inOrder = <T>(items: readonly T[]): T[] => items.map((_, index) => items[reversed(index)]!);

function rootsOfUnity(): bigint[] {
  const root = Fr.pow(PRIMITIVE_ROOT, (Fr.ORDER - 1n) / BigInt(ELEMENTS));
  const roots: bigint[] = [];
  for (let i = 0, power = 1n; i < ELEMENTS; i++, power = Fr.mul(power, root)) roots.push(power);
  return inOrder(roots);
}

/** viem/node has the path, but in its ES modules it leads to where the file is not. */
const SETUP_FILE = join(
  dirname(createRequire(import.meta.url).resolve("viem/package.json")),
  "trusted-setups",
  "mainnet.json",
);

let setup: { readonly points: readonly G1[]; readonly roots: readonly bigint[] } | undefined;

/** Takes some seconds the first time. */
function loadSetup(): NonNullable<typeof setup> {
  if (setup === undefined) {
    const { g1_lagrange } = JSON.parse(readFileSync(SETUP_FILE, "utf8")) as { g1_lagrange: string[] };
    setup = { points: inOrder(g1_lagrange.map((hex) => Point.fromHex(hex.replace("0x", "")))), roots: rootsOfUnity() };
  }
  return setup;
}

/** The blob's evaluations. Throws RangeError when one is not below the order. */
function evaluationsOf(blob: Uint8Array): bigint[] {
  if (blob.length !== ELEMENTS * 32) throw new RangeError(`a blob of ${blob.length} bytes`);
  return Array.from({ length: ELEMENTS }, (_, index) => {
    const value = bytesToBigInt(blob.subarray(32 * index, 32 * index + 32));
    if (value >= Fr.ORDER) throw new RangeError(`element ${index} of the blob is no scalar`);
    return value;
  });
}

/** 48 bytes. */
const sum = (scalars: bigint[]): Uint8Array => {
  const { points } = loadSetup();
  return pippenger(Point, points as G1[], scalars).toBytes();
};

/** blob_to_kzg_commitment: 48 bytes. Throws RangeError on what is no blob. */
export const commitTo = (blob: Uint8Array): Uint8Array => sum(evaluationsOf(blob));

/** compute_blob_kzg_proof: 48 bytes. Throws RangeError on what is no blob. */
export function proveBlob(blob: Uint8Array, commitment: Uint8Array): Uint8Array {
  return sum(quotient(evaluationsOf(blob), challengeOf(blob, commitment)).scalars);
}

/** compute_challenge: where the blob's polynomial is opened. */
export function challengeOf(blob: Uint8Array, commitment: Uint8Array): bigint {
  const degree = bigIntToFixed(BigInt(ELEMENTS), 16);
  const digest = createHash("sha256")
    .update(concatBytes(CHALLENGE_DOMAIN, degree, blob, commitment))
    .digest();
  return Fr.create(bytesToBigInt(digest));
}

/** The polynomial's value at z. */
export const evaluate = (blob: Uint8Array, z: bigint): bigint => quotient(evaluationsOf(blob), z).value;

/** (p(X) - p(z)) / (X - z) by its evaluations, and p(z) by the barycentric formula. Precondition: z is no root of unity. */
function quotient(evaluations: readonly bigint[], z: bigint): { readonly value: bigint; readonly scalars: bigint[] } {
  const { roots } = loadSetup();
  const inverses = Fr.invertBatch(roots.map((root) => Fr.sub(root, z)));
  let weighted = 0n;
  for (let i = 0; i < ELEMENTS; i++) {
    weighted = Fr.sub(weighted, Fr.mul(Fr.mul(evaluations[i]!, roots[i]!), inverses[i]!));
  }
  const scale = Fr.div(Fr.sub(Fr.pow(z, BigInt(ELEMENTS)), 1n), BigInt(ELEMENTS));
  const value = Fr.mul(weighted, scale);
  return { value, scalars: evaluations.map((evaluation, i) => Fr.mul(Fr.sub(evaluation, value), inverses[i]!)) };
}

/** EIP-4844's version 1: 0x01 and 31 bytes of sha256(commitment). */
export function versionedHash(commitment: Uint8Array): Uint8Array {
  const hash = new Uint8Array(createHash("sha256").update(commitment).digest());
  hash[0] = 1;
  return hash;
}
