/**
 * What the simulator's cheap signatures cannot show: two attacks on the real ones. Returns the rule that is broken, or
 * undefined when both fail as they should.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";

/** The part of `core/bls.ts` that is looked at. */
export type Bls = Pick<
  typeof import("../../core/bls.ts"),
  | "blsAggregate"
  | "blsPublicKey"
  | "blsSecretKey"
  | "blsSign"
  | "blsVerify"
  | "isBlsPublicKey"
  | "isPossessionProven"
  | "provePossession"
>;

const { G1, G2 } = bls12_381;
const DIGEST = new Uint8Array(32).fill(0x5a);

export function checkBls(bls: Bls): string | undefined {
  const honest = bls.blsSecretKey(new Uint8Array(32).fill(1));
  const attacker = bls.blsSecretKey(new Uint8Array(32).fill(2));
  const honestKey = bls.blsPublicKey(honest);
  if (!bls.blsVerify([honestKey], DIGEST, bls.blsSign(honest, DIGEST))) return "an honest signature is refused";
  if (!bls.isPossessionProven(honestKey, bls.provePossession(honest))) return "an honest proof is refused";

  // The difference of the attacker's key and the honest one: together they verify what the attacker alone signs.
  const own = G1.Point.fromBytes(bls.blsPublicKey(attacker));
  const rogue = own.subtract(G1.Point.fromBytes(honestKey)).toBytes(false);
  const forged = bls.blsSign(attacker, DIGEST);
  if (!bls.blsVerify([honestKey, rogue], DIGEST, forged)) return "the rogue key does not forge; this check is void";
  // The attacker has no secret for it. What it can offer is a proof for its own key, or the honest one's.
  const proofs = [bls.provePossession(attacker), bls.provePossession(honest), forged];
  if (proofs.some((proof) => bls.isPossessionProven(rogue, proof))) return "rogue-key";

  const nothing = G1.Point.ZERO.toBytes(false);
  const silence = G2.Point.ZERO.toBytes(true);
  if (bls.isBlsPublicKey(nothing)) return "infinity";
  if (bls.blsVerify([nothing], DIGEST, silence) || bls.blsVerify([honestKey], DIGEST, silence)) return "infinity";
  if (bls.isPossessionProven(nothing, silence)) return "infinity";
  // A key and its negation add up to infinity.
  const negated = G1.Point.fromBytes(honestKey).negate().toBytes(false);
  return bls.blsVerify([honestKey, negated], DIGEST, silence) ? "infinity" : undefined;
}
