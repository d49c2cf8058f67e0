/**
 * The answers that a host has signed, one file an inference: `<directory>/<chain id>/<inference id>.json`. Two signed
 * answers of one inference contradict each other and are slashable, so a record is durable before the answer leaves,
 * and it is never replaced: the file is fsynced under another name and then linked, and linking fails where a record
 * stands, even one that another process wrote.
 *
 * What has come to its end on chain moves to `<chain id>/closed/`: the rest is what a host has to look after. Closed
 * ones may be forgotten, because the chain takes no other answer for their inferences.
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesToHex, type Hex, hexToBytes } from "../core/bytes.ts";
import { contentRoot } from "../core/content.ts";
import { type Span, spansHash } from "../core/span-rule.ts";
import { syncDirectory } from "./content-store.ts";
import type { Citation, FinishReason } from "./engines/engine.ts";

/** What a client is told besides; nothing of it is signed. */
export interface AnswerDetails {
  readonly finish: FinishReason;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly citations: readonly Citation[];
}

export interface SignedAnswer {
  readonly chainId: bigint;
  readonly inferenceId: bigint;
  readonly modelId: bigint;
  readonly host: Hex;
  readonly requestRoot: Hex;
  readonly output: Hex;
  readonly outputRoot: Hex;
  readonly outputBytes: number;
  readonly spans: readonly Span[];
  readonly spansHash: Hex;
  readonly coveredBytes: number;
  readonly signature: Hex;
  /** Absent in records of earlier versions. */
  readonly details?: AnswerDetails;
}

/** The record cannot be trusted: the host must not sign another answer for this inference. */
export class DamagedAnswerError extends Error {
  constructor(path: string, options?: ErrorOptions) {
    super(`${path} is damaged; restore it from a backup, or let the inference expire`, options);
    this.name = "DamagedAnswerError";
  }
}

const VERSION = 1;

export class AnswerLog {
  readonly #directory: string;
  readonly #closed: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#closed = join(directory, "closed");
  }

  static async open(directory: string, chainId: bigint): Promise<AnswerLog> {
    const folder = join(directory, chainId.toString());
    const log = new AnswerLog(folder);
    await mkdir(log.#closed, { recursive: true, mode: 0o700 });
    await syncDirectory(directory);
    return log;
  }

  /** Undefined when the inference has not been answered. Throws DamagedAnswerError. */
  async read(inferenceId: bigint): Promise<SignedAnswer | undefined> {
    // A record that moves while this looks is found in the second place.
    return (await readRecord(this.#path(inferenceId))) ?? (await readRecord(this.#closedPath(inferenceId)));
  }

  /** Records the answer unless one is recorded; returns the one that stands, durable. */
  async record(answer: SignedAnswer): Promise<SignedAnswer> {
    const { inferenceId } = answer;
    const path = this.#path(inferenceId);
    const temporary = `${path}.${randomUUID()}`;
    try {
      await writeFile(temporary, encode(answer), { mode: 0o600, flush: true });
      await link(temporary, path);
      const closed = await readRecord(this.#closedPath(inferenceId));
      if (closed !== undefined) await rm(path);
      await syncDirectory(this.#directory);
      return closed ?? answer;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      await syncDirectory(this.#directory);
      return (await this.read(inferenceId))!;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** Ids of the records that are not closed, rising. Removes what an interrupted write left. */
  async unclosed(): Promise<bigint[]> {
    const ids: bigint[] = [];
    for (const name of await readdir(this.#directory)) {
      const [, id, rest] = /^(\d+)\.json(.*)$/.exec(name) ?? [];
      if (id === undefined) continue;
      if (rest === "") ids.push(BigInt(id));
      else await rm(join(this.#directory, name), { force: true });
    }
    return ids.sort((a, b) => (a < b ? -1 : 1));
  }

  /** Precondition: the inference is settled, void or expired. Idempotent. */
  async close(inferenceId: bigint): Promise<void> {
    try {
      await rename(this.#path(inferenceId), this.#closedPath(inferenceId));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  /** Forgets closed records but for the `keep` newest inferences; resolves to how many it forgot. */
  async forget(keep: number): Promise<number> {
    const ids = (await readdir(this.#closed))
      .flatMap((name) => /^(\d+)\.json$/.exec(name)?.[1] ?? [])
      .map(BigInt)
      .sort((a, b) => (a < b ? 1 : -1));
    const old = ids.slice(keep);
    for (const id of old) await rm(this.#closedPath(id), { force: true });
    return old.length;
  }

  #path(inferenceId: bigint): string {
    return join(this.#directory, `${inferenceId}.json`);
  }

  #closedPath(inferenceId: bigint): string {
    return join(this.#closed, `${inferenceId}.json`);
  }
}

async function readRecord(path: string): Promise<SignedAnswer | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return decode(text);
  } catch (error) {
    throw new DamagedAnswerError(path, { cause: error });
  }
}

function encode(answer: SignedAnswer): string {
  const text = (_: string, value: unknown) => (typeof value === "bigint" ? value.toString() : value);
  return `${JSON.stringify({ version: VERSION, ...answer }, text)}\n`;
}

/** Throws unless the record is complete and its roots and hashes hold. */
function decode(text: string): SignedAnswer {
  const { version, details, ...record } = JSON.parse(text) as {
    version: number;
    details?: Omit<AnswerDetails, "citations"> & {
      citations: (Omit<Citation, "contribution"> & { contribution: string })[];
    };
    chainId: string;
    inferenceId: string;
    modelId: string;
    spans: { outputStart: number; length: number; contribution: string; contentOffset: string }[];
  } & Omit<SignedAnswer, "chainId" | "inferenceId" | "modelId" | "spans" | "details">;
  if (version !== VERSION) throw new Error(`answer record of version ${version}`);
  const spans = record.spans.map((span) => ({
    ...span,
    contribution: BigInt(span.contribution),
    contentOffset: BigInt(span.contentOffset),
  }));
  const output = hexToBytes(record.output);
  const intact =
    bytesToHex(contentRoot(output)) === record.outputRoot &&
    output.length === record.outputBytes &&
    bytesToHex(spansHash(spans)) === record.spansHash &&
    /^0x[0-9a-f]{130}$/.test(record.signature);
  if (!intact) throw new Error("the record's hashes do not hold");
  return {
    ...record,
    chainId: BigInt(record.chainId),
    inferenceId: BigInt(record.inferenceId),
    modelId: BigInt(record.modelId),
    spans,
    ...(details !== undefined && {
      details: {
        ...details,
        citations: details.citations.map((item) => ({ ...item, contribution: BigInt(item.contribution) })),
      },
    }),
  };
}
