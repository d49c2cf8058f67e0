/** What both sides of the attribution benchmark run: contents, requests in one order, and batches of signed answers. */
import type { Hex } from "../core/bytes.ts";
import type { Span } from "../core/span-rule.ts";
import { answerOf, batchRootOf } from "../test/helpers/precompile-story.ts";
import { type Actor, actor, calldata } from "../test/helpers/precompile-world.ts";
import { seededRandom } from "../test/helpers/random.ts";
import { boundaryFrom, words } from "./words.ts";

export const MIN_SPAN_BYTES = 24;
export const REQUEST_BYTES = 100;
export const BATCH_RECORDS = 32;
/** Wei per 1,000 bytes. */
export const MODEL = { requestPrice: 1_000_000n, outputPrice: 5_000_000n } as const;
/** Longer than the benchmark takes, on a chain whose clock is real. */
export const COMMIT_WINDOW_SECONDS = 1_000_000n;
export const SPANS = 8;

/** Bytes of an output. Of a private one 32 are committed. */
const AUDIENCES = { public: 512, private: 512 } as const;
export type Audience = keyof typeof AUDIENCES;
export const AUDIENCE_CODE = { public: 0, private: 1 } as const;

export interface Size {
  readonly contributions: number;
  /** Blocks of each audience. */
  readonly blocks: number;
  /** Batches, one a transaction, of a block. */
  readonly batches: number;
}

export interface Request {
  readonly inferenceId: bigint;
  readonly host: Actor;
  readonly audience: Audience;
}

export interface CommitBatch {
  readonly host: Actor;
  readonly data: Uint8Array;
  /** By core/answer-batch.ts. */
  readonly root: Hex;
  /** Contributions that its spans name, each once. */
  readonly contributions: number;
}

export interface AttributionWorkload {
  /** Contributions 1 and on. */
  readonly contents: readonly Uint8Array[];
  readonly hosts: readonly Actor[];
  readonly payer: Actor;
  /** In the order in which they must be made. */
  readonly requests: readonly Request[];
  /** Batches, a list a block. */
  readonly blocks: Readonly<Record<Audience, readonly (readonly CommitBatch[])[]>>;
}

/** Deterministic: the same bytes in every run. */
export function createWorkload(size: Size): AttributionWorkload {
  const random = seededRandom(5);
  const below = (limit: number): number => Math.floor(random() * limit);
  const hosts = Array.from({ length: size.batches }, (_, i) => actor(`host ${i}`));
  const contents = Array.from({ length: size.contributions }, () => words(below, 2_000));
  const requests: Request[] = [];
  const blocksOf = (audience: Audience) =>
    Array.from({ length: size.blocks }, () =>
      hosts.map((host): CommitBatch => {
        const answers = Array.from({ length: BATCH_RECORDS }, () => {
          const inferenceId = BigInt(requests.length + 1);
          requests.push({ inferenceId, host, audience });
          return { inferenceId, ...answer(below, contents, AUDIENCES[audience]) };
        });
        const isPrivate = audience === "private";
        const signed = answers.map(({ inferenceId, output, spans }) =>
          answerOf(host, inferenceId, output, spans, { isPrivate }),
        );
        const named = new Set(answers.flatMap(({ spans }) => spans.map(({ contribution }) => contribution)));
        const data = calldata("attribution", "commitOutputs", [signed]);
        return { host, data, root: batchRootOf(answers), contributions: named.size };
      }),
    );
  const blocks = { public: blocksOf("public"), private: blocksOf("private") };
  return { contents, hosts, payer: actor("payer"), requests, blocks };
}

/** Excerpts of eight contributions with other words between them. */
function answer(below: (limit: number) => number, contents: readonly Uint8Array[], outputBytes: number) {
  const output = words(below, outputBytes);
  const spans: Span[] = [];
  const part = outputBytes / SPANS;
  for (let i = 0; i < SPANS; i++) {
    const contribution = below(contents.length);
    const content = contents[contribution]!;
    const outputStart = boundaryFrom(output, i * part + 1);
    const end = boundaryFrom(output, i * part + 40);
    const length = end - outputStart;
    const contentOffset = boundaryFrom(content, below(content.length - 2 * part));
    output.set(content.subarray(contentOffset, contentOffset + length), outputStart);
    // A cut word in the excerpt's end may run into the next one: blanks on both sides make it a boundary.
    output[outputStart - 1] = 0x20;
    output[end] = 0x20;
    spans.push({ outputStart, length, contribution: BigInt(contribution + 1), contentOffset: BigInt(contentOffset) });
  }
  return { output, spans };
}

/** Gas of a transaction's calldata (EIP-2028), without the 21,000. */
export const calldataGas = (data: Uint8Array): bigint => data.reduce((gas, byte) => gas + (byte === 0 ? 4n : 16n), 0n);
