/** The committed answer: that it is the one under its batch's root, its spans by rule span-v1, and the bytes. */
import { decodeFunctionData } from "viem";
import { answerLeaf, batchRoot } from "../../core/answer-batch.ts";
import { bytesToHex, equalsBytes, type Hex, hexToBytes } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { contributorShares } from "../../core/settlement.ts";
import { coveredBytes, findSpanFault, type Span, spansHash, spanWeights } from "../../core/span-rule.ts";
import { partsPerMillion } from "../../indexer/lineage.ts";
import { AUDIENCE } from "../../precompiles/attribution-interface.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { provenBytes, type StoreClient } from "../data-cli/store-client.ts";
import type { ProvenBlock } from "./certified-chain.ts";
import { type Comparison, NotProven, requireSame } from "./checks.ts";
import { eventAt, eventsIn, placeOf } from "./events.ts";
import { type ContributionRecord, entities } from "./record.ts";
import type { Audit } from "./verify.ts";
import type { ProvenInference } from "./verify-inference.ts";

/** What the chain committed to. */
export interface ProvenAnswer {
  readonly inferenceId: bigint;
  readonly outputRoot: Hex;
  readonly outputBytes: number;
  readonly spans: readonly Span[];
  /** Wei, as the commitment's event says it. */
  readonly fee: bigint;
  /** Of a public answer: its bytes are in the commitment's transaction. */
  readonly output: Uint8Array | undefined;
}

/**
 * The answer's spans are in the commitment's event, with those of the rest of its batch; all together hash to the root
 * that the state keeps.
 */
export async function checkAnswer(
  { lineage, chain }: Audit,
  { inferenceId, batchId, batchRoot: kept, escrow, head }: ProvenInference,
): Promise<[string, ProvenAnswer]> {
  const { root } = lineage;
  if (root.committed === null || root.batch === null) throw new NotProven("GraphQL does not say when it was committed");
  const committed = await eventAt(
    chain,
    root.committed,
    "attribution",
    "OutputCommitted",
    (args) => args.inferenceId === inferenceId,
  );
  const block = await chain.block(BigInt(root.committed.block.number));
  const batch = eventsIn(block, "attribution", "OutputCommitted").filter(({ args }) => args.batchId === batchId);
  const leaves = batch.map(({ args: { inferenceId: id, outputRoot, outputBytes, spans } }) =>
    answerLeaf({ inferenceId: id, outputRoot: hexToBytes(outputRoot), outputBytes, spansHash: spansHash(spans) }),
  );
  if (leaves.length === 0 || !equalsBytes(batchRoot(leaves), kept)) {
    throw new NotProven(`the answers of batch ${batchId} do not lead to its root ${bytesToHex(kept)}`);
  }
  const { args } = committed;
  requireSame([
    ["batch", root.batch.id, batchId],
    ["batch root", root.batch.root, bytesToHex(kept)],
    ["answers of the batch", root.batch.count, leaves.length],
    ["place in the batch", root.batchIndex, args.index],
    ["time of the commitment", root.committed.block.timestamp, escrow.committedAt],
    ["output root", root.outputRoot, args.outputRoot],
    ["output bytes", root.outputBytes, args.outputBytes],
    ["number of spans", root.spans.length, args.spans.length],
    ...args.spans.flatMap((span, i): Comparison[] => [
      [`start of span ${i}`, root.spans[i]?.outputStart, span.outputStart],
      [`length of span ${i}`, root.spans[i]?.length, span.length],
      [`contribution of span ${i}`, root.spans[i]?.contribution.id, span.contribution],
      [`content offset of span ${i}`, root.spans[i]?.contentOffset, span.contentOffset],
    ]),
  ]);
  const { outputRoot, outputBytes, spans, fee } = args;
  const detail = `${spans.length} spans, answer ${args.index} of ${leaves.length} under the root ${root.batch.root} of batch ${batchId}, committed in ${placeOf(root.committed)}`;
  const output = head.audience === AUDIENCE.public ? committedOutput(block, committed.tx, args) : undefined;
  return [detail, { inferenceId, outputRoot, outputBytes, spans, fee, output }];
}

