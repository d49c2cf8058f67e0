import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileWasm, wasmSources } from "../scripts/build-wasm.ts";
import { suffixArray } from "./suffix-sort.ts";

/** The definition: sort the suffixes. */
function plainSort(text: ArrayLike<number>): number[] {
  return Array.from({ length: text.length }, (_, i) => i).sort((a, b) => {
    for (let k = 0; a + k < text.length && b + k < text.length; k++) {
      const difference = text[a + k]! - text[b + k]!;
      if (difference !== 0) return difference;
    }
    return b - a;
  });
}

/** With symbols of two bytes and, where they fit, of one. */
function check(text: Uint16Array, alphabet: number) {
  const expected = plainSort(text);
  expect(Array.from(suffixArray(text, alphabet))).toEqual(expected);
  if (alphabet <= 256) expect(Array.from(suffixArray(Uint8Array.from(text), alphabet))).toEqual(expected);
}

describe("suffixArray", () => {
  it("sorts the known example", () => {
    const text = Uint16Array.from("mississippi", (c) => c.charCodeAt(0));
    expect(Array.from(suffixArray(text, 256))).toEqual([10, 7, 4, 1, 0, 9, 8, 6, 3, 5, 2]);
  });

  it("handles the empty text and texts without an LMS suffix", () => {
    check(new Uint16Array(0), 1);
    check(Uint16Array.of(0), 1);
    check(Uint16Array.of(3, 2, 1, 0), 4);
    check(Uint16Array.of(0, 1, 2, 3), 4);
    check(new Uint16Array(100), 1);
  });

  it.each([1, 2, 3, 5, 257])("equals a plain sort over an alphabet of %i", (alphabet) => {
    fc.assert(
      fc.property(fc.array(fc.nat(alphabet - 1), { maxLength: 300, size: "max" }), (symbols) => {
        check(Uint16Array.from(symbols), alphabet);
      }),
      { numRuns: 150 },
    );
  });

  it("equals a plain sort on periodic texts, which recurse deepest", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(2), { minLength: 1, maxLength: 7 }),
        fc.nat(200),
        fc.array(fc.nat(2), { maxLength: 3 }),
        (period, length, tail) => {
          const body = Array.from({ length }, (_, i) => period[i % period.length]!);
          check(Uint16Array.from([...body, ...tail]), 3);
        },
      ),
      { numRuns: 150 },
    );
    const fibonacci: number[][] = [[0], [1]];
    for (let i = 2; i < 15; i++) fibonacci.push([...fibonacci[i - 1]!, ...fibonacci[i - 2]!]);
    check(Uint16Array.from(fibonacci.at(-1)!), 2);
  });

  it("sorts every byte value, one text of each length that a name of its own could go wrong at", () => {
    for (const length of [1, 2, 3, 255, 256, 257, 600]) {
      const rising = Uint16Array.from({ length }, (_, i) => i % 257);
      check(rising, 257);
      check(rising.toReversed(), 257);
      check(
        Uint16Array.from({ length }, (_, i) => (i * i * 7) % 256),
        256,
      );
    }
  });

  it("makes room where the reduced problem has more names than fit beside it", () => {
    // Each LMS substring differs: "b a_i" with rising a_i, twice so that one name repeats.
    const pairs = Array.from({ length: 120 }, (_, i) => [250, i]).flat();
    check(Uint16Array.from([...pairs, ...pairs.slice(0, 4), 251]), 256);
  });

  it("sorts a long random text: neighbours are in order and no position is missing", () => {
    const text = new Uint16Array(200_000);
    let x = 1;
    for (let i = 0; i < text.length; i++) {
      x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
      text[i] = (x >>> 16) % 3;
    }
    const sa = suffixArray(text, 3);
    const seen = new Uint8Array(text.length);
    for (let i = 0; i < sa.length; i++) seen[sa[i]!] = 1;
    expect(seen.includes(0)).toBe(false);
    for (let i = 1; i < sa.length; i++) {
      let a = sa[i - 1]!;
      let b = sa[i]!;
      while (b < text.length && text[a] === text[b]) {
        a++;
        b++;
      }
      const inOrder = a === text.length || (b < text.length && text[a]! < text[b]!);
      if (!inOrder) throw new Error(`out of order at ${i}`);
    }
  });
});

it("the committed WebAssembly is what its source gives, byte for byte", async () => {
  for (const source of wasmSources()) {
    const committed = readFileSync(new URL(`wasm/${source.slice(0, -".as".length)}.wasm`, import.meta.url));
    expect(Buffer.from(await compileWasm(source)).equals(committed)).toBe(true);
  }
});
