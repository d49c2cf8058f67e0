/**
 * The model host over HTTP. CORS is off, and a body must be application/json, so no page of another origin can ask.
 *
 *   POST /v1/inferences  {"inferenceId": 7, "prompt": "text", "words": 200}
 *        -> {inferenceId, modelId, host, output (0x), text, requestRoot, outputRoot, outputBytes, spans, spansHash,
 *            coveredBytes, signature, timings (null when answered before)}; ids and offsets are decimal strings
 *   GET  /v1/models      -> {host, generator, limits, models: [{modelId, data: [{datanetId, count}]}]}
 *   GET  /health         -> {status, host, head: {number, timestamp}}
 *
 * Errors: {"error": {"code", "message"}}. Asking again for an inference gives the same answer.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { hexToBytes } from "../core/bytes.ts";
import { createHttpServer, HttpError, type HttpServer, readBody, type ServerOptions, sendJson } from "./http.ts";
import type { AnswerRequest, AnswerResult, ModelHost, RefusalCode } from "./model-host.ts";

export interface ModelServerOptions extends ServerOptions {
  readonly modelHost: ModelHost;
}

const MAX_BODY_BYTES = 64 * 1024;
const DEFAULT_WORDS = 200;

const STATUS: Readonly<Record<RefusalCode, number>> = {
  "bad-request": 400,
  busy: 503,
  "chain-unavailable": 502,
  "content-unavailable": 503,
  "corpus-too-large": 503,
  "deadline-passed": 409,
  "escrow-too-small": 409,
  "foreign-record": 409,
  "no-data": 409,
  "not-addressed": 403,
  "prompt-mismatch": 403,
  "record-damaged": 500,
  "unknown-inference": 404,
  "wrong-state": 409,
};

export function createModelServer(options: ModelServerOptions): HttpServer {
  const { modelHost } = options;

  async function infer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const type = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
    if (type !== "application/json") throw new HttpError(415, "not-json", "the body must be application/json");
    const result = await modelHost.answer(parseRequest(await readBody(request, MAX_BODY_BYTES)));
    if (!result.ok) throw new HttpError(STATUS[result.code], result.code, result.message);
    sendJson(response, 200, answerJson(result));
  }

  async function models(response: ServerResponse): Promise<void> {
    const served = await reachable(modelHost.models());
    sendJson(response, 200, {
      host: modelHost.address,
      generator: { kind: "infinity-gram", ...modelHost.generator },
      limits: { maxWords: modelHost.limits.maxWords, maxOutputBytes: modelHost.limits.maxOutputBytes },
      models: served,
    });
  }

  async function health(response: ServerResponse): Promise<void> {
    const { number, timestamp } = await reachable(modelHost.head());
    sendJson(response, 200, { status: "ok", host: modelHost.address, head: { number, timestamp } });
  }

  return createHttpServer(async (request, response, { pathname }) => {
    const route = `${request.method === "HEAD" ? "GET" : request.method} ${pathname}`;
    if (route === "POST /v1/inferences") return infer(request, response);
    if (route === "GET /v1/models") return models(response);
    if (route === "GET /health") return health(response);
    if (["/v1/inferences", "/v1/models", "/health"].includes(pathname)) {
      throw new HttpError(405, "method-not-allowed", `${request.method} is not answered at ${pathname}`);
    }
    throw new HttpError(404, "not-found", "this server knows POST /v1/inferences, GET /v1/models and GET /health");
  }, options);
}

async function reachable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw new HttpError(502, "chain-unavailable", `the chain cannot be read: ${(error as Error).message}`);
  }
}

function answerJson({ answer, timings }: Extract<AnswerResult, { ok: true }>) {
  return { ...answer, text: new TextDecoder().decode(hexToBytes(answer.output)), timings: timings ?? null };
}

const KEYS = new Set(["inferenceId", "prompt", "words"]);

function parseRequest(body: Uint8Array): AnswerRequest {
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
  return { inferenceId: parseId(inferenceId, bad), prompt: new TextEncoder().encode(prompt), words };
}

/** A positive integer below 2^256 as a JSON number or a decimal string. */
function parseId(value: unknown, bad: (message: string) => HttpError): bigint {
  const text = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== "string" || !/^[1-9]\d{0,76}$/.test(text)) {
    throw bad("inferenceId must be a positive integer, as a number or a decimal string");
  }
  return BigInt(text);
}
