/**
 * Signatures for the simulator: as additive as BLS, a thousand times cheaper, and not to be forged inside a world, because
 * only the holder of a `SimKey` reaches its secret.
 *
 * A signature is 96 bytes: three 32-bit words (little-endian) of a keyed hash of the digest, a mark, and zeros. An
 * aggregate adds word by word, modulo 2^32, so a wrong set of signers fails, and wrong shares cancel out only where
 * whoever chose them meant them to. Bytes without the mark, or with anything in place of the zeros, are "no point".
 */
import type { Scheme } from "../../consensus/scheme.ts";
import { mix32, type Random } from "./random.ts";

const WORDS = 3;
const MARK = 0x6b;
const MARK_AT = WORDS * 4;
const SIGNATURE_BYTES = 96;

export interface SimKey {
  /** 96 bytes. The first two are the key's number, the rest is drawn: no other key has these bytes. */
  readonly publicKey: Uint8Array;
  readonly secret: Uint32Array;
}

export class SimScheme implements Scheme {
  readonly #keys: SimKey[] = [];

  createKey(random: Random): SimKey {
    const publicKey = new Uint8Array(96);
    const view = new DataView(publicKey.buffer);
    for (let at = 0; at < 96; at += 4) view.setUint32(at, random.bits());
    view.setUint16(0, this.#keys.length);
    const key = { publicKey, secret: Uint32Array.from({ length: WORDS }, () => random.bits()) };
    this.#keys.push(key);
    return key;
  }

  verify(publicKeys: readonly Uint8Array[], digest: Uint8Array, signature: Uint8Array): boolean {
    if (publicKeys.length === 0 || !isPoint(signature)) return false;
    const sum = new Uint32Array(WORDS);
    for (const publicKey of publicKeys) {
      const key = this.#keys[((publicKey[0] as number) << 8) | (publicKey[1] as number)];
      if (key === undefined || !isSame(key.publicKey, publicKey)) return false;
      addShare(sum, key, digest);
    }
    for (let i = 0; i < WORDS; i++) if (readWord(signature, i) !== sum[i]) return false;
    return true;
  }

  aggregate(signatures: readonly Uint8Array[]): Uint8Array | undefined {
    const sum = new Uint32Array(WORDS);
    for (const signature of signatures) {
      if (!isPoint(signature)) return undefined;
      for (let i = 0; i < WORDS; i++) sum[i] = (sum[i] as number) + readWord(signature, i);
    }
    return signatureOf(sum);
  }
}

export function sign(key: SimKey, digest: Uint8Array): Uint8Array {
  const sum = new Uint32Array(WORDS);
  addShare(sum, key, digest);
  return signatureOf(sum);
}

/** The same point moved by `offset` in each word: two shares moved by opposite offsets still add up. */
export function moved(signature: Uint8Array, offset: number): Uint8Array {
  const sum = Uint32Array.from({ length: WORDS }, (_, i) => readWord(signature, i) + offset);
  return signatureOf(sum);
}

function addShare(sum: Uint32Array, { secret }: SimKey, digest: Uint8Array): void {
  for (let i = 0; i < WORDS; i++) {
    const keyed = mix32(readWord(digest, i) ^ (secret[i] as number));
    sum[i] = (sum[i] as number) + mix32((keyed + readWord(digest, i + WORDS)) | 0);
  }
}

function signatureOf(sum: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(SIGNATURE_BYTES);
  for (let i = 0; i < WORDS; i++) {
    const word = sum[i] as number;
    bytes[4 * i] = word;
    bytes[4 * i + 1] = word >>> 8;
    bytes[4 * i + 2] = word >>> 16;
    bytes[4 * i + 3] = word >>> 24;
  }
  bytes[MARK_AT] = MARK;
  return bytes;
}

function isPoint(signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES || signature[MARK_AT] !== MARK) return false;
  for (let i = MARK_AT + 1; i < SIGNATURE_BYTES; i++) if (signature[i] !== 0) return false;
  return true;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Unsigned. */
function readWord(bytes: Uint8Array, index: number): number {
  const at = 4 * index;
  const word =
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24);
  return word >>> 0;
}
