/** Words by the table of docs/spec.md "Words": a run of word bytes, or one non-ASCII character. */
import { isWordByte } from "../core/span-rule.ts";

/** Calls back with the range of each word in `bytes`, in order. */
export function eachWord(bytes: Uint8Array, word: (start: number, end: number) => void): void {
  for (let at = 0; at < bytes.length; ) {
    const start = at;
    if (isWordByte(bytes[at]!)) {
      while (at < bytes.length && isWordByte(bytes[at]!)) at++;
    } else if (bytes[at]! >= 0x80) {
      at++;
      while (at < bytes.length && bytes[at]! >= 0x80 && bytes[at]! <= 0xbf) at++;
    } else {
      at++;
      continue;
    }
    word(start, at);
  }
}

export function countWords(bytes: Uint8Array): number {
  let words = 0;
  eachWord(bytes, () => words++);
  return words;
}
