/**
 * OpenAI's HTTP interface over a model host: POST /v1/chat/completions, POST /v1/completions, GET /v1/models and
 * GET /v1/models/:id. Paid answers name their inference in the header openledger-inference-id or in the body's
 * `openledger.inferenceId`; without one a client gets an offer (402), or a free answer where the operator gives those.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ChainReader } from "./chain-reader.ts";
import { readBody, sendJson } from "./http.ts";
import type { ModelHost, Question } from "./model-host.ts";
import { makeOffer } from "./offer.ts";
import { ApiError, apiErrorOf, errorBody, refusalError } from "./openai-error.ts";
import { type CompletionRequest, parseCompletion } from "./openai-request.ts";
import {
  type Attributed,
  completionBody,
  type Envelope,
  envelope,
  finishChunk,
  pieceChunk,
  textOf,
  usageChunk,
} from "./openai-response.ts";
import { Refusal } from "./refusal.ts";

export interface OpenAiOptions {
  readonly modelHost: ModelHost;
  readonly chain: ChainReader;
  /** Whether answers without a request on chain are given, unsigned. */
  readonly isFree: boolean;
  /** Failures that are nobody's request. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

const MAX_BODY_BYTES = 512 * 1024;
const DEFAULT_TOKENS = 200;

export interface OpenAiRoutes {
  complete(kind: CompletionRequest["kind"], request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** One model in OpenAI's form. */
  model(response: ServerResponse, id: string): Promise<void>;
  /** All models in OpenAI's form. Throws HttpError where the chain cannot be read. */
  models(): Promise<readonly OpenAiModel[]>;
}

export interface OpenAiModel {
  readonly id: string;
  readonly object: "model";
  /** Unix seconds. */
  readonly created: number;
  readonly owned_by: string;
}

export function createOpenAiRoutes({ modelHost, chain, isFree, onError }: OpenAiOptions): OpenAiRoutes {
  /** What a model's registration says never changes. */
  const described = new Map<bigint, OpenAiModel>();

  async function complete(kind: CompletionRequest["kind"], request: IncomingMessage, response: ServerResponse) {
    const type = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
    if (type !== "application/json") throw new ApiError(415, "not_json", "the body must be application/json");
    const header = request.headers["openledger-inference-id"];
    const asked = parseCompletion(kind, await readBody(request, MAX_BODY_BYTES), header?.toString());
    const { inferenceId, modelId, prompt, stop, sampling, maxTokens = DEFAULT_TOKENS } = asked;
    const question = { modelId, prompt, stop, sampling, maxTokens };
    if (inferenceId === undefined && !isFree) return sendOffer(response, question);

    const of = envelope(kind, inferenceId?.toString() ?? randomUUID(), Date.now(), modelId);
    const stream = asked.stream ? new TextStream(of, response, asked.includeUsage) : undefined;
    const attributed = await answer(question, inferenceId, response, stream);
    if (stream === undefined) sendJson(response, 200, completionBody(of, attributed));
    else await stream.finish(attributed);
  }

  async function answer(
    question: Question & { readonly modelId: bigint },
    inferenceId: bigint | undefined,
    response: ServerResponse,
    stream: TextStream | undefined,
  ): Promise<Attributed> {
    const onPiece = stream && ((piece: Uint8Array) => stream.piece(piece));
    if (inferenceId !== undefined) {
      const result = await modelHost.answer(inferenceId, question, onPiece);
      if (!result.ok) throw refusalError(result.code, result.message);
      return result;
    }
    // Nobody pays for a free answer that nobody waits for.
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const result = await modelHost.answerFree(question, gone.signal, onPiece);
    if (!result.ok) throw refusalError(result.code, result.message);
    return result;
  }

  async function sendOffer(response: ServerResponse, { modelId, prompt, maxTokens }: Question & { modelId: bigint }) {
    const { maxOutputBytes } = modelHost.limits;
    const offer = await makeOffer(chain, modelHost.address, { modelId, prompt, maxTokens, maxOutputBytes });
    const message =
      "this answer is paid for on chain: call requestInference with the offer's values, then ask again with the header openledger-inference-id";
    sendJson(response, 402, { ...errorBody(new ApiError(402, "payment_required", message)), openledger: { offer } });
  }

  async function describe(modelId: bigint): Promise<OpenAiModel | undefined> {
    const known = described.get(modelId);
    if (known !== undefined) return known;
    const terms = await chain.modelTerms(modelId);
    if (terms === undefined) return undefined;
    const created = Number(terms.registeredAt);
    const model: OpenAiModel = { id: modelId.toString(), object: "model", created, owned_by: terms.owner };
    described.set(modelId, model);
    return model;
  }

  async function models(): Promise<readonly OpenAiModel[]> {
    const all = await Promise.all((await modelHost.models()).map(({ modelId }) => describe(modelId)));
    return all.filter((model) => model !== undefined);
  }

  return {
    complete: (kind, request, response) => inOpenAiForm(response, () => complete(kind, request, response), onError),
    model: (response, id) =>
      inOpenAiForm(
        response,
        async () => {
          const model = (await models()).find((candidate) => candidate.id === id);
          if (model === undefined) {
            throw new ApiError(
              404,
              "model_not_found",
              `this host serves no model ${JSON.stringify(id.slice(0, 80))}`,
              "model",
            );
          }
          sendJson(response, 200, model);
        },
        onError,
      ),
    models,
  };
}

