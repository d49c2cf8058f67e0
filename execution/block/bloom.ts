/** Ethereum's log bloom: 2,048 bits, three a value, from the first six bytes of its keccak256 (Yellow Paper, 4.4.1). */
import type { Log } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import { GenerationCache } from "../state/cache.ts";
import { bytesKey } from "../state/keys.ts";

const BLOOM_BYTES = 256;
/** By value: contracts, events and users come again and again. */
const hashes = new GenerationCache<Uint8Array>(8_192);
/** Shared by everything without logs; never written. */
export const EMPTY_BLOOM = new Uint8Array(BLOOM_BYTES);

/** Of every log's address and topics. 256 bytes. */
export function logsBloom(logs: readonly Log[]): Uint8Array {
  if (logs.length === 0) return EMPTY_BLOOM;
  const bloom = new Uint8Array(BLOOM_BYTES);
  for (const { address, topics } of logs) {
    add(bloom, address);
    for (const topic of topics) add(bloom, topic);
  }
  return bloom;
}

export function unionOfBlooms(blooms: Iterable<Uint8Array>): Uint8Array {
  const union = new Uint8Array(BLOOM_BYTES);
  for (const bloom of blooms) {
    if (bloom === EMPTY_BLOOM) continue;
    for (let i = 0; i < BLOOM_BYTES; i++) union[i]! |= bloom[i]!;
  }
  return union;
}

function hashOf(value: Uint8Array): Uint8Array {
  const key = bytesKey(value);
  let hash = hashes.get(key);
  if (hash === undefined) {
    hash = keccak256(value);
    hashes.set(key, hash);
  }
  return hash;
}

function add(bloom: Uint8Array, value: Uint8Array): void {
  const hash = hashOf(value);
  for (let i = 0; i < 6; i += 2) {
    const bit = ((hash[i]! << 8) | hash[i + 1]!) & 0x7ff;
    bloom[BLOOM_BYTES - 1 - (bit >> 3)]! |= 1 << (bit & 7);
  }
}
