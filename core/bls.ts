/**
 * BLS12-381 signatures with public keys in G1 and signatures in G2, through the native blst. Messages are 32-byte
 * digests, hashed to the curve with the tag BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_ (draft-irtf-cfrg-bls-signature,
 * the proof-of-possession scheme). Aggregates are of signatures on one digest; that they cannot be forged with a key
 * made from others' keys rests on every key having shown a proof of possession. Test oracle: @noble/curves.
 */
import {
  aggregateSerializedSignatures,
  aggregateWithRandomness,
  fastAggregateVerify,
  PublicKey,
  SecretKey,
  Signature,
  verify,
} from "@chainsafe/blst";
import { concatBytes } from "./bytes.ts";
import { keccak256 } from "./crypto.ts";

/** 32-byte scalar, big-endian. Throws RangeError when it is zero or not below the order. */
export function blsPublicKey(secretKey: Uint8Array): Uint8Array {
  return secret(secretKey).toPublicKey().toBytes(false);
}

/** 96 bytes, compressed. Throws RangeError on an invalid key. */
export function blsSign(secretKey: Uint8Array, digest: Uint8Array): Uint8Array {
  return secret(secretKey).sign(digest).toBytes();
}

/** A secret key from at least 32 bytes of secret randomness (KeyGen of the draft). */
export function blsSecretKey(randomness: Uint8Array): Uint8Array {
  return SecretKey.fromKeygen(randomness).toBytes();
}

function secret(bytes: Uint8Array): SecretKey {
  try {
    return SecretKey.fromBytes(bytes);
  } catch (cause) {
    throw new RangeError("the secret key is no scalar of BLS12-381", { cause });
  }
}

/** Parsing checks that a point is on the curve and in the group, which costs more than a lookup. */
const parsed = new WeakMap<Uint8Array, PublicKey>();

function publicKey(bytes: Uint8Array): PublicKey {
  let key = parsed.get(bytes);
  if (key === undefined) {
    key = PublicKey.fromBytes(bytes, true);
    parsed.set(bytes, key);
  }
  return key;
}

/** Whether the bytes are a point of G1 other than infinity, in the 96-byte uncompressed form. */
export function isBlsPublicKey(bytes: Uint8Array): boolean {
  if (bytes.length !== 96) return false;
  try {
    publicKey(bytes);
    return true;
  } catch {
    return false;
  }
}

/** 48 or 96 bytes to the uncompressed 96, checked. Throws RangeError. */
export function expandBlsPublicKey(bytes: Uint8Array): Uint8Array {
  try {
    return PublicKey.fromBytes(bytes, true).toBytes(false);
  } catch (cause) {
    throw new RangeError("the public key is no point of BLS12-381's G1", { cause });
  }
}

/** 96 bytes to the compressed 48. Throws RangeError. */
export function compressBlsPublicKey(bytes: Uint8Array): Uint8Array {
  try {
    return PublicKey.fromBytes(bytes, true).toBytes(true);
  } catch (cause) {
    throw new RangeError("the public key is no point of BLS12-381's G1", { cause });
  }
}

/**
 * Whether `signature` (96 bytes) is the sum of valid signatures of all `publicKeys` (96 bytes each) on `digest`.
 * False for no keys, malformed points, and infinity. Never throws.
 */
export function blsVerify(publicKeys: readonly Uint8Array[], digest: Uint8Array, signature: Uint8Array): boolean {
  if (publicKeys.length === 0 || signature.length !== 96) return false;
  try {
    const point = Signature.fromBytes(signature, true, true);
    const [only] = publicKeys;
    if (publicKeys.length === 1) return verify(digest, publicKey(only as Uint8Array), point);
    return fastAggregateVerify(digest, publicKeys.map(publicKey), point);
  } catch {
    return false;
  }
}

/** Sum of signatures, 96 bytes; undefined when one of them is no point of the group. Precondition: at least one. */
export function blsAggregate(signatures: readonly Uint8Array[]): Uint8Array | undefined {
  try {
    return aggregateSerializedSignatures(signatures as Uint8Array[], true).toBytes();
  } catch {
    return undefined;
  }
}

/**
 * A signature (96 bytes, compressed) as EIP-2537's precompiles take it: x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1, each 64 bytes of which
 * the upper 16 are zero, 256 together. Throws RangeError.
 */
export function blsSignatureForEvm(signature: Uint8Array): Uint8Array {
  const point = new Uint8Array(256);
  let serialized: Uint8Array;
  try {
    serialized = Signature.fromBytes(signature, true, true).toBytes(false);
  } catch (cause) {
    throw new RangeError("the signature is no point of BLS12-381's G2", { cause });
  }
  // The usual serialization has c1 before c0.
  for (const [to, from] of [1, 0, 3, 2].entries()) {
    point.set(serialized.subarray(from * 48, (from + 1) * 48), to * 64 + 16);
  }
  return point;
}

const POSSESSION_DOMAIN = keccak256(new TextEncoder().encode("OpenLedger proof of possession v1"));

/** Signed to prove possession of a key: keccak256(keccak256("OpenLedger proof of possession v1") ‖ public key 96). */
const possessionDigest = (publicKey: Uint8Array): Uint8Array => keccak256(concatBytes(POSSESSION_DOMAIN, publicKey));

/** 96 bytes. */
export const provePossession = (secretKey: Uint8Array): Uint8Array =>
  blsSign(secretKey, possessionDigest(blsPublicKey(secretKey)));

export const isPossessionProven = (publicKey: Uint8Array, proof: Uint8Array): boolean =>
  blsVerify([publicKey], possessionDigest(publicKey), proof);

/**
 * Whether each of these signatures on one digest is valid by itself, in one check with random weights: errors cannot
 * cancel out, as they can in a sum. True for none. Never throws.
 */
export function blsVerifyEach(
  digest: Uint8Array,
  signed: readonly { readonly publicKey: Uint8Array; readonly signature: Uint8Array }[],
): boolean {
  const [only] = signed;
  if (only === undefined) return true;
  if (signed.length === 1) return blsVerify([only.publicKey], digest, only.signature);
  try {
    const sets = signed.map(({ publicKey: key, signature }) => {
      if (signature.length !== 96) throw new RangeError("no signature");
      return { pk: publicKey(key), sig: signature };
    });
    const { pk, sig } = aggregateWithRandomness(sets);
    return verify(digest, pk, sig);
  } catch {
    return false;
  }
}
