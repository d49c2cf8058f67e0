import fc from "fast-check";
import { expect, it } from "vitest";
import { shardInMemory } from "./shard-file.ts";
import { FILTERED_BYTES, ShardFilter } from "./shard-filter.ts";
import { symbolsOfBytes } from "./shard-layout.ts";
import { shardFile } from "./span-index.ts";

/** Bytes that follow from the seed; `values` different ones. */
function random(seed: number, length: number, values: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 16) % values;
  });
}

function filterOf(...contents: Uint8Array[]): ShardFilter {
  const { header, filter } = shardInMemory("test", shardFile(contents.map((bytes, i) => ({ id: BigInt(i), bytes }))));
  return new ShardFilter(filter, symbolsOfBytes(header));
}

it.each([
  ["symbols of one byte", 200],
  ["symbols of two bytes", 256],
  ["two values, which repeat", 2],
])("never denies what is there: %s", (_, values) => {
  // Beyond the pieces in which a text is taken.
  const contents = [random(1, 150_000, values), random(2, 30, values), random(3, 24, values), random(4, 23, values)];
  const filter = filterOf(...contents);
  for (let from = 0; from + FILTERED_BYTES <= contents[0]!.length; from += 7) {
    if (!filter.mayHold(contents[0]!, from, from + FILTERED_BYTES)) throw new Error(`denied at ${from}`);
  }
  fc.assert(
    fc.property(fc.nat(3), fc.nat(150_000), fc.nat(1_100), (document, start, length) => {
      const content = contents[document]!;
      const from = start % content.length;
      expect(filter.mayHold(content, from, Math.min(from + length, content.length))).toBe(true);
    }),
  );
});

it("denies nearly all that is not there", () => {
  const filter = filterOf(random(5, 100_000, 200));
  const absent = random(6, 24_000, 200);
  let held = 0;
  for (let from = 0; from < absent.length; from += FILTERED_BYTES) {
    if (filter.mayHold(absent, from, from + FILTERED_BYTES)) held++;
  }
  expect(held).toBeLessThan(150); // of 1,000; about 90 for text in which nothing repeats
});
