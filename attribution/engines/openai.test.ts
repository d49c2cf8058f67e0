/** What upstreams may do, by servers that do it. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { chatPrompt, textPrompt } from "../prompt.ts";
import { buildSpanIndex } from "../span-index.ts";
import { EngineError, type Generation, type Passage } from "./engine.ts";
import { type OpenAiEngineOptions, openAiEngine } from "./openai.ts";
import { writeOutput } from "./write-output.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Asked {
  readonly url: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, unknown>;
}

/** Each request is answered by the next of the answers, the last one from then on. */
async function upstream(...answers: ((response: ServerResponse) => void)[]) {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
    asked.push({ url: request.url, headers: request.headers, body });
    answers[Math.min(asked.length, answers.length) - 1]!(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1`, asked };
}

const status =
  (code: number, body = "a secret-key is in here") =>
  (response: ServerResponse) =>
    void response.writeHead(code).end(body);
const events =
  (...lines: unknown[]) =>
  (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(lines.map((line) => `data: ${typeof line === "string" ? line : JSON.stringify(line)}\n\n`).join(""));
  };
const piece = (content: string | null, finish_reason: string | null = null) => ({
  choices: [{ index: 0, delta: { content }, finish_reason }],
});

const generation = (changes: Partial<Generation> = {}): Generation => ({
  prompt: chatPrompt([{ role: "user", content: "hello" }]),
  corpus: buildSpanIndex([]),
  maxTokens: 10,
  maxBytes: 1_000,
  seed: new Uint8Array(32),
  sampling: {},
  stop: [],
  passages: [],
  signal: new AbortController().signal,
  ...changes,
});

async function write(
  options: Pick<OpenAiEngineOptions, "url"> & Partial<OpenAiEngineOptions>,
  changes: Partial<Generation> = {},
) {
  const pieces: string[] = [];
  const engine = openAiEngine({ model: "some/model", apiKey: "secret-key", ...options });
  const { output, finished } = await writeOutput(engine, generation(changes), (bytes) => {
    pieces.push(new TextDecoder().decode(bytes));
  });
  return { text: new TextDecoder().decode(output), pieces, finished };
}

describe("an upstream", () => {
  it("is asked for a stream with the key, and gives text, reason and usage", async () => {
    const usage = { choices: [], usage: { prompt_tokens: 4, completion_tokens: 2 } };
    const { url, asked } = await upstream(
      events(piece(""), piece("one "), piece("two"), piece(null, "stop"), usage, "[DONE]"),
    );
    const sampling = { temperature: 0.5, topP: 0.9, seed: 3 };
    const { text, pieces, finished } = await write({ url }, { sampling, stop: ["###"] });
    expect([text, pieces]).toEqual(["one two", ["one ", "two"]]);
    expect(finished).toEqual({ finish: "stop", promptTokens: 4, completionTokens: 2 });
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({
      url: "/api/v1/chat/completions",
      headers: { authorization: "Bearer secret-key" },
    });
    expect(asked[0]!.body).toEqual({
      model: "some/model",
      messages: [{ role: "user", content: "hello" }],
      max_tokens: 10,
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0.5,
      top_p: 0.9,
      seed: 3,
      stop: ["###"],
    });
  });

  it("of a text is asked at /completions, with passages in front", async () => {
    const { url, asked } = await upstream(events({ choices: [{ text: "yes", finish_reason: "length" }] }, "[DONE]"));
    const passage: Passage = { contribution: 1n, offset: 0, length: 5, score: 1, text: "cited" };
    const { finished } = await write({ url }, { prompt: textPrompt("asked"), passages: [passage] });
    expect(finished.finish).toBe("length");
    expect(asked[0]!.url).toBe("/api/v1/completions");
    expect(asked[0]!.body.prompt).toMatch(/\[1\]\ncited\n\nasked$/);
  });

  it("may cut a character's surrogates in two", async () => {
    const [high, low] = ["\ud83d", "\ude00"];
    const { url } = await upstream(events(piece(`a${high}`), piece(`${low}b`), piece(null, "stop"), "[DONE]"));
    expect((await write({ url })).text).toBe("a😀b");
  });

  it("is not read beyond the limit of bytes", async () => {
    const { url } = await upstream((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify(piece("one two three"))}\n\n`);
      // It would go on for ever.
    });
    expect(await write({ url }, { maxBytes: 7 })).toMatchObject({ text: "one two", finished: { finish: "length" } });
  });

  it("is asked again once when it says later, never after it began", async () => {
    const good = events(piece("good"), piece(null, "stop"), "[DONE]");
    const busy = await upstream(status(503), good);
    expect((await write({ url: busy.url })).text).toBe("good");
    expect(busy.asked).toHaveLength(2);
    const broken = await upstream(events(piece("half")), good);
    await expect(write({ url: broken.url })).rejects.toThrow("broke off");
    expect(broken.asked).toHaveLength(1);
  });

  it.each<[string, (response: ServerResponse) => void, string, number]>([
    ["refuses", status(401), "the engine's server answered 401", 1],
    ["stays busy", status(503), "the engine's server answered 503", 2],
    ["leads elsewhere", (response) => void response.writeHead(302, { location: "/" }).end(), "cannot be read", 2],
    ["reports an error within", events(piece("a"), { error: { message: "secret-key" } }), "reported an error", 1],
    ["sends no JSON", events("{"), "no JSON object", 1],
    [
      "sends too much",
      events(...Array.from({ length: 400 }, () => piece("x".repeat(100)))),
      "more than 20000 bytes",
      1,
    ],
    ["says nothing", () => {}, "took too long", 1],
    ["hangs up", (response) => void response.destroy(), "cannot be read", 2],
  ])("that %s is an EngineError that names no key", async (_, answer, message, times) => {
    const { url, asked } = await upstream(answer);
    const written = write({ url, firstByteMs: 300, maxStreamBytes: 20_000 }, { maxBytes: 1_000_000 });
    const error = await written.then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(error).toBeInstanceOf(EngineError);
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).not.toContain("secret");
    expect(asked).toHaveLength(times);
  });

  it("that falls silent is left, and so is one that nobody waits for", async () => {
    const silent = await upstream((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify(piece("one"))}\n\n`);
    });
    await expect(write({ url: silent.url, idleMs: 200 })).rejects.toThrow("took too long");
    const gone = new AbortController();
    const left = write({ url: silent.url }, { signal: gone.signal });
    left.catch(() => {});
    await expect.poll(() => silent.asked.length).toBe(2);
    gone.abort();
    await expect(left).rejects.toThrow(EngineError);
  });
});