/** The chain took it only from a transaction straight to the precompile, with the bytes that have the root. */
function committedOutput(
  { transactions }: ProvenBlock,
  tx: Hex,
  { inferenceId, outputRoot }: Pick<ProvenAnswer, "inferenceId" | "outputRoot">,
): Uint8Array {
  const transaction = transactions.find(({ hash }) => bytesToHex(hash) === tx)!;
  const call = decodeFunctionData({ abi: attributionAbi, data: bytesToHex(transaction.data) });
  const answers = call.functionName === "commitOutputs" ? call.args[0] : [];
  for (const answer of answers) {
    if (answer.inferenceId !== inferenceId) continue;
    const output = hexToBytes(answer.output);
    if (bytesToHex(contentRoot(output)) === outputRoot) return output;
  }
  throw new NotProven(`transaction ${tx} does not hold the output's bytes`);
}

export function checkFile(output: Uint8Array, { outputRoot, outputBytes }: ProvenAnswer): [string, true] {
  const root = bytesToHex(contentRoot(output));
  if (root !== outputRoot || output.length !== outputBytes) {
    throw new NotProven(`the file's root is ${root}, the committed output's ${outputRoot}`);
  }
  return [`${output.length} bytes with the root ${root}`, true];
}

/** `output`: the answer's bytes, where they are known; without them boundaries are not. */
export function checkSpans(
  { head }: ProvenInference,
  { spans, outputBytes }: ProvenAnswer,
  output: Uint8Array | undefined,
): [string, true] {
  const fault = findSpanFault(spans, outputBytes, head.minSpan, output);
  if (fault !== undefined) {
    throw new NotProven(
      "index" in fault ? `span ${fault.index} is ${fault.kind}` : `there are ${fault.count}, more than the rule allows`,
    );
  }
  const boundaries = output === undefined ? "; of a private output, boundaries need the file" : ", at word boundaries";
  return [`each within a window, ${head.minSpan} bytes or more, rising${boundaries}`, true];
}

export function checkWeights({ lineage }: Audit, { spans, outputBytes }: ProvenAnswer): [string, true] {
  const { root, attributions } = lineage;
  const owned = spanWeights(spans);
  const merged = contributorShares(0n, outputBytes, spans);
  const shares = partsPerMillion(merged.map(({ weight }) => Number(weight)));
  const covered = coveredBytes(spans);
  requireSame([
    ...owned.map((weight, i): Comparison => [`weight of span ${i}`, root.spans[i]?.weight, weight]),
    ["covered bytes", root.coveredBytes, covered],
    ["number of attributed contributions", attributions.length, merged.length],
    ...merged.flatMap(({ contribution, weight }, i): Comparison[] => {
      const claimed = attributions.find((one) => one.contribution.id === String(contribution));
      return [
        [`weight of contribution ${contribution}`, claimed?.weight, weight],
        [`share of contribution ${contribution}`, claimed?.weightPpm, shares[i]],
      ];
    }),
  ]);
  return [
    `${covered} of ${outputBytes} bytes repeat ${merged.length} contributions, each owning what the rule gives it`,
    true,
  ];
}

/** Each span's bytes, as a content store has them, proven by the root that the chain has of the contribution. */
export async function checkContents(
  { lineage }: Audit,
  { spans }: ProvenAnswer,
  output: Uint8Array,
  stores: readonly StoreClient[],
): Promise<[string, true]> {
  const contributions = new Map(entities(lineage, "Contribution").map((record) => [record.id, record]));
  for (const [i, span] of spans.entries()) {
    const record = contributions.get(String(span.contribution));
    if (record === undefined)
      throw new NotProven(`GraphQL does not have contribution ${span.contribution} of span ${i}`);
    const content = await readContent(record, span, stores);
    const claimed = output.subarray(span.outputStart, span.outputStart + span.length);
    if (!equalsBytes(content, claimed)) {
      throw new NotProven(`span ${i} differs from contribution ${span.contribution} at its byte ${span.contentOffset}`);
    }
  }
  return [`the bytes of ${spans.length} spans are those of their contributions`, true];
}

/** From the first store that proves it. */
async function readContent(
  { id, contentRoot: root }: ContributionRecord,
  { contentOffset, length }: Span,
  stores: readonly StoreClient[],
): Promise<Uint8Array> {
  const problems: string[] = [];
  for (const store of stores) {
    try {
      const parts: Uint8Array[] = [];
      const start = Number(contentOffset);
      for await (const part of provenBytes(store, root, start, start + length)) parts.push(part);
      return Buffer.concat(parts);
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  throw new NotProven(`no store proves the content of contribution ${id}: ${problems.join("; ")}`);
}
