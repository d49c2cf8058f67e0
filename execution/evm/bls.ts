/**
 * BLS12-381 for the precompiles of EIP-2537. Addition costs 375 and 600 gas because it needs no subgroup check;
 * @ethereumjs/evm makes one all the same and drops its result, which takes 1.2 ms. Here a point is only looked at
 * for what the EIP asks of it.
 */
import { NobleBLS } from "@ethereumjs/evm";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bigIntToFixed, bytesToBigInt, concatBytes } from "../../core/bytes.ts";

const { G1, G2 } = bls12_381;
const { Fp, Fp2 } = bls12_381.fields;

const COORDINATE_BYTES = 64;
/** y² = x³ + 4 and y² = x³ + 4(1 + u). */
const B1 = 4n;
const B2 = Fp2.create({ c0: 4n, c1: 4n });

export class Bls extends NobleBLS {
  override addG1(input: Uint8Array): Uint8Array {
    const [a, b] = [pointOfG1(input, 0), pointOfG1(input, 2)];
    // Points at infinity and invalid ones are rare.
    if (a === undefined || b === undefined) return super.addG1(input);
    const { x, y } = a.add(b).toAffine();
    return coordinates(x, y);
  }

  override addG2(input: Uint8Array): Uint8Array {
    const [a, b] = [pointOfG2(input, 0), pointOfG2(input, 4)];
    if (a === undefined || b === undefined) return super.addG2(input);
    const { x, y } = a.add(b).toAffine();
    return coordinates(x.c0, x.c1, y.c0, y.c1);
  }
}

/** Undefined when it is not a finite point of the curve. `at` counts coordinates. */
function pointOfG1(input: Uint8Array, at: number) {
  const [x, y] = [coordinate(input, at), coordinate(input, at + 1)];
  if (!Fp.isValid(x) || !Fp.isValid(y)) return undefined;
  if (!Fp.eql(Fp.sqr(y), Fp.add(Fp.mul(Fp.sqr(x), x), B1))) return undefined;
  return G1.Point.fromAffine({ x, y });
}

function pointOfG2(input: Uint8Array, at: number) {
  const x = { c0: coordinate(input, at), c1: coordinate(input, at + 1) };
  const y = { c0: coordinate(input, at + 2), c1: coordinate(input, at + 3) };
  if (!Fp2.isValid(x) || !Fp2.isValid(y)) return undefined;
  if (!Fp2.eql(Fp2.sqr(y), Fp2.add(Fp2.mul(Fp2.sqr(x), x), B2))) return undefined;
  return G2.Point.fromAffine({ x, y });
}

/** 64 bytes, big-endian; the precompile has checked that the first 16 are zero. */
const coordinate = (input: Uint8Array, index: number): bigint =>
  bytesToBigInt(input.subarray(index * COORDINATE_BYTES, (index + 1) * COORDINATE_BYTES));

const coordinates = (...values: readonly bigint[]): Uint8Array =>
  concatBytes(...values.map((value) => bigIntToFixed(value, COORDINATE_BYTES)));
