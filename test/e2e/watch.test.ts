/** A host tells each lie there is, on a real chain; `openledger watch`, in a process of its own, finds each of them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEventLogs } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chunksOf } from "../../attribution/challenge.ts";
import { bytesToHex, concatBytes } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import type { Span } from "../../core/span-rule.ts";
import { expectRevert } from "../../demo/session.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { type Stage, setStage } from "../helpers/attribution-stage.ts";
import { type Devnet, startCommand, startDevnet, temporaryDirectory } from "../helpers/devnet-process.ts";
import { ATTRIBUTION } from "../helpers/market.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const FIRST = utf8(
  `${"Models are built from other people's data, and the people who supplied it are invisible once it is used. ".repeat(
    3,
  )}An accounting layer records who contributed what, and which contributions shaped an output.`,
);
const SECOND = utf8(
  "A copy begins here. ".concat(new TextDecoder().decode(FIRST), " And goes on with words of its own."),
);
const THIRD = utf8(
  "Nothing in this text is about the others; it stands alone in the collection, and is rarely quoted at all.",
);
const OUTPUT = concatBytes(utf8("It says: "), FIRST.subarray(0, 200), utf8(" -- and then -- "), THIRD.subarray(0, 60));

const FORGED = `0x${"11".repeat(64)}1b`;
const VOID = 5;
const FAULTS = ["Mismatch", "Boundary", "Omission", "EarlierHolder", "Contradiction", "Unavailable"];

const directory = temporaryDirectory();
const answers = join(directory.path, "answers");
let node: Devnet;
let stage: Stage;
let watcher: ReturnType<typeof startCommand>;

beforeAll(async () => {
  node = await startDevnet(join(directory.path, "node"));
  stage = await setStage(node, [FIRST, SECOND, THIRD]);
  mkdirSync(answers);
  writeFileSync(join(answers, "broken.json"), '{"openledger":');
  watcher = startCommand([
    ...["watch", "--datadir", join(directory.path, "watch"), "--rpc", node.rpcUrl, "--content.url", node.contentUrl],
    ...["--account", "9", "--answers", answers, "--demand", "1000", "--rpc.poll", "100", "--log.format", "json"],
  ]);
  await watcher.says(/watching /);
});
afterAll(async () => {
  await watcher?.stop();
  await node?.stop();
  directory.remove();
});

async function fault(inferenceId: bigint): Promise<string> {
  const { client } = stage.session;
  for (let tries = 0; tries < 300; tries++) {
    const logs = await client.getContractEvents({
      ...ATTRIBUTION,
      eventName: "InferenceVoided",
      args: { inferenceId },
      fromBlock: 0n,
      strict: true,
    });
    if (logs[0] !== undefined) return FAULTS[logs[0].args.fault]!;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`inference ${inferenceId} is in state ${await stage.state(inferenceId)}:\n${watcher.output()}`);
}

/** The chunk that the watcher demands of an answer that holds. */
async function demanded(inferenceId: bigint) {
  const { client } = stage.session;
  for (let tries = 0; tries < 300; tries++) {
    const [log] = await client.getContractEvents({
      ...ATTRIBUTION,
      eventName: "ChunkDemanded",
      args: { inferenceId },
      fromBlock: 0n,
      strict: true,
    });
    if (log !== undefined) return log.args;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`nothing was demanded of inference ${inferenceId}:\n${watcher.output()}`);
}

async function show(inferenceId: bigint): Promise<void> {
  const { contributionId, chunk } = await demanded(inferenceId);
  const { bytes } = stage.texts.find(({ id }) => id === contributionId)!;
  const start = Number(chunk) * 256;
  const args = [inferenceId, contributionId, chunksOf(bytes, start, Math.min(bytes.length, start + 256))] as const;
  await stage.host.sendAndWait({ ...ATTRIBUTION, functionName: "showChunk", args });
}

