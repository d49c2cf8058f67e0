import { bls12_381 } from "@noble/curves/bls12-381.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  blsAggregate,
  blsPublicKey,
  blsSecretKey,
  blsSign,
  blsVerify,
  compressBlsPublicKey,
  expandBlsPublicKey,
  isBlsPublicKey,
  isPossessionProven,
  provePossession,
} from "./bls.ts";
import { bigIntToFixed, concatBytes } from "./bytes.ts";
import { keccak256 } from "./crypto.ts";

const { longSignatures: noble, G1, G2, fields } = bls12_381;
const TAG = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
const ORDER = fields.Fr.ORDER;

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const secretKeys = fc.bigInt({ min: 1n, max: ORDER - 1n }).map((scalar) => bigIntToFixed(scalar, 32));
const hash = (digest: Uint8Array) => noble.hash(digest, TAG);
const key = (seed: number): Uint8Array => blsSecretKey(new Uint8Array(32).fill(seed));
const digest = new Uint8Array(32).fill(9);

const G1_INFINITY = concatBytes(Uint8Array.of(0x40), new Uint8Array(95));
const G1_INFINITY_COMPRESSED = concatBytes(Uint8Array.of(0xc0), new Uint8Array(47));
const G2_INFINITY_COMPRESSED = concatBytes(Uint8Array.of(0xc0), new Uint8Array(95));

/** On the curve y² = x³ + 4 and in no subgroup of the right order: one of the first few x is such. */
function outsideG1(): Uint8Array {
  for (let x = 1n; ; x++) {
    const compressed = bigIntToFixed(x, 48);
    compressed[0] = 0x80;
    try {
      const point = G1.Point.fromBytes(compressed);
      point.assertValidity();
    } catch (error) {
      if (/subgroup|torsion/i.test(String(error))) return compressed;
    }
  }
}

test("keys and signatures equal noble's", () => {
  fc.assert(
    fc.property(secretKeys, bytes32, (secretKey, message) => {
      const publicKey = blsPublicKey(secretKey);
      const expected = noble.getPublicKey(secretKey);
      expect(publicKey).toEqual(expected.toBytes(false));
      expect(compressBlsPublicKey(publicKey)).toEqual(expected.toBytes(true));
      expect(expandBlsPublicKey(expected.toBytes(true))).toEqual(publicKey);
      expect(blsSign(secretKey, message)).toEqual(noble.sign(hash(message), secretKey).toBytes(true));
    }),
    { numRuns: 8 },
  );
});

test("aggregates equal noble's, and each verifies the other's", () => {
  const members = fc.uniqueArray(secretKeys, { minLength: 1, maxLength: 5, selector: String });
  fc.assert(
    fc.property(members, bytes32, (keys, message) => {
      const signatures = keys.map((secretKey) => blsSign(secretKey, message));
      const aggregate = blsAggregate(signatures)!;
      const expected = noble.aggregateSignatures(signatures.map((bytes) => G2.Point.fromBytes(bytes)));
      expect(aggregate).toEqual(expected.toBytes(true));
      const publicKeys = keys.map(blsPublicKey);
      expect(blsVerify(publicKeys, message, aggregate)).toBe(true);
      const sum = noble.aggregatePublicKeys(keys.map((secretKey) => noble.getPublicKey(secretKey)));
      expect(noble.verify(expected, hash(message), sum)).toBe(true);
      // One signer more or less, or another message, and it is wrong.
      expect(blsVerify(publicKeys.slice(1), message, aggregate)).toBe(false);
      expect(blsVerify([...publicKeys, blsPublicKey(key(77))], message, aggregate)).toBe(false);
      expect(blsVerify(publicKeys, keccak256(message), aggregate)).toBe(false);
    }),
    { numRuns: 5 },
  );
});

describe("infinity", () => {
  test("is no public key, in either form", () => {
    expect(isBlsPublicKey(G1_INFINITY)).toBe(false);
    expect(() => expandBlsPublicKey(G1_INFINITY_COMPRESSED)).toThrow(RangeError);
    expect(() => compressBlsPublicKey(G1_INFINITY)).toThrow(RangeError);
  });

  test("signs nothing: its signature would verify for any message", () => {
    for (const keys of [[G1_INFINITY], [G1_INFINITY, G1_INFINITY], [blsPublicKey(key(1)), G1_INFINITY]]) {
      expect(blsVerify(keys, digest, G2_INFINITY_COMPRESSED)).toBe(false);
    }
    expect(blsVerify([blsPublicKey(key(1))], digest, G2_INFINITY_COMPRESSED)).toBe(false);
    expect(isPossessionProven(G1_INFINITY, G2_INFINITY_COMPRESSED)).toBe(false);
  });

  test("two keys that cancel each other out prove nothing", () => {
    const secretKey = key(1);
    const opposite = noble.getPublicKey(secretKey).negate().toBytes(false);
    expect(blsVerify([blsPublicKey(secretKey), opposite], digest, G2_INFINITY_COMPRESSED)).toBe(false);
  });
});

test("a point of the curve outside the group is refused", () => {
  const outside = outsideG1();
  expect(() => expandBlsPublicKey(outside)).toThrow(RangeError);
  expect(isBlsPublicKey(outside)).toBe(false);
});

