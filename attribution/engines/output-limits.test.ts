import fc from "fast-check";
import { expect, it } from "vitest";
import { concatBytes } from "../../core/bytes.ts";
import { OutputLimits } from "./output-limits.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

/** What comes out, piece by piece. */
function run(pieces: readonly Uint8Array[], stop: readonly string[], maxBytes: number) {
  const limits = new OutputLimits(stop, maxBytes);
  const given = pieces.map((piece) => limits.push(piece));
  return { output: concatBytes(...given, limits.flush()), given, ended: limits.ended };
}

it("ends before a stop sequence that pieces cut through, and gives nothing of it before", () => {
  const { output, given, ended } = run(["one tw", "o thr", "ee four"].map(utf8), ["o three"], 100);
  expect([textOf(output), ended]).toEqual(["one tw", "stop"]);
  expect(given.map(textOf)).toEqual(["one tw", "", ""]);
});

it("gives what only looked like a stop sequence", () => {
  const { output, ended } = run([utf8("a #"), utf8("#b"), utf8("##")], ["###"], 100);
  expect([textOf(output), ended]).toEqual(["a ##b##", undefined]);
});

it("cuts at the limit before a whole character", () => {
  expect(run([utf8("aé€")], [], 5)).toMatchObject({ output: utf8("aé"), ended: "length" });
  expect(run([utf8("aé€")], [], 6)).toMatchObject({ output: utf8("aé€"), ended: undefined });
});

it("a stop sequence at the very limit ends the output, not the limit", () => {
  const [first, second] = [utf8("aé").subarray(0, 2), utf8("é").subarray(1)];
  expect(run([first, second], ["é"], 1)).toMatchObject({ output: utf8("a"), ended: "stop" });
});

it("equals the definition however the text comes in pieces", () => {
  const letters = fc.stringMatching(/^[abé]{0,30}$/);
  const stops = fc.array(fc.stringMatching(/^[abé]{1,4}$/), { maxLength: 3 });
  fc.assert(
    fc.property(letters, stops, fc.integer({ min: 1, max: 40 }), fc.array(fc.nat(60)), (text, stop, maxBytes, cuts) => {
      const bytes = utf8(text);
      const edges = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
      const pieces = edges.slice(1).map((end, i) => bytes.subarray(edges[i], end));
      const found = stop
        .map((sequence) => ({ start: text.indexOf(sequence), end: text.indexOf(sequence) + sequence.length }))
        .filter(({ start }) => start !== -1)
        .sort((a, b) => a.end - b.end || a.start - b.start);
      const whole = found.length === 0 ? bytes : utf8(text.slice(0, found[0]!.start));
      let length = Math.min(whole.length, maxBytes);
      while (length < whole.length && whole[length]! >= 0x80 && whole[length]! <= 0xbf) length--;
      const { output, ended } = run(pieces, stop, maxBytes);
      expect(textOf(output)).toBe(textOf(whole.subarray(0, length)));
      expect(ended).toBe(length < whole.length ? "length" : found.length > 0 ? "stop" : undefined);
    }),
    { numRuns: 2_000 },
  );
});
