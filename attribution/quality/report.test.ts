import { describe, expect, it } from "vitest";
import { licenceCode } from "../../core/licences.ts";
import { reportText } from "./report-text.ts";
import { Review } from "./review.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const MIT = licenceCode("MIT");
const CC_BY = licenceCode("CC-BY-4.0");

/** Sentences of words that come in no other text of the same name and number. */
const prose = (name: string, sentences: number) =>
  Array.from(
    { length: sentences },
    (_, i) => `The ${name}${i} of ${name}x${i * 7} was seen near ${name}y${i % 13} when the ${name}z${i} came by.`,
  ).join(" ");

function run(texts: Readonly<Record<string, string | Uint8Array>>, licence: number | undefined = MIT) {
  const review = new Review(CC_BY);
  return Object.entries(texts).map(([id, text]) => {
    const content = typeof text === "string" ? utf8(text) : text;
    return review.report({ id, contentRoot: "0x", size: content.length, licence }, content);
  });
}
const suggested = (...args: Parameters<typeof run>) => {
  const { action, duplicateOf, reasons } = run(...args).at(-1)!.suggestion;
  return [action, duplicateOf, ...reasons.map(({ code, weighs }) => `${code} ${weighs}`)];
};

describe("suggests", () => {
  const first = prose("first", 40);
  const second = prose("second", 40);
  const words = first.split(" ");

  it.each<[string, Record<string, string>, unknown[]]>([
    ["to accept a text", { 1: first }, ["accept", null]],
    ["to accept another", { 1: first, 2: second }, ["accept", null]],
    ["duplicate of the same bytes", { 1: first, 2: first }, ["duplicate", "1", "duplicate duplicate"]],
    [
      "duplicate of another layout",
      { 1: first, 2: first.toUpperCase().replaceAll(" ", "\n") },
      ["duplicate", "1", "near-duplicate duplicate"],
    ],
    [
      "duplicate of an edited text",
      { 1: first, 2: first.replaceAll("first7 ", "other ") },
      ["duplicate", "1", "near-duplicate duplicate"],
    ],
    [
      "duplicate of the whole, of a piece",
      { 1: first, 2: words.slice(100, 200).join(" ") },
      ["duplicate", "1", "piece-of duplicate"],
    ],
    [
      "to reject what is put together from several",
      { 1: first, 2: second, 3: `${words.slice(0, 200).join(" ")} ${second.split(" ").slice(50, 250).join(" ")}` },
      ["reject", null, "assembled reject"],
    ],
    [
      "to accept a text that quotes, with a note",
      { 1: first, 2: `${words.slice(0, 300).join(" ")} ${second}` },
      ["accept", null, "covered note"],
    ],
    [
      "to reject a key in the text",
      { 1: `${first} AKIA${"QWERTYUIOPASDFGH"}` },
      ["reject", null, "personal-data reject"],
    ],
    ["a note for one address", { 1: `${first} jane@acme.org` }, ["accept", null, "personal-data note"]],
    [
      "to reject a licence that contradicts, duplicate or not",
      { 1: first, 2: `${first}\nSPDX-License-Identifier: GPL-3.0-only` },
      ["reject", null, "licence-contradicted reject", "near-duplicate duplicate"],
    ],
    [
      "to reject repetition",
      { 1: "buy this now at our shop today. ".repeat(100) },
      ["reject", null, ...["compressedRatio", "repeatedShingles", "distinctWords"].map(() => "spam reject")],
    ],
    ["a note for little text", { 1: "A few words." }, ["accept", null, "too-little-text note"]],
  ])("%s", (_, texts, expected) => expect(suggested(texts)).toEqual(expected));

  it("to reject what may not go under the Datanet's licence, or has none", () => {
    expect(suggested({ 1: first }, licenceCode("GPL-3.0"))).toEqual(["reject", null, "licence-conflict reject"]);
    expect(suggested({ 1: first }, 0)).toEqual(["reject", null, "licence-conflict reject"]);
  });

  it("to reject bytes that are no text", () => {
    const noise = Uint8Array.from({ length: 5_000 }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 13) & 0xff);
    expect(suggested({ 1: noise as unknown as string })[0]).toBe("reject");
  });

  it("to accept texts in other scripts", () => {
    const russian = "Данные принадлежат тем, кто их собрал, и за их использование платят каждый раз. ".concat(
      "Чем больше слов модель повторяет, тем больше получает тот, кто их внёс в набор.",
    );
    const japanese =
      "データは集めた人のものであり、使われるたびに支払いが行われます。モデルが繰り返す言葉が多いほど、提供者は多くを受け取ります。";
    expect(suggested({ 1: russian })).toEqual(["accept", null]);
    expect(suggested({ 1: japanese })).toEqual(["accept", null]);
    expect(suggested({ 1: japanese, 2: `${japanese}以上です。` }).slice(0, 2)).toEqual(["duplicate", "1"]);
  });
});

it("is the same for the same input, and as text names what was found without quoting secrets", () => {
  const texts = { a: prose("a", 30), b: `${prose("a", 30)} write to jane.doe@acme.org` };
  expect(run(texts)).toEqual(run(texts));
  const text = reportText(run(texts)[1]!);
  expect(text).toContain("b: duplicate of a\n");
  expect(text).toMatch(/e-mail +at \d+: jane\*+\n/);
  expect(text).not.toContain("doe");
});
