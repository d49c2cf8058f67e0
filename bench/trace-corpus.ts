/**
 * Text for bench/trace.ts: sources, declarations and documentation of the installed packages, then what this machine
 * has of documentation and libraries; equal files once. Beyond that, text generated from it, one document at a time:
 * paragraphs of the real text in new order, one word in twenty replaced by another.
 */
import { createHash } from "node:crypto";
import { globSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import type { IndexedDocument } from "../attribution/shard-store.ts";
import { bytesToHex } from "../core/bytes.ts";

const MAX_DOCUMENT_BYTES = 200_000;
const GENERATED_BYTES = 60_000;

const PLACES: readonly (readonly [string, string])[] = [
  [fileURLToPath(new URL("../node_modules", import.meta.url)), "**/*.{ts,mts,cts,js,mjs,cjs,md,markdown,txt,sol,html}"],
  ["/usr/share/doc", "**/*"],
  ["/usr/lib", "python3*/**/*.py"],
  ["/usr/include", "**/*.h"],
  ["/usr/share/perl", "**/*.{pm,pod}"],
];

/** Distinct files' bytes, at most 200,000 of each, until there are `limitBytes`. */
export function readRealText(limitBytes: number): Uint8Array[] {
  const seen = new Set<string>();
  const found: Uint8Array[] = [];
  let total = 0;
  for (const [cwd, pattern] of PLACES) {
    for (const file of globSync(pattern, { cwd }).sort()) {
      if (total >= limitBytes) return found;
      const bytes = readText(`${cwd}/${file}`)?.subarray(0, Math.min(MAX_DOCUMENT_BYTES, limitBytes - total));
      if (bytes === undefined || bytes.length === 0) continue;
      const hash = createHash("sha256").update(bytes).digest("base64");
      if (seen.has(hash)) continue;
      seen.add(hash);
      found.push(bytes);
      total += bytes.length;
    }
  }
  return found;
}

/** Undefined for what is no text, and for what is so large that it is rather data. */
function readText(path: string): Uint8Array | undefined {
  try {
    const status = statSync(path);
    if (!status.isFile() || status.size > 4_000_000) return undefined;
    const raw = readFileSync(path);
    const bytes = path.endsWith(".gz") ? gunzipSync(raw) : raw;
    return bytes.subarray(0, 1_000).includes(0) ? undefined : new Uint8Array(bytes);
  } catch {
    return undefined; // a dangling link, or not ours to read
  }
}

export interface BenchCorpus {
  readonly documents: readonly IndexedDocument[];
  readonly realBytes: number;
  readonly generatedBytes: number;
  contents(document: IndexedDocument): Uint8Array;
}

/** `totalBytes` of documents: the real ones, and generated ones where they do not suffice. */
export function corpusOf(real: readonly Uint8Array[], totalBytes: number): BenchCorpus {
  const documents: IndexedDocument[] = [];
  let realBytes = 0;
  const add = (size: number) => {
    const id = BigInt(documents.length + 1);
    // Unlike a content root it says nothing of the content: the store takes the reader's word for that.
    const contentRoot = bytesToHex(createHash("sha256").update(`${id} of ${totalBytes}`).digest());
    documents.push({ id, contentRoot, size });
  };
  const taken: Uint8Array[] = [];
  for (const bytes of real) {
    const part = bytes.subarray(0, totalBytes - realBytes);
    if (part.length === 0) break;
    taken.push(part);
    add(part.length);
    realBytes += part.length;
  }
  let generatedBytes = 0;
  while (realBytes + generatedBytes < totalBytes) {
    add(GENERATED_BYTES);
    generatedBytes += GENERATED_BYTES;
  }
  const generate = generatedBytes > 0 ? generator(real) : () => new Uint8Array(0);
  return {
    documents,
    realBytes,
    generatedBytes,
    contents: ({ id, size }) => taken[Number(id) - 1] ?? generate(Number(id), size),
  };
}

/** Documents by their number: the same number gives the same bytes. */
export function generator(real: readonly Uint8Array[]): (seed: number, size: number) => Uint8Array {
  const texts = real.filter(({ length }) => length > 2_000);
  return (seed, size) => {
    const next = numbers(seed);
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const source = texts[next() % texts.length]!;
      const start = lineAfter(source, next() % source.length);
      let end = lineAfter(source, start + 200 + (next() % 600));
      if (end <= start) end = source.length;
      at = copyChanged(source.subarray(start, end), bytes, at, next, texts);
    }
    return bytes;
  };
}

/** Copies words, each twentieth or so as a word from elsewhere. Returns where it ended. */
function copyChanged(
  source: Uint8Array,
  target: Uint8Array,
  from: number,
  next: () => number,
  texts: readonly Uint8Array[],
): number {
  let at = from;
  for (let i = 0; i < source.length && at < target.length; ) {
    const end = wordEnd(source, i);
    let word = source.subarray(i, end);
    if (end - i > 3 && next() % 20 === 0) {
      const other = texts[next() % texts.length]!;
      const start = wordEnd(other, next() % other.length);
      word = other.subarray(start, wordEnd(other, start + 1));
    }
    word = word.subarray(0, target.length - at);
    target.set(word, at);
    at += word.length;
    i = end;
  }
  return at;
}

const isLetter = (byte: number | undefined) => byte !== undefined && ((byte | 0x20) - 0x61) >>> 0 < 26;

/** End of the run of letters at `at`, or of the one byte. */
function wordEnd(bytes: Uint8Array, at: number): number {
  let end = at + 1;
  if (isLetter(bytes[at])) while (isLetter(bytes[end])) end++;
  return Math.min(end, bytes.length);
}

function lineAfter(bytes: Uint8Array, at: number): number {
  const newline = bytes.indexOf(0x0a, at);
  return newline < 0 ? 0 : newline + 1;
}

/** Numbers below 2^30 that follow from the seed. */
export function numbers(seed: number): () => number {
  let state = (seed * 0x9e3779b1) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) >>> 2;
  };
}
