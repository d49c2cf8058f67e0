/** With the real signatures of core/bls.ts; @noble/curves is the oracle. */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  blsAggregate,
  blsPublicKey,
  blsSecretKey,
  blsSign,
  blsVerify,
  isBlsPublicKey,
  isPossessionProven,
  provePossession,
} from "../core/bls.ts";
import { bigIntToFixed, bytesToBigInt } from "../core/bytes.ts";
import { bitmapOf, isSameBlock, isSameSubject, signersOf, stakeOf, verifyCertificate } from "./certificates.ts";
import { voteDigest } from "./scheme.ts";
import { block, DOMAIN, finalize, notarize, nullify, setOf } from "./testing/votes.ts";
import { baseView, type Certificate, type Subject } from "./types.ts";
import { validatorSet } from "./validators.ts";

const noble = bls12_381.longSignatures;
const TAG = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
const scheme = { verify: blsVerify, aggregate: blsAggregate };

const STAKES = [10n, 20n, 30n, 40n, 50n, 5n, 1n, 1n, 1n];
const secretKeys = STAKES.map((_, i) => blsSecretKey(new Uint8Array(32).fill(i + 1)));
const set = validatorSet(
  STAKES.map((stake, i) => ({
    address: new Uint8Array(20).fill(i),
    publicKey: blsPublicKey(secretKeys[i]!),
    stake,
  })),
);

function certify(signers: readonly number[], subject: Subject): Certificate {
  const digest = voteDigest(DOMAIN, set.hash, subject);
  const signature = blsAggregate(signers.map((signer) => blsSign(secretKeys[signer]!, digest))) as Uint8Array;
  return { ...subject, bitmap: bitmapOf(signers, STAKES.length), signature };
}
const problemOf = (certificate: Certificate, domain = DOMAIN) => verifyCertificate(certificate, set, domain, scheme);

const QUORUM = [1, 2, 3, 4];
const SUBJECT = notarize(baseView(2) + 7, "a", baseView(2) + 4);
const CERTIFICATE = certify(QUORUM, SUBJECT);

describe("bitmaps", () => {
  test("hold any signers of any size", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 256 }).chain((size) => fc.tuple(fc.constant(size), fc.uniqueArray(fc.nat(size - 1)))),
        ([size, signers]) => {
          const bitmap = bitmapOf(signers, size);
          expect(bitmap).toHaveLength(Math.ceil(size / 8));
          expect(signersOf(bitmap, size)).toEqual(signers.toSorted((a, b) => a - b));
        },
      ),
    );
  });

  test("of another length, or with a bit of nobody, fit no set", () => {
    expect(signersOf(new Uint8Array(2), 8)).toBeUndefined();
    expect(signersOf(new Uint8Array(1), 9)).toBeUndefined();
    expect(signersOf(Uint8Array.of(0x10), 4)).toBeUndefined();
    expect(signersOf(Uint8Array.of(0x0f), 4)).toEqual([0, 1, 2, 3]);
    expect(signersOf(Uint8Array.of(0, 0x02), 9)).toBeUndefined();
    expect(signersOf(Uint8Array.of(0, 0x01), 9)).toEqual([8]);
  });
});

