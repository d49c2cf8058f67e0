/** Runs `openledger quality`. What it prints is a report after the other as text, with --json one JSON object a line. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { BaseError, createPublicClient, HttpRequestError, http } from "viem";
import { httpContentSource } from "../../attribution/content-server.ts";
import type { ContentSource } from "../../attribution/content-store.ts";
import { viemDatanetChain } from "../../attribution/quality/datanet-reader.ts";
import { DatanetReviews, ReviewLimitError, type SavedIndexes } from "../../attribution/quality/datanet-review.ts";
import { loadQualityIndex, saveQualityIndex } from "../../attribution/quality/index-file.ts";
import { QualityIndexError } from "../../attribution/quality/quality-index.ts";
import type { QualityReport } from "../../attribution/quality/report.ts";
import { reportText } from "../../attribution/quality/report-text.ts";
import { Review } from "../../attribution/quality/review.ts";
import { REVIEW_LIMITS } from "../../attribution/quality/thresholds.ts";
import { licenceCode } from "../../core/licences.ts";
import { qualityOptions } from "../commands/quality.ts";
import { readOptions, type Values } from "../config.ts";
import { EXIT, OperationError, UsageError } from "../errors.ts";

/** Resolves to the exit code. Throws UsageError, OperationError. */
export async function runQuality(args: readonly string[]): Promise<number> {
  const [action, ...rest] = args;
  if (action !== "check" && action !== "review") {
    throw new UsageError("quality needs one of: check, review; see openledger quality --help");
  }
  const flagsFrom = rest.findIndex((word) => word.startsWith("-"));
  const files = flagsFrom < 0 ? rest : rest.slice(0, flagsFrom);
  if (action === "check" ? files.length === 0 : files.length > 0) {
    const expected = action === "check" ? "needs a FILE" : "takes nothing before its flags";
    throw new UsageError(`quality ${action} ${expected}; see openledger quality --help`);
  }
  const values = readOptions(rest.slice(files.length), process.env, qualityOptions);
  return action === "check" ? check(files, values) : review(values);
}

function print(report: QualityReport, values: Partial<Values>): void {
  process.stdout.write(values.json === true ? `${JSON.stringify(report)}\n` : `${reportText(report)}\n`);
}

const codeOf = (value: unknown): number | undefined => (value === undefined ? undefined : licenceCode(value as string));

function check(files: readonly string[], values: Partial<Values>): number {
  const licence = codeOf(values.licence);
  const run = new Review(codeOf(values["datanet.licence"]));
  for (const file of files) {
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    if (size === undefined) throw new OperationError(`${file} does not exist`);
    if (size === 0 || size > REVIEW_LIMITS.contentBytes) {
      throw new OperationError(`${file} has ${size} bytes; 1 to ${REVIEW_LIMITS.contentBytes} can be checked`);
    }
    const content = new Uint8Array(readFileSync(file));
    print(run.report({ id: file, contentRoot: "0x", size, licence }, content), values);
  }
  return EXIT.ok;
}

async function review(values: Partial<Values>): Promise<number> {
  if (values.datanet === undefined) throw new UsageError("--datanet is missing: which Datanet");
  const datanetId = BigInt(values.datanet as number);
  const client = createPublicClient({ transport: http(values.rpc as string) });
  const datadir = values.datadir as string | undefined;
  try {
    const chainId = await client.getChainId();
    const reviews = new DatanetReviews({
      chain: viemDatanetChain(client),
      content: firstThatHas(values["content.url"] as readonly string[]),
      ...(datadir !== undefined && { indexes: indexesIn(join(datadir, "quality"), chainId) }),
    });
    const done = await reviews.review(datanetId);
    if (done === undefined) throw new OperationError(`there is no Datanet ${datanetId} on chain ${chainId}`);
    const pending = done.contributions.filter(({ submitted }) => submitted.status === "pending");
    for (const { report } of pending) if (report !== undefined) print(report, values);
    if (pending.length === 0) process.stderr.write(`nothing is pending in Datanet ${datanetId}\n`);
    return pending.some(({ report }) => report?.suggestion.action === "none") ? EXIT.failure : EXIT.ok;
  } catch (error) {
    if (error instanceof ReviewLimitError || error instanceof QualityIndexError) {
      throw new OperationError(error.message, { cause: error });
    }
    if (!(error instanceof BaseError)) throw error;
    const unanswered = error.walk((cause) => cause instanceof HttpRequestError);
    // The rest of an address may be a secret.
    if (unanswered instanceof HttpRequestError) {
      throw new OperationError(`no JSON-RPC answers at ${new URL(unanswered.url).host}; see --rpc`, { cause: error });
    }
    throw new OperationError(`JSON-RPC: ${error.shortMessage.replaceAll(/\s*\n\s*/g, " ")}`, { cause: error });
  }
}

function indexesIn(directory: string, chainId: number): SavedIndexes {
  const file = (datanetId: bigint): string => join(directory, `${chainId}-${datanetId}.index`);
  return {
    load: (datanetId) => loadQualityIndex(file(datanetId)),
    save: (datanetId, index) => saveQualityIndex(file(datanetId), index),
  };
}

/** Stores are asked in turn: one that lacks a content, lies or fails is passed over, and when all fail that is told. */
function firstThatHas(urls: readonly string[]): ContentSource {
  const wrong = urls.find((url) => !/^https?:\/\//.test(url) || !URL.canParse(url));
  if (wrong !== undefined || urls.length === 0) {
    throw new UsageError(`--content.url ${JSON.stringify(wrong ?? "")} is not an http or https URL`);
  }
  const sources = urls.map((url) => httpContentSource(url, REVIEW_LIMITS.contentBytes));
  return {
    async get(root) {
      let failures = 0;
      let cause: unknown;
      for (const source of sources) {
        try {
          const content = await source.get(root);
          if (content !== undefined) return content;
        } catch (error) {
          failures++;
          cause = error;
        }
      }
      if (failures < sources.length) return undefined;
      throw new OperationError(`no content store answers at ${urls.join(", ")}; see --content.url`, { cause });
    },
  };
}
