/** Texts of random words, for workloads that quote them. */
import { isBoundary } from "../core/span-rule.ts";

const VOCABULARY =
  "the of chain data model block trace output author licence reward proof network state account transfer answer".split(
    " ",
  );

/** Exactly so many bytes of UTF-8. `below`: a random integer from 0 up to and without its argument. */
export function words(below: (limit: number) => number, bytes: number): Uint8Array {
  let text = "";
  while (text.length < bytes) text += `${VOCABULARY[below(VOCABULARY.length)]} `;
  return new TextEncoder().encode(text.slice(0, bytes));
}

/** The first boundary of a word at or after `start`. */
export function boundaryFrom(text: Uint8Array, start: number): number {
  let at = start;
  while (!isBoundary(text, at)) at++;
  return at;
}
