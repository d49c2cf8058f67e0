/**
 * The model host over HTTP. CORS is off, and a body must be application/json, so no page of another origin can ask.
 *
 *   POST /v1/chat/completions, POST /v1/completions, GET /v1/models/:id: OpenAI's (attribution/openai-server.ts)
 *   POST /v1/inferences  {"inferenceId": 7, "prompt": "text", "words": 200}
 *        -> {inferenceId, modelId, host, output (0x), text, requestRoot, outputRoot, outputBytes, spans, spansHash,
 *            coveredBytes, signature, details, timings (null when answered before)}; ids and offsets are decimal strings
 *   GET  /v1/models      -> OpenAI's {object, data}, and {host, generator, limits, models: [{modelId, data: [{datanetId,
 *            count}]}]}
 *   GET  /health         -> {status, host, head: {number, timestamp}} and what `health` adds
 *
 * Errors: {"error": {"code", "message"}}, at OpenAI's paths in OpenAI's form. Asking again for an inference gives the
 * same answer.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { SignedAnswer } from "./answer-log.ts";
import type { ChainReader } from "./chain-reader.ts";
import { createHttpServer, HttpError, type HttpServer, readBody, type ServerOptions, sendJson } from "./http.ts";
import type { AnswerResult, ModelHost } from "./model-host.ts";
import { ApiError } from "./openai-error.ts";
import { parseInferenceId } from "./openai-request.ts";
import { textOf } from "./openai-response.ts";
import { createOpenAiRoutes } from "./openai-server.ts";
import { type Prompt, textPrompt } from "./prompt.ts";
import { REFUSAL_STATUS } from "./refusal.ts";

export interface ModelServerOptions extends ServerOptions {
  readonly modelHost: ModelHost;
  readonly chain: ChainReader;
  /** Whether answers without a request on chain are given, unsigned; default false. */
  readonly isFree?: boolean;
  /** Further fields of GET /health. */
  readonly health?: () => Readonly<Record<string, unknown>>;
}

const MAX_BODY_BYTES = 64 * 1024;
const DEFAULT_WORDS = 200;

export function createModelServer(options: ModelServerOptions): HttpServer {
  const { modelHost, chain, isFree = false, onError } = options;
  const openAi = createOpenAiRoutes({ modelHost, chain, isFree, onError });

  async function infer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const type = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
    if (type !== "application/json") throw new HttpError(415, "not-json", "the body must be application/json");
    const { inferenceId, prompt, words } = parseRequest(await readBody(request, MAX_BODY_BYTES));
    const result = await modelHost.answer(inferenceId, { prompt, maxTokens: words });
    if (!result.ok) throw new HttpError(REFUSAL_STATUS[result.code], result.code, result.message);
    sendJson(response, 200, answerJson(result));
  }

  async function models(response: ServerResponse): Promise<void> {
    const [served, data] = await reachable(Promise.all([modelHost.models(), openAi.models()]));
    const { maxTokens, maxOutputBytes } = modelHost.limits;
    sendJson(response, 200, {
      object: "list",
      data,
      host: modelHost.address,
      generator: modelHost.engine,
      limits: { maxWords: maxTokens, maxOutputBytes },
      models: served,
    });
  }

  async function health(response: ServerResponse): Promise<void> {
    const { number, timestamp } = await reachable(modelHost.head());
    sendJson(response, 200, {
      status: "ok",
      host: modelHost.address,
      head: { number, timestamp },
      ...options.health?.(),
    });
  }

  return createHttpServer(async (request, response, { pathname }) => {
    const route = `${request.method === "HEAD" ? "GET" : request.method} ${pathname}`;
    if (route === "POST /v1/chat/completions") return openAi.complete("chat", request, response);
    if (route === "POST /v1/completions") return openAi.complete("text", request, response);
    if (route === "POST /v1/inferences") return infer(request, response);
    if (route === "GET /v1/models") return models(response);
    if (route === "GET /health") return health(response);
    const [, id] = /^GET \/v1\/models\/([^/]+)$/.exec(route) ?? [];
    if (id !== undefined) return openAi.model(response, id);
    if (PATHS.includes(pathname)) {
      throw new HttpError(405, "method-not-allowed", `${request.method} is not answered at ${pathname}`);
    }
    throw new HttpError(404, "not-found", `this server knows ${PATHS.join(", ")}`);
  }, options);
}

const PATHS = ["/v1/chat/completions", "/v1/completions", "/v1/models", "/v1/inferences", "/health"];

async function reachable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw new HttpError(502, "chain-unavailable", `the chain cannot be read: ${(error as Error).message}`);
  }
}

function answerJson({ answer, timings }: Extract<AnswerResult, { ok: true }>): SignedAnswer & Record<string, unknown> {
  return { ...answer, text: textOf(answer.output), timings: timings ?? null };
}

const KEYS = new Set(["inferenceId", "prompt", "words"]);

function parseRequest(body: Uint8Array): {
  readonly inferenceId: bigint;
  readonly prompt: Prompt;
  readonly words: number;
} {
  const bad = (message: string) => new HttpError(400, "bad-request", message);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw bad("the body is not JSON in UTF-8");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad("the body is not an object");
  const unknown = Object.keys(value).find((key) => !KEYS.has(key));
  if (unknown !== undefined) throw bad(`${JSON.stringify(unknown)} is none of inferenceId, prompt, words`);
  const { inferenceId, prompt, words = DEFAULT_WORDS } = value as Record<string, unknown>;
  if (typeof prompt !== "string") throw bad("prompt must be a string");
  if (typeof words !== "number") throw bad("words must be a number");
  try {
    return { inferenceId: parseInferenceId(inferenceId, "inferenceId"), prompt: textPrompt(prompt), words };
  } catch (error) {
    throw error instanceof ApiError ? bad(error.message) : error;
  }
}
