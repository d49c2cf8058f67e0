/**
 * The crypto facade: the fastest available implementation of each primitive behind one function.
 * keccak256: hash-wasm with one reused hasher. Recovery: native secp256k1, or WebAssembly where no prebuilt binary fits.
 * Test oracle: @noble/*.
 */
import { createKeccak } from "hash-wasm";

const hasher = await createKeccak(256);

/** Keccak-256 of the concatenation of `parts`. 32 bytes. */
export function keccak256(...parts: readonly Uint8Array[]): Uint8Array {
  hasher.init();
  for (const part of parts) hasher.update(part);
  return hasher.digest("binary");
}

export const KECCAK_EMPTY = keccak256();
