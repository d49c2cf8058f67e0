/**
 * Requests of POST /v1/chat/completions and /v1/completions, checked. What changes the answer and is not supported is
 * refused; what says nothing about the answer is taken and left alone.
 */

import type { Sampling } from "./engines/engine.ts";
import { ApiError } from "./openai-error.ts";
import { type ChatMessage, chatPrompt, type Prompt, textPrompt } from "./prompt.ts";

export interface CompletionRequest {
  readonly kind: "chat" | "text";
  readonly modelId: bigint;
  readonly prompt: Prompt;
  /** Undefined: the host's default. */
  readonly maxTokens: number | undefined;
  readonly stop: readonly string[];
  readonly sampling: Sampling;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Undefined: not paid. */
  readonly inferenceId: bigint | undefined;
}

const MAX_MESSAGES = 1_024;
const MAX_STOPS = 4;
const MAX_STOP_LENGTH = 256;
const ROLES = new Set(["system", "developer", "user", "assistant"]);

type Fields = Readonly<Record<string, unknown>>;

const bad = (param: string, message: string) => new ApiError(400, "invalid_value", message, param);

const COMMON = [
  ...["model", "max_tokens", "stop", "seed", "temperature", "top_p", "stream", "stream_options", "openledger"],
  // Taken with the one value that is meant anyway.
  ...["n", "logprobs", "presence_penalty", "frequency_penalty", "logit_bias"],
  // About the asker, not the answer.
  ...["user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"],
];
const KNOWN = {
  chat: new Set([
    ...COMMON,
    "messages",
    "max_completion_tokens",
    "response_format",
    "modalities",
    "parallel_tool_calls",
  ]),
  text: new Set([...COMMON, "prompt", "echo", "best_of", "suffix"]),
};

/** Throws ApiError. `header` is the value of openledger-inference-id. */
export function parseCompletion(
  kind: CompletionRequest["kind"],
  body: Uint8Array,
  header: string | undefined,
): CompletionRequest {
  const fields = parseObject(body);
  for (const name of Object.keys(fields)) {
    if (!KNOWN[kind].has(name)) {
      throw new ApiError(400, "unsupported_parameter", `${JSON.stringify(name)} is not supported here`, name);
    }
  }
  requireMeaningless(fields);
  return {
    kind,
    modelId: modelIdOf(fields.model),
    prompt: kind === "chat" ? chatOf(fields.messages) : textOf(fields.prompt),
    maxTokens: tokensOf(fields),
    stop: stopsOf(fields.stop),
    sampling: {
      temperature: numberOf(fields, "temperature", 0, 2),
      topP: numberOf(fields, "top_p", 0, 1),
      seed: integerOf(fields, "seed"),
    },
    stream: booleanOf(fields, "stream"),
    includeUsage: includeUsageOf(fields),
    inferenceId: inferenceIdOf(fields.openledger, header),
  };
}

function parseObject(body: Uint8Array): Fields {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new ApiError(400, "invalid_json", "the body is not JSON in UTF-8");
  }
  if (!isObject(value)) throw new ApiError(400, "invalid_json", "the body is not an object");
  return value;
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isEmpty = (value: unknown): boolean => isObject(value) && Object.keys(value).length === 0;
const isAbsent = (value: unknown): value is null | undefined => value === undefined || value === null;

/** Of fields that are known and cannot be honoured, those values that ask for nothing. */
function requireMeaningless(fields: Fields): void {
  const allowed: Readonly<Record<string, (value: unknown) => boolean>> = {
    n: (value) => value === 1,
    best_of: (value) => value === 1,
    logprobs: (value) => value === false,
    presence_penalty: (value) => value === 0,
    frequency_penalty: (value) => value === 0,
    logit_bias: isEmpty,
    echo: (value) => value === false,
    suffix: (value) => value === "",
    response_format: (value) => isObject(value) && value.type === "text",
    modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === "text",
    parallel_tool_calls: (value) => typeof value === "boolean",
  };
  for (const [name, isAllowed] of Object.entries(allowed)) {
    const value = fields[name];
    if (isAbsent(value) || isAllowed(value)) continue;
    throw new ApiError(400, "unsupported_value", `${name} is not supported with this value`, name);
  }
}

/** Models are named by their id on chain. */
function modelIdOf(value: unknown): bigint {
  if (typeof value === "string" && /^[1-9]\d{0,19}$/.test(value)) return BigInt(value);
  if (typeof value !== "string") throw bad("model", "model must be a string: the id of a model on chain");
  throw new ApiError(
    404,
    "model_not_found",
    `${JSON.stringify(value.slice(0, 80))} is no id of a model on chain`,
    "model",
  );
}

function textOf(value: unknown): Prompt {
  const single = Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value;
  if (typeof single !== "string" || single === "") throw bad("prompt", "prompt must be one text that is not empty");
  return textPrompt(single);
}

