import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesToHex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { temporaryDirectory } from "../../test/helpers/devnet-process.ts";
import { GivenAnswers } from "./signed-answers.ts";

const TEXT = "What the client got.";
const outputRoot = bytesToHex(contentRoot(new TextEncoder().encode(TEXT)));
const signature = `0x${"ab".repeat(65)}`;
const answer = (inferenceId: string, more: object = {}) => ({
  choices: [{ message: { content: TEXT } }],
  openledger: { inferenceId, outputRoot, outputBytes: TEXT.length, spans: [], signature, ...more },
});

let directory: ReturnType<typeof temporaryDirectory>;
let given: GivenAnswers;
beforeEach(() => {
  directory = temporaryDirectory();
  given = new GivenAnswers(directory.path);
});
afterEach(() => directory.remove());

const write = (name: string, content: unknown): void => {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  writeFileSync(join(directory.path, name), text);
};

test("answers come and go with their files", () => {
  write("a.json", answer("7"));
  write("b.json", answer("7", { outputBytes: 3 }));
  write("note.txt", "not an answer");
  expect(given.refresh()).toEqual([]);
  expect(given.of(7n).map(({ outputBytes }) => outputBytes)).toEqual([TEXT.length, 3]);
  expect(given.of(7n)[0]!.output).toEqual(new TextEncoder().encode(TEXT));
  rmSync(join(directory.path, "a.json"));
  write("c.json", answer("8"));
  given.refresh();
  expect([given.of(7n).length, given.of(8n).length, given.of(9n).length]).toEqual([1, 1, 0]);
});

test("a file that is not one is told once, and read again when it has changed", () => {
  write("half.json", JSON.stringify(answer("7")).slice(0, 40));
  write("good.json", answer("8"));
  const [problem, ...others] = given.refresh();
  expect(problem?.message).toMatch(/half\.json is no signed answer: /);
  expect(others).toEqual([]);
  expect(given.refresh()).toEqual([]);
  expect(given.of(8n)).toHaveLength(1);
  write("half.json.part", answer("7"));
  renameSync(join(directory.path, "half.json.part"), join(directory.path, "half.json"));
  expect(given.refresh()).toEqual([]);
  expect(given.of(7n)).toHaveLength(1);
});

test.each([
  ["another root than its output's", answer("7", { outputRoot: `0x${"00".repeat(32)}` }), "another root"],
  ["no signature", answer("7", { signature: "0x12" }), "no signature of 65 bytes"],
  ["no fields", {}, "no signed answer"],
  ["a number", 7, "no signed answer"],
  ["null", null, "no signed answer"],
  ["spans that are none", answer("7", { spans: [{ contribution: "x" }] }), "no signed answer"],
])("%s is refused", (_, content, reason) => {
  write("x.json", content);
  expect(given.refresh().map(({ message }) => message)).toEqual([expect.stringContaining(reason)]);
  expect(given.of(7n)).toEqual([]);
});

test("a directory that went away is an error, and forgets nothing", () => {
  write("a.json", answer("7"));
  given.refresh();
  directory.remove();
  expect(() => given.refresh()).toThrow(/cannot be read/);
  expect(given.of(7n)).toHaveLength(1);
});
