import { bls12_381 } from "@noble/curves/bls12-381.js";
import { expect, test } from "vitest";
import { verifyKzgProof } from "./kzg.ts";

// From go-ethereum's precompile vectors (pointEvaluation.json).
const Z = "0x564c0a11a0f704f4fc3e8acfe0f8245f0ad1347b378fbf96e206da11a5d36306";
const Y = "0x24d25032e67a7e6a4910df5834b8fe70e6bcfeeac0352434196bdf4b2485d5a1";
const COMMITMENT = "0x8f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca25f26936857bc3a7c2539ea8ec3a952b7";
const PROOF = "0x873033e038326e87ed3e1276fd140253fa08e9fc25fb2d9a98527fc22a2c9612fbeafdad446cbc7bcdbdcd780af2c16a";
const INFINITY = `0xc0${"00".repeat(47)}`;
const ZERO = `0x${"00".repeat(32)}`;
const ORDER = `0x${bls12_381.fields.Fr.ORDER.toString(16)}`;

test("a true evaluation", () => {
  expect(verifyKzgProof(COMMITMENT, Z, Y, PROOF)).toBe(true);
});

test("the zero polynomial is zero everywhere", () => {
  expect(verifyKzgProof(INFINITY, Z, ZERO, INFINITY)).toBe(true);
  expect(verifyKzgProof(INFINITY, Z, Y, INFINITY)).toBe(false);
});

test.each([
  ["another value", COMMITMENT, Z, Z, PROOF],
  ["another point", COMMITMENT, Y, Y, PROOF],
  ["another commitment", PROOF, Z, Y, PROOF],
  ["a scalar that is not reduced", COMMITMENT, ORDER, Y, PROOF],
  ["bytes that are no point", COMMITMENT, Z, Y, `0x${"11".repeat(48)}`],
  ["a point outside the subgroup", `0x80${"00".repeat(46)}04`, Z, Y, PROOF],
])("%s is refused", (_, commitment, z, y, proof) => {
  expect(verifyKzgProof(commitment, z, y, proof)).toBe(false);
});

test("the point of the case above is on the curve: it is the subgroup check that refuses it", () => {
  expect(() => bls12_381.G1.Point.fromHex(`80${"00".repeat(46)}04`)).toThrow("not in prime-order subgroup");
});
