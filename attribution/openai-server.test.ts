/** OpenAI's interface over real servers: what clients get for money, for free and for mistakes. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { feeWei } from "../core/settlement.ts";
import { spanWeights } from "../core/span-rule.ts";
import { readEvents } from "../test/helpers/sse.ts";
import { accountSigner } from "./answer.ts";
import { AnswerLog } from "./answer-log.ts";
import { ContentStore } from "./content-store.ts";
import { type Engine, EngineError } from "./engines/engine.ts";
import { openAiEngine } from "./engines/openai.ts";
import type { HttpServer } from "./http.ts";
import { createModelHost, type ModelHostPorts } from "./model-host.ts";
import { createModelServer } from "./model-server.ts";
import type { Offer } from "./offer.ts";
import type { OpenLedgerPart } from "./openai-response.ts";
import { chatPrompt, textPrompt } from "./prompt.ts";
import { CHAIN_ID, FakeChain, HOST, rootOf, TEXTS, utf8 } from "./testing/fake-chain.ts";
import { traceByDefinition } from "./trace-reference.ts";

const MESSAGES = [
  { role: "system", content: "Tell." },
  { role: "user", content: "the quick" },
] as const;

interface Completion {
  readonly object: string;
  readonly choices: readonly {
    readonly text?: string;
    readonly message?: { readonly content: string };
    readonly delta?: { readonly role?: string; readonly content?: string };
    readonly finish_reason: string | null;
  }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly total_tokens: number;
  };
  readonly openledger: OpenLedgerPart;
}

const cleanups: (() => unknown)[] = [];
let directory: string;
let chain: FakeChain;
let store: ContentStore;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "openai-"));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  chain = new FakeChain();
  store = await ContentStore.open(join(directory, "content"));
  await chain.accept(store);
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Served {
  readonly url: string;
  readonly errors: unknown[];
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

async function serve(changes: Partial<ModelHostPorts> & { readonly isFree?: boolean } = {}): Promise<Served> {
  const { isFree = false, ...ports } = changes;
  const answers = await AnswerLog.open(join(directory, "answers"), CHAIN_ID);
  const modelHost = createModelHost({ chain, content: store, signer: accountSigner(HOST), answers, ...ports });
  const errors: unknown[] = [];
  const server: HttpServer = createModelServer({ modelHost, chain, isFree, onError: (error) => errors.push(error) });
  const url = await server.listen();
  cleanups.push(async () => {
    modelHost.close();
    await server.close();
  });
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${url}/v1${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  return { url, errors, post };
}

const chat = (more: object = {}) => ({ model: "5", messages: MESSAGES, max_tokens: 30, ...more });
const paid = { "openledger-inference-id": "1" };
const contributions = TEXTS.map((text, i) => ({ id: BigInt(i + 1), bytes: utf8(text) }));

describe("a paid answer", () => {
  it("carries text, usage and the attribution that the chain will see", async () => {
    chain.requestFor(chatPrompt(MESSAGES));
    const { post } = await serve();
    const response = await post("/chat/completions", chat(), paid);
    const body = (await response.json()) as Completion;
    expect(response.status).toBe(200);
    expect(body).toMatchObject({
      object: "chat.completion",
      id: "chatcmpl-1",
      model: "5",
      usage: { completion_tokens: 30 },
    });
    expect(body.usage!.total_tokens).toBe(body.usage!.prompt_tokens + 30);
    const [choice] = body.choices;
    expect(choice).toMatchObject({ index: 0, finish_reason: "length", message: { role: "assistant", refusal: null } });
    const output = utf8(choice!.message!.content);
    const spans = traceByDefinition(contributions, output, 12);
    const weights = spanWeights(spans);
    expect(body.openledger).toMatchObject({
      inferenceId: "1",
      modelId: "5",
      chainId: CHAIN_ID.toString(),
      host: HOST.address.toLowerCase(),
      requestRoot: rootOf(chatPrompt(MESSAGES).bytes),
      outputRoot: rootOf(output),
      outputBytes: output.length,
      minSpanBytes: 12,
      spans: spans.map((span, i) => ({
        ...span,
        contribution: span.contribution.toString(),
        contentOffset: span.contentOffset.toString(),
        weight: weights[i],
      })),
      coveredBytes: weights.reduce((sum, weight) => sum + weight, 0),
      citations: [],
      signature: expect.stringMatching(/^0x[0-9a-f]{130}$/),
      state: "signed",
    });
  });

  it("streams the same answer in pieces, the attribution with the end", async () => {
    chain.requestFor(chatPrompt(MESSAGES));
    const { post } = await serve();
    const chunks = (await readEvents(await post("/chat/completions", chat({ stream: true }), paid))) as Completion[];
    expect(chunks.length).toBeGreaterThan(10);
    expect(new Set(chunks.map(({ object }) => object))).toEqual(new Set(["chat.completion.chunk"]));
    expect(chunks.map(({ choices }) => choices[0]!.delta!.role)).toEqual([
      "assistant",
      ...chunks.slice(1).map(() => undefined),
    ]);
    expect(chunks.map(({ choices }) => choices[0]!.finish_reason).filter((reason) => reason !== null)).toEqual([
      "length",
    ]);
    expect(chunks.slice(0, -1).every((chunk) => !("openledger" in chunk) && !("usage" in chunk))).toBe(true);
    const text = chunks.map(({ choices }) => choices[0]!.delta!.content ?? "").join("");
    const whole = (await (await post("/chat/completions", chat(), paid)).json()) as Completion;
    expect(whole.choices[0]!.message!.content).toBe(text);
    expect(chunks.at(-1)!.openledger).toEqual(whole.openledger);
  });

  it("of a text has OpenAI's older form, and the id may be in the body", async () => {
    chain.requestFor(textPrompt("the quick"));
    const { post } = await serve();
    const ask = { model: "5", prompt: "the quick", max_tokens: 10, openledger: { inferenceId: "1" } };
    const whole = (await (await post("/completions", ask)).json()) as Completion;
    expect(whole).toMatchObject({ object: "text_completion", choices: [{ finish_reason: "length", logprobs: null }] });
    const options = { stream: true, stream_options: { include_usage: true } };
    const chunks = (await readEvents(await post("/completions", { ...ask, ...options }))) as Completion[];
    expect(chunks.map(({ choices }) => choices[0]?.text ?? "").join("")).toBe(whole.choices[0]!.text);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  it("ends before a stop sequence, with the reason", async () => {
    chain.requestFor(chatPrompt(MESSAGES));
    const { post } = await serve();
    const body = (await (
      await post("/chat/completions", chat({ stop: ["lazy", "river"] }), paid)
    ).json()) as Completion;
    const text = body.choices[0]!.message!.content;
    expect(text).not.toMatch(/lazy|river/);
    expect(body.choices[0]!.finish_reason).toBe("stop");
    expect(body.openledger.outputRoot).toBe(rootOf(utf8(text)));
  });

  it("is finished, signed and recorded though its asker has left", async () => {
    const inference = chain.requestFor(chatPrompt(MESSAGES));
    const go = Promise.withResolvers<void>();
    const slow: Engine = {
      ...openAiEngine({ url: "http://127.0.0.1:1", model: "none" }),
      async *generate() {
        yield utf8("the quick brown fox");
        await go.promise;
        yield utf8(" jumps over the lazy dog");
        return { finish: "stop" };
      },
    };
    const { post } = await serve({ engine: slow });
    const response = await post("/chat/completions", chat({ stream: true }), paid);
    const reader = response.body!.getReader();
    await reader.read();
    await reader.cancel();
    go.resolve();
    const answers = await AnswerLog.open(join(directory, "answers"), CHAIN_ID);
    await expect.poll(() => answers.read(inference.id)).toMatchObject({ outputBytes: 43, details: { finish: "stop" } });
  });

  it("is one for all who ask at once", async () => {
    chain.requestFor(chatPrompt(MESSAGES));
    const { post } = await serve();
    const ask = async (max_tokens: number, seed: number) => {
      const chunks = await readEvents(await post("/chat/completions", chat({ max_tokens, seed, stream: true }), paid));
      const texts = (chunks as Completion[]).map(({ choices }) => choices[0]!.delta!.content ?? "");
      return `${texts.join("")} ${(chunks.at(-1) as Completion).openledger.signature}`;
    };
    const all = await Promise.all([ask(5, 1), ask(9, 2), ask(20, 3), ask(20, 4)]);
    expect(new Set(all).size).toBe(1);
  });

  it("shows bytes that are no UTF-8 beside the text", async () => {
    chain.requestFor(textPrompt("x"));
    const odd: Engine = {
      ...openAiEngine({ url: "http://127.0.0.1:1", model: "none" }),
      async *generate() {
        yield Uint8Array.of(0xff, 0x61);
        return { finish: "stop" };
      },
    };
    const { post } = await serve({ engine: odd });
    const body = (await (await post("/completions", { model: "5", prompt: "x" }, paid)).json()) as Completion;
    expect([body.choices[0]!.text, body.openledger.output]).toEqual(["\ufffda", "0xff61"]);
  });
});

describe("without a request on chain", () => {
  it("there is an offer whose escrow pays for what it says", async () => {
    const { post } = await serve();
    const response = await post("/chat/completions", chat());
    const { error, openledger } = (await response.json()) as { error: object; openledger: { offer: Offer } };
    expect(response.status).toBe(402);
    expect(error).toMatchObject({ type: "payment_required", code: "payment_required", param: null });
    const { bytes } = chatPrompt(MESSAGES);
    const { offer } = openledger;
    expect(offer).toEqual({
      chainId: CHAIN_ID.toString(),
      attribution: "0x0000000000000000000000000000000000000903",
      modelId: "5",
      host: HOST.address.toLowerCase(),
      requestRoot: rootOf(bytes),
      requestBytes: bytes.length,
      requestPrice: "1000",
      outputPrice: "2000",
      platformFee: "1000",
      outputBytes: 480,
      escrow: feeWei(
        { platformFeeWei: 1_000n, requestPrice: 1_000n, outputPrice: 2_000n },
        bytes.length,
        480,
      ).toString(),
    });
    chain.requestFor(chatPrompt(MESSAGES), { escrowWei: BigInt(offer.escrow) });
    expect((await post("/chat/completions", chat(), paid)).status).toBe(200);
  });

  it("an operator may give free answers: traced, not signed, not recorded", async () => {
    const { post } = await serve({ isFree: true });
    const body = (await (await post("/chat/completions", chat())).json()) as Completion;
    const output = utf8(body.choices[0]!.message!.content);
    expect(body.openledger).toMatchObject({
      inferenceId: null,
      signature: null,
      state: "free",
      outputRoot: rootOf(output),
    });
    expect(body.openledger.spans).toHaveLength(traceByDefinition(contributions, output, 12).length);
    const answers = await AnswerLog.open(join(directory, "answers"), CHAIN_ID);
    expect(await answers.unclosed()).toEqual([]);
  });
});

describe("another server as the engine", () => {
  /** A second host, which answers for free, and the first one on it. */
  async function serveOnAnother(limits: ModelHostPorts["limits"] = {}) {
    const upstream = await serve({ isFree: true });
    const engine = openAiEngine({ url: `${upstream.url}/v1/`, model: "5", apiKey: "secret-key" });
    return { upstream, ...(await serve({ engine, limits })) };
  }

  it("writes what is traced and signed here, streamed through", async () => {
    chain.requestFor(chatPrompt(MESSAGES));
    const { post } = await serveOnAnother();
    const chunks = (await readEvents(await post("/chat/completions", chat({ stream: true }), paid))) as Completion[];
    const text = chunks.map(({ choices }) => choices[0]!.delta!.content ?? "").join("");
    const { openledger } = chunks.at(-1)!;
    expect(chunks.length).toBeGreaterThan(10);
    expect(openledger).toMatchObject({ outputRoot: rootOf(utf8(text)), inferenceId: "1", state: "signed" });
    expect(openledger.spans.length).toBeGreaterThan(0);
  });

  it("of a text asks the older way, and is cut at what the escrow pays", async () => {
    const pays = feeWei({ platformFeeWei: 1_000n, requestPrice: 1_000n, outputPrice: 2_000n }, 9, 20);
    chain.requestFor(textPrompt("the quick"), { escrowWei: pays });
    const { post } = await serveOnAnother();
    const ask = { model: "5", prompt: "the quick", max_tokens: 50 };
    const body = (await (await post("/completions", ask, paid)).json()) as Completion;
    expect(body.openledger.outputBytes).toBe(20);
    expect(body.choices[0]!.finish_reason).toBe("length");
  });

  it("is given passages of the data, which are cited and found in the contributions", async () => {
    const prompt = chatPrompt([{ role: "user", content: "which cat sleeps near the old bridge?" }]);
    chain.requestFor(prompt);
    let seen = "";
    const upstream = await serve({ isFree: true });
    const inner = openAiEngine({ url: `${upstream.url}/v1`, model: "5" });
    const watched: Engine = {
      ...inner,
      generate(generation) {
        seen = generation.passages.map(({ text }) => text).join();
        return inner.generate(generation);
      },
    };
    const { post } = await serve({ engine: watched, limits: { passages: 2 } });
    const ask = { model: "5", messages: prompt.messages, max_tokens: 20 };
    const body = (await (await post("/chat/completions", ask, paid)).json()) as Completion;
    const { citations } = body.openledger;
    expect(citations.map(({ contribution }) => contribution)).toEqual(["2", expect.any(String)]);
    expect(citations[0]!.score).toBeGreaterThan(citations[1]!.score);
    expect(seen).toContain(TEXTS[1]);
    for (const { contribution, offset, length } of citations) {
      expect(seen).toContain(
        new TextDecoder().decode(utf8(TEXTS[Number(contribution) - 1]!).subarray(offset, offset + length)),
      );
    }
    // Again from the record.
    const again = (await (await post("/chat/completions", ask, paid)).json()) as Completion;
    expect(again.openledger.citations).toEqual(citations);
  });

  it("that breaks off leaves nothing signed: an error before the first piece, an event after it", async () => {
    const inference = chain.requestFor(chatPrompt(MESSAGES));
    let pieces = 0;
    const breaking: Engine = {
      ...openAiEngine({ url: "http://127.0.0.1:1", model: "none" }),
      async *generate() {
        for (let i = 0; i < pieces; i++) yield utf8("the quick ");
        throw new EngineError("the engine's server broke off its answer");
      },
    };
    const { post, errors } = await serve({ engine: breaking });
    const before = await post("/chat/completions", chat({ stream: true }), paid);
    expect([before.status, await before.json()]).toMatchObject([
      502,
      { error: { code: "engine_failed", type: "server_error" } },
    ]);
    pieces = 2;
    const after = await post("/chat/completions", chat({ stream: true }), paid);
    const text = await after.text();
    expect(text).toMatch(/data: \{"error":\{"message":"the engine's server broke off[^\n]*\}\n\n$/);
    expect(text).not.toContain("[DONE]");
    const answers = await AnswerLog.open(join(directory, "answers"), CHAIN_ID);
    expect([await answers.read(inference.id), errors]).toEqual([undefined, []]);
  });
});

describe("mistakes", () => {
  it.each<[string, string, unknown, Record<string, string>, number, string]>([
    ["no JSON", "/chat/completions", "{", {}, 400, "invalid_json"],
    ["an array", "/chat/completions", [], {}, 400, "invalid_json"],
    ["no model", "/chat/completions", { messages: MESSAGES }, {}, 400, "invalid_value"],
    ["a model by name", "/chat/completions", chat({ model: "gpt-4" }), {}, 404, "model_not_found"],
    ["an unknown model", "/chat/completions", chat({ model: "6" }), {}, 404, "not_served"],
    ["no messages", "/chat/completions", chat({ messages: [] }), {}, 400, "invalid_value"],
    [
      "an image",
      "/chat/completions",
      chat({ messages: [{ role: "user", content: [{ type: "image_url" }] }] }),
      {},
      400,
      "invalid_value",
    ],
    [
      "half a surrogate pair",
      "/chat/completions",
      chat({ messages: [{ role: "user", content: "\ud800" }] }),
      {},
      400,
      "invalid_value",
    ],
    [
      "a role that is none",
      "/chat/completions",
      chat({ messages: [{ role: "tool", content: "a" }] }),
      {},
      400,
      "invalid_value",
    ],
    ["tools", "/chat/completions", chat({ tools: [] }), {}, 400, "unsupported_parameter"],
    ["two choices", "/chat/completions", chat({ n: 2 }), {}, 400, "unsupported_value"],
    ["five stops", "/chat/completions", chat({ stop: ["a", "b", "c", "d", "e"] }), {}, 400, "invalid_value"],
    ["too many tokens", "/chat/completions", chat({ max_tokens: 2_001 }), paid, 400, "bad_request"],
    ["no tokens", "/chat/completions", chat({ max_tokens: 0 }), paid, 400, "invalid_value"],
    ["stream options without a stream", "/chat/completions", chat({ stream_options: {} }), {}, 400, "invalid_value"],
    ["an id that is none", "/chat/completions", chat(), { "openledger-inference-id": "one" }, 400, "invalid_value"],
    ["two ids", "/chat/completions", chat({ openledger: { inferenceId: 2 } }), paid, 400, "invalid_value"],
    ["an unknown inference", "/chat/completions", chat(), { "openledger-inference-id": "9" }, 404, "unknown_inference"],
    [
      "another prompt",
      "/chat/completions",
      chat({ messages: [{ role: "user", content: "b" }] }),
      paid,
      403,
      "prompt_mismatch",
    ],
    ["another model", "/completions", { model: "4", prompt: "the quick" }, paid, 409, "wrong_model"],
    ["two prompts", "/completions", { model: "5", prompt: ["a", "b"] }, {}, 400, "invalid_value"],
    ["an echo", "/completions", { model: "5", prompt: "a", echo: true }, {}, 400, "unsupported_value"],
    ["too long a body", "/completions", { model: "5", prompt: "a".repeat(600_000) }, {}, 413, "too_large"],
    ["no JSON by its type", "/completions", "{}", { "content-type": "text/plain" }, 415, "not_json"],
  ])("%s is told in OpenAI's form", async (_, path, body, headers, status, code) => {
    chain.requestFor(textPrompt("the quick"));
    const { post } = await serve();
    const response = await post(path, body, headers);
    const answer = (await response.json()) as { error: { type: string } };
    expect([response.status, answer]).toEqual([
      status,
      {
        error: {
          code,
          message: expect.stringMatching(/.{10}/),
          type: expect.any(String),
          param: expect.toSatisfy(() => true),
        },
      },
    ]);
    expect(answer.error.type).toBe(status >= 500 ? "server_error" : "invalid_request_error");
  });

  it("takes a text in parts for the whole, and what says nothing about the answer", async () => {
    chain.requestFor(chatPrompt(MESSAGES));
    const { post } = await serve();
    const parts = [
      { type: "text", text: "the " },
      { type: "text", text: "quick" },
    ];
    const more = { user: "me", n: 1, logprobs: false, metadata: { a: "b" }, response_format: { type: "text" } };
    const ask = chat({ messages: [MESSAGES[0], { role: "user", content: parts }], ...more });
    expect((await post("/chat/completions", ask, paid)).status).toBe(200);
  });

  it("knows its models, one by one", async () => {
    const { url } = await serve();
    const owner = "0x1563915e194d8cfba1943570603f7606a3115508";
    const model = { id: "5", object: "model", created: 500, owned_by: owner };
    expect(await (await fetch(`${url}/v1/models/5`)).json()).toEqual(model);
    expect((await fetch(`${url}/v1/models/6`)).status).toBe(404);
    expect(await (await fetch(`${url}/v1/models`)).json()).toMatchObject({ object: "list", data: [model] });
  });
});

it("prompt bytes are RFC 8785's, as in docs/hosting.md", () => {
  const { bytes } = chatPrompt([
    { role: "system", content: 'a "quote" \\ \u0007 \n' },
    { role: "user", content: "ü € 😀 \u2028 /" },
  ]);
  const expected = String.raw`[{"content":"a \"quote\" \\ \u0007 \n","role":"system"},{"content":"ü € 😀 ${"\u2028"} /","role":"user"}]`;
  expect(new TextDecoder().decode(bytes)).toBe(expected);
});
