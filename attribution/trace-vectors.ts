/**
 * The cases of test/vectors/span-v1.json, answered by the reference. trace.test.ts compares the file with this and the
 * engine with the file; `vitest run attribution/trace.test.ts -u` writes it. A rule once released keeps its vectors.
 *
 * Shape, made for a JSON reader as simple as Foundry's: bytes are 0x hex, numbers are JSON numbers.
 *   { rule, cases: [{ name, minSpanBytes,
 *                     contributions: [{ id, live, content }],          ids rise; only live ones may be named
 *                     output,
 *                     spans: [{ outputStart, length, contribution, contentOffset }],
 *                     weights: [number], coveredBytes, spansHash }] }
 */
import { bytesToHex } from "../core/bytes.ts";
import { coveredBytes, spansHash, spanWeights } from "../core/span-rule.ts";
import { traceByDefinition } from "./trace-reference.ts";

interface Case {
  readonly name: string;
  readonly minSpanBytes: number;
  readonly contributions: readonly (string | Uint8Array | { readonly withdrawn: string })[];
  readonly output: string | Uint8Array;
}

const utf8 = (text: string | Uint8Array) => (typeof text === "string" ? new TextEncoder().encode(text) : text);
/** `count` different words "w1001 w1002 ..." */
const words = (count: number, first = 1001) => Array.from({ length: count }, (_, i) => `w${first + i}`).join(" ");

