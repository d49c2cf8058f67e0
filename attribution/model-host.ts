/**
 * The model host: answers a request that is on chain with an output, its spans and a signature over both.
 *
 * It signs at most one answer for an inference, ever: attribution/answer-log.ts holds what it signed. It answers only
 * whoever knows the prompt (its content root is on chain, the prompt is not), and only with the contents of all live
 * contributions at hand: a span left out is as wrong as one made up. Pieces of the output go out as they are made, the
 * last thing after the record: so whoever gets all of it gets what was signed. A paid answer is finished though its
 * asker has left, or nobody would pay for the text that went out before.
 */
import { bytesToHex, type Hex } from "../core/bytes.ts";
import { contentRoot } from "../core/content.ts";
import { Gate } from "../core/gate.ts";
import { feeWei } from "../core/settlement.ts";
import { coveredBytes, spansHash } from "../core/span-rule.ts";
import type { AnswerSigner } from "./answer.ts";
import { type AnswerDetails, type AnswerLog, DamagedAnswerError, type SignedAnswer } from "./answer-log.ts";
import type { AcceptedContribution, ChainReader, DataCount, InferenceRequest } from "./chain-reader.ts";
import type { ContentSource } from "./content-store.ts";
import { type OpenCorpus, openInMemory } from "./corpus.ts";
import { type Engine, EngineError, type Sampling } from "./engines/engine.ts";
import { infinityGramEngine } from "./engines/infinity-gram.ts";
import { EmptyOutputError, type PieceListener, writeOutput } from "./engines/write-output.ts";
import { affordableBytes, checkModel, checkOpen, checkPrompt, checkRequest, fromChain } from "./host-checks.ts";
import { createLiveCorpora } from "./live-corpora.ts";
import { MODEL_HOST_LIMITS, type ModelHostLimits } from "./model-host-limits.ts";
import type { Prompt } from "./prompt.ts";
import { Refusal, type RefusalCode } from "./refusal.ts";
import { traceSpans } from "./trace.ts";
import { countWords } from "./words.ts";

/** Whether an answer may be signed: its stake must be there when it is committed. */
export interface Admission {
  /** Holds what an answer may lock, at most for a fee of `maxFeeWei`. Throws Refusal. */
  reserve(inference: InferenceRequest, maxFeeWei: bigint): Promise<Reservation>;
}

/** Ends with one call. */
export interface Reservation {
  /** The answer is recorded: from now on its actual fee counts. */
  signed(answer: SignedAnswer, inference: InferenceRequest): void;
  release(): void;
}

export interface ModelHostPorts {
  readonly chain: ChainReader;
  readonly content: ContentSource;
  readonly signer: AnswerSigner;
  readonly answers: AnswerLog;
  readonly openCorpus?: OpenCorpus;
  readonly engine?: Engine;
  /** Undefined: nobody looks at the stake, and clients commit. */
  readonly admission?: Admission;
  /** Undefined: all that the host has joined. */
  readonly serves?: (modelId: bigint) => boolean;
  readonly limits?: Partial<ModelHostLimits>;
  /** Milliseconds, for the timings. */
  readonly now?: () => number;
}

export interface Question {
  /** Undefined: of the request. */
  readonly modelId?: bigint | undefined;
  /** Its bytes' content root is the request's. */
  readonly prompt: Prompt;
  readonly maxTokens: number;
  readonly stop?: readonly string[];
  readonly sampling?: Sampling;
}

export interface Timings {
  /** Reading the chain. */
  readonly chainMs: number;
  /** Contents and index; near zero when they are open. */
  readonly indexMs: number;
  readonly generateMs: number;
  readonly traceMs: number;
}

/** What was made for a question, before it is signed. */
export type Answer = Omit<SignedAnswer, "inferenceId" | "signature" | "details"> & { readonly details: AnswerDetails };

export type AnswerState = "free" | "signed" | "committed" | "settled" | "expired" | "void";

export type AnswerResult<A = SignedAnswer> =
  | {
      readonly ok: true;
      readonly answer: A;
      /** m of span-v1. */
      readonly minSpanBytes: number;
      /** On chain; `signed` is not committed yet. */
      readonly state: AnswerState;
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
  readonly engine: Engine["description"];
  answer(inferenceId: bigint, question: Question, onPiece?: PieceListener): Promise<AnswerResult>;
  /** Nothing is asked of the chain but the data, nothing is signed. `signal` ends it. */
  answerFree(
    question: Question & { readonly modelId: bigint },
    signal: AbortSignal,
    onPiece?: PieceListener,
  ): Promise<AnswerResult<Answer>>;
  /** Models that this host has joined and serves. Rejects when the chain cannot be read. */
  models(): Promise<ServedModel[]>;
  head(): Promise<{ readonly number: bigint; readonly timestamp: bigint }>;
  /** Gets a model's contents and index ready, as of the head. Throws Refusal. */
  prepare(modelId: bigint): Promise<void>;
  /** Ends what is being generated: none of it is signed. */
  close(): void;
}

