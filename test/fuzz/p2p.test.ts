import { describe, expect, it } from "vitest";
import { Random } from "../sim/random.ts";
import { type DecodingResult, decodeFrames } from "./decoding.ts";
import { FORMATS } from "./formats.ts";
import { fuzz } from "./p2p.ts";

describe("what comes from peers", () => {
  it("samples are what the decoders take", () => {
    for (const { name, samples, decode } of FORMATS) {
      for (const sample of samples) {
        const encoded = decode(sample);
        if (encoded !== undefined) expect(Buffer.compare(encoded, sample), name).toBe(0);
      }
    }
  });

  it("the same seed gives the same frames", () => {
    const [first, second] = [1, 2].map(() => {
      const result: DecodingResult = { frames: 0, accepted: 0, surprises: [] };
      decodeFrames(2_000, new Random(7), result);
      return result;
    });
    expect(first).toEqual(second);
    expect(first!.accepted).toBeGreaterThan(100);
  });

  it("a decoder that throws what it should not is found", () => {
    const result: DecodingResult = { frames: 0, accepted: 0, surprises: [] };
    const careless = {
      name: "careless",
      samples: [Uint8Array.of(1, 2)],
      decode: (bytes: Uint8Array) => new Uint8Array(4 / bytes.length - 2),
      errors: [],
    };
    decodeFrames(100, new Random(1), result, [careless]);
    expect(result.surprises.length).toBeGreaterThan(0);
  });

  it("30,000 frames: nothing breaks, the honest are heard, the others thrown out", { timeout: 180_000 }, async () => {
    const { lines, surprises } = await fuzz({ frames: 30_000, seed: 3 });
    expect(surprises).toEqual([]);
    const missed = lines.filter(({ goal }) => goal?.isMet === false).map(({ name, value }) => `${name} ${value}`);
    expect(missed).toEqual([]);
  });
});
