import { NobleBLS } from "@ethereumjs/evm";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigIntToFixed, concatBytes } from "../../core/bytes.ts";
import { Bls } from "./bls.ts";

const { G1, G2 } = bls12_381;
const { Fp, Fp2 } = bls12_381.fields;
const encode = (...values: readonly bigint[]) => concatBytes(...values.map((value) => bigIntToFixed(value, 64)));

type Affine1 = { readonly x: bigint; readonly y: bigint };
const encodeG1 = ({ x, y }: Affine1) => encode(x, y);
const g2Bytes = ({ x, y }: ReturnType<typeof G2.Point.BASE.toAffine>) => encode(x.c0, x.c1, y.c0, y.c1);

/** A point of the curve with x = n or a little above: nearly never in the subgroup. */
function outsideG1(n: bigint): Uint8Array {
  for (let x = n; ; x++) {
    const square = Fp.add(Fp.pow(x, 3n), 4n);
    const y = Fp.pow(square, (Fp.ORDER + 1n) / 4n);
    if (Fp.eql(Fp.sqr(y), square)) return encodeG1({ x, y });
  }
}

const scalar = fc.integer({ min: 1, max: 1_000 }).map(BigInt);
const pointG1 = fc.oneof(
  scalar.map((k) => encodeG1(G1.Point.BASE.multiply(k).toAffine())),
  scalar.map((k) => encodeG1(G1.Point.BASE.multiply(k).negate().toAffine())),
  scalar.map(outsideG1),
  fc.constantFrom(encode(0n, 0n), encode(1n, 1n), encode(Fp.ORDER, 2n), encode(Fp.ORDER + 1n, Fp.ORDER - 1n)),
);
const pointG2 = fc.oneof(
  scalar.map((k) => g2Bytes(G2.Point.BASE.multiply(k).toAffine())),
  scalar.map((k) => g2Bytes(G2.Point.BASE.multiply(k).negate().toAffine())),
  fc.constantFrom(encode(0n, 0n, 0n, 0n), encode(1n, 2n, 3n, 4n), encode(Fp.ORDER, 0n, 0n, 1n)),
);

function outcome(add: () => Uint8Array): string {
  try {
    return Buffer.from(add()).toString("hex");
  } catch (error) {
    return String(error);
  }
}

describe("addition of BLS12-381 points", () => {
  const [fast, reference] = [new Bls(), new NobleBLS()];

  test("in G1 equals the reference: in the subgroup and outside, equal, opposite, at infinity, invalid", () => {
    fc.assert(
      fc.property(pointG1, pointG1, (a, b) => {
        for (const input of [concatBytes(a, b), concatBytes(a, a)]) {
          expect(outcome(() => fast.addG1(input))).toBe(outcome(() => reference.addG1(input)));
        }
      }),
    );
  });

  test("in G2 equals the reference", () => {
    fc.assert(
      fc.property(pointG2, pointG2, (a, b) => {
        for (const input of [concatBytes(a, b), concatBytes(a, a)]) {
          expect(outcome(() => fast.addG2(input))).toBe(outcome(() => reference.addG2(input)));
        }
      }),
    );
  });

  test("opposite points give infinity", () => {
    const { x, y } = G1.Point.BASE.toAffine();
    expect(fast.addG1(encode(x, y, x, Fp.neg(y)))).toEqual(encode(0n, 0n));
    const two = G2.Point.BASE.toAffine();
    const opposite = g2Bytes({ x: two.x, y: Fp2.neg(two.y) });
    expect(fast.addG2(concatBytes(g2Bytes(two), opposite))).toEqual(encode(0n, 0n, 0n, 0n));
  });
});