interface Production {
  readonly modelId: bigint;
  readonly minSpanBytes: number;
  readonly maxBytes: number;
  readonly live: readonly AcceptedContribution[];
  readonly requestRoot: Uint8Array;
  readonly signal: AbortSignal;
  /** When it was ready to begin, `now`. */
  readonly startMs: number;
}

export function createModelHost(ports: ModelHostPorts): ModelHost {
  const { chain, signer, answers, admission, engine = infinityGramEngine(), serves = () => true } = ports;
  const now = ports.now ?? (() => performance.now());
  const limits = { ...MODEL_HOST_LIMITS, ...ports.limits };
  const gate = new Gate(engine.parallel, limits.maxWaiting);
  const corpora = createLiveCorpora(chain, ports.content, ports.openCorpus ?? openInMemory, limits);
  const closing = new AbortController();
  /** Inferences that are being answered: a second asker waits, and gets the same answer. */
  const underWay = new Map<bigint, Promise<unknown>>();

  async function gated<A>(question: Question, work: () => Promise<AnswerResult<A>>): Promise<AnswerResult<A>> {
    try {
      checkRequest(question.prompt.bytes.length, question.maxTokens, limits);
      const result = await gate.run(work);
      return result ?? { ok: false, code: "busy", message: "too many requests wait; try again" };
    } catch (error) {
      const refusal = refusalOf(error, closing.signal);
      if (refusal === undefined) throw error;
      return { ok: false, code: refusal.code, message: refusal.message };
    }
  }

  async function answerOnce(id: bigint, question: Question, onPiece?: PieceListener): Promise<AnswerResult> {
    const startMs = now();
    const root = contentRoot(question.prompt.bytes);
    const earlier = await answers.read(id);
    const inference = await fromChain(chain.inference(id));
    if (inference === undefined) throw new Refusal("unknown-inference", `there is no inference ${id}`);
    checkPrompt(inference, bytesToHex(root), question.prompt.bytes.length);
    checkModel(inference, question.modelId);
    if (earlier !== undefined) return standing(earlier, inference);

    checkOpen(inference, signer.address, await fromChain(chain.head()), limits);
    requireServed(inference.modelId);
    const maxBytes = affordableBytes(inference, limits.maxOutputBytes);
    if (maxBytes === 0) throw tooSmall(inference);
    const reservation = await admission?.reserve(inference, feeWei(inference, inference.requestBytes, maxBytes));
    let recorded: SignedAnswer | undefined;
    try {
      const live = await corpora.live(inference.modelId, inference.requestedAt);
      const { modelId, minSpanBytes } = inference;
      const production = { modelId, minSpanBytes, maxBytes, live, requestRoot: root, startMs, signal: closing.signal };
      const { answer, timings } = await produce(question, production, onPiece);
      const signature = await signer.sign(answer.chainId, { inferenceId: id, ...answer });
      recorded = await answers.record({ inferenceId: id, ...answer, signature });
      // Another process may have recorded first: its answer is the answer, and not what went out here.
      if (recorded.signature !== signature) {
        if (onPiece === undefined) return standing(recorded, inference);
        throw new Refusal("wrong-state", `inference ${id} was answered by another process; ask again for that answer`);
      }
      return { ok: true, answer: recorded, minSpanBytes, state: "signed", timings };
    } catch (error) {
      throw error instanceof EmptyOutputError && error.isLimit ? tooSmall(inference) : error;
    } finally {
      if (recorded === undefined) reservation?.release();
      else reservation?.signed(recorded, inference);
    }
  }

  function requireServed(modelId: bigint): void {
    if (!serves(modelId)) throw new Refusal("not-served", `this host does not serve model ${modelId}`);
  }

  /** Generates and traces. */
  async function produce(question: Question, production: Production, onPiece: PieceListener = () => {}) {
    const { live, modelId, minSpanBytes, requestRoot, startMs } = production;
    const chainId = await fromChain(chain.chainId());
    const chainReadMs = now();
    return corpora.use(live, async (view) => {
      const passages = engine.readsPassages ? await corpora.retrieve(view, question.prompt.text) : [];
      const openedMs = now();
      const { prompt, maxTokens, stop = [], sampling = {} } = question;
      const { maxBytes, signal } = production;
      const wanted = { prompt, maxTokens, maxBytes, stop, sampling, signal };
      const generation = { ...wanted, corpus: view.corpus, passages, seed: requestRoot };
      const { output, finished } = await writeOutput(engine, generation, onPiece);
      const generatedMs = now();
      const spans = traceSpans(view.corpus, output, minSpanBytes);
      const answer: Answer = {
        chainId,
        modelId,
        host: signer.address,
        requestRoot: bytesToHex(requestRoot),
        output: bytesToHex(output),
        outputRoot: bytesToHex(contentRoot(output)),
        outputBytes: output.length,
        spans,
        spansHash: bytesToHex(spansHash(spans)),
        coveredBytes: coveredBytes(spans),
        details: {
          finish: finished.finish,
          promptTokens: finished.promptTokens ?? countWords(prompt.bytes),
          completionTokens: finished.completionTokens ?? countWords(output),
          citations: passages.map(({ text, ...citation }) => citation),
        },
      };
      const timings: Timings = {
        chainMs: chainReadMs - startMs,
        indexMs: openedMs - chainReadMs,
        generateMs: generatedMs - openedMs,
        traceMs: now() - generatedMs,
      };
      return { answer, timings };
    });
  }

  return {
    address: signer.address,
    limits,
    engine: engine.description,
    async answer(id, question, onPiece) {
      const before = underWay.get(id) ?? Promise.resolve();
      const answering = before.catch(() => {}).then(() => gated(question, () => answerOnce(id, question, onPiece)));
      underWay.set(id, answering);
      try {
        return await answering;
      } finally {
        if (underWay.get(id) === answering) underWay.delete(id);
      }
    },
    answerFree: (question, signal, onPiece) =>
      gated(question, async () => {
        const { modelId, prompt } = question;
        const startMs = now();
        requireServed(modelId);
        const [{ number }, { minSpanBytes }] = await fromChain(Promise.all([chain.head(), chain.parameters()]));
        const live = await corpora.live(modelId, number);
        const ending = AbortSignal.any([signal, closing.signal]);
        const { maxOutputBytes: maxBytes } = limits;
        const requestRoot = contentRoot(prompt.bytes);
        const production = { modelId, minSpanBytes, maxBytes, live, requestRoot, startMs, signal: ending };
        const { answer, timings } = await produce(question, production, onPiece);
        return { ok: true, answer, minSpanBytes, state: "free", timings };
      }),
    head: () => chain.head(),
    async models() {
      const ids = (await chain.modelsOf(signer.address)).filter(serves);
      return Promise.all(ids.map(async (modelId) => ({ modelId, data: await chain.modelData(modelId) })));
    },
    async prepare(modelId) {
      const { number } = await fromChain(chain.head());
      await corpora.use(await corpora.live(modelId, number), async () => {});
    },
    close() {
      closing.abort();
      corpora.close();
    },
  };
}

