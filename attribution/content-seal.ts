/**
 * Contents held encrypted. The body is sealed with a key of its own; the key is wrapped for each account that may read it.
 *
 *   sealed file   "OLSEAL01" ‖ salt (32) ‖ segment…      a segment is 64 KiB of content, the last one less or as much
 *   segment i     AES-256-GCM(bodyKey, nonce = uint88(i) ‖ (1 when it is the last, else 0), segment) ‖ tag (16)
 *                 with the header as associated data; bodyKey = HKDF-SHA256(key, salt, "openledger sealed content v1")
 *   wrapped key   ephemeral public key (33) ‖ AES-256-GCM(wrapKey, nonce = 0, key) ‖ tag (16)
 *                 wrapKey = HKDF-SHA256(x of ephemeral · recipient, ephemeral ‖ recipient (33 each),
 *                 "openledger content key v1" ‖ content root ‖ root of the sealed file)
 *
 * The segments are the STREAM construction, so that none can be left out, moved or cut off; each wrapping has a key of its
 * own, which is why its nonce may be zero. Public keys are compressed points of secp256k1.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { bigIntToFixed, concatBytes } from "../core/bytes.ts";

const MAGIC = new TextEncoder().encode("OLSEAL01");
const BODY_INFO = new TextEncoder().encode("openledger sealed content v1");
const WRAP_INFO = new TextEncoder().encode("openledger content key v1");
const SALT_BYTES = 32;
const HEADER_BYTES = MAGIC.length + SALT_BYTES;
const SEGMENT_BYTES = 65_536;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const POINT_BYTES = 33;
const WRAPPED_BYTES = POINT_BYTES + KEY_BYTES + TAG_BYTES;
const CIPHER = "aes-256-gcm";

/** The bytes are not sealed with this key, or were changed. */
export class SealError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SealError";
  }
}

export const newContentKey = (): Uint8Array => new Uint8Array(randomBytes(KEY_BYTES));

type Source = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Throws SealError for an empty content. */
export async function* seal(
  key: Uint8Array,
  content: Source,
  salt = randomBytes(SALT_BYTES),
): AsyncGenerator<Uint8Array> {
  const header = concatBytes(MAGIC, salt);
  const bodyKey = derive(key, salt, BODY_INFO);
  yield header;
  let isEmpty = true;
  for await (const { bytes, index, isLast } of segments(content, SEGMENT_BYTES)) {
    isEmpty &&= bytes.length === 0;
    const cipher = createCipheriv(CIPHER, bodyKey, nonceOf(index, isLast)).setAAD(header);
    yield concatBytes(cipher.update(bytes), cipher.final(), cipher.getAuthTag());
  }
  if (isEmpty) throw new SealError("content has at least one byte");
}

/**
 * The content, piece by piece; each piece is as it was sealed, but only the end tells that nothing is missing. Throws
 * SealError.
 */
export async function* unseal(key: Uint8Array, sealed: Source): AsyncGenerator<Uint8Array> {
  const body = new Prefixed(sealed);
  const header = await body.take(HEADER_BYTES);
  if (header === undefined || !MAGIC.every((byte, i) => header[i] === byte))
    throw new SealError("this is no sealed content");
  const bodyKey = derive(key, header.subarray(MAGIC.length), BODY_INFO);
  for await (const { bytes, index, isLast } of segments(body.rest(), SEGMENT_BYTES + TAG_BYTES)) {
    if (bytes.length <= TAG_BYTES) throw new SealError("the sealed content is cut off");
    const decipher = createDecipheriv(CIPHER, bodyKey, nonceOf(index, isLast))
      .setAAD(header)
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    yield opened(() => concatBytes(decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()));
  }
}

/** What binds a wrapped key: content root and root of the sealed file, 32 bytes each. */
export interface SealedRoots {
  readonly content: Uint8Array;
  readonly sealed: Uint8Array;
}

/** Throws SealError when the public key is none. */
export function wrapKey(key: Uint8Array, publicKey: Uint8Array, roots: SealedRoots): Uint8Array {
  const secret = secp256k1.utils.randomSecretKey();
  const ephemeral = secp256k1.getPublicKey(secret, true);
  const wrapping = wrappingKey(secret, publicKey, ephemeral, publicKey, roots);
  const cipher = createCipheriv(CIPHER, wrapping, new Uint8Array(12));
  return concatBytes(ephemeral, cipher.update(key), cipher.final(), cipher.getAuthTag());
}

