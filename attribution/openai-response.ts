/** Answers in OpenAI's form, each with the attribution beside it (docs/hosting.md "The answer"). */
import { type Hex, hexToBytes } from "../core/bytes.ts";
import { spanWeights } from "../core/span-rule.ts";
import type { SignedAnswer } from "./answer-log.ts";
import type { Answer, AnswerState } from "./model-host.ts";
import type { CompletionRequest } from "./openai-request.ts";

/** A free answer has no signature. */
export interface Attributed {
  readonly answer: SignedAnswer | Answer;
  readonly minSpanBytes: number;
  readonly state: AnswerState;
}

/** What all of one answer have in common. */
export interface Envelope {
  readonly kind: CompletionRequest["kind"];
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  readonly modelId: bigint;
}

export const envelope = (kind: Envelope["kind"], id: string, createdMs: number, modelId: bigint): Envelope => ({
  kind,
  id: `${kind === "chat" ? "chatcmpl" : "cmpl"}-${id}`,
  created: Math.floor(createdMs / 1_000),
  modelId,
});

const head = ({ kind, id, created, modelId }: Envelope, isChunk: boolean) => ({
  id,
  object: kind === "text" ? "text_completion" : isChunk ? "chat.completion.chunk" : "chat.completion",
  created,
  model: modelId.toString(),
});

/** The whole answer. */
export function completionBody(of: Envelope, attributed: Attributed) {
  const { output, details } = attributed.answer;
  const text = textOf(output);
  const finish = { finish_reason: details?.finish ?? "length", logprobs: null };
  const choice =
    of.kind === "chat"
      ? { index: 0, message: { role: "assistant", content: text, refusal: null }, ...finish }
      : { index: 0, text, ...finish };
  return { ...head(of, false), choices: [choice], usage: usageOf(attributed), openledger: openledgerOf(attributed) };
}

/** One piece of text; the first one of a chat says who speaks. `usage: null` where the usage comes at the end. */
export function pieceChunk(of: Envelope, text: string, isFirst: boolean, includeUsage: boolean) {
  const open = { logprobs: null, finish_reason: null };
  const choice =
    of.kind === "chat"
      ? { index: 0, delta: { ...(isFirst && { role: "assistant" }), content: text }, ...open }
      : { index: 0, text, ...open };
  return { ...head(of, true), choices: [choice], ...(includeUsage && { usage: null }) };
}

/** The end of the text, with the attribution. */
export function finishChunk(of: Envelope, attributed: Attributed, includeUsage: boolean) {
  const finish = { logprobs: null, finish_reason: attributed.answer.details?.finish ?? "length" };
  const choice = of.kind === "chat" ? { index: 0, delta: {}, ...finish } : { index: 0, text: "", ...finish };
  return {
    ...head(of, true),
    choices: [choice],
    ...(includeUsage && { usage: null }),
    openledger: openledgerOf(attributed),
  };
}

export const usageChunk = (of: Envelope, attributed: Attributed) => ({
  ...head(of, true),
  choices: [],
  usage: usageOf(attributed),
});

function usageOf({ answer: { details } }: Attributed) {
  const [prompt, completion] = [details?.promptTokens ?? 0, details?.completionTokens ?? 0];
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

export interface OpenLedgerPart {
  /** Null for a free answer. Ids and content offsets are decimal strings. */
  readonly inferenceId: string | null;
  readonly modelId: string;
  readonly host: Hex;
  readonly chainId: string;
  readonly requestRoot: Hex;
  readonly outputRoot: Hex;
  readonly outputBytes: number;
  /** m of span-v1: no span is shorter. */
  readonly minSpanBytes: number;
  /** Only where the text is not the output: it holds bytes that are no UTF-8. */
  readonly output?: Hex;
  readonly spans: readonly {
    readonly outputStart: number;
    readonly length: number;
    readonly contribution: string;
    readonly contentOffset: string;
    readonly weight: number;
  }[];
  readonly spansHash: Hex;
  readonly coveredBytes: number;
  readonly citations: readonly {
    readonly contribution: string;
    readonly offset: number;
    readonly length: number;
    readonly score: number;
  }[];
  /** Null for a free answer. */
  readonly signature: Hex | null;
  readonly state: AnswerState;
}

export function openledgerOf({ answer, minSpanBytes, state }: Attributed): OpenLedgerPart {
  const signed = "signature" in answer ? answer : undefined;
  const weights = spanWeights(answer.spans);
  return {
    inferenceId: signed?.inferenceId.toString() ?? null,
    modelId: answer.modelId.toString(),
    host: answer.host,
    chainId: answer.chainId.toString(),
    requestRoot: answer.requestRoot,
    outputRoot: answer.outputRoot,
    outputBytes: answer.outputBytes,
    minSpanBytes,
    ...(!isText(answer.output) && { output: answer.output }),
    spans: answer.spans.map(({ outputStart, length, contribution, contentOffset }, i) => ({
      outputStart,
      length,
      contribution: contribution.toString(),
      contentOffset: contentOffset.toString(),
      weight: weights[i]!,
    })),
    spansHash: answer.spansHash,
    coveredBytes: answer.coveredBytes,
    citations: (answer.details?.citations ?? []).map((citation) => ({
      ...citation,
      contribution: citation.contribution.toString(),
    })),
    signature: signed?.signature ?? null,
    state,
  };
}

/** U+FFFD where bytes are no UTF-8. */
export const textOf = (output: Hex): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(hexToBytes(output));

function isText(output: Hex): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(hexToBytes(output));
    return true;
  } catch {
    return false;
  }
}