test("each lie is found and slashed, an honest answer is settled", async () => {
  const right = stage.rightSpans(OUTPUT);
  expect(right.map(({ contribution }) => contribution)).toEqual([stage.texts[0]!.id, stage.texts[2]!.id]);
  const [quote, other] = right as [Span, Span];
  const copy = stage.texts[1]!.id;
  const lies: readonly (readonly [name: string, spans: readonly Span[], fault: string])[] = [
    ["shifted offset", [{ ...quote, contentOffset: quote.contentOffset + 1n }, other], "Mismatch"],
    ["foreign contribution", [{ ...quote, contribution: copy, contentOffset: 0n }, other], "Mismatch"],
    ["shortened span", shortened(right), "Omission"],
    ["omitted best span", [other], "Omission"],
    [
      "later holder",
      [{ ...quote, contribution: copy, contentOffset: quote.contentOffset + 20n }, other],
      "EarlierHolder",
    ],
  ];

  const honest = await stage.request();
  const claim = await stage.commit(honest, OUTPUT, right);
  const told: [string, bigint, string][] = [];
  for (const [name, spans, expected] of lies) {
    const id = await stage.request();
    // Made up by somebody: it proves nothing, and must not keep the lie from being found.
    const root = bytesToHex(contentRoot(OUTPUT.subarray(1)));
    const forged = {
      inferenceId: `${id}`,
      outputRoot: root,
      outputBytes: OUTPUT.length - 1,
      spans: [],
      signature: FORGED,
    };
    writeFileSync(join(answers, `forged-${id}.json`), JSON.stringify(forged));
    await stage.commit(id, OUTPUT, spans);
    told.push([name, id, expected]);
  }
  // Another output than the one it gave to its client.
  const contradicted = await stage.request();
  const given = utf8("What the client got is something else, and signed.");
  const signature = await stage.sign(contradicted, given, []);
  const outputRoot = bytesToHex(contentRoot(given));
  const answer = { inferenceId: `${contradicted}`, outputRoot, outputBytes: given.length, spans: [], signature };
  writeFileSync(join(answers, "answer.json"), JSON.stringify({ openledger: answer }));
  await stage.commit(contradicted, OUTPUT, right);
  told.push(["other output than answered", contradicted, "Contradiction"]);
  await show(honest);

  // Data that it does not show in time; showing it later does not help.
  const missing = await stage.request();
  await stage.commit(missing, OUTPUT, right);
  const demand = await demanded(missing);
  told.push(["missing data", missing, "Unavailable"]);

  const found: [string, bigint, string][] = [];
  for (const [name, id] of told) found.push([name, id, await fault(id)]);
  expect(found).toEqual(told);
  const { bytes } = stage.texts.find(({ id }) => id === demand.contributionId)!;
  const start = Number(demand.chunk) * 256;
  const late = [missing, demand.contributionId, chunksOf(bytes, start, Math.min(bytes.length, start + 256))] as const;
  const refused = stage.host.sendAndWait({ ...ATTRIBUTION, functionName: "showChunk", args: late });
  expect(await expectRevert(refused)).toEqual({ name: "WrongState", args: [missing, VOID] });

  // The honest answer stands: its chunk was shown, and it settles.
  expect(await stage.state(honest)).toBe(2);
  const { client } = stage.session;
  const { settleAfter } = await client.readContract({ ...ATTRIBUTION, functionName: "inference", args: [honest] });
  while ((await client.getBlock()).timestamp < settleAfter) await new Promise((resolve) => setTimeout(resolve, 200));
  const { logs } = await stage.payer.sendAndWait({ ...ATTRIBUTION, functionName: "settle", args: [[claim]] });
  expect(parseEventLogs({ abi: attributionAbi, eventName: "InferenceSettled", logs })).toHaveLength(1);
  const { code, output } = await watcher.stop();
  expect(code).toBe(0);
  expect(output).toMatch(/"challenged":7,"upheld":7/);
}, 120_000);

/** Cut at a word. */
function shortened([quote, ...rest]: readonly Span[]): Span[] {
  const text = new TextDecoder().decode(OUTPUT.subarray(quote!.outputStart, quote!.outputStart + quote!.length));
  return [{ ...quote!, length: text.lastIndexOf(" ") }, ...rest];
}
