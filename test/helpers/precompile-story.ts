/** Steps that most tests of the precompiles share: a Datanet with content, a model on it, answers to requests. */
import { encodeAbiParameters, type Hex, hashTypedData, keccak256 } from "viem";
import { answerLeaf, batchProof, batchRootFrom } from "../../core/answer-batch.ts";
import { bytesToHex, concatBytes, hexToBytes } from "../../core/bytes.ts";
import { contentRoot, contentTreeRoot } from "../../core/content.ts";
import { ecdsaSign } from "../../core/crypto.ts";
import type { Span } from "../../core/span-rule.ts";
import { type Actor, type CallOptions, CHAIN_ID, type Outcome, type World } from "./precompile-world.ts";

export const SALT: Hex = `0x${"5a".repeat(32)}`;
export const text = (words: string): Uint8Array => new TextEncoder().encode(words);
export const rootOf = (content: Uint8Array): Hex => bytesToHex(contentRoot(content));

export interface DatanetOptions {
  readonly licence?: number;
  readonly access?: number;
  readonly bond?: bigint;
}

export async function createDatanet(world: World, owner: Actor, options: DatanetOptions = {}): Promise<bigint> {
  const { licence = 7, access = 0, bond = 0n } = options;
  const args = ["Net", "language", "ipfs://net", 0, licence, access, bond];
  return (await world.must(owner, "datanet", "createDatanet", args)).result as bigint;
}

export interface ContributionOptions {
  readonly licence?: number;
  readonly parents?: readonly bigint[];
  readonly value?: bigint;
  readonly size?: bigint;
  readonly uri?: string;
}

export const commitmentOf = (datanetId: bigint, contributor: Hex, root: Hex, salt: Hex): Hex =>
  keccak256(
    encodeAbiParameters(
      [{ type: "uint256" }, { type: "address" }, { type: "bytes32" }, { type: "bytes32" }],
      [datanetId, contributor, root, salt],
    ),
  );

export function revealArgs(datanetId: bigint, content: Uint8Array, options: ContributionOptions = {}) {
  const { licence = 7, parents = [], size = BigInt(content.length), uri = "store://x" } = options;
  return [datanetId, rootOf(content), size, uri, licence, parents, SALT];
}

/** Commits, waits a block, reveals. */
export async function submit(
  world: World,
  contributor: Actor,
  datanetId: bigint,
  content: Uint8Array,
  options: ContributionOptions = {},
): Promise<bigint> {
  const commitment = commitmentOf(datanetId, contributor.hex, rootOf(content), SALT);
  await world.must(contributor, "datanet", "commitContribution", [datanetId, commitment]);
  world.advance();
  const call: CallOptions = { value: options.value ?? 0n };
  const args = revealArgs(datanetId, content, options);
  return (await world.must(contributor, "datanet", "submitContribution", args, call)).result as bigint;
}

export async function contribute(
  world: World,
  owner: Actor,
  contributor: Actor,
  datanetId: bigint,
  content: Uint8Array,
  options: ContributionOptions = {},
): Promise<bigint> {
  const id = await submit(world, contributor, datanetId, content, options);
  await world.must(owner, "datanet", "acceptContribution", [id, 9_000]);
  return id;
}

export interface ModelOptions {
  readonly kind?: number;
  readonly parent?: bigint;
  readonly name?: string;
  readonly licence?: number;
  readonly data?: readonly { datanetId: bigint; version: number }[];
  readonly requestPrice?: bigint;
  readonly outputPrice?: bigint;
  readonly royaltyPpm?: number;
  readonly hostPpm?: number;
}

export const modelArgs = (options: ModelOptions = {}) => [
  {
    kind: options.parent === undefined ? 0 : 1,
    parent: 0n,
    name: "Model",
    metadataURI: "ipfs://model",
    artifactHash: `0x${"11".repeat(32)}`,
    configHash: `0x${"22".repeat(32)}`,
    licence: 7,
    data: [],
    requestPrice: 1_000_000n,
    outputPrice: 5_000_000n,
    royaltyPpm: 100_000,
    hostPpm: 250_000,
    ...options,
  },
];

export async function registerModel(world: World, owner: Actor, options: ModelOptions): Promise<bigint> {
  return (await world.must(owner, "models", "registerModel", modelArgs(options))).result as bigint;
}

export interface Answer {
  readonly inferenceId: bigint;
  readonly requestRoot: Hex;
  readonly outputRoot: Hex;
  readonly outputBytes: number;
  readonly spans: readonly Span[];
}

export const spansHashOf = (spans: readonly Span[]): Hex =>
  keccak256(
    encodeAbiParameters(
      [
        {
          type: "tuple[]",
          components: [
            { name: "outputStart", type: "uint32" },
            { name: "length", type: "uint32" },
            { name: "contribution", type: "uint64" },
            { name: "contentOffset", type: "uint64" },
          ],
        },
      ],
      [spans],
    ),
  );

