/**
 * The crypto facade: the fastest available implementation of each primitive behind one function.
 * keccak256: hash-wasm with one reused hasher. Recovery: native secp256k1, or WebAssembly where no prebuilt binary fits.
 * Test oracle: @noble/*.
 */
import { createKeccak } from "hash-wasm";

const hasher = await createKeccak(256);

/**
 * Parts are gathered here and hashed at once. V8 keeps typed arrays of up to 64 bytes on its heap, and handing such a
 * one to the hasher moves it out, which costs as much as the hash itself.
 */
const gathered = new Uint8Array(1_024);

/** Keccak-256 of the concatenation of `parts`. 32 bytes. */
export function keccak256(...parts: readonly Uint8Array[]): Uint8Array {
  hasher.init();
  let length = 0;
  for (const part of parts) {
    if (length + part.length > gathered.length) {
      if (length > 0) hasher.update(gathered.subarray(0, length));
      length = 0;
      if (part.length > gathered.length) {
        hasher.update(part);
        continue;
      }
    }
    gathered.set(part, length);
    length += part.length;
  }
  if (length > 0) hasher.update(gathered.subarray(0, length));
  return hasher.digest("binary");
}

export const KECCAK_EMPTY = keccak256();

/** r and s are 32 bytes; `yParity` is the parity of the y coordinate of R. */
export interface Signature {
  readonly r: Uint8Array;
  readonly s: Uint8Array;
  readonly yParity: 0 | 1;
}

/** One implementation of ECDSA over secp256k1. Both give the same answers; only their speed differs. */
export interface Secp256k1 {
  readonly name: "native" | "wasm";
  /** 64-byte `r ‖ s`. The 65-byte uncompressed key, or undefined when no key could have made this signature. */
  recover(signature: Uint8Array, yParity: 0 | 1, digest: Uint8Array): Uint8Array | undefined;
  /** RFC 6979 nonce, low s. 64-byte `r ‖ s`. Undefined when the private key is zero or not below the group order. */
  sign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recoveryId: number } | undefined;
  /** 65 bytes; undefined as in `sign`. */
  publicKey(privateKey: Uint8Array): Uint8Array | undefined;
}

/** Rejects on platforms for which the package carries no prebuilt binary. */
export async function createNativeSecp256k1(): Promise<Secp256k1> {
  const { default: native } = await import("secp256k1/bindings.js");
  return {
    name: "native",
    recover(signature, yParity, digest) {
      try {
        return native.ecdsaRecover(signature, yParity, digest, false);
      } catch {
        // Lengths are right (callers check), so this is the addon's way to say "no such key".
        return undefined;
      }
    },
    sign(digest, privateKey) {
      if (!native.privateKeyVerify(privateKey)) return undefined;
      const { signature, recid } = native.ecdsaSign(digest, privateKey);
      return { signature, recoveryId: recid };
    },
    publicKey: (privateKey) =>
      native.privateKeyVerify(privateKey) ? native.publicKeyCreate(privateKey, false) : undefined,
  };
}

export async function createWasmSecp256k1(): Promise<Secp256k1> {
  const { instantiateSecp256k1 } = await import("@bitauth/libauth");
  const wasm = await instantiateSecp256k1();
  return {
    name: "wasm",
    recover(signature, yParity, digest) {
      const key = wasm.recoverPublicKeyUncompressed(signature, yParity, digest);
      return typeof key === "string" ? undefined : key;
    },
    sign(digest, privateKey) {
      const signed = wasm.signMessageHashRecoverableCompact(privateKey, digest);
      return typeof signed === "string" ? undefined : signed;
    },
    publicKey(privateKey) {
      const key = wasm.derivePublicKeyUncompressed(privateKey);
      return typeof key === "string" ? undefined : key;
    },
  };
}

const secp256k1: Secp256k1 = await createNativeSecp256k1().catch(createWasmSecp256k1);

/** Which implementation this process runs. */
export const cryptoBackend: Secp256k1["name"] = secp256k1.name;

export interface Ecdsa {
  recoverPublicKey(digest: Uint8Array, r: Uint8Array, s: Uint8Array, yParity: number): Uint8Array | undefined;
  recoverAddress(digest: Uint8Array, r: Uint8Array, s: Uint8Array, yParity: number): Uint8Array | undefined;
  ecdsaSign(digest: Uint8Array, privateKey: Uint8Array): Signature;
  addressOf(privateKey: Uint8Array): Uint8Array;
}

/** The operations below over a given implementation; tests run them over each. */
export function createEcdsa(backend: Secp256k1): Ecdsa {
  const recoverPublicKey: Ecdsa["recoverPublicKey"] = (digest, r, s, yParity) => {
    if (yParity !== 0 && yParity !== 1) return undefined;
    if (digest.length !== 32 || r.length !== 32 || s.length !== 32) return undefined;
    const signature = new Uint8Array(64);
    signature.set(r);
    signature.set(s, 32);
    return backend.recover(signature, yParity, digest)?.subarray(1);
  };

  return {
    recoverPublicKey,
    recoverAddress(digest, r, s, yParity) {
      const key = recoverPublicKey(digest, r, s, yParity);
      return key === undefined ? undefined : publicKeyToAddress(key);
    },
    ecdsaSign(digest, privateKey) {
      assertLength("digest", digest);
      assertLength("private key", privateKey);
      const signed = backend.sign(digest, privateKey);
      if (signed === undefined) throw new RangeError("private key is not in [1, n)");
      // Bit 1 (R.x was reduced by the group order) has probability 2^-127 and no place in an Ethereum signature.
      if (signed.recoveryId !== 0 && signed.recoveryId !== 1) throw new RangeError("signature cannot be recovered");
      return { r: signed.signature.slice(0, 32), s: signed.signature.slice(32), yParity: signed.recoveryId };
    },
    addressOf(privateKey) {
      assertLength("private key", privateKey);
      const key = backend.publicKey(privateKey);
      if (key === undefined) throw new RangeError("private key is not in [1, n)");
      return publicKeyToAddress(key.subarray(1));
    },
  };
}

const active = createEcdsa(secp256k1);

/**
 * 20-byte address whose key signed the 32-byte digest. r and s are 32 bytes, any s in [1, n).
 * Undefined when the signature is invalid: wrong lengths, r or s zero or not below n, no point, yParity not 0 or 1.
 */
export const recoverAddress: Ecdsa["recoverAddress"] = active.recoverAddress;

/** 64-byte x ‖ y of the key that signed; arguments and undefined as for recoverAddress. */
export const recoverPublicKey: Ecdsa["recoverPublicKey"] = active.recoverPublicKey;

/** Deterministic (RFC 6979), low s (EIP-2). Throws RangeError when a length is wrong or the key is not in [1, n). */
export const ecdsaSign: Ecdsa["ecdsaSign"] = active.ecdsaSign;

/** 20-byte address of a 32-byte private key. Throws RangeError as ecdsaSign does. */
export const addressOf: Ecdsa["addressOf"] = active.addressOf;

/** 64-byte x ‖ y. */
function publicKeyToAddress(publicKey: Uint8Array): Uint8Array {
  return keccak256(publicKey).slice(12);
}

function assertLength(name: string, bytes: Uint8Array): void {
  if (bytes.length !== 32) throw new RangeError(`${name} has ${bytes.length} bytes instead of 32`);
}