function chatOf(value: unknown): Prompt {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_MESSAGES) {
    throw bad("messages", `messages must be an array of 1 to ${MAX_MESSAGES}`);
  }
  try {
    return chatPrompt(value.map(messageOf));
  } catch (error) {
    if (error instanceof RangeError) throw bad("messages", error.message);
    throw error;
  }
}

function messageOf(value: unknown, index: number): ChatMessage {
  const at = `messages[${index}]`;
  if (!isObject(value)) throw bad(at, `${at} must be an object`);
  const { role, content, ...rest } = value;
  const other = Object.keys(rest).find((name) => !isAbsent(rest[name]));
  if (other !== undefined) {
    throw new ApiError(400, "unsupported_parameter", `${at}.${other} is not supported here`, `${at}.${other}`);
  }
  if (typeof role !== "string" || !ROLES.has(role))
    throw bad(`${at}.role`, `${at}.role is none of ${[...ROLES].join(", ")}`);
  if (typeof content === "string") return { role, content };
  if (!Array.isArray(content)) throw bad(`${at}.content`, `${at}.content must be a text or an array of texts`);
  const parts = content.map((part: unknown, i) => {
    if (isObject(part) && part.type === "text" && typeof part.text === "string") return part.text;
    throw bad(`${at}.content[${i}]`, `${at}.content[${i}] is no text: only texts are taken`);
  });
  return { role, content: parts.join("") };
}

function tokensOf(fields: Fields): number | undefined {
  const [newer, older] = [integerOf(fields, "max_completion_tokens", 1), integerOf(fields, "max_tokens", 1)];
  if (newer !== undefined && older !== undefined && newer !== older) {
    throw bad("max_tokens", "max_tokens and max_completion_tokens differ");
  }
  return newer ?? older;
}

function stopsOf(value: unknown): readonly string[] {
  if (isAbsent(value)) return [];
  const stops: unknown[] = Array.isArray(value) ? value : [value];
  const isGood = (stop: unknown): stop is string =>
    typeof stop === "string" && stop.length > 0 && stop.length <= MAX_STOP_LENGTH;
  if (stops.length > MAX_STOPS || !stops.every(isGood)) {
    throw bad("stop", `stop must be a text or at most ${MAX_STOPS} texts of 1 to ${MAX_STOP_LENGTH} characters`);
  }
  return stops;
}

function numberOf(fields: Fields, name: string, low: number, high: number): number | undefined {
  const value = fields[name];
  if (isAbsent(value)) return undefined;
  if (typeof value !== "number" || value < low || value > high)
    throw bad(name, `${name} must be from ${low} to ${high}`);
  return value;
}

function integerOf(fields: Fields, name: string, low = Number.MIN_SAFE_INTEGER): number | undefined {
  const value = fields[name];
  if (isAbsent(value)) return undefined;
  if (!Number.isSafeInteger(value) || (value as number) < low) {
    throw bad(name, `${name} must be an integer${low === 1 ? " above 0" : ""}`);
  }
  return value as number;
}

function booleanOf(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (isAbsent(value)) return false;
  if (typeof value !== "boolean") throw bad(name, `${name} must be true or false`);
  return value;
}

function includeUsageOf({ stream, stream_options: options }: Fields): boolean {
  if (isAbsent(options)) return false;
  if (stream !== true) throw bad("stream_options", "stream_options goes with stream: true");
  if (!isObject(options)) throw bad("stream_options", "stream_options must be an object");
  const { include_usage: include, ...rest } = options;
  const other = Object.keys(rest)[0];
  if (other !== undefined && other !== "include_obfuscation") {
    throw new ApiError(400, "unsupported_parameter", `stream_options.${other} is not supported here`, "stream_options");
  }
  return include === true;
}

/** In the header or as openledger.inferenceId; both must agree. */
function inferenceIdOf(field: unknown, header: string | undefined): bigint | undefined {
  let inBody: bigint | undefined;
  if (!isAbsent(field)) {
    if (!isObject(field) || Object.keys(field).some((name) => name !== "inferenceId")) {
      throw bad("openledger", 'openledger must be {"inferenceId": …}');
    }
    inBody = parseInferenceId(field.inferenceId, "openledger.inferenceId");
  }
  const inHeader = header === undefined ? undefined : parseInferenceId(header, "openledger-inference-id");
  if (inBody !== undefined && inHeader !== undefined && inBody !== inHeader) {
    throw bad("openledger.inferenceId", "header and body name different inferences");
  }
  return inBody ?? inHeader;
}

/** A positive integer below 2^256 as a JSON number or a decimal string. */
export function parseInferenceId(value: unknown, name: string): bigint {
  const text = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== "string" || !/^[1-9]\d{0,76}$/.test(text)) {
    throw bad(name, `${name} must be a positive integer, as a number or a decimal string`);
  }
  return BigInt(text);
}
