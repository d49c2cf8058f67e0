import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { recoverAddress, recoverTypedDataAddress, serializeSignature } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bigIntToFixed, bytesToHex, type Hex, hexToBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { feeWei } from "../core/settlement.ts";
import { coveredBytes, findSpanFault, type Span, spansHash } from "../core/span-rule.ts";
import { accountSigner, answerTypedData } from "./answer.ts";
import { AnswerLog } from "./answer-log.ts";
import type { InferenceRequest } from "./chain-reader.ts";
import { ContentStore } from "./content-store.ts";
import { openInMemory } from "./corpus.ts";
import { infinityGramEngine } from "./engines/infinity-gram.ts";
import { affordableBytes } from "./host-checks.ts";
import type { HttpServer } from "./http.ts";
import { createModelHost, type ModelHost, type ModelHostPorts } from "./model-host.ts";
import { createModelServer } from "./model-server.ts";
import { textPrompt } from "./prompt.ts";
import { CHAIN_ID, FakeChain, HOST, OTHER, PROMPT, rootOf, TEXTS, utf8 } from "./testing/fake-chain.ts";
import { traceByDefinition } from "./trace-reference.ts";

let directory: string;
let chain: FakeChain;
let store: ContentStore;
let answers: AnswerLog;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "host-"));
  chain = new FakeChain();
  store = await ContentStore.open(join(directory, "content"));
  answers = await AnswerLog.open(join(directory, "answers"), CHAIN_ID);
  await chain.accept(store);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const hostWith = (changes: Partial<ModelHostPorts> = {}): ModelHost =>
  createModelHost({ chain, content: store, signer: accountSigner(HOST), answers, ...changes });
const ask = (host: ModelHost, changes: { inferenceId?: bigint; prompt?: string; words?: number } = {}) =>
  host.answer(changes.inferenceId ?? 1n, {
    prompt: textPrompt(changes.prompt ?? PROMPT),
    maxTokens: changes.words ?? 40,
  });
async function answered(host: ModelHost, changes: Parameters<typeof ask>[1] = {}) {
  const result = await ask(host, changes);
  if (!result.ok) throw new Error(`${result.code}: ${result.message}`);
  return result;
}