describe("a certificate", () => {
  test("that noble verifies, and one that noble made, are worth something", () => {
    const subsets = fc.uniqueArray(fc.nat(STAKES.length - 1), { minLength: 1 });
    const anySubject = fc.constantFrom(SUBJECT, nullify(3), finalize(9, "b", 2));
    fc.assert(
      fc.property(subsets, anySubject, (signers, subject) => {
        const digest = voteDigest(DOMAIN, set.hash, subject);
        const message = noble.hash(digest, TAG);
        const ours = certify(signers, subject);
        const keys = signers.map((signer) => noble.getPublicKey(secretKeys[signer]!));
        expect(noble.verify(ours.signature, message, noble.aggregatePublicKeys(keys))).toBe(true);
        const shares = signers.map((signer) => noble.sign(message, secretKeys[signer]!));
        const theirs = { ...ours, signature: noble.aggregateSignatures(shares).toBytes() };
        expect(theirs).toEqual(ours);
        const isEnough = 3n * stakeOf(signers, set) > 2n * set.totalStake;
        expect(problemOf(theirs)).toBe(isEnough ? undefined : "its signers are no quorum");
      }),
      { numRuns: 12 },
    );
  }, 120_000);

  test("of exactly two thirds of the stake is worth nothing", () => {
    const three = validatorSet(set.validators.slice(0, 3).map((v, i) => ({ ...v, stake: [7n, 3n, 5n][i]! })));
    const digest = voteDigest(DOMAIN, three.hash, SUBJECT);
    const by = (signers: number[]) => ({
      ...SUBJECT,
      bitmap: bitmapOf(signers, 3),
      signature: blsAggregate(signers.map((signer) => blsSign(secretKeys[signer]!, digest)))!,
    });
    expect(verifyCertificate(by([0, 1]), three, DOMAIN, scheme)).toBe("its signers are no quorum"); // 10 of 15
    expect(verifyCertificate(by([0, 2]), three, DOMAIN, scheme)).toBeUndefined();
  });

  test("says nothing else than what was signed, to nobody else", () => {
    expect(problemOf(CERTIFICATE)).toBeUndefined();
    const changes: Partial<Certificate>[] = [
      { kind: 3 },
      { view: SUBJECT.view + 1 },
      { parentView: SUBJECT.parentView - 1 },
      { block: block("b") },
      { bitmap: bitmapOf([...QUORUM, 0], STAKES.length) },
      { bitmap: bitmapOf([0, ...QUORUM.slice(1)], STAKES.length) },
      { signature: certify(QUORUM, finalize(SUBJECT.view, "a", SUBJECT.parentView)).signature },
    ];
    for (const change of changes) expect(problemOf({ ...CERTIFICATE, ...change })).toBeDefined();
    expect(problemOf(CERTIFICATE, { ...DOMAIN, chainId: 1n })).toBe("its signature is invalid");
    expect(problemOf(CERTIFICATE, { ...DOMAIN, l1Contract: new Uint8Array(20) })).toBe("its signature is invalid");
  });

  test("of one set is worth nothing in another, not even of the same keys", () => {
    const restaked = validatorSet(set.validators.map((v, i) => ({ ...v, stake: v.stake + (i === 0 ? 1n : 0n) })));
    expect(verifyCertificate(CERTIFICATE, restaked, DOMAIN, scheme)).toBe("its signature is invalid");
  });

  test("with a bitmap that does not fit is worth nothing", () => {
    expect(problemOf({ ...CERTIFICATE, bitmap: CERTIFICATE.bitmap.subarray(0, 1) })).toMatch(/does not fit/);
    expect(problemOf({ ...CERTIFICATE, bitmap: Uint8Array.of(0xff, 0xff) })).toMatch(/does not fit/);
    expect(problemOf({ ...CERTIFICATE, bitmap: new Uint8Array(2) })).toBe("its signers are no quorum");
  });
});

test("the epoch is signed: an old nullification skips no view of a later epoch", () => {
  const old = certify(QUORUM, nullify(5));
  expect(problemOf(old)).toBeUndefined();
  expect(problemOf({ ...old, epoch: 1 })).toBe("its signature is invalid");
  expect(problemOf({ ...old, epoch: 1, view: baseView(1) + 5 })).toBe("its signature is invalid");
});