/** Errors as OpenAI's clients read them: before the first byte with a status, afterwards as an event of the stream. */
async function inOpenAiForm(
  response: ServerResponse,
  work: () => Promise<void>,
  onError: ((error: unknown) => void) | undefined,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const known = error instanceof Refusal ? refusalError(error.code, error.message) : apiErrorOf(error);
    if (known === undefined) onError?.(error);
    const shown = known ?? new ApiError(500, "internal", "the server failed; see its log");
    if (!response.headersSent) {
      // A body that was not read would be taken for the next request.
      if (!response.req.complete) response.setHeader("connection", "close");
      sendJson(response, shown.status, errorBody(shown));
    } else if (!response.writableEnded) {
      response.end(`data: ${JSON.stringify(errorBody(shown))}\n\n`);
    }
  }
}

/** Text as server-sent events. Its headers wait for the first piece, so that a refusal has its own status. */
class TextStream {
  readonly #of: Envelope;
  readonly #response: ServerResponse;
  readonly #includeUsage: boolean;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #isFirst = true;
  #hasPieces = false;

  constructor(of: Envelope, response: ServerResponse, includeUsage: boolean) {
    this.#of = of;
    this.#response = response;
    this.#includeUsage = includeUsage;
  }

  async piece(bytes: Uint8Array): Promise<void> {
    this.#hasPieces = true;
    await this.#text(this.#decoder.decode(bytes, { stream: true }));
  }

  async finish(attributed: Attributed): Promise<void> {
    // An answer that was given before comes at once.
    await this.#text(this.#hasPieces ? this.#decoder.decode() : textOf(attributed.answer.output));
    await this.#send(finishChunk(this.#of, attributed, this.#includeUsage));
    if (this.#includeUsage) await this.#send(usageChunk(this.#of, attributed));
    this.#response.end("data: [DONE]\n\n");
  }

  async #text(text: string): Promise<void> {
    if (text === "") return;
    await this.#send(pieceChunk(this.#of, text, this.#isFirst, this.#includeUsage));
    this.#isFirst = false;
  }

  async #send(chunk: unknown): Promise<void> {
    const response = this.#response;
    if (response.destroyed) return;
    if (!response.headersSent) {
      response.writeHead(200, {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        // Proxies hold answers back otherwise.
        "x-accel-buffering": "no",
      });
    }
    if (response.write(`data: ${JSON.stringify(chunk)}\n\n`)) return;
    await new Promise<void>((resolve) => {
      const go = () => {
        response.off("drain", go);
        response.off("close", go);
        resolve();
      };
      response.on("drain", go);
      response.on("close", go);
    });
  }
}
