/**
 * An infinity-gram language model (Liu et al., "Infini-gram", 2024) with a stated cap: it has no weights, its
 * parameters are the corpus. P(next | context) = count(context · next) / count(context), where the context is the
 * longest run of preceding words, at most `maxContextWords`, that the corpus continues.
 *
 * Sampling from that distribution needs no counting: a uniformly drawn occurrence of the context, of all those in its
 * suffix interval, is followed by `next` with exactly that probability.
 *
 * Left alone, a long context has one continuation and the model recites its source. So after `maxForcedWords` words
 * in a row without an alternative it backs off to the longest context that has one.
 *
 * It does not remember where it drew from: attribution/trace.ts finds that in the output itself.
 */
import { bigIntToFixed, bytesToBigInt, concatBytes, equalsBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { isWordByte } from "../core/span-rule.ts";
import type { Continuations, SpanIndex } from "./span-index.ts";

export interface InfinityGramOptions {
  /** Longest context, in words. */
  readonly maxContextWords: number;
  /** Words in a row that may be taken where the context has one continuation only. */
  readonly maxForcedWords: number;
}

/** Tuned on READMEs and licences: of 1,200 outputs of 200 words none drew on fewer than 3 contributions. */
export const INFINITY_GRAM: InfinityGramOptions = { maxContextWords: 5, maxForcedWords: 3 };

export interface Continuation {
  readonly output: Uint8Array;
  /** At most those asked for: fewer when the byte limit came first. */
  readonly words: number;
}

/** Bounds of one step: a word is read up to 64 bytes, what separates it from the next up to 32. */
const MAX_WORD_BYTES = 64;
const MAX_SEPARATOR_BYTES = 32;
/** One byte more than a step, to see whether the contribution ends with it. */
const READ_BYTES = MAX_WORD_BYTES + MAX_SEPARATOR_BYTES + 1;
const NEWLINE = 0x0a;
const SPACE = 0x20;

export interface ContinuationRequest {
  readonly prompt: Uint8Array;
  readonly words: number;
  readonly maxBytes: number;
  /** 32 bytes. */
  readonly seed: Uint8Array;
}

/**
 * Continues `prompt` by up to `words` words and `maxBytes` bytes. The same shards, prompt and seed give the same bytes
 * on every machine: integers and keccak only.
 * Throws RangeError when the corpus is empty.
 */
export function continueText(
  index: SpanIndex,
  request: ContinuationRequest,
  options: InfinityGramOptions = INFINITY_GRAM,
): Continuation {
  const pieces: Uint8Array[] = [];
  const steps = continueByWords(index, request, options);
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return { output: concatBytes(...pieces), words: step.value };
    pieces.push(step.value);
  }
}

/** The same word by word: the output's pieces as they are chosen, and at the end how many words they are. */
export function* continueByWords(
  index: SpanIndex,
  { prompt, words, maxBytes, seed }: ContinuationRequest,
  options: InfinityGramOptions = INFINITY_GRAM,
): Generator<Uint8Array, number, undefined> {
  if (index.contributions === 0) throw new RangeError("an empty corpus continues nothing");
  const writer = new Writer(prompt, maxBytes);
  const draw = drawer(seed);

  let written = 0;
  let forced = 0;
  // A step yields a word, or only separators where a document begins with them: hence the bound on steps.
  for (let step = 0; written < words && step < 2 * words + 16; step++) {
    const mustBranch = forced >= options.maxForcedWords && !writer.insideWord;
    const context = chooseContext(index, writer, options.maxContextWords, mustBranch);
    // Nothing is known to follow: begin a contribution.
    const next =
      context === undefined
        ? index.beginning(draw(index.contributions), READ_BYTES)
        : context.continuations.read(draw(context.continuations.count), READ_BYTES);
    const { end, hasWord } = readStep(next, 0);
    if (!writer.append(next, end)) break;
    forced = context === undefined || context.branches ? 0 : forced + 1;
    if (hasWord) written++;
    yield writer.take();
  }
  return written;
}

interface Context {
  readonly continuations: Continuations;
  /** More than one continuation. */
  readonly branches: boolean;
}

