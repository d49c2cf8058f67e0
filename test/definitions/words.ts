/**
 * test/vectors/words.json by definition (docs/spec.md "Words"): characters and a regular expression, where
 * core/span-rule.ts looks at bytes. What is no text has its positions written down by hand.
 */
const WINDOW = 1_024;

const TEXTS: Readonly<Record<string, string>> = {
  "one byte": "a",
  "one blank": " ",
  "words and blanks": "don't stop me now",
  "punctuation stands alone": "a, b--c (d); e...",
  "all word bytes": "0189AZaz_'",
  "neighbours of the word bytes": "/0:9;@A[Z\\`a{z~^_&'(",
  "control bytes": "a\u0000b\tc\nd\r\ne\u007ff",
  "two-byte characters": "naïve café Größe",
  "three-byte characters": "東京都 tokyo東京",
  "four-byte characters": "a😀b 😀😀",
  "combining marks are characters": "e\u0301clair",
  "typographic apostrophe is no word byte": "don’t",
  "a word across a window's edge": `${"x".repeat(1_020)} abcdefgh ijk`,
  "a word longer than a window": "w".repeat(2_050),
  "a window's edge at the end": `${"ab ".repeat(341)}c`,
  "a two-byte character across a window's edge": `${"y".repeat(1_023)}é tail`,
  "a three-byte character across a window's edge": `${"y".repeat(1_022)}東 tail`,
  "a character ends at a window's edge": `${"y".repeat(1_021)}東tail`,
};

/** Bytes that are no UTF-8, with their boundaries. */
const BYTES: readonly (readonly [name: string, bytes: readonly number[], boundaries: readonly number[]])[] = [
  ["continuation bytes alone", [0x80, 0x80, 0xbf], [0, 3]],
  ["a continuation byte after a word byte", [0x41, 0x80, 0x41, 0x42], [0, 2, 4]],
  ["a leading byte without continuation", [0x41, 0xc3, 0x41], [0, 1, 2, 3]],
  ["bytes that UTF-8 never has", [0xff, 0xfe, 0xc0, 0x80, 0xf8], [0, 1, 2, 4, 5]],
  ["a character that is cut at the end", [0x20, 0xe6, 0x9d], [0, 1, 3]],
];

const isWord = (character: string | undefined): boolean => character !== undefined && /^[0-9A-Za-z_']$/.test(character);

function boundariesOf(text: string): number[] {
  const characters = [...text];
  const size = Buffer.byteLength(text);
  const found = new Set<number>([size]);
  let position = 0;
  for (const [i, character] of characters.entries()) {
    if (!(isWord(characters[i - 1]) && isWord(character))) found.add(position);
    position += Buffer.byteLength(character);
  }
  for (let edge = 0; edge < size; edge += WINDOW) found.add(edge);
  return [...found].sort((a, b) => a - b);
}

const vectorOf = (name: string, bytes: Uint8Array, boundaries: readonly number[]) => ({
  name,
  output: `0x${Buffer.from(bytes).toString("hex")}`,
  boundaries,
});

export const wordVectors = () => ({
  note: 'docs/spec.md "Words". All positions of the output that are word boundaries, in bytes.',
  cases: [
    ...Object.entries(TEXTS).map(([name, text]) => vectorOf(name, Buffer.from(text), boundariesOf(text))),
    ...BYTES.map(([name, bytes, boundaries]) => vectorOf(name, Uint8Array.from(bytes), boundaries)),
  ],
});

export type WordVector = ReturnType<typeof vectorOf>;
