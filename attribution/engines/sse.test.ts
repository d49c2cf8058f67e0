import fc from "fast-check";
import { expect, it } from "vitest";
import { eventData } from "./sse.ts";

async function read(stream: string | Uint8Array, cuts: readonly number[] = [], maxEventBytes = 1_000) {
  const bytes = typeof stream === "string" ? new TextEncoder().encode(stream) : stream;
  const edges = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
  const pieces = async function* () {
    for (const [i, end] of edges.slice(1).entries()) yield bytes.subarray(edges[i], end);
  };
  const events: string[] = [];
  for await (const event of eventData(pieces(), maxEventBytes)) events.push(event);
  return events;
}

it("reads data lines, joins those of one event, leaves comments and names alone", async () => {
  const stream =
    ': hello\n\ndata: {"a":1}\n\nevent: x\ndata:two\ndata: lines\r\n\r\ndata: [DONE]\n\ndata: half an event\n';
  expect(await read(stream)).toEqual(['{"a":1}', "two\nlines", "[DONE]"]);
});

it("reads the same however the stream comes in pieces", async () => {
  const line = fc.constantFrom("data: é", "data:x", ": c", "id: 7", "", "", "data: {}");
  const ends = fc.constantFrom("\n", "\r\n", "\r");
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(line, ends)), fc.array(fc.nat(200)), async (lines, cuts) => {
      // Ends with a line of its own, so that the last CR is followed by something, and within an event.
      const stream = `${lines.map(([text, end]) => text + end).join("")}: end\n`;
      const blocks: string[][] = [[]];
      for (const text of stream.split(/\r\n|\n|\r/).slice(0, -1)) {
        if (text === "") blocks.push([]);
        else if (text.startsWith("data:")) blocks.at(-1)!.push(text.slice(5).replace(/^ /, ""));
      }
      const whole = blocks.slice(0, -1).filter((block) => block.length > 0);
      expect(await read(stream, cuts)).toEqual(whole.map((block) => block.join("\n")));
    }),
    { numRuns: 300 },
  );
});

it("bounds an event and refuses what is no UTF-8", async () => {
  await expect(read(`data: ${"x".repeat(200)}`, [50, 100, 150], 100)).rejects.toThrow(RangeError);
  await expect(read(Uint8Array.of(0x64, 0xff, 0x0a))).rejects.toThrow(TypeError);
});