const tooSmall = ({ id }: InferenceRequest) =>
  new Refusal("escrow-too-small", `the escrow of inference ${id} pays for no word of output`);

function refusalOf(error: unknown, closing: AbortSignal): Refusal | undefined {
  if (error instanceof Refusal) return error;
  if (error instanceof EmptyOutputError) return new Refusal("no-output", error.message);
  if (error instanceof DamagedAnswerError) return new Refusal("record-damaged", error.message);
  if (error instanceof EngineError) {
    return closing.aborted
      ? new Refusal("stopped", "this host stops; ask again")
      : new Refusal("engine-failed", error.message);
  }
  return undefined;
}

/** A recorded answer, unless it is of another chain that had the same id: to sign again would contradict it. */
function standing(answer: SignedAnswer, inference: InferenceRequest): AnswerResult {
  const { id, requestRoot, modelId, host, minSpanBytes } = inference;
  if (answer.requestRoot === requestRoot && answer.modelId === modelId && answer.host === host) {
    const state = inference.state === "requested" || inference.state === "none" ? "signed" : inference.state;
    return { ok: true, answer, minSpanBytes, state };
  }
  const message = `inference ${id} was answered before as one of model ${answer.modelId} with request ${answer.requestRoot}`;
  throw new Refusal(
    "foreign-record",
    `${message}: this data directory's answers are of another chain; use a fresh one`,
  );
}
