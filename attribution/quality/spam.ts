/**
 * How a content looks, whatever its language: measures of repetition, order and form, each beside its limit (thresholds.ts). Nothing here
 * understands a word. Sizes in bytes, shares from 0 to 1.
 */
import { isWordByte } from "../../core/span-rule.ts";
import type { Sketch } from "./sketch.ts";
import { SPAM } from "./thresholds.ts";
import type { Words } from "./words.ts";

export type Measure = keyof typeof SPAM;

export interface SpamScore {
  readonly values: Readonly<Record<Measure, number>>;
  /** Measures beyond their soft limit, and of these the ones beyond the hard one. */
  readonly soft: readonly Measure[];
  readonly hard: readonly Measure[];
  /** 0: nothing is beyond a limit; 1: as much as it takes to suggest rejection. */
  readonly score: number;
}

export function spamScore(content: Uint8Array, words: Words, sketch: Sketch): SpamScore {
  const { hashes, bytes, longestBytes } = words;
  const { invalidUtf8, control, symbols } = byteClasses(content);
  const { distinct, top } = wordShares(hashes);
  const compressed = compressedShare(content);
  const values: Record<Measure, number> = {
    words: hashes.length,
    invalidUtf8: share(invalidUtf8, content.length),
    controlBytes: share(control, content.length),
    compressedRatio: compressed,
    incompressible: compressed,
    repeatedShingles: repeatedShare(sketch.shingles),
    repeatedLines: repeatedLines(content),
    distinctWords: distinct,
    topWord: top,
    symbolsPerWord: hashes.length === 0 ? symbols : symbols / hashes.length,
    meanWordBytes: share(bytes, hashes.length),
    longestWordBytes: longestBytes,
  };
  const soft: Measure[] = [];
  const hard: Measure[] = [];
  for (const measure of Object.keys(SPAM) as Measure[]) {
    values[measure] = rounded(values[measure]);
    const limit = SPAM[measure];
    if (content.length < limit.fromBytes) continue;
    const isBeyond = (bound: number) => (limit.side === "above" ? values[measure] > bound : values[measure] < bound);
    if (isBeyond(limit.soft)) soft.push(measure);
    if (isBeyond(limit.hard)) hard.push(measure);
  }
  return { values, soft, hard, score: hard.length > 0 ? 1 : Math.min(1, soft.length / 2) };
}

const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
/** Four decimals: equal on every machine, and enough. */
export const rounded = (value: number): number => Math.round(value * 10_000) / 10_000;

/** RFC 3629: bytes that belong to no character; control characters other than tab, line feed and carriage return; other ASCII signs. */
function byteClasses(content: Uint8Array) {
  let invalidUtf8 = 0;
  let control = 0;
  let symbols = 0;
  for (let i = 0; i < content.length; ) {
    const byte = content[i]!;
    if (byte >= 0x80) {
      const length = characterLength(content, i);
      if (length === 0) invalidUtf8++;
      i += Math.max(1, length);
      continue;
    }
    if (byte < 0x20 || byte === 0x7f) {
      if (byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) control++;
    } else if (byte !== 0x20 && !isWordByte(byte)) symbols++;
    i++;
  }
  return { invalidUtf8, control, symbols };
}

/** Bytes of the non-ASCII character at `i`; 0 when there is none. */
function characterLength(content: Uint8Array, i: number): number {
  const lead = content[i]!;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || i + length > content.length) return 0;
  const second = content[i + 1]!;
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let k = 2; k < length; k++) if ((content[i + k]! & 0xc0) !== 0x80) return 0;
  return length;
}

/** Distinct words and the most frequent one as shares of all, over the first 2,000 words: longer texts repeat more. */
function wordShares(hashes: Uint32Array): { distinct: number; top: number } {
  const counted = hashes.subarray(0, 2_000);
  if (counted.length === 0) return { distinct: 1, top: 0 };
  const counts = new Map<number, number>();
  let top = 0;
  for (const hash of counted) {
    const count = (counts.get(hash) ?? 0) + 1;
    counts.set(hash, count);
    if (count > top) top = count;
  }
  return { distinct: counts.size / counted.length, top: top / counted.length };
}

function repeatedShare(shingles: Uint32Array): number {
  // Sorted rather than hashed: nobody can choose a text that makes it slow.
  const sorted = shingles.slice().sort();
  let repeated = 0;
  for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) repeated++;
  return share(repeated, sorted.length);
}

const LINE_FEED = 0x0a;

/** Share of the bytes in lines of at least 16 bytes that stood earlier in the same content. */
function repeatedLines(content: Uint8Array): number {
  const seen = new Set<string>();
  const buffer = Buffer.from(content.buffer, content.byteOffset, content.length);
  let repeated = 0;
  for (let start = 0; start < content.length; ) {
    const feed = content.indexOf(LINE_FEED, start);
    const end = feed < 0 ? content.length : feed;
    if (end - start >= 16) {
      // A long line is told by its beginning and its length.
      const line = `${end - start} ${buffer.toString("latin1", start, Math.min(end, start + 256))}`;
      if (seen.has(line)) repeated += end - start;
      else seen.add(line);
    }
    start = end + 1;
  }
  return share(repeated, content.length);
}

const TABLE_BITS = 15;
const MAX_DISTANCE = 65_535;

/**
 * Size after a compression of the kind of LZ4, as a share: a literal costs a byte, a repeat of at least 4 bytes within 64 KiB
 * costs 3. Computed here because the sizes that zlib gives differ between machines.
 */
function compressedShare(content: Uint8Array): number {
  const latest = new Int32Array(1 << TABLE_BITS).fill(-MAX_DISTANCE - 1);
  const last = content.length - 4;
  let size = 0;
  let i = 0;
  while (i <= last) {
    const four = content[i]! | (content[i + 1]! << 8) | (content[i + 2]! << 16) | (content[i + 3]! << 24);
    const slot = Math.imul(four, 0x9e3779b1) >>> (32 - TABLE_BITS);
    const before = latest[slot]!;
    latest[slot] = i;
    if (i - before > MAX_DISTANCE || content[before] !== content[i] || content[before + 3] !== content[i + 3]) {
      size++;
      i++;
      continue;
    }
    let length = 1;
    while (i + length < content.length && content[before + length] === content[i + length]) length++;
    size += length >= 4 ? 3 : 1;
    i += length >= 4 ? length : 1;
  }
  return share(size + content.length - i, content.length);
}
