/**
 * Full-text search that both stores answer alike: names, domains and URIs are cut into words, and the words are rows.
 * A word is a run of letters, marks and digits of any script, compatibility-composed (NFKC) and in lower case.
 */
import { type Change, insert } from "./changes.ts";
import type { NodeKind } from "./codes.ts";

/** What is longer is found by its beginning. */
const MAX_WORD_LENGTH = 64;
/** Of one thing: strings on chain are anyone's, and may be long. */
const MAX_WORDS = 64;

/** Distinct words in their order, at most MAX_WORDS. */
export function wordsOf(...texts: readonly string[]): string[] {
  const words = new Set<string>();
  for (const text of texts) {
    for (const [word] of text
      .normalize("NFKC")
      .toLowerCase()
      .matchAll(/[\p{L}\p{M}\p{N}]+/gu)) {
      if (words.size >= MAX_WORDS) return [...words];
      words.add(word.slice(0, MAX_WORD_LENGTH));
    }
  }
  return [...words];
}

/** Makes a thing findable by the words of its texts. */
export function searchable(block: number, kind: NodeKind, id: number, ...texts: readonly string[]): Change[] {
  return wordsOf(...texts).map((word) => insert("search_words", { block, word, kind, id }));
}