describe("a rogue key", () => {
  // g^x / (keys of the others): whoever knows x signs alone for all of them.
  const honest = [key(1), key(2)];
  const own = key(3);
  const others = noble.aggregatePublicKeys(honest.map((secretKey) => noble.getPublicKey(secretKey)));
  const rogue = noble.getPublicKey(own).subtract(others).toBytes(false);

  test("would forge an aggregate of all", () => {
    expect(isBlsPublicKey(rogue)).toBe(true);
    expect(blsVerify([...honest.map(blsPublicKey), rogue], digest, blsSign(own, digest))).toBe(true);
  });

  test("has no proof of possession", () => {
    const attempts = [
      provePossession(own),
      ...honest.map(provePossession),
      // All that can be made of the proofs that are public.
      noble
        .aggregateSignatures([provePossession(own)].map((bytes) => G2.Point.fromBytes(bytes)))
        .subtract(noble.aggregateSignatures(honest.map((secretKey) => G2.Point.fromBytes(provePossession(secretKey)))))
        .toBytes(true),
      // Votes of others on what looks like the proof's message do not help: a proof is over the key itself.
      blsSign(own, keccak256(rogue)),
    ];
    for (const proof of attempts) expect(isPossessionProven(rogue, proof)).toBe(false);
  });
});

describe("a proof of possession", () => {
  test("is of one key, and of no vote", () => {
    fc.assert(
      fc.property(secretKeys, secretKeys, (one, other) => {
        fc.pre(compressBlsPublicKey(blsPublicKey(one)).join() !== compressBlsPublicKey(blsPublicKey(other)).join());
        expect(isPossessionProven(blsPublicKey(one), provePossession(one))).toBe(true);
        expect(isPossessionProven(blsPublicKey(other), provePossession(one))).toBe(false);
      }),
      { numRuns: 5 },
    );
  });

  test("is noble's signature of the documented digest", () => {
    const publicKey = blsPublicKey(key(5));
    const domain = keccak256(new TextEncoder().encode("OpenLedger proof of possession v1"));
    const expected = noble.sign(hash(keccak256(concatBytes(domain, publicKey))), key(5)).toBytes(true);
    expect(provePossession(key(5))).toEqual(expected);
  });
});

describe("wrong lengths and scalars", () => {
  const publicKey = blsPublicKey(key(1));
  const signature = blsSign(key(1), digest);

  test("verify nothing, and throw nothing", () => {
    for (const length of [0, 1, 47, 48, 95, 97, 192]) {
      expect(blsVerify([publicKey], digest, new Uint8Array(length))).toBe(false);
      expect(isBlsPublicKey(new Uint8Array(length))).toBe(false);
    }
    expect(isBlsPublicKey(compressBlsPublicKey(publicKey))).toBe(false);
    expect(blsVerify([publicKey.subarray(1)], digest, signature)).toBe(false);
    expect(blsVerify([new Uint8Array(96)], digest, signature)).toBe(false);
    expect(blsVerify([publicKey], digest, concatBytes(signature, Uint8Array.of(0)))).toBe(false);
    // The uncompressed form of the same point is not the encoding.
    expect(blsVerify([publicKey], digest, G2.Point.fromBytes(signature).toBytes(false))).toBe(false);
    expect(blsVerify([], digest, signature)).toBe(false);
  });

  test("any bytes give an answer", () => {
    const anything = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 3 }), anything, (keys, bytes) => {
        expect(blsVerify(keys, digest, bytes)).toBe(false);
        expect(isBlsPublicKey(bytes)).toBe(false);
        expect(isPossessionProven(bytes, bytes)).toBe(false);
        if (bytes.length > 0) expect(blsAggregate([bytes, signature])).toBeUndefined();
        expect(() => expandBlsPublicKey(bytes)).toThrow(RangeError);
      }),
      { numRuns: 200 },
    );
  });

  test("a secret key is a scalar from 1 to the order less 1", () => {
    const tooLong = concatBytes(key(1), Uint8Array.of(0));
    for (const bad of [
      bigIntToFixed(0n, 32),
      bigIntToFixed(ORDER, 32),
      new Uint8Array(32).fill(255),
      new Uint8Array(31).fill(1),
      tooLong,
      new Uint8Array(0),
    ]) {
      expect(() => blsPublicKey(bad)).toThrow(RangeError);
      expect(() => blsSign(bad, digest)).toThrow(RangeError);
    }
    for (const good of [1n, ORDER - 1n]) expect(isBlsPublicKey(blsPublicKey(bigIntToFixed(good, 32)))).toBe(true);
  });

  test("a key is made from 32 bytes of randomness or more", () => {
    expect(() => blsSecretKey(new Uint8Array(31))).toThrow();
    expect(blsSecretKey(new Uint8Array(32).fill(1))).toHaveLength(32);
    expect(blsSecretKey(new Uint8Array(32).fill(1))).not.toEqual(blsSecretKey(new Uint8Array(32).fill(2)));
  });

  test("flipping any bit of a signature makes it wrong", () => {
    for (let bit = 0; bit < 96 * 8; bit += 37) {
      const changed = Uint8Array.from(signature);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(blsVerify([publicKey], digest, changed)).toBe(false);
    }
  });
});
