/**
 * The model host: answers a request that is on chain with an output, its spans and a signature over both.
 *
 * It signs at most one answer for an inference, ever: attribution/answer-log.ts holds what it signed. It answers only
 * whoever knows the prompt (its content root is on chain, the prompt is not), and only with the contents of all live
 * contributions at hand: a span left out is as wrong as one made up.
 */
import { bytesToHex, equalsBytes, type Hex, hexToBytes } from "../core/bytes.ts";
import { contentRoot } from "../core/content.ts";
import { keccak256 } from "../core/crypto.ts";
import { Gate } from "../core/gate.ts";
import { coveredBytes, spansHash } from "../core/span-rule.ts";
import type { AnswerSigner } from "./answer.ts";
import { type AnswerLog, DamagedAnswerError, type SignedAnswer } from "./answer-log.ts";
import {
  type AcceptedContribution,
  type ChainReader,
  type DataCount,
  type InferenceRequest,
  liveContributions,
} from "./chain-reader.ts";
import type { ContentSource } from "./content-store.ts";
import type { CorpusDocument } from "./corpus-index.ts";
import { IndexCache } from "./index-cache.ts";
import { type BuildIndex, buildIndexInWorker } from "./index-worker.ts";
import { continueText, INFINITY_GRAM, type InfinityGramOptions } from "./infinity-gram.ts";
import { traceSpans } from "./trace.ts";

export interface ModelHostLimits {
  readonly maxPromptBytes: number;
  readonly maxWords: number;
  /** What fits the calldata of a public audience. */
  readonly maxOutputBytes: number;
  /** Of one model's live contributions. */
  readonly maxCorpusBytes: number;
  readonly maxIndexCacheBytes: number;
  readonly maxRunning: number;
  readonly maxWaiting: number;
  /** No answer when less than this is left to commit it. */
  readonly deadlineMarginSeconds: bigint;
}

export const MODEL_HOST_LIMITS: ModelHostLimits = {
  maxPromptBytes: 48 * 1024,
  maxWords: 2_000,
  maxOutputBytes: 16 * 1024,
  maxCorpusBytes: 64 * 1024 * 1024,
  maxIndexCacheBytes: 512 * 1024 * 1024,
  maxRunning: 2,
  maxWaiting: 32,
  deadlineMarginSeconds: 2n,
};

export interface ModelHostPorts {
  readonly chain: ChainReader;
  readonly content: ContentSource;
  readonly signer: AnswerSigner;
  readonly answers: AnswerLog;
  readonly buildIndex?: BuildIndex;
  readonly limits?: Partial<ModelHostLimits>;
  readonly generator?: InfinityGramOptions;
  /** Milliseconds, for the timings. */
  readonly now?: () => number;
}

export interface AnswerRequest {
  readonly inferenceId: bigint;
  /** The bytes whose content root is the request's. */
  readonly prompt: Uint8Array;
  readonly words: number;
}

export interface Timings {
  /** Reading the chain. */
  readonly chainMs: number;
  /** Contents and index; near zero when cached. */
  readonly indexMs: number;
  readonly generateMs: number;
  readonly traceMs: number;
}

export type RefusalCode =
  | "bad-request"
  | "busy"
  | "chain-unavailable"
  | "content-unavailable"
  | "corpus-too-large"
  | "deadline-passed"
  | "escrow-too-small"
  | "foreign-record"
  | "no-data"
  | "not-addressed"
  | "prompt-mismatch"
  | "record-damaged"
  | "unknown-inference"
  | "wrong-state";

export type AnswerResult =
  | {
      readonly ok: true;
      readonly answer: SignedAnswer;
      /** Absent when the answer was given before. */
      readonly timings?: Timings;
    }
  | { readonly ok: false; readonly code: RefusalCode; readonly message: string };

export interface ServedModel {
  readonly modelId: bigint;
  readonly data: readonly DataCount[];
}

export interface ModelHost {
  readonly address: Hex;
  readonly limits: ModelHostLimits;
  readonly generator: InfinityGramOptions;
  answer(request: AnswerRequest): Promise<AnswerResult>;
  /** Models that this host has joined. Rejects when the chain cannot be read. */
  models(): Promise<ServedModel[]>;
  head(): Promise<{ readonly number: bigint; readonly timestamp: bigint }>;
}

