/** A world for vectors: a model trained on given contents, which are contributions 1 and on, and a host that serves it. */
import type { Hex } from "../../core/bytes.ts";
import { hexToBytes } from "../../core/bytes.ts";
import type { Parameters } from "../../core/parameters.ts";
import type { Span } from "../../core/span-rule.ts";
import type batchVectors from "../vectors/attribution-batch.json";
import {
  answerOf,
  type Claim,
  contribute,
  createDatanet,
  type ModelOptions,
  registerModel,
  request,
} from "./precompile-story.ts";
import { type Actor, actor, ETHER, World } from "./precompile-world.ts";

export interface VectorWorld {
  readonly world: World;
  readonly modelId: bigint;
  readonly curator: Actor;
  readonly contributor: Actor;
  readonly host: Actor;
  readonly payer: Actor;
}

export interface VectorWorldOptions {
  readonly parameters?: Partial<Parameters>;
  /** From the base model to the one that is served; only the first is trained on the contents. */
  readonly lineage?: readonly ModelOptions[];
}

export async function openVectorWorld(
  contents: readonly Uint8Array[],
  { parameters = {}, lineage = [{}] }: VectorWorldOptions = {},
): Promise<VectorWorld> {
  const world = await World.create({ minSpanBytes: 1n, ...parameters });
  const [curator, contributor, host, payer] = ["curator", "contributor", "host", "payer"].map(actor) as [
    Actor,
    Actor,
    Actor,
    Actor,
  ];
  for (const { address } of [curator, contributor, host, payer]) await world.fund(address);
  const datanetId = await createDatanet(world, curator);
  // A model needs data: without contents it has some that no vector names.
  const data = contents.length > 0 ? contents : [Uint8Array.of(0xff)];
  for (const content of data) await contribute(world, curator, contributor, datanetId, content);
  await world.must(curator, "datanet", "publishVersion", [datanetId]);

  let modelId = 0n;
  for (const options of lineage) {
    const origin = modelId === 0n ? { data: [{ datanetId, version: 1 }] } : { parent: modelId };
    modelId = await registerModel(world, curator, { ...options, ...origin });
  }
  await world.must(host, "models", "joinAsHost", [modelId, ""]);
  await world.must(host, "attribution", "depositStake", [], { value: 1_000n * ETHER });
  return { world, modelId, curator, contributor, host, payer };
}

/** Spans of a vector file, whose ids are numbers or decimal strings. */
export const spansOf = (
  spans: readonly (Readonly<Record<"contribution" | "contentOffset", number | string>> &
    Pick<Span, "outputStart" | "length">)[],
): Span[] =>
  spans.map(({ outputStart, length, contribution, contentOffset }) => ({
    outputStart,
    length,
    contribution: BigInt(contribution),
    contentOffset: BigInt(contentOffset),
  }));

type Vectors = typeof batchVectors;
const answerAt = ({ answers }: Vectors, i: number): Vectors["answers"][number] => answers[i % answers.length]!;

/**
 * Requests and commits one batch of attribution-batch.json in a world of its contributions. The batches must come in
 * their order, so that the inferences have the vectors' ids.
 */
export async function commitVectorBatch(
  { world, modelId, host, payer }: VectorWorld,
  vectors: Vectors,
  { firstInference, leaves }: Vectors["batches"][number],
) {
  const answers = [];
  for (let i = 0; i < leaves.length; i++) {
    const inferenceId = await request(world, payer, host, modelId, ETHER);
    if (inferenceId !== BigInt(firstInference + i)) throw new Error(`inference ${inferenceId} out of turn`);
    const { output, spans } = answerAt(vectors, i);
    answers.push(answerOf(host, inferenceId, hexToBytes(output as Hex), spansOf(spans)));
  }
  return world.must(host, "attribution", "commitOutputs", [answers]);
}

/** Claims on those answers of a batch for which the vectors have proofs. */
export const vectorClaims = (
  vectors: Vectors,
  { firstInference, proofs }: Vectors["batches"][number],
): readonly Claim[] =>
  proofs.map(({ index, siblings }) => {
    const { outputRoot, outputBytes, spans } = answerAt(vectors, index);
    return {
      inferenceId: BigInt(firstInference + index),
      outputRoot: outputRoot as Hex,
      outputBytes,
      spans: spansOf(spans),
      proof: siblings as Hex[],
    };
  });
