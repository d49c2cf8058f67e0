/**
 * Answers as hosts gave them to their clients, one JSON file each: what a contradiction is proven with, and where a private
 * output's bytes come from. The object is the `openledger` part of a host's response, or a whole response that has one.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { bytesToHex, type Hex, hexToBytes } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { type Span, spansHash } from "../../core/span-rule.ts";
import { DataError } from "../errors.ts";

export interface GivenAnswer {
  readonly inferenceId: bigint;
  readonly outputRoot: Hex;
  readonly outputBytes: number;
  readonly spansHash: Hex;
  readonly signature: Hex;
  /** Undefined where the file has only the root. */
  readonly output: Uint8Array | undefined;
}

const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** What is in memory of a directory: further files are an error, not a surprise. */
const MAX_FILES = 10_000;

interface ReadFile {
  /** Changes with the file. */
  readonly stamp: string;
  /** Or what is wrong with it. */
  readonly answer: GivenAnswer | DataError;
}

/** The answers in a directory. Files may come, change and go while it is watched; each is read once. */
export class GivenAnswers {
  readonly #directory: string;
  #files = new Map<string, ReadFile>();
  #byInference = new Map<bigint, GivenAnswer[]>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** A client may hold several of one inference. */
  of(inferenceId: bigint): readonly GivenAnswer[] {
    return this.#byInference.get(inferenceId) ?? [];
  }

  /**
   * Looks at the directory again. Returns what is wrong with files that are new or changed; they are left out. Throws
   * DataError when the directory cannot be read or has too many files.
   */
  refresh(): DataError[] {
    const before = this.#files;
    const names = list(this.#directory);
    this.#files = new Map(names.map((name) => [name, read(join(this.#directory, name), before.get(name))]));
    this.#byInference = new Map();
    const wrong: DataError[] = [];
    for (const [name, file] of this.#files) {
      const { answer } = file;
      if (answer instanceof DataError) {
        if (before.get(name) !== file) wrong.push(answer);
        continue;
      }
      const same = this.#byInference.get(answer.inferenceId);
      if (same === undefined) this.#byInference.set(answer.inferenceId, [answer]);
      else same.push(answer);
    }
    return wrong;
  }
}

function list(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory).filter((entry) => entry.endsWith(".json"));
  } catch (error) {
    throw new DataError(`${directory} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  if (names.length > MAX_FILES) throw new DataError(`${directory} has more than ${MAX_FILES} answers`);
  return names;
}

function read(path: string, before: ReadFile | undefined): ReadFile {
  const { size = -1, mtimeMs = -1, ino = -1 } = statSync(path, { throwIfNoEntry: false }) ?? {};
  const stamp = `${size} ${mtimeMs} ${ino}`;
  if (before?.stamp === stamp) return before;
  try {
    return { stamp, answer: parse(path, size) };
  } catch (error) {
    const reason = `${path} is no signed answer: ${(error as Error).message}`;
    return { stamp, answer: new DataError(reason, { cause: error }) };
  }
}

interface Fields {
  readonly inferenceId: string | number;
  readonly outputRoot: Hex;
  readonly outputBytes: number;
  readonly spans: readonly { outputStart: number; length: number; contribution: string; contentOffset: string }[];
  readonly signature: Hex;
  readonly output?: Hex;
}

/** Of OpenAI's interface: the output is the text. */
interface Response {
  readonly openledger?: Fields;
  readonly choices?: readonly { readonly message?: { readonly content: string }; readonly text?: string }[];
}

/** Throws Error that says what is wrong. */
function parse(path: string, size: number): GivenAnswer {
  if (size > MAX_FILE_BYTES) throw new Error("it is larger than an answer can be");
  const json = JSON.parse(readFileSync(path, "utf8")) as Fields & Response;
  const fields = json.openledger ?? json;
  const spans: Span[] = fields.spans.map((span) => ({
    outputStart: span.outputStart,
    length: span.length,
    contribution: BigInt(span.contribution),
    contentOffset: BigInt(span.contentOffset),
  }));
  const text = json.choices?.[0]?.message?.content ?? json.choices?.[0]?.text;
  const told = text === undefined ? undefined : new TextEncoder().encode(text);
  const output = fields.output === undefined ? told : hexToBytes(fields.output);
  const outputRoot = fields.outputRoot.toLowerCase() as Hex;
  if (output !== undefined && bytesToHex(contentRoot(output)) !== outputRoot)
    throw new Error("its output has another root");
  if (!/^0x[0-9a-f]{130}$/i.test(fields.signature)) throw new Error("it has no signature of 65 bytes");
  return {
    inferenceId: BigInt(fields.inferenceId),
    outputRoot,
    outputBytes: fields.outputBytes,
    spansHash: bytesToHex(spansHash(spans)),
    signature: fields.signature,
    output,
  };
}
