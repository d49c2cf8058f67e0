import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { bytesToHex, type Hex } from "../core/bytes.ts";
import { spansHash } from "../core/span-rule.ts";
import { AnswerLog, type SignedAnswer } from "./answer-log.ts";
import { HOST, rootOf, utf8 } from "./testing/fake-chain.ts";

let directory: string;
let log: AnswerLog;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "answers-"));
  log = await AnswerLog.open(directory, 7n);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function answer(inferenceId: bigint, text = "an output"): SignedAnswer {
  const spans = [{ outputStart: 0, length: 5, contribution: 2n ** 60n, contentOffset: 9n }];
  return {
    chainId: 7n,
    inferenceId,
    modelId: 5n,
    host: HOST.address.toLowerCase() as Hex,
    requestRoot: rootOf(utf8("a request")),
    output: bytesToHex(utf8(text)),
    outputRoot: rootOf(utf8(text)),
    outputBytes: text.length,
    spans,
    spansHash: bytesToHex(spansHash(spans)),
    coveredBytes: 5,
    signature: `0x${"ab".repeat(65)}`,
    details: {
      finish: "stop",
      promptTokens: 3,
      completionTokens: 4,
      citations: [{ contribution: 2n ** 60n, offset: 1, length: 2, score: 0.5 }],
    },
  };
}

it("gives back what it recorded, also when it is closed", async () => {
  await log.record(answer(3n));
  expect(await log.read(3n)).toEqual(answer(3n));
  await log.close(3n);
  await log.close(3n);
  expect(await log.read(3n)).toEqual(answer(3n));
  const { details, ...older } = answer(4n);
  await log.record(older);
  expect(await log.read(4n)).toEqual(older);
});

it("lists what is not closed, and removes what an interrupted write left", async () => {
  for (const id of [11n, 2n, 30n]) await log.record(answer(id));
  await log.close(11n);
  await writeFile(join(directory, "7", "5.json.3f2a"), "{");
  const reopened = await AnswerLog.open(directory, 7n);
  expect(await reopened.unclosed()).toEqual([2n, 30n]);
  expect(await readdir(join(directory, "7"))).toEqual(["2.json", "30.json", "closed"]);
});

it("never takes a second answer, closed or not", async () => {
  await log.record(answer(1n));
  expect(await log.record(answer(1n, "another"))).toEqual(answer(1n));
  await log.close(1n);
  expect(await log.record(answer(1n, "another"))).toEqual(answer(1n));
  expect(await log.unclosed()).toEqual([]);
});

it("forgets the oldest of the closed ones only", async () => {
  for (let id = 1n; id <= 12n; id++) {
    await log.record(answer(id));
    if (id !== 1n) await log.close(id);
  }
  expect(await log.forget(3)).toBe(8);
  const kept = await Promise.all(Array.from({ length: 12 }, (_, i) => log.read(BigInt(i + 1))));
  expect(kept.flatMap((record) => (record === undefined ? [] : [record.inferenceId]))).toEqual([1n, 10n, 11n, 12n]);
  expect(await log.forget(3)).toBe(0);
});