export const answerDigestOf = (answer: Answer): Hex =>
  hashTypedData({
    domain: {
      name: "OpenLedger Attribution",
      version: "1",
      chainId: CHAIN_ID,
      verifyingContract: "0x0000000000000000000000000000000000000903",
    },
    types: {
      Answer: [
        { name: "inferenceId", type: "uint256" },
        { name: "requestRoot", type: "bytes32" },
        { name: "outputRoot", type: "bytes32" },
        { name: "outputBytes", type: "uint32" },
        { name: "spansHash", type: "bytes32" },
      ],
    },
    primaryType: "Answer",
    message: { ...answer, spansHash: spansHashOf(answer.spans) },
  });

/** r ‖ s ‖ v as the host hands it to its client. */
export function sign(host: Actor, answer: Answer): Hex {
  const { r, s, yParity } = ecdsaSign(hexToBytes(answerDigestOf(answer)), host.key);
  return bytesToHex(concatBytes(r, s, Uint8Array.of(27 + yParity)));
}

export interface CommitOptions extends CallOptions {
  readonly isPrivate?: boolean;
  readonly requestRoot?: Hex;
  readonly signature?: Hex;
  readonly outputRoot?: Hex;
  readonly outputBytes?: number;
  readonly output?: Uint8Array;
}

export const REQUEST_ROOT: Hex = `0x${"33".repeat(32)}`;

/** An answer as a commitment takes it, signed by the host unless told otherwise. */
export function answerOf(
  host: Actor,
  inferenceId: bigint,
  output: Uint8Array,
  spans: readonly Span[],
  options: CommitOptions = {},
) {
  const { outputBytes = output.length, requestRoot = REQUEST_ROOT } = options;
  const outputRoot = options.outputRoot ?? rootOf(output);
  const given = options.output ?? (options.isPrivate ? contentTreeRoot(output) : output);
  const signature = options.signature ?? sign(host, { inferenceId, requestRoot, outputRoot, outputBytes, spans });
  return { inferenceId, outputRoot, outputBytes, output: bytesToHex(given), spans, signature };
}

/** Arguments of a commitment of one answer. */
export const commitArgs = (...args: Parameters<typeof answerOf>): readonly unknown[] => [[answerOf(...args)]];

export const commit = (
  world: World,
  host: Actor,
  inferenceId: bigint,
  output: Uint8Array,
  spans: readonly Span[],
  options: CommitOptions = {},
): Promise<Outcome> =>
  world.call(host, "attribution", "commitOutputs", commitArgs(host, inferenceId, output, spans, options), options);

export interface Claim {
  readonly inferenceId: bigint;
  readonly outputRoot: Hex;
  readonly outputBytes: number;
  readonly spans: readonly Span[];
  readonly proof: readonly Hex[];
}

/** A claim on an answer that was committed alone. */
export const claimOf = (inferenceId: bigint, output: Uint8Array, spans: readonly Span[]): Claim => ({
  inferenceId,
  outputRoot: rootOf(output),
  outputBytes: output.length,
  spans,
  proof: [],
});

/** Claims on answers that were committed together, in this order. */
export function claimsOf(
  answers: readonly { readonly inferenceId: bigint; readonly output: Uint8Array; readonly spans: readonly Span[] }[],
): Claim[] {
  const leaves = answers.map(({ inferenceId, output, spans }) =>
    answerLeaf({
      inferenceId,
      outputRoot: contentRoot(output),
      outputBytes: output.length,
      spansHash: hexToBytes(spansHashOf(spans)),
    }),
  );
  return answers.map(({ inferenceId, output, spans }, i) => ({
    ...claimOf(inferenceId, output, spans),
    proof: batchProof(leaves, i).map(bytesToHex),
  }));
}

/** Root of the batch of these answers. */
export function batchRootOf(...args: Parameters<typeof claimsOf>): Hex {
  const [first] = claimsOf(...args);
  const { inferenceId, outputRoot, outputBytes, spans, proof } = first!;
  const spansHash = hexToBytes(spansHashOf(spans));
  const leaf = answerLeaf({ inferenceId, outputRoot: hexToBytes(outputRoot), outputBytes, spansHash });
  return bytesToHex(
    batchRootFrom(
      leaf,
      proof.map((sibling) => hexToBytes(sibling)),
    ),
  );
}

/** Arguments of a settlement of one answer that was committed alone. */
export const settleArgs = (...args: Parameters<typeof claimOf>): readonly unknown[] => [[claimOf(...args)]];

export async function request(
  world: World,
  payer: Actor,
  host: Actor,
  modelId: bigint,
  escrow: bigint,
  options: { readonly audience?: 0 | 1; readonly requestBytes?: number } = {},
): Promise<bigint> {
  const { audience = 0, requestBytes = 100 } = options;
  const args = [modelId, host.hex, REQUEST_ROOT, requestBytes, audience];
  return (await world.must(payer, "attribution", "requestInference", args, { value: escrow })).result as bigint;
}