describe("points that no signer made", () => {
  const infinity = Uint8Array.from({ length: 96 }, (_, i) => (i === 0 ? 0xc0 : 0));
  const infiniteKey = Uint8Array.from({ length: 96 }, (_, i) => (i === 0 ? 0x40 : 0));
  /** On the curve, outside the group: the first x that fits; the group's cofactor leaves no other outcome. */
  const outside = (() => {
    for (let x = 1; ; x++) {
      const bytes = Uint8Array.from({ length: 96 }, (_, i) => (i === 0 ? 0x80 : i === 95 ? x : 0));
      try {
        if (!bls12_381.G2.Point.fromBytes(bytes).isTorsionFree()) return bytes;
      } catch (error) {
        if (String(error).includes("subgroup")) return bytes;
      }
    }
  })();
  const digest = voteDigest(DOMAIN, set.hash, SUBJECT);

  test("infinity is neither a signature nor a key", () => {
    expect(blsVerify([set.validators[0]!.publicKey], digest, infinity)).toBe(false);
    expect(isBlsPublicKey(infiniteKey)).toBe(false);
    expect(blsVerify([infiniteKey], digest, infinity)).toBe(false);
    expect(problemOf({ ...CERTIFICATE, signature: infinity })).toBe("its signature is invalid");
  });

  test("a key and its opposite do not cancel out to a certificate that says nothing", () => {
    const opposite = bigIntToFixed(bls12_381.fields.Fr.ORDER - bytesToBigInt(secretKeys[0]!), 32);
    const keys = [set.validators[0]!.publicKey, blsPublicKey(opposite)];
    expect(blsVerify(keys, digest, infinity)).toBe(false);
    const sum = blsAggregate([blsSign(secretKeys[0]!, digest), blsSign(opposite, digest)]);
    expect(sum === undefined || !blsVerify(keys, digest, sum)).toBe(true);
  });

  test("a point outside the group is no signature and has no part in a sum", () => {
    expect(blsVerify([set.validators[0]!.publicKey], digest, outside)).toBe(false);
    expect(blsAggregate([CERTIFICATE.signature, outside])).toBeUndefined();
    expect(problemOf({ ...CERTIFICATE, signature: outside })).toBe("its signature is invalid");
  });

  test("bytes that are no point at all are refused, not thrown at", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(blsVerify([set.validators[0]!.publicKey], digest, bytes)).toBe(false);
        expect(blsVerify([bytes], digest, CERTIFICATE.signature)).toBe(false);
        expect(blsAggregate([CERTIFICATE.signature, bytes])).toBeUndefined();
        expect(isPossessionProven(bytes, CERTIFICATE.signature)).toBe(false);
      }),
    );
  });
});

test("a key made from others' keys would forge certificates, and cannot prove its possession", () => {
  const [own, victim] = [secretKeys[0]!, set.validators[1]!.publicKey];
  const G1 = bls12_381.G1.Point;
  // own − victim: the sum with the victim's key is the own key.
  const rogue = noble.getPublicKey(own).subtract(G1.fromBytes(victim)).toBytes(false);
  const digest = voteDigest(DOMAIN, set.hash, SUBJECT);
  expect(blsVerify([rogue, victim], digest, blsSign(own, digest))).toBe(true);
  for (const proof of [provePossession(own), provePossession(secretKeys[1]!), blsSign(own, digest)]) {
    expect(isPossessionProven(rogue, proof)).toBe(false);
  }
  expect(isPossessionProven(victim, provePossession(secretKeys[1]!))).toBe(true);
});

test("subjects are the same when every field is", () => {
  expect(isSameSubject(SUBJECT, { ...SUBJECT, block: block("a") })).toBe(true);
  for (const change of [{ kind: 3 }, { view: 1 }, { parentView: 1 }, { epoch: 1 }, { block: block("b") }] as const) {
    expect(isSameSubject(SUBJECT, { ...SUBJECT, ...change })).toBe(false);
  }
  const last = block("a");
  last[31]! ^= 1;
  expect(isSameBlock(last, block("a"))).toBe(false);
  expect(stakeOf([0, 2], setOf([1n, 2n, 4n]))).toBe(5n);
});
