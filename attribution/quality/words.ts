/**
 * Words for comparing texts, in any language and of any bytes: runs of letters, digits, _ and ', with ASCII folded to
 * lower case. Letters outside ASCII are told by the first byte of their UTF-8 form: scripts that write words apart
 * (Latin, Greek, Cyrillic, Arabic, Indic …) join the run, characters from U+3000 on (Chinese, Japanese, Korean …) are a word each.
 * Everything else separates, so spacing, punctuation and layout count for nothing. Not the words of span-v1, which pay.
 */
import { isWordByte } from "../../core/span-rule.ts";

const SEPARATOR = 0;
const JOINED = 1;
const ALONE = 2;
const CONTINUATION = 3;

/** What a byte does to the word that it follows. */
const CLASS = new Uint8Array(256);
const FOLDED = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  FOLDED[byte] = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
  if (byte < 0x80) CLASS[byte] = isWordByte(byte) ? JOINED : SEPARATOR;
  else if (byte < 0xc0) CLASS[byte] = CONTINUATION;
  // U+0080 to U+00BF and U+2000 to U+2FFF hold signs rather than letters.
  else if ((byte >= 0xc3 && byte <= 0xdf) || byte === 0xe0 || byte === 0xe1) CLASS[byte] = JOINED;
  else CLASS[byte] = byte >= 0xe3 && byte <= 0xf4 ? ALONE : SEPARATOR;
}

const OFFSET_BASIS = 0x811c9dc5 | 0;
const PRIME = 0x01000193;

export interface Words {
  /** A hash a word (FNV-1a, 32 bits), in order. */
  readonly hashes: Uint32Array;
  /** Bytes in all words. */
  readonly bytes: number;
  readonly longestBytes: number;
}

/** 4 bytes a word, and while it runs at most twice the content. */
export function wordsOf(content: Uint8Array): Words {
  const hashes = new Uint32Array((content.length + 1) >> 1);
  let count = 0;
  let total = 0;
  let longest = 0;
  let hash = OFFSET_BASIS;
  let length = 0;
  let character = SEPARATOR;
  for (let i = 0; i < content.length; i++) {
    const byte = content[i]!;
    const kind = CLASS[byte]!;
    if (kind === CONTINUATION) {
      if (character === SEPARATOR) continue;
    } else {
      if (length > 0 && (kind !== JOINED || character === ALONE)) {
        hashes[count++] = hash;
        total += length;
        if (length > longest) longest = length;
        hash = OFFSET_BASIS;
        length = 0;
      }
      character = kind;
      if (kind === SEPARATOR) continue;
    }
    hash = Math.imul(hash ^ FOLDED[byte]!, PRIME);
    length++;
  }
  if (length > 0) hashes[count++] = hash;
  return {
    hashes: hashes.slice(0, count),
    bytes: total + length,
    longestBytes: Math.max(longest, length),
  };
}
