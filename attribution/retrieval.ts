/**
 * Passages of a model's live contributions by BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework",
 * 2009; k1 = 1.2, b = 0.75, the idf that is never negative) over words in lower case. Contributions are cut into
 * passages at the end of a line or word; what is kept in memory is where passages lie and which words they hold, about
 * 5 bytes for each different word of each passage.
 */
import type { CorpusEntry } from "./corpus.ts";
import type { Citation } from "./engines/engine.ts";
import { eachWord } from "./words.ts";

const PASSAGE_BYTES = 1_200;
const K1 = 1.2;
const B = 0.75;
/** Longer ones are not looked for. */
const MAX_TERM_BYTES = 64;
/** Words of a query: the last ones are the question. */
const MAX_QUERY_WORDS = 512;

export interface RetrievalLimits {
  /** Of all contributions. */
  readonly maxBytes: number;
}

export const RETRIEVAL_LIMITS: RetrievalLimits = { maxBytes: 512 * 1024 * 1024 };

/** Grows by doubling. */
class Numbers {
  values = new Uint32Array(1024);
  length = 0;
  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new Uint32Array(this.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }
  clear(): void {
    this.values = new Uint32Array(1);
    this.length = 0;
  }
}

export class PassageIndex {
  readonly #entries: readonly CorpusEntry[];
  /** Of each passage: position of its contribution, offset, length, words. */
  readonly #contribution = new Numbers();
  readonly #offset = new Numbers();
  readonly #length = new Numbers();
  readonly #words = new Numbers();
  readonly #terms = new Map<string, number>();
  /** Postings as they come: term, passage, occurrences. */
  readonly #postingTerm = new Numbers();
  readonly #postingPassage = new Numbers();
  readonly #postingCount = new Numbers();
  /** Sorted: those of term t are at #termStart[t] .. #termStart[t + 1], passages rising. */
  #termStart = new Uint32Array(1);
  #passageOf = new Uint32Array(0);
  /** Occurrences, at most 255. */
  #countOf = new Uint8Array(0);
  #allWords = 0;

  private constructor(entries: readonly CorpusEntry[]) {
    this.#entries = entries;
  }

  /** Reads one content after the other. Throws RangeError above the limit, and what `read` throws. */
  static async build(
    entries: readonly CorpusEntry[],
    read: (entry: CorpusEntry) => Promise<Uint8Array>,
    { maxBytes }: RetrievalLimits = RETRIEVAL_LIMITS,
  ): Promise<PassageIndex> {
    const bytes = entries.reduce((sum, { size }) => sum + size, 0);
    if (bytes > maxBytes) throw new RangeError(`retrieval over ${bytes} bytes is above its limit of ${maxBytes}`);
    const index = new PassageIndex(entries);
    for (const [position, entry] of entries.entries()) index.#add(position, await read(entry));
    index.#sortPostings();
    return index;
  }

  get passages(): number {
    return this.#offset.length;
  }

  /** The best at most `limit` passages, best first; of equal scores the earlier one. Those without any word of the query are none. */
  search(query: string, limit: number): (Citation & { readonly entry: CorpusEntry })[] {
    const scores = new Map<number, number>();
    const average = this.#allWords / Math.max(1, this.passages);
    for (const term of this.#queryTerms(query)) {
      const [from, to] = [this.#termStart[term]!, this.#termStart[term + 1]!];
      const idf = Math.log(1 + (this.passages - (to - from) + 0.5) / (to - from + 0.5));
      for (let i = from; i < to; i++) {
        const passage = this.#passageOf[i]!;
        const count = this.#countOf[i]!;
        const norm = K1 * (1 - B + (B * this.#words.values[passage]!) / average);
        scores.set(passage, (scores.get(passage) ?? 0) + (idf * count * (K1 + 1)) / (count + norm));
      }
    }
    return [...scores]
      .sort(([a, scoreA], [b, scoreB]) => scoreB - scoreA || a - b)
      .slice(0, limit)
      .map(([passage, score]) => {
        const entry = this.#entries[this.#contribution.values[passage]!]!;
        const offset = this.#offset.values[passage]!;
        return { entry, contribution: entry.id, offset, length: this.#length.values[passage]!, score };
      });
  }

  #queryTerms(query: string): Set<number> {
    const bytes = new TextEncoder().encode(query);
    const found: number[] = [];
    eachWord(bytes, (start, end) => {
      const term = this.#terms.get(termOf(bytes, start, end));
      if (term !== undefined) found.push(term);
    });
    return new Set(found.slice(-MAX_QUERY_WORDS));
  }

  #add(position: number, content: Uint8Array): void {
    for (let from = 0; from < content.length; ) {
      const to = passageEnd(content, from);
      this.#addPassage(position, content, from, to);
      from = to;
    }
  }

  #addPassage(position: number, content: Uint8Array, from: number, to: number): void {
    const counts = new Map<number, number>();
    const bytes = content.subarray(from, to);
    let words = 0;
    eachWord(bytes, (start, end) => {
      words++;
      const text = termOf(bytes, start, end);
      let term = this.#terms.get(text);
      if (term === undefined) {
        term = this.#terms.size;
        this.#terms.set(text, term);
      }
      counts.set(term, (counts.get(term) ?? 0) + 1);
    });
    if (words === 0) return;
    const passage = this.passages;
    this.#contribution.push(position);
    this.#offset.push(from);
    this.#length.push(to - from);
    this.#words.push(words);
    this.#allWords += words;
    for (const [term, count] of counts) {
      this.#postingTerm.push(term);
      this.#postingPassage.push(passage);
      this.#postingCount.push(count);
    }
  }

  /** Counting sort by term, so that passages rise within each. */
  #sortPostings(): void {
    const starts = new Uint32Array(this.#terms.size + 1);
    const { values, length } = this.#postingTerm;
    for (let i = 0; i < length; i++) starts[values[i]! + 1]!++;
    for (let term = 0; term < this.#terms.size; term++) starts[term + 1]! += starts[term]!;
    const next = starts.slice();
    this.#passageOf = new Uint32Array(length);
    this.#countOf = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      const at = next[values[i]!]!++;
      this.#passageOf[at] = this.#postingPassage.values[i]!;
      this.#countOf[at] = Math.min(255, this.#postingCount.values[i]!);
    }
    this.#termStart = starts;
    for (const numbers of [this.#postingTerm, this.#postingPassage, this.#postingCount]) numbers.clear();
  }
}

const UTF8 = new TextDecoder("utf-8");

const termOf = (bytes: Uint8Array, start: number, end: number): string =>
  UTF8.decode(bytes.subarray(start, Math.min(end, start + MAX_TERM_BYTES))).toLowerCase();

const NEWLINE = 0x0a;
const SPACE = 0x20;

/** After the last line's end in the second half of what fits; else after a space; else before a whole character. */
function passageEnd(content: Uint8Array, from: number): number {
  const limit = from + PASSAGE_BYTES;
  if (limit >= content.length) return content.length;
  for (const separator of [NEWLINE, SPACE]) {
    for (let at = limit; at > from + PASSAGE_BYTES / 2; at--) if (content[at - 1] === separator) return at;
  }
  let at = limit;
  while (at > limit - 4 && content[at]! >= 0x80 && content[at]! <= 0xbf) at--;
  return at;
}