const CASES: readonly Case[] = [
  { name: "no match", minSpanBytes: 4, contributions: ["something else"], output: "quite another text" },
  { name: "no contribution", minSpanBytes: 4, contributions: [], output: "text" },
  { name: "whole output", minSpanBytes: 4, contributions: ["a whole sentence."], output: "a whole sentence." },
  {
    name: "a match ends at the last word boundary, not at the last equal byte",
    minSpanBytes: 4,
    contributions: ["the cat sat down"],
    output: "the cat satisfied",
  },
  {
    name: "a match may begin inside a word of the content",
    minSpanBytes: 4,
    contributions: ["overtaken by events"],
    output: "taken by surprise",
  },
  { name: "exactly the minimum", minSpanBytes: 7, contributions: ["one two three"], output: "one two, free" },
  { name: "one below the minimum", minSpanBytes: 8, contributions: ["one two three"], output: "one two, free" },
  {
    name: "overlapping matches of two contributions",
    minSpanBytes: 8,
    contributions: ["alpha beta gamma delta", "gamma delta epsilon zeta"],
    output: "alpha beta gamma delta epsilon zeta",
  },
  {
    name: "a match contained in a longer one is no span",
    minSpanBytes: 4,
    contributions: ["beta gamma", "alpha beta gamma delta"],
    output: "alpha beta gamma delta",
  },
  {
    name: "the earlier holder is named, at its lowest offset",
    minSpanBytes: 4,
    contributions: ["xx same words, same words", "same words"],
    output: "same words",
  },
  {
    name: "a withdrawn contribution is not named",
    minSpanBytes: 4,
    contributions: [{ withdrawn: "same words" }, "the same words"],
    output: "same words",
  },
  { name: "no match crosses two contributions", minSpanBytes: 4, contributions: ["abc", " def"], output: "abc def" },
  {
    name: "each non-ASCII character is a word, its bytes are not cut",
    minSpanBytes: 4,
    contributions: ["東京都に住む", "grüße aus köln"],
    output: "東京府に住む grüne aus köln",
  },
  {
    name: "equal leading bytes of different characters do not match",
    minSpanBytes: 3,
    contributions: ["x é y"],
    output: "x è y",
  },
  {
    name: "apostrophe and underscore belong to words, hyphen does not",
    minSpanBytes: 4,
    contributions: ["don't snake_case well-known"],
    output: "don's snake_cast well-kept",
  },
  {
    name: "malformed UTF-8: continuation bytes do not bound",
    minSpanBytes: 2,
    contributions: [Uint8Array.of(0x80, 0x80, 0x20, 0x41)],
    output: Uint8Array.of(0x41, 0x20, 0x80, 0x80, 0x20, 0x41),
  },
  {
    name: "separator-like bytes are data",
    minSpanBytes: 2,
    contributions: [Uint8Array.of(0, 0, 255, 0), Uint8Array.of(255, 254)],
    output: Uint8Array.of(255, 0, 255, 254, 0, 0, 255),
  },
  {
    name: "a match across windows is cut at their edges, be it inside a word",
    minSpanBytes: 24,
    contributions: [words(400)],
    output: words(400),
  },
  {
    name: "a piece shorter than the minimum is lost at a window's edge",
    minSpanBytes: 24,
    contributions: [`${"a".repeat(1023)} short tail`],
    output: `${"a".repeat(1023)} short tail`,
  },
  {
    name: "a word longer than a window is matched window by window",
    minSpanBytes: 24,
    contributions: [`before it, ${"x".repeat(2500)} and after it, words again`],
    output: `before it, ${"x".repeat(2500)} and after it, words again`,
  },
  {
    name: "a character across a window's edge is cut",
    minSpanBytes: 24,
    contributions: ["東".repeat(350), "東".repeat(400)],
    output: "東".repeat(400),
  },
  {
    name: "a match may begin at a window's edge inside a word of the output",
    minSpanBytes: 24,
    contributions: ["st of the sentence goes on"],
    output: `${"-".repeat(1022)}rest of the sentence goes on`,
  },
  {
    name: "what ends inside a word after a window's edge ends at the edge",
    minSpanBytes: 24,
    contributions: ["a sentence that goes on to the end"],
    output: `${". ".repeat(496)}a sentence that goes on to the endless`,
  },
  {
    name: "a match in one window is named by an earlier holder than in the next",
    minSpanBytes: 24,
    contributions: [words(200), `${words(200)} ${words(200, 3001)}`],
    output: `${words(200)} ${words(200, 3001)}`,
  },
  {
    name: "overlapping matches of two contributions across windows",
    minSpanBytes: 24,
    contributions: [words(500).slice(0, 1499), words(500).slice(504)],
    output: words(500),
  },
  {
    name: "of more than 64 the longest stay, of equal length the first",
    minSpanBytes: 11,
    contributions: Array.from({ length: 70 }, (_, i) => words(i % 7 === 0 ? 3 : 2, 1001 + 10 * i)),
    output: Array.from({ length: 70 }, (_, i) => words(i % 7 === 0 ? 3 : 2, 1001 + 10 * i)).join(" / "),
  },
  {
    name: "repetition: every phase of a period is one maximal match",
    minSpanBytes: 4,
    contributions: ["ab ab ab ab "],
    output: "ab ab ab ab ab ab ab",
  },
];

const answer = ({ name, minSpanBytes, contributions, output }: Case) => {
  const items = contributions.map((item, i) => {
    const withdrawn = typeof item === "object" && "withdrawn" in item;
    return { id: i + 1, live: !withdrawn, content: utf8(withdrawn ? item.withdrawn : item) };
  });
  const live = items.filter((item) => item.live).map(({ id, content }) => ({ id: BigInt(id), bytes: content }));
  const spans = traceByDefinition(live, utf8(output), minSpanBytes);
  return {
    name,
    minSpanBytes,
    contributions: items.map(({ id, live, content }) => ({ id, live, content: bytesToHex(content) })),
    output: bytesToHex(utf8(output)),
    spans: spans.map((span) => ({
      outputStart: span.outputStart,
      length: span.length,
      contribution: Number(span.contribution),
      contentOffset: Number(span.contentOffset),
    })),
    weights: spanWeights(spans),
    coveredBytes: coveredBytes(spans),
    spansHash: bytesToHex(spansHash(spans)),
  };
};

export const spanVectors = () => ({ rule: "span-v1", cases: CASES.map(answer) });

export type SpanVector = ReturnType<typeof spanVectors>["cases"][number];
