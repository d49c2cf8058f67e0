/** Re-traces a committed answer and finds the call that refutes it. */
import { recoverTypedDataAddress } from "viem";
import { answerTypedData } from "../../attribution/answer.ts";
import type { AcceptedContribution, ChainReader, InferenceRequest } from "../../attribution/chain-reader.ts";
import { liveContributions } from "../../attribution/chain-reader.ts";
import { challengeCall, findChallenge } from "../../attribution/challenge.ts";
import type { ContentSource } from "../../attribution/content-store.ts";
import type { Corpus, OpenCorpus } from "../../attribution/corpus.ts";
import { CorpusViews, corpusKey } from "../../attribution/corpus-views.ts";
import { ShardDamagedError } from "../../attribution/shard-layout.ts";
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
  readonly #views = new CorpusViews<Corpus>(MAX_OPEN);

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
    const contents = new Map<bigint, Uint8Array>();
    const load = async (id: bigint): Promise<void> => {
      const entry = byId.get(id);
      // Live when it was committed, and withdrawn later in the request's block.
      if (entry === undefined || contents.has(id)) return;
      contents.set(id, await this.#read(entry));
    };
    for (const { contribution } of claim.spans) await load(contribution);

    const spans = claim.spans.filter(({ contribution }) => contents.has(contribution));
    const challenge = await this.#use(live, async (corpus) =>
      findChallenge({
        spans,
        output,
        expected: live.length === 0 ? [] : traceSpans(corpus, output, request.minSpanBytes),
        earliest: (start, end) => corpus.earliest(output, start, end),
        content: (id) => contents.get(id)!,
      }),
    );
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
    const live = await liveContributions(this.#ports.chain, modelId, requestedAt);
    let isNew = false;
    await this.#use(
      live,
      async () => {},
      () => {
        isNew = true;
      },
    );
    return isNew;
  }

  close(): void {
    this.#views.close();
  }

  async #use<R>(
    live: readonly AcceptedContribution[],
    use: (corpus: Corpus) => Promise<R>,
    onOpen?: () => void,
  ): Promise<R> {
    const key = corpusKey(live);
    const open = (): Promise<Corpus> => {
      onOpen?.();
      return this.#ports.openCorpus(live, (entry) => this.#read(entry));
    };
    try {
      return await this.#views.use(key, open, use);
    } catch (error) {
      // The shard store builds it again for the next view.
      if (error instanceof ShardDamagedError) this.#views.forget(key);
      throw error;
    }
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

/**
 * Undefined when none of the given answers that the host signed differs from what was committed. Others prove nothing: one
 * that somebody made up must not keep the answer from being judged.
 */
export async function findContradiction(
  chainId: bigint,
  { claim, host }: Commitment,
  requestRoot: Hex,
  given: readonly GivenAnswer[],
): Promise<Refutation | undefined> {
  const { inferenceId } = claim;
  const committed = bytesToHex(spansHash(claim.spans));
  for (const { outputRoot, outputBytes, spansHash: hash, signature } of given) {
    const isSame = outputRoot === claim.outputRoot && outputBytes === claim.outputBytes && hash === committed;
    if (isSame) continue;
    const data = answerTypedData(chainId, { inferenceId, requestRoot, outputRoot, outputBytes, spansHash: hash });
    const signer = await recoverTypedDataAddress({ ...data, signature }).catch(() => undefined);
    if (signer?.toLowerCase() !== host) continue;
    return { functionName: "proveContradiction", args: [claim, outputRoot, outputBytes, hash, signature] };
  }
  return undefined;
}