/** The longest context that the corpus continues; with `mustBranch` the longest that it continues in two ways. */
function chooseContext(index: SpanIndex, writer: Writer, maxWords: number, mustBranch: boolean): Context | undefined {
  for (let words = maxWords; words >= 0; words--) {
    const from = writer.contextStart(words);
    if (from === undefined) continue;
    const continuations = index.continuations(writer.bytes, from, writer.length);
    if (continuations.count === 0) continue;
    const branches = differ(continuations);
    if (branches || !mustBranch) return { continuations, branches };
  }
  return undefined;
}

/** Whether any two continue differently: in order as they are, the first and last of each shard tell. */
function differ({ edges, read }: Continuations): boolean {
  const steps = edges.map((k) => {
    const next = read(k, READ_BYTES);
    return next.subarray(0, readStep(next, 0).end);
  });
  return steps.some((step) => !equalsBytes(step, steps[0]!));
}

/** One word (a run of word bytes, or one non-ASCII character) and the ASCII bytes that separate it from the next. */
function readStep(bytes: Uint8Array, position: number): { end: number; hasWord: boolean } {
  let at = position;
  const wordEnd = Math.min(position + MAX_WORD_BYTES, bytes.length);
  if (isWordByte(bytes[at]!)) while (at < wordEnd && isWordByte(bytes[at]!)) at++;
  else if (bytes[at]! >= 0x80) {
    at++;
    while (at < wordEnd && bytes[at]! >= 0x80 && bytes[at]! <= 0xbf) at++;
  }
  const hasWord = at > position;
  const separatorEnd = Math.min(at + MAX_SEPARATOR_BYTES, bytes.length);
  while (at < separatorEnd && isSeparator(bytes[at]!)) at++;
  return { end: at, hasWord };
}

const isSeparator = (byte: number) => byte < 0x80 && !isWordByte(byte);

/** Prompt and output in one buffer, with the places where words begin. */
class Writer {
  readonly bytes: Uint8Array;
  length = 0;
  /** Start of each word, rising. The byte before it belongs to the context: so " a " is not found in "data ". */
  readonly #wordStarts: number[] = [];
  #taken: number;
  readonly #limit: number;

  /** The prompt begins as if after a space, and its last word is taken as complete. */
  constructor(prompt: Uint8Array, maxBytes: number) {
    this.bytes = new Uint8Array(prompt.length + 2 + maxBytes + 1);
    this.#put(SPACE);
    for (let at = 0; at < prompt.length; ) {
      const { end } = readStep(prompt, at);
      this.#copy(prompt, at, end);
      at = end;
    }
    if (this.insideWord) this.#put(SPACE);
    this.#taken = this.length;
    this.#limit = this.length + maxBytes;
  }

  /** The last word may go on: a non-ASCII character follows it without a separator, or the contribution ends in it. */
  get insideWord(): boolean {
    return isWordByte(this.bytes[this.length - 1]!);
  }

  /** Where the context of the last `words` words begins; undefined when there are not so many. */
  contextStart(words: number): number | undefined {
    if (words === 0) return this.length - 1;
    const start = this.#wordStarts[this.#wordStarts.length - words];
    return start === undefined ? undefined : start - 1;
  }

  /** Appends next[0..end), a step of what follows. False when it does not fit. */
  append(next: Uint8Array, end: number): boolean {
    if (this.length + end > this.#limit) return false;
    this.#copy(next, 0, end);
    // The contribution ended within a word: close it, or the context would match longer words.
    if (end === next.length && this.insideWord && this.length < this.#limit) this.#put(NEWLINE);
    return true;
  }

  /** What was not taken yet, but for the white space at its end: the output does not end with any. */
  take(): Uint8Array {
    let end = this.length;
    while (end > this.#taken && (this.bytes[end - 1] === SPACE || this.bytes[end - 1] === NEWLINE)) end--;
    const piece = this.bytes.slice(this.#taken, end);
    this.#taken = end;
    return piece;
  }

  #copy(bytes: Uint8Array, from: number, to: number): void {
    this.#wordStarts.push(this.length);
    for (let i = from; i < to; i++) this.#put(bytes[i]!);
  }

  #put(byte: number): void {
    this.bytes[this.length++] = byte;
  }
}

/** The k-th draw below n is keccak(seed ‖ uint64(k)) mod n; over 256 bits its bias is below 2^-224. */
function drawer(seed: Uint8Array): (n: number) => number {
  let draws = 0n;
  return (n) => Number(bytesToBigInt(keccak256(concatBytes(seed, bigIntToFixed(draws++, 8)))) % BigInt(n));
}
