/** Runs `openledger lineage`. */
import { open } from "node:fs/promises";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import { LIMITS } from "../../precompiles/limits.ts";
import { lineageCommand, lineageOptions } from "../commands/lineage.ts";
import { readOptions, type Values } from "../config.ts";
import { EXIT, OperationError, UsageError } from "../errors.ts";
import { graphql, jsonRpc } from "./endpoints.ts";
import { checkLine, lineageLines, matchLines, resultLine } from "./print.ts";
import { LINEAGE, type Lineage, MATCHES, type Match } from "./record.ts";
import { readTrust } from "./trust.ts";
import { type Verified, verify } from "./verify.ts";

/** Longest output that can be committed. */
const MAX_OUTPUT_BYTES = Math.max(LIMITS.publicOutputBytes, LIMITS.privateOutputBytes);

/** What the auditor has in hand. */
interface Subject {
  readonly bytes: Uint8Array | undefined;
  readonly root: Hex | undefined;
  readonly output: string | undefined;
}

/** Who is asked, and of which block; null: the last one. */
interface Index {
  readonly url: string;
  readonly block: { readonly number: string } | null;
}

interface Matches {
  readonly totalCount: number;
  readonly nodes: readonly Match[];
}

/** Resolves to the exit code. Throws UsageError, DataError, OperationError. */
export async function runLineage(args: readonly string[], input: NodeJS.ReadStream = process.stdin): Promise<number> {
  const values = readOptions(args, process.env, lineageOptions, lineageCommand.defaults);
  const rpcUrl = values.verify as string | undefined;
  const trust = rpcUrl === undefined ? undefined : readTrust(values);
  const subject = await readSubject(values, input);
  const url = values["graphql.url"] as string;
  const block = values.block as number | undefined;
  const index: Index = { url, block: block === undefined ? null : { number: String(block) } };
  const matches = subject.root === undefined ? undefined : await findMatches(index, subject.root, subject.bytes);
  const id = chosen(subject, matches);
  const lineage = await readLineage(index, id);

  if (values.json !== true) {
    if (matches !== undefined && matches.totalCount > 1) print(matchLines(matches.nodes, matches.totalCount));
    print(shaped(url, () => lineageLines(lineage)));
  }
  let verified: Verified | undefined;
  if (rpcUrl !== undefined && trust !== undefined) {
    if (values.json !== true)
      print(["", `Verified against ${new URL(rpcUrl).host}, trusting ${trust.checkpoint ?? "the genesis"}`]);
    verified = await verify(lineage, {
      ask: jsonRpc(rpcUrl),
      trust,
      output: subject.bytes,
      stores: (values["content.url"] as readonly string[]).map((store) => ({ url: store })),
      onCheck: (check) => {
        if (values.json !== true) print([checkLine(check)]);
      },
    });
  }
  const isHeld = verified?.checks.every(({ ok }) => ok) ?? true;
  if (values.json === true) {
    const found = matches && { totalCount: matches.totalCount, outputs: matches.nodes };
    print([JSON.stringify({ matches: found, lineage, verification: verified && { ok: isHeld, ...verified } })]);
  } else if (verified !== undefined) print([resultLine(verified)]);
  return isHeld ? EXIT.ok : EXIT.failure;
}

function print(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

async function readSubject(values: Partial<Values>, input: NodeJS.ReadStream): Promise<Subject> {
  const file = values.file as string | undefined;
  const root = values.root as string | undefined;
  const output = values.output === undefined ? undefined : String(values.output);
  if (file !== undefined && root !== undefined)
    throw new UsageError("--file and --root name the output twice: leave one out");
  if (root !== undefined) {
    if (!/^0x[0-9a-fA-F]{64}$/.test(root)) {
      throw new UsageError(`--root ${JSON.stringify(root)} is not an output root: 0x and 64 hex digits`);
    }
    return { bytes: undefined, root: root.toLowerCase() as Hex, output };
  }
  if (file === undefined && output !== undefined) return { bytes: undefined, root: undefined, output };
  if (file === undefined && input.isTTY) {
    throw new UsageError("which output? --file FILE, --root 0x.., --output ID, or the answer on standard input");
  }
  const bytes = await readAnswer(file, input);
  return { bytes, root: bytesToHex(contentRoot(bytes)), output };
}

/** Throws OperationError when it cannot be read, is empty, or is longer than any output. */
async function readAnswer(file: string | undefined, input: NodeJS.ReadStream): Promise<Uint8Array> {
  const name = file ?? "standard input";
  const parts: Buffer[] = [];
  let length = 0;
  try {
    const stream = file === undefined ? input : (await open(file)).createReadStream();
    for await (const part of stream) {
      parts.push(part as Buffer);
      length += (part as Buffer).length;
      if (length > MAX_OUTPUT_BYTES) break;
    }
  } catch (error) {
    throw new OperationError(`${name} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  if (length === 0) throw new OperationError(`${name} is empty, and no output is`);
  if (length > MAX_OUTPUT_BYTES) {
    throw new OperationError(`${name} is longer than any output, which has ${MAX_OUTPUT_BYTES} bytes at most`);
  }
  return Buffer.concat(parts);
}

/** Throws OperationError when no inference has that root. */
async function findMatches({ url, block }: Index, root: Hex, bytes: Uint8Array | undefined): Promise<Matches> {
  const find = async (wanted: Hex): Promise<Matches> => {
    const { inferences } = await graphql<{ inferences: Matches }>(url, MATCHES, { root: wanted, block });
    return shaped(url, () => ({ totalCount: inferences.totalCount, nodes: [...inferences.nodes] }));
  };
  const matches = await find(root);
  if (matches.nodes.length > 0) return matches;
  // Editors and shells add one, and an output is its exact bytes.
  const hint =
    bytes?.at(-1) === 0x0a && bytes.length > 1 ? await find(bytesToHex(contentRoot(bytes.subarray(0, -1)))) : undefined;
  const without =
    hint?.nodes[0] === undefined
      ? ""
      : `; without its last newline it is output ${hint.nodes[0].id}: give exactly the bytes`;
  throw new OperationError(`no inference has an output with the root ${root}${without}`);
}

/** The inference that is shown. Throws OperationError when --output has another root. */
function chosen({ output, root }: Subject, matches: Matches | undefined): string {
  if (output === undefined) return matches!.nodes[0]!.id;
  if (matches === undefined || matches.nodes.some(({ id }) => id === output)) return output;
  const others = matches.nodes.map(({ id }) => id).join(", ");
  throw new OperationError(`output ${output} does not have the root ${root}; these do: ${others}`);
}

async function readLineage({ url, block }: Index, id: string): Promise<Lineage> {
  const { lineage } = await graphql<{ lineage: Lineage | null }>(url, LINEAGE, { id, block });
  if (lineage === null) throw new OperationError(`there is no inference ${id}`);
  if (lineage?.root?.id !== id)
    throw new OperationError(`GraphQL at ${new URL(url).host} answered another output than ${id}`);
  return lineage;
}

/** A server may answer anything: what is not of the schema fails as soon as it is read. */
function shaped<T>(url: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new OperationError(
      `GraphQL at ${new URL(url).host} answered what is not of the schema: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}
