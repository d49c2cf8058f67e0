/**
 * The answers that a host has signed, one file an inference: `<directory>/<chain id>/<inference id>.json`. Two signed
 * answers of one inference contradict each other and are slashable, so a record is durable before the answer leaves,
 * and it is never replaced: the file is fsynced under another name and then linked, and linking fails where a record
 * stands, even one that another process wrote.
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesToHex, type Hex, hexToBytes } from "../core/bytes.ts";
import { contentRoot } from "../core/content.ts";
import { type Span, spansHash } from "../core/span-rule.ts";
import { syncDirectory } from "./content-store.ts";

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

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string, chainId: bigint): Promise<AnswerLog> {
    const folder = join(directory, chainId.toString());
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await syncDirectory(directory);
    return new AnswerLog(folder);
  }

  /** Undefined when the inference has not been answered. Throws DamagedAnswerError. */
  async read(inferenceId: bigint): Promise<SignedAnswer | undefined> {
    const path = this.#path(inferenceId);
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

  /** Records the answer unless one is recorded; returns the one that stands, durable. */
  async record(answer: SignedAnswer): Promise<SignedAnswer> {
    const path = this.#path(answer.inferenceId);
    const temporary = `${path}.${randomUUID()}`;
    try {
      await writeFile(temporary, encode(answer), { mode: 0o600, flush: true });
      await link(temporary, path);
      await syncDirectory(this.#directory);
      return answer;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      await syncDirectory(this.#directory);
      return (await this.read(answer.inferenceId))!;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  #path(inferenceId: bigint): string {
    return join(this.#directory, `${inferenceId}.json`);
  }
}

function encode(answer: SignedAnswer): string {
  const text = (_: string, value: unknown) => (typeof value === "bigint" ? value.toString() : value);
  return `${JSON.stringify({ version: VERSION, ...answer }, text)}\n`;
}

/** Throws unless the record is complete and its roots and hashes hold. */
function decode(text: string): SignedAnswer {
  const { version, ...record } = JSON.parse(text) as {
    version: number;
    chainId: string;
    inferenceId: string;
    modelId: string;
    spans: { outputStart: number; length: number; contribution: string; contentOffset: string }[];
  } & Omit<SignedAnswer, "chainId" | "inferenceId" | "modelId" | "spans">;
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
  };
}
