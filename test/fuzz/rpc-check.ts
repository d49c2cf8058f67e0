/** What an answer must be, whatever was asked: JSON-RPC 2.0, a code of the list, nothing of the program's inside. */
import { RPC_ERROR } from "../../node/rpc/errors.ts";
import type { RpcRequest } from "./rpc-requests.ts";

/** All but "internal error": that is one of the node's own. */
const CODES: ReadonlySet<number> = new Set(Object.values(RPC_ERROR).filter((code) => code !== RPC_ERROR.internal));
/** What eth_simulateV1 has of its own (execution-apis). */
const isSimulations = (code: number): boolean => code === -32_016 || (code <= -38_010 && code >= -38_026);
/** Stack traces, source files, and where this program and its data are. */
const LEAK = /\n\s+at |node_modules|\.[tj]s:\d+|file:\/\/|node:internal|\/openledger-test|\/tmp\//;
const MOST_CHARACTERS = 26_000_000;

export interface Checked {
  readonly problem?: string;
  readonly results: number;
  readonly errors: number;
}

/** `text`: the body of an answer, or a frame. */
export function checkAnswer(text: string, { expected }: Pick<RpcRequest, "expected">): Checked {
  const none = { results: 0, errors: 0 };
  if (text.length > MOST_CHARACTERS) return { ...none, problem: `an answer of ${text.length} characters` };
  const leak = LEAK.exec(text);
  if (leak !== null)
    return { ...none, problem: `tells of the program: ${text.slice(Math.max(0, leak.index - 200), leak.index + 200)}` };
  if (text === "") return expected === "any" ? none : { ...none, problem: "no answer" };
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return { ...none, problem: `not JSON: ${text.slice(0, 200)}` };
  }
  const answers = Array.isArray(answer) ? answer : [answer];
  for (const one of answers) {
    const problem = problemOf(one);
    if (problem !== undefined) return { ...none, problem: `${problem}: ${JSON.stringify(one).slice(0, 500)}` };
  }
  const errors = answers.filter((one) => Object.hasOwn(one as object, "error")).length;
  const problem = mismatch(answer, expected);
  return {
    results: answers.length - errors,
    errors,
    ...(problem !== undefined && { problem: `${problem}: ${text.slice(0, 300)}` }),
  };
}

function problemOf(answer: unknown): string | undefined {
  if (typeof answer !== "object" || answer === null) return "an answer that is no object";
  const { jsonrpc, error } = answer as { jsonrpc: unknown; error?: { code: number; message: unknown } };
  if (jsonrpc !== "2.0" || !Object.hasOwn(answer, "id")) return "an answer without version or id";
  if (Object.hasOwn(answer, "result") === Object.hasOwn(answer, "error")) return "not either a result or an error";
  if (error === undefined) return undefined;
  if (typeof error.message !== "string" || error.message === "") return "an error without a message";
  return CODES.has(error.code) || isSimulations(error.code) ? undefined : `code ${error.code}`;
}

function mismatch(answer: unknown, expected: RpcRequest["expected"]): string | undefined {
  if (expected === "any") return undefined;
  if (expected === "refusal") {
    const { id, error } = answer as { id: unknown; error?: unknown };
    return id === null && error !== undefined ? undefined : "not a refusal without an id";
  }
  if ("id" in expected) {
    // What is no request is answered without an id, or with it.
    const { id, error } = answer as { id: unknown; error?: unknown };
    return id === expected.id || (id === null && error !== undefined) ? undefined : "another id";
  }
  if (!Array.isArray(answer)) return "no array for a batch";
  const ids = answer.map(({ id }: { id: unknown }) => id);
  return JSON.stringify(ids) === JSON.stringify(expected.ids) ? undefined : "other ids than the batch's";
}
