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
import { bigIntToFixed, bytesToBigInt, concatBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { isWordByte } from "../core/span-rule.ts";
import { type CorpusIndex, count, findInterval, type Interval } from "./corpus-index.ts";

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
const MAX_STEP_BYTES = MAX_WORD_BYTES + MAX_SEPARATOR_BYTES;
const NEWLINE = 0x0a;
const SPACE = 0x20;

/**
 * Continues `prompt` by up to `words` words and `maxBytes` bytes. The same index, prompt and seed (32 bytes) give the
 * same bytes on every machine: integers and keccak only.
 * Throws RangeError when the corpus is empty.
 */
export function continueText(
  index: CorpusIndex,
  request: {
    readonly prompt: Uint8Array;
    readonly words: number;
    readonly maxBytes: number;
    readonly seed: Uint8Array;
  },
  options: InfinityGramOptions = INFINITY_GRAM,
): Continuation {
  if (index.ids.length === 0) throw new RangeError("an empty corpus continues nothing");
  const { prompt, words, maxBytes, seed } = request;
  const writer = new Writer(prompt, maxBytes);
  const draw = drawer(seed);

  let written = 0;
  let forced = 0;
  // A step yields a word, or only separators where a document begins with them: hence the bound on steps.
  for (let step = 0; written < words && step < 2 * words + 16; step++) {
    const mustBranch = forced >= options.maxForcedWords && !writer.insideWord;
    const context = chooseContext(index, writer, options.maxContextWords, mustBranch);
    // Nothing is known to follow: begin a contribution.
    const position =
      context === undefined
        ? index.starts[draw(index.ids.length)]!
        : index.suffixes[context.from + draw(count(context))]! + context.length;
    const { end, hasWord } = readStep(index.text, position);
    if (!writer.append(index.text, position, end)) break;
    forced = context === undefined || context.branches ? 0 : forced + 1;
    if (hasWord) written++;
  }
  return { output: writer.output(), words: written };
}

interface Context extends Interval {
  /** Bytes of the context: what follows an occurrence is `length` after its start. */
  readonly length: number;
  /** More than one continuation. */
  readonly branches: boolean;
}

/** The longest context that the corpus continues; with `mustBranch` the longest that it continues in two ways. */
function chooseContext(index: CorpusIndex, writer: Writer, maxWords: number, mustBranch: boolean): Context | undefined {
  for (let words = maxWords; words >= 0; words--) {
    const from = writer.contextStart(words);
    if (from === undefined) continue;
    const length = writer.length - from;
    const interval = withContinuation(index, findInterval(index, writer.bytes, from, writer.length), length);
    if (count(interval) === 0) continue;
    const branches = differ(index, interval, length);
    if (branches || !mustBranch) return { ...interval, length, branches };
  }
  return undefined;
}

/** Drops the occurrences that end their contribution: symbol 0 follows them, so they come first in the interval. */
function withContinuation({ text, suffixes }: CorpusIndex, { from, to }: Interval, length: number): Interval {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (text[suffixes[middle]! + length] === 0) low = middle + 1;
    else high = middle;
  }
  return { from: low, to };
}

/** Whether the first and the last occurrence continue differently; between them all share what these two share. */
function differ({ text, suffixes }: CorpusIndex, { from, to }: Interval, length: number): boolean {
  const a = suffixes[from]! + length;
  const b = suffixes[to - 1]! + length;
  const aEnd = readStep(text, a).end;
  if (readStep(text, b).end - b !== aEnd - a) return true;
  for (let i = 0; a + i < aEnd; i++) if (text[a + i] !== text[b + i]) return true;
  return false;
}

/** One word (a run of word bytes, or one non-ASCII character) and the ASCII bytes that separate it from the next. */
function readStep(text: Uint16Array, position: number): { end: number; hasWord: boolean } {
  let at = position;
  const wordEnd = position + MAX_WORD_BYTES;
  if (isWordByte(text[at]! - 1)) while (at < wordEnd && isWordByte(text[at]! - 1)) at++;
  else if (text[at]! > 0x80) {
    at++;
    while (at < wordEnd && text[at]! > 0x80 && text[at]! <= 0xc0) at++;
  }
  const hasWord = at > position;
  const separatorEnd = at + MAX_SEPARATOR_BYTES;
  while (at < separatorEnd && isSeparator(text[at]!)) at++;
  return { end: at, hasWord };
}

/** Symbols are byte + 1; 0 ends a contribution. */
const isSeparator = (symbol: number) => symbol > 0 && symbol <= 0x80 && !isWordByte(symbol - 1);

/** Prompt and output in one buffer, with the places where words begin. */
class Writer {
  readonly bytes: Uint8Array;
  length = 0;
  /** Start of each word, rising. The byte before it belongs to the context: so " a " is not found in "data ". */
  readonly #wordStarts: number[] = [];
  readonly #outputStart: number;
  readonly #limit: number;

  /** The prompt begins as if after a space, and its last word is taken as complete. */
  constructor(prompt: Uint8Array, maxBytes: number) {
    this.bytes = new Uint8Array(prompt.length + 2 + maxBytes + 1);
    this.#put(SPACE);
    const symbols = new Uint16Array(prompt.length + 1);
    for (let i = 0; i < prompt.length; i++) symbols[i] = prompt[i]! + 1;
    for (let at = 0; at < prompt.length; ) {
      const { end } = readStep(symbols, at);
      this.#copy(symbols, at, end);
      at = end;
    }
    if (this.insideWord) this.#put(SPACE);
    this.#outputStart = this.length;
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

  /** False when it does not fit. */
  append(text: Uint16Array, from: number, to: number): boolean {
    if (to - from > MAX_STEP_BYTES || this.length + (to - from) > this.#limit) return false;
    this.#copy(text, from, to);
    // The contribution ended within a word: close it, or the context would match longer words.
    if (text[to] === 0 && this.insideWord && this.length < this.#limit) this.#put(NEWLINE);
    return true;
  }

  /** Without the white space at its end. */
  output(): Uint8Array {
    let end = this.length;
    while (end > this.#outputStart && (this.bytes[end - 1] === SPACE || this.bytes[end - 1] === NEWLINE)) end--;
    return this.bytes.slice(this.#outputStart, end);
  }

  #copy(symbols: Uint16Array, from: number, to: number): void {
    this.#wordStarts.push(this.length);
    for (let i = from; i < to; i++) this.#put(symbols[i]! - 1);
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
