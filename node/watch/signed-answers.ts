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

/** By inference; a client may hold several of one. Throws DataError that names the file. */
export function readGivenAnswers(directory: string): Map<bigint, GivenAnswer[]> {
  const found = new Map<bigint, GivenAnswer[]>();
  for (const name of readdirSync(directory).filter((entry) => entry.endsWith(".json"))) {
    const path = join(directory, name);
    const answer = parse(path);
    found.set(answer.inferenceId, [...(found.get(answer.inferenceId) ?? []), answer]);
  }
  return found;
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

function parse(path: string): GivenAnswer {
  if (statSync(path).size > MAX_FILE_BYTES) throw new DataError(`${path} is larger than an answer can be`);
  try {
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
    if (output !== undefined && bytesToHex(contentRoot(output)) !== fields.outputRoot)
      throw new Error("its output has another root");
    if (!/^0x[0-9a-f]{130}$/i.test(fields.signature)) throw new Error("it has no signature of 65 bytes");
    return {
      inferenceId: BigInt(fields.inferenceId),
      outputRoot: fields.outputRoot.toLowerCase() as Hex,
      outputBytes: fields.outputBytes,
      spansHash: bytesToHex(spansHash(spans)),
      signature: fields.signature,
      output,
    };
  } catch (error) {
    throw new DataError(`${path} is no signed answer: ${(error as Error).message}`, { cause: error });
  }
}
