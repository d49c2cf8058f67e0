/** What makes text: one interface over the infinity-gram model and any OpenAI-compatible server. */
import type { Corpus } from "../corpus.ts";
import type { Prompt } from "../prompt.ts";

/** A passage of a contribution that was given to the engine. Offsets and lengths are bytes of the content. */
export interface Citation {
  readonly contribution: bigint;
  readonly offset: number;
  readonly length: number;
  readonly score: number;
}

export interface Passage extends Citation {
  readonly text: string;
}

export interface Sampling {
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  /** The client's. */
  readonly seed?: number | undefined;
}

export interface Generation {
  readonly prompt: Prompt;
  readonly corpus: Corpus;
  readonly maxTokens: number;
  /** What is beyond is cut off. */
  readonly maxBytes: number;
  /** 32 bytes; follows from request and sampling.seed. */
  readonly seed: Uint8Array;
  readonly sampling: Sampling;
  readonly stop: readonly string[];
  readonly passages: readonly Passage[];
  readonly signal: AbortSignal;
}

/** `length`: the limit of tokens or bytes came first. */
export type FinishReason = "stop" | "length";

export interface Finished {
  readonly finish: FinishReason;
  /** As the engine counts; undefined: it does not say. */
  readonly promptTokens?: number | undefined;
  readonly completionTokens?: number | undefined;
}

export interface Engine {
  /** As GET /v1/models prints it. */
  readonly description: { readonly kind: string } & Readonly<Record<string, string | number>>;
  /** Generations under way at once. */
  readonly parallel: number;
  /** Whether passages are put before it. */
  readonly readsPassages: boolean;
  /** Bytes of the output piece by piece, as they come. Throws EngineError. */
  generate(generation: Generation): AsyncGenerator<Uint8Array, Finished, undefined>;
}

/** The engine gave no output, or stopped within one. The message is fit for the asker: it names no key. */
export class EngineError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "EngineError";
  }
}