describe("model host", () => {
  it("answers with an output, its spans and a signature of the host over both", async () => {
    const request = chain.request();
    const { answer, timings } = await answered(hostWith());
    const output = hexToBytes(answer.output);
    expect(answer).toMatchObject({ inferenceId: 1n, modelId: 5n, chainId: CHAIN_ID, requestRoot: request.requestRoot });
    expect(answer.outputRoot).toBe(rootOf(output));
    expect(answer.outputBytes).toBe(output.length);
    const documents = TEXTS.map((text, i) => ({ id: BigInt(i + 1), bytes: utf8(text) }));
    expect(answer.spans).toEqual(traceByDefinition(documents, output, 12));
    expect(answer.spans.length).toBeGreaterThan(0);
    expect(findSpanFault(answer.spans, output.length, 12, output)).toBeUndefined();
    expect(answer.spansHash).toBe(bytesToHex(spansHash(answer.spans)));
    expect(answer.coveredBytes).toBe(coveredBytes(answer.spans));
    expect(Object.values(timings!).every((ms) => ms >= 0)).toBe(true);
    const typed = answerTypedData(CHAIN_ID, answer);
    expect(await recoverTypedDataAddress({ ...typed, signature: answer.signature })).toBe(HOST.address);
    expect([27, 28]).toContain(hexToBytes(answer.signature)[64]);
  });

  it("never signs two answers for an inference: not for other words, after a restart, or from two hosts at once", async () => {
    chain.request();
    const first = await answered(hostWith());
    const again = await answered(hostWith(), { words: 3 });
    expect(again).toEqual({ ok: true, answer: first.answer, minSpanBytes: 12, state: "signed" });

    chain.request({ id: 2n });
    const beside = [3, 17, 40].map((words) => answered(hostWith(), { inferenceId: 2n, words }));
    const signatures = new Set((await Promise.all(beside)).map(({ answer }) => answer.signature));
    expect(signatures.size).toBe(1);
    expect(await readdir(join(directory, "answers", CHAIN_ID.toString()))).toEqual(["1.json", "2.json", "closed"]);
  });

  it("repeats its answer after the commitment, but only to whoever knows the prompt", async () => {
    chain.request();
    const host = hostWith();
    const { answer } = await answered(host);
    chain.request({ state: "settled" });
    chain.timestamp = 9_999n;
    expect((await answered(host)).answer).toEqual(answer);
    expect(await ask(host, { prompt: "guess" })).toMatchObject({ code: "prompt-mismatch" });
  });

  it("signs nothing where a record is damaged or of another chain", async () => {
    chain.request();
    const host = hostWith();
    await answered(host);
    const file = join(directory, "answers", CHAIN_ID.toString(), "1.json");
    const record = await readFile(file, "utf8");
    for (const damage of ["", record.slice(0, 200), record.replace(/"output":"0x../, '"output":"0xff')]) {
      await writeFile(file, damage);
      expect(await ask(host)).toMatchObject({ ok: false, code: "record-damaged" });
    }
    await writeFile(file, record);
    const other = "other prompt";
    chain.request({ requestRoot: rootOf(utf8(other)), requestBytes: other.length });
    expect(await ask(host, { prompt: other })).toMatchObject({ ok: false, code: "foreign-record" });
  });

  it.each<[string, Partial<InferenceRequest>, string]>([
    ["another host's inference", { host: OTHER.address.toLowerCase() as Hex }, "not-addressed"],
    ["a committed inference", { state: "committed" }, "wrong-state"],
    ["an expired inference", { state: "expired" }, "wrong-state"],
    ["another prompt", { requestRoot: rootOf(utf8("another")) }, "prompt-mismatch"],
    ["another number of request bytes", { requestBytes: PROMPT.length + 1 }, "prompt-mismatch"],
    ["a request past its deadline", { commitDeadline: 999n }, "deadline-passed"],
    ["a request too close to its deadline", { commitDeadline: 1_001n }, "deadline-passed"],
    ["an escrow that pays no output", { escrowWei: 1_009n }, "escrow-too-small"],
  ])("refuses %s", async (_, changes, code) => {
    chain.request(changes);
    expect(await ask(hostWith())).toMatchObject({ ok: false, code });
    expect(await answers.read(1n)).toBeUndefined();
  });

  it("refuses unknown inferences, bad requests and an unreachable chain", async () => {
    chain.request();
    const host = hostWith();
    expect(await ask(host, { inferenceId: 9n })).toMatchObject({ code: "unknown-inference" });
    expect(await ask(host, { words: 0 })).toMatchObject({ code: "bad-request" });
    expect(await ask(host, { words: 2_001 })).toMatchObject({ code: "bad-request" });
    expect(await ask(host, { prompt: "" })).toMatchObject({ code: "bad-request" });
    chain.fails = true;
    expect(await ask(host)).toMatchObject({ code: "chain-unavailable", message: expect.stringContaining("refused") });
  });

  it("does not answer without the content of every live contribution", async () => {
    chain.request();
    chain.contributions.push({ id: 4n, contentRoot: rootOf(utf8("lost")), size: 4, withdrawnAt: 0n });
    expect(await ask(hostWith())).toMatchObject({
      code: "content-unavailable",
      message: expect.stringContaining("contribution 4"),
    });
    await store.put(utf8("lost"));
    const liar = { get: async (root: Hex) => (await store.get(root))?.map((byte) => byte ^ 1) };
    expect(await ask(hostWith({ content: liar }))).toMatchObject({ code: "content-unavailable" });
    expect(await ask(hostWith())).toMatchObject({ ok: true });
  });

  it("leaves out what was withdrawn at or before the request's block, and keeps what was withdrawn later", async () => {
    chain.request({ requestedAt: 100n });
    chain.contributions[0] = { ...chain.contributions[0]!, withdrawnAt: 100n };
    chain.contributions[1] = { ...chain.contributions[1]!, withdrawnAt: 101n };
    const { answer } = await answered(hostWith());
    const live = [1, 2].map((i) => ({ id: BigInt(i + 1), bytes: utf8(TEXTS[i]!) }));
    expect(answer.spans).toEqual(traceByDefinition(live, hexToBytes(answer.output), 12));
    chain.contributions.splice(0, 3);
    chain.request({ id: 2n });
    expect(await ask(hostWith(), { inferenceId: 2n })).toMatchObject({ code: "no-data" });
  });

  it("builds an index once for a live set and anew when it changes", async () => {
    let builds = 0;
    const host = hostWith({
      openCorpus: async (...args) => {
        builds++;
        return openInMemory(...args);
      },
    });
    for (let id = 1n; id <= 4n; id++) chain.request({ id });
    await Promise.all([answered(host, { inferenceId: 1n }), answered(host, { inferenceId: 2n })]);
    await answered(host, { inferenceId: 3n });
    expect(builds).toBe(1);
    chain.contributions[2] = { ...chain.contributions[2]!, withdrawnAt: 50n };
    await answered(host, { inferenceId: 4n });
    expect(builds).toBe(2);
  });

  it("bounds corpus and queue", async () => {
    chain.request();
    expect(await ask(hostWith({ limits: { maxCorpusBytes: 100 } }))).toMatchObject({ code: "corpus-too-large" });
    const host = hostWith({ engine: infinityGramEngine(undefined, 1), limits: { maxWaiting: 2 } });
    for (let id = 2n; id <= 5n; id++) chain.request({ id });
    const results = await Promise.all([1n, 2n, 3n, 4n, 5n].map((inferenceId) => ask(host, { inferenceId })));
    expect(results.map((result) => (result.ok ? "ok" : result.code))).toEqual(["ok", "ok", "ok", "busy", "busy"]);
  });

  it("spends the escrow to the last byte and never more", () => {
    const amount = fc.oneof(fc.bigInt({ min: 0n, max: 3_000n }), fc.bigInt({ min: 0n, max: 10n ** 12n }));
    fc.assert(
      fc.property(
        amount,
        amount,
        amount,
        amount,
        fc.nat(5_000),
        (escrowWei, platformFeeWei, requestPrice, outputPrice, requestBytes) => {
          const terms = { platformFeeWei, requestPrice, outputPrice };
          const bytes = affordableBytes({ ...chain.request(), escrowWei, requestBytes, ...terms }, 16_384);
          if (bytes > 0) expect(feeWei(terms, requestBytes, bytes) <= escrowWei).toBe(true);
          if (bytes < 16_384) expect(feeWei(terms, requestBytes, bytes + 1) > escrowWei).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("model server", () => {
  let server: HttpServer;
  let url: string;
  beforeEach(async () => {
    server = createModelServer({ modelHost: hostWith(), chain });
    url = await server.listen();
  });
  afterEach(() => server.close());

  const post = (body: unknown, headers: Record<string, string> = { "content-type": "application/json" }) =>
    fetch(`${url}/v1/inferences`, {
      method: "POST",
      headers,
      body: typeof body === "string" ? body : JSON.stringify(body),
    });

  it("answers over HTTP with what a client commits", async () => {
    chain.request();
    const response = await post({ inferenceId: 1, prompt: "the quick", words: 30 });
    const answer = (await response.json()) as {
      [key: string]: unknown;
      spans: { outputStart: number; length: number; contribution: string; contentOffset: string }[];
      output: Hex;
    };
    expect(response.status).toBe(200);
    expect(answer).toMatchObject({ inferenceId: "1", chainId: "161299", timings: { traceMs: expect.any(Number) } });
    expect(answer.text).toBe(new TextDecoder().decode(hexToBytes(answer.output)));
    const spans: Span[] = answer.spans.map((span) => ({
      ...span,
      contribution: BigInt(span.contribution),
      contentOffset: BigInt(span.contentOffset),
    }));
    expect(bytesToHex(spansHash(spans))).toBe(answer.spansHash);
    const again = (await (await post({ inferenceId: "1", prompt: "the quick" })).json()) as { signature: string };
    expect(again).toMatchObject({ signature: answer.signature, timings: null });
  });

  it("lists its models and its health", async () => {
    expect(await (await fetch(`${url}/v1/models`)).json()).toMatchObject({
      host: HOST.address.toLowerCase(),
      generator: { kind: "infinity-gram", maxContextWords: 5 },
      models: [{ modelId: "5", data: [{ datanetId: "3", count: 3 }] }],
    });
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: "ok", head: { number: "120" } });
    chain.fails = true;
    expect((await fetch(`${url}/health`)).status).toBe(502);
  });

  it.each<[string, unknown, number, string]>([
    ["no JSON", "{", 400, "bad-request"],
    ["an array", [], 400, "bad-request"],
    ["an unknown key", { inferenceId: 1, prompt: "a", word: 3 }, 400, "bad-request"],
    ["a negative id", { inferenceId: -1, prompt: "a" }, 400, "bad-request"],
    ["an id that is no integer", { inferenceId: 1.5, prompt: "a" }, 400, "bad-request"],
    ["a prompt that is no string", { inferenceId: 1, prompt: 7 }, 400, "bad-request"],
    ["words that are no number", { inferenceId: 1, prompt: "a", words: "3" }, 400, "bad-request"],
    ["an unknown inference", { inferenceId: 77, prompt: "a" }, 404, "unknown-inference"],
    ["too long a body", { inferenceId: 1, prompt: "a".repeat(70_000) }, 413, "too-large"],
    ["too long a prompt", { inferenceId: 1, prompt: "a".repeat(60_000) }, 400, "bad-request"],
  ])("answers %s with a clear error", async (_, body, status, code) => {
    const response = await post(body);
    expect([response.status, await response.json()]).toEqual([
      status,
      { error: { code, message: expect.stringMatching(/.{10}/) } },
    ]);
  });

  it("takes JSON only and knows its methods and paths", async () => {
    expect((await post({}, { "content-type": "text/plain" })).status).toBe(415);
    expect((await fetch(`${url}/v1/inferences`)).status).toBe(405);
    expect((await fetch(`${url}/`)).status).toBe(404);
  });
});

it("the signature is r, s, v over the digest that the chain computes", async () => {
  const word = (value: bigint | number) => bigIntToFixed(BigInt(value), 32);
  const fields = [7, 8, 9].map((byte) => new Uint8Array(32).fill(byte)) as [Uint8Array, Uint8Array, Uint8Array];
  const [requestRoot, outputRoot, hash] = fields.map(bytesToHex) as [Hex, Hex, Hex];
  const answer = { inferenceId: 3n, requestRoot, outputRoot, outputBytes: 500, spansHash: hash };

  // docs/spec.md "Signed answer", spelled out.
  const domain = keccak256(
    keccak256(utf8("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")),
    keccak256(utf8("OpenLedger Attribution")),
    keccak256(utf8("1")),
    word(CHAIN_ID),
    word(0x903),
  );
  const type =
    "Answer(uint256 inferenceId,bytes32 requestRoot,bytes32 outputRoot,uint32 outputBytes,bytes32 spansHash)";
  const message = keccak256(keccak256(utf8(type)), word(3), fields[0], fields[1], word(500), fields[2]);
  const digest = keccak256(Uint8Array.of(0x19, 1), domain, message);

  const signature = hexToBytes(await accountSigner(HOST).sign(CHAIN_ID, answer));
  const [r, s] = [bytesToHex(signature.subarray(0, 32)), bytesToHex(signature.subarray(32, 64))];
  const rebuilt = serializeSignature({ r, s, v: BigInt(signature[64]!) });
  expect(await recoverAddress({ hash: bytesToHex(digest), signature: rebuilt })).toBe(HOST.address);
  expect(BigInt(s) <= 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n).toBe(true);
});