/** Ends an answer; `answer` turns it into its result. */
class Refusal extends Error {
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Refusal";
    this.code = code;
  }
}

export function createModelHost(ports: ModelHostPorts): ModelHost {
  const { chain, content, signer, answers, buildIndex = buildIndexInWorker, generator = INFINITY_GRAM } = ports;
  const now = ports.now ?? (() => performance.now());
  const limits = { ...MODEL_HOST_LIMITS, ...ports.limits };
  const gate = new Gate(limits.maxRunning, limits.maxWaiting);
  const indexes = new IndexCache(buildIndex, limits.maxIndexCacheBytes);

  async function answer(request: AnswerRequest): Promise<AnswerResult> {
    try {
      checkRequest(request, limits);
      const result = await gate.run(() => answerOnce(request));
      return result ?? refused("busy", "too many requests wait; try again");
    } catch (error) {
      if (error instanceof Refusal) return refused(error.code, error.message);
      if (error instanceof DamagedAnswerError) return refused("record-damaged", error.message);
      throw error;
    }
  }

  async function answerOnce({ inferenceId, prompt, words }: AnswerRequest): Promise<AnswerResult> {
    const start = now();
    const requestRoot = bytesToHex(contentRoot(prompt));
    const earlier = await answers.read(inferenceId);
    const inference = await fromChain(chain.inference(inferenceId));
    if (inference === undefined) throw new Refusal("unknown-inference", `there is no inference ${inferenceId}`);
    checkPrompt(inference, requestRoot, prompt.length);
    if (earlier !== undefined) return standing(earlier, inference);

    checkOpen(inference, signer.address, await fromChain(chain.head()), limits);
    const live = await fromChain(liveContributions(chain, inference.modelId, inference.requestedAt));
    const chainId = await fromChain(chain.chainId());
    const chainRead = now();

    checkCorpus(inference, live, limits);
    const index = await indexes.get(corpusKey(live), () => fetchAll(content, live));
    const indexed = now();

    const maxBytes = affordableBytes(inference, limits.maxOutputBytes);
    const seed = hexToBytes(requestRoot);
    const { output } = continueText(index, { prompt, words, maxBytes, seed }, generator);
    if (output.length === 0) {
      throw new Refusal("escrow-too-small", `the escrow of inference ${inferenceId} pays for no word of output`);
    }
    const generated = now();

    const spans = traceSpans(index, output, inference.minSpanBytes);
    const traced = now();

    const commitment = {
      inferenceId,
      requestRoot,
      outputRoot: bytesToHex(contentRoot(output)),
      outputBytes: output.length,
      spansHash: bytesToHex(spansHash(spans)),
    };
    const signature = await signer.sign(chainId, commitment);
    const signed = await answers.record({
      chainId,
      modelId: inference.modelId,
      host: signer.address,
      ...commitment,
      output: bytesToHex(output),
      spans,
      coveredBytes: coveredBytes(spans),
      signature,
    });
    // Another process, or a request beside this one, may have recorded first: its answer is the answer.
    if (signed.signature !== signature) return standing(signed, inference);
    return {
      ok: true,
      answer: signed,
      timings: {
        chainMs: chainRead - start,
        indexMs: indexed - chainRead,
        generateMs: generated - indexed,
        traceMs: traced - generated,
      },
    };
  }

  return {
    address: signer.address,
    limits,
    generator,
    answer,
    head: () => chain.head(),
    async models() {
      const ids = await chain.modelsOf(signer.address);
      return Promise.all(ids.map(async (modelId) => ({ modelId, data: await chain.modelData(modelId) })));
    },
  };
}

const refused = (code: RefusalCode, message: string): AnswerResult => ({ ok: false, code, message });

/** A recorded answer, unless it is of another chain that had the same id: to sign again would contradict it. */
function standing(answer: SignedAnswer, { id, requestRoot, modelId, host }: InferenceRequest): AnswerResult {
  if (answer.requestRoot === requestRoot && answer.modelId === modelId && answer.host === host) {
    return { ok: true, answer };
  }
  const message = `inference ${id} was answered before as one of model ${answer.modelId} with request ${answer.requestRoot}`;
  return refused("foreign-record", `${message}: this data directory's answers are of another chain; use a fresh one`);
}

