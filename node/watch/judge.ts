/** Re-traces a committed answer and finds the call that refutes it. */
import type { AcceptedContribution, ChainReader, InferenceRequest } from "../../attribution/chain-reader.ts";
import { liveContributions } from "../../attribution/chain-reader.ts";
import { challengeCall, findChallenge } from "../../attribution/challenge.ts";
import type { ContentSource } from "../../attribution/content-store.ts";
import type { Corpus, OpenCorpus } from "../../attribution/corpus.ts";
import { traceSpans } from "../../attribution/trace.ts";
import { bytesToHex, equalsBytes, type Hex, hexToBytes } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { spansHash } from "../../core/span-rule.ts";
import type { Commitment } from "./commitments.ts";
import type { GivenAnswer } from "./signed-answers.ts";

/** The content of a live contribution cannot be had: nothing can be said about the answer. */
export class ContentMissingError extends Error {
  readonly contribution: bigint;
  constructor(contribution: bigint, root: Hex, options?: ErrorOptions) {
    super(`content ${root} of contribution ${contribution} is in none of the stores`, options);
    this.name = "ContentMissingError";
    this.contribution = contribution;
  }
}

const MAX_OPEN = 4;

export interface JudgePorts {
  readonly chain: ChainReader;
  readonly content: ContentSource;
  readonly openCorpus: OpenCorpus;
}

/** A call of the attribution precompile. */
export interface Refutation {
  readonly functionName: string;
  readonly args: readonly unknown[];
}

/** Keeps the indexes that it used last open: commitments of one model follow each other, and windows are short. */
export class Judge {
  readonly #ports: JudgePorts;
  /** By model, the last used last. */
  readonly #open = new Map<bigint, { readonly key: string; readonly corpus: Promise<Corpus> }>();

  constructor(ports: JudgePorts) {
    this.#ports = ports;
  }

  /**
   * A call of the attribution precompile that voids the answer; undefined when the answer is right. Rejects with
   * ContentMissingError, and when the chain cannot be read.
   */
  async refute(commitment: Commitment, request: InferenceRequest, output: Uint8Array): Promise<Refutation | undefined> {
    const { claim } = commitment;
    const live = await liveContributions(this.#ports.chain, request.modelId, request.requestedAt);
    const byId = new Map(live.map((entry) => [entry.id, entry]));
    const corpus = await this.#corpus(request.modelId, live);
    const contents = new Map<bigint, Uint8Array>();
    const load = async (id: bigint): Promise<void> => {
      const entry = byId.get(id);
      // Live when it was committed, and withdrawn later in the request's block.
      if (entry === undefined || contents.has(id)) return;
      contents.set(id, await this.#read(entry));
    };
    for (const { contribution } of claim.spans) await load(contribution);

    const spans = claim.spans.filter(({ contribution }) => contents.has(contribution));
    const challenge = findChallenge({
      spans,
      output,
      expected: live.length === 0 ? [] : traceSpans(corpus, output, request.minSpanBytes),
      earliest: (start, end) => corpus.earliest(output, start, end),
      content: (id) => contents.get(id)!,
    });
    if (challenge === undefined) return undefined;
    if ("contribution" in challenge) await load(challenge.contribution);
    const content = "contribution" in challenge ? contents.get(challenge.contribution) : undefined;
    const named =
      "spanIndex" in challenge
        ? { ...challenge, spanIndex: claim.spans.indexOf(spans[challenge.spanIndex]!) }
        : challenge;
    return challengeCall(named, claim, output, content);
  }

  /** Opens the index for requests of this model and block, which may take minutes the first time. True when it was not open. */
  async prepare(modelId: bigint, requestedAt: bigint): Promise<boolean> {
    const before = this.#open.get(modelId)?.corpus;
    const live = await liveContributions(this.#ports.chain, modelId, requestedAt);
    await this.#corpus(modelId, live);
    return this.#open.get(modelId)?.corpus !== before;
  }

  close(): void {
    for (const modelId of [...this.#open.keys()]) this.#forget(modelId);
  }

  async #corpus(modelId: bigint, live: readonly AcceptedContribution[]): Promise<Corpus> {
    const key = live.map(({ id }) => id).join();
    const known = this.#open.get(modelId);
    this.#open.delete(modelId);
    if (known?.key === key) {
      this.#open.set(modelId, known);
      return known.corpus;
    }
    known?.corpus.then((corpus) => corpus.close()).catch(() => {});
    const corpus = this.#ports.openCorpus(live, (entry) => this.#read(entry));
    this.#open.set(modelId, { key, corpus });
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= MAX_OPEN) break;
      this.#forget(oldest);
    }
    try {
      return await corpus;
    } catch (error) {
      if (this.#open.get(modelId)?.corpus === corpus) this.#open.delete(modelId);
      throw error;
    }
  }

  #forget(modelId: bigint): void {
    this.#open
      .get(modelId)
      ?.corpus.then((corpus) => corpus.close())
      .catch(() => {});
    this.#open.delete(modelId);
  }

  async #read({
    id,
    contentRoot: root,
    size,
  }: Pick<AcceptedContribution, "id" | "contentRoot" | "size">): Promise<Uint8Array> {
    let bytes: Uint8Array | undefined;
    try {
      bytes = await this.#ports.content.get(root);
    } catch (error) {
      throw new ContentMissingError(id, root, { cause: error });
    }
    if (bytes?.length !== size || !equalsBytes(contentRoot(bytes), hexToBytes(root))) {
      throw new ContentMissingError(id, root);
    }
    return bytes;
  }
}

/** Undefined when none of the given answers differs from what was committed. */
export function contradiction({ claim }: Commitment, given: readonly GivenAnswer[]): Refutation | undefined {
  const committed = bytesToHex(spansHash(claim.spans));
  const other = given.find(
    ({ outputRoot, outputBytes, spansHash: hash }) =>
      outputRoot !== claim.outputRoot.toLowerCase() || outputBytes !== claim.outputBytes || hash !== committed,
  );
  if (other === undefined) return undefined;
  const { outputRoot, outputBytes, spansHash: hash, signature } = other;
  return { functionName: "proveContradiction", args: [claim, outputRoot, outputBytes, hash, signature] };
}