/** Throws SealError when it was not wrapped for this private key and these roots. */
export function unwrapKey(wrapped: Uint8Array, privateKey: Uint8Array, roots: SealedRoots): Uint8Array {
  if (wrapped.length !== WRAPPED_BYTES) throw new SealError(`a wrapped key has ${WRAPPED_BYTES} bytes`);
  const ephemeral = wrapped.subarray(0, POINT_BYTES);
  const recipient = secp256k1.getPublicKey(privateKey, true);
  const wrapping = wrappingKey(privateKey, ephemeral, ephemeral, recipient, roots);
  const decipher = createDecipheriv(CIPHER, wrapping, new Uint8Array(12)).setAuthTag(wrapped.subarray(-TAG_BYTES));
  const body = wrapped.subarray(POINT_BYTES, POINT_BYTES + KEY_BYTES);
  return opened(() => concatBytes(decipher.update(body), decipher.final()));
}

/** Compressed. Throws RangeError when the private key is none. */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  if (!secp256k1.utils.isValidSecretKey(privateKey)) throw new RangeError("private key is not in [1, n)");
  return secp256k1.getPublicKey(privateKey, true);
}

export const isPublicKey = (bytes: Uint8Array): boolean =>
  bytes.length === POINT_BYTES && secp256k1.utils.isValidPublicKey(bytes, true);

function wrappingKey(
  secret: Uint8Array,
  point: Uint8Array,
  ephemeral: Uint8Array,
  recipient: Uint8Array,
  { content, sealed }: SealedRoots,
): Uint8Array {
  if (!isPublicKey(point)) throw new SealError("a public key is a compressed point of secp256k1: 33 bytes");
  const shared = secp256k1.getSharedSecret(secret, point, true).subarray(1);
  return derive(shared, concatBytes(ephemeral, recipient), concatBytes(WRAP_INFO, content, sealed));
}

const derive = (key: Uint8Array, salt: Uint8Array, info: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync("sha256", key, salt, info, KEY_BYTES));

const nonceOf = (index: number, isLast: boolean): Uint8Array =>
  concatBytes(bigIntToFixed(BigInt(index), 11), Uint8Array.of(isLast ? 1 : 0));

function opened(open: () => Uint8Array): Uint8Array {
  try {
    return open();
  } catch (error) {
    throw new SealError("the key is not that of these bytes, or they were changed", { cause: error });
  }
}

/** Pieces of exactly `size` bytes, but the last: at least one, which is marked. */
async function* segments(source: Source, size: number) {
  const body = new Prefixed(source);
  let index = 0;
  for (let bytes = await body.upTo(size); ; index++) {
    const next = bytes.length === size ? await body.upTo(size) : new Uint8Array(0);
    const isLast = next.length === 0;
    yield { bytes, index, isLast };
    if (isLast) return;
    bytes = next;
  }
}

/** A source from which bytes are taken by number. */
class Prefixed {
  readonly #pieces: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #held: Uint8Array[] = [];
  #bytes = 0;

  constructor(source: Source) {
    this.#pieces = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  async upTo(size: number): Promise<Uint8Array> {
    while (this.#bytes < size) {
      const { done, value } = await this.#pieces.next();
      if (done === true) break;
      this.#held.push(value);
      this.#bytes += value.length;
    }
    const all = this.#held.length === 1 ? this.#held[0]! : concatBytes(...this.#held);
    const taken = all.subarray(0, size);
    this.#held = [all.subarray(taken.length)];
    this.#bytes = all.length - taken.length;
    return taken;
  }

  /** Undefined when there are fewer. */
  async take(size: number): Promise<Uint8Array | undefined> {
    const taken = await this.upTo(size);
    return taken.length === size ? taken : undefined;
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    for (let piece = await this.upTo(SEGMENT_BYTES); piece.length > 0; piece = await this.upTo(SEGMENT_BYTES))
      yield piece;
  }
}
