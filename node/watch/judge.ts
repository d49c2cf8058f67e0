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

/** Keeps the index that it used last open: commitments of one model follow each other. */
export class Judge {
  readonly #ports: JudgePorts;
  #open: { readonly key: string; readonly corpus: Corpus } | undefined;

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
    const corpus = await this.#corpus(live);
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

  close(): void {
    this.#open?.corpus.close();
    this.#open = undefined;
  }

  async #corpus(live: readonly AcceptedContribution[]): Promise<Corpus> {
    const key = live.map(({ id }) => id).join();
    if (this.#open?.key === key) return this.#open.corpus;
    this.close();
    const corpus = await this.#ports.openCorpus(live, (entry) => this.#read(entry));
    this.#open = { key, corpus };
    return corpus;
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