async function fromChain<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw new Refusal("chain-unavailable", `the chain cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function checkRequest({ prompt, words }: AnswerRequest, { maxPromptBytes, maxWords }: ModelHostLimits): void {
  if (prompt.length < 1 || prompt.length > maxPromptBytes) {
    throw new Refusal("bad-request", `the prompt has ${prompt.length} bytes, not 1 to ${maxPromptBytes}`);
  }
  if (!Number.isInteger(words) || words < 1 || words > maxWords) {
    throw new Refusal("bad-request", `words is ${words}, not 1 to ${maxWords}`);
  }
}

function checkPrompt({ id, ...inference }: InferenceRequest, requestRoot: Hex, promptBytes: number): void {
  if (inference.requestRoot !== requestRoot) {
    const message = `the prompt has root ${requestRoot}, inference ${id} was requested for ${inference.requestRoot}`;
    throw new Refusal("prompt-mismatch", message);
  }
  if (inference.requestBytes !== promptBytes) {
    const message = `the prompt has ${promptBytes} bytes, inference ${id} was requested for ${inference.requestBytes}`;
    throw new Refusal("prompt-mismatch", message);
  }
}

function checkOpen(
  { id, host, state, commitDeadline }: InferenceRequest,
  address: Hex,
  head: { readonly timestamp: bigint },
  { deadlineMarginSeconds }: ModelHostLimits,
): void {
  if (host !== address) {
    throw new Refusal("not-addressed", `inference ${id} is addressed to ${host}, this host is ${address}`);
  }
  if (state !== "requested") throw new Refusal("wrong-state", `inference ${id} is ${state}, not requested`);
  if (head.timestamp + deadlineMarginSeconds > commitDeadline) {
    const message = `inference ${id} had to be committed by ${commitDeadline}, the chain is at ${head.timestamp}`;
    throw new Refusal("deadline-passed", message);
  }
}

function checkCorpus(
  { modelId }: InferenceRequest,
  live: readonly AcceptedContribution[],
  { maxCorpusBytes }: ModelHostLimits,
): void {
  if (live.length === 0) throw new Refusal("no-data", `model ${modelId} has no live contribution to draw on`);
  const bytes = live.reduce((sum, { size }) => sum + size, 0);
  if (bytes > maxCorpusBytes) {
    throw new Refusal(
      "corpus-too-large",
      `model ${modelId} has ${bytes} bytes of data, this host serves ${maxCorpusBytes}`,
    );
  }
}

/** Ids and roots say all about the contents; two models over the same live set share an index. */
function corpusKey(live: readonly AcceptedContribution[]): string {
  return bytesToHex(
    keccak256(new TextEncoder().encode(live.map(({ id, contentRoot }) => `${id}:${contentRoot}`).join())),
  );
}

const PARALLEL_FETCHES = 8;

/** Contents of all live contributions, each checked against its root, whatever the source promises. */
async function fetchAll(source: ContentSource, live: readonly AcceptedContribution[]): Promise<CorpusDocument[]> {
  const documents = new Array<CorpusDocument>(live.length);
  const pending = live.entries();
  const fetcher = async () => {
    for (const [i, { id, contentRoot: root, size }] of pending) {
      const bytes = await source.get(root).catch((error: unknown) => {
        const message = `content ${root} of contribution ${id} cannot be read: ${(error as Error).message}`;
        throw new Refusal("content-unavailable", message, { cause: error });
      });
      if (bytes?.length !== size || !equalsBytes(contentRoot(bytes), hexToBytes(root))) {
        throw new Refusal("content-unavailable", `content ${root} of contribution ${id} is not in the content store`);
      }
      documents[i] = { id, bytes };
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_FETCHES }, fetcher));
  return documents;
}

/** Longest output whose fee the escrow covers (docs/spec.md "Fee and settlement"), at most `limit`. */
export function affordableBytes(inference: InferenceRequest, limit: number): number {
  const { escrowWei, platformFeeWei, requestPrice, outputPrice, requestBytes } = inference;
  // fee <= escrow  <=>  requestBytes * requestPrice + outputBytes * outputPrice < (escrow - platformFee + 1) * 1000
  const left = (escrowWei - platformFeeWei + 1n) * 1000n - 1n - BigInt(requestBytes) * requestPrice;
  if (left < 0n) return 0;
  if (outputPrice === 0n) return limit;
  const bytes = left / outputPrice;
  return bytes < BigInt(limit) ? Number(bytes) : limit;
}
