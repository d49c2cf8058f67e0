/** The servers that are asked, GraphQL and JSON-RPC. What they say is believed by nobody here. */
import { BaseError, createClient, HttpRequestError, http } from "viem";
import { OperationError } from "../errors.ts";

const TIMEOUT_MS = 30_000;

/** JSON-RPC. Rejects with OperationError. */
export type Ask = (method: string, params: readonly unknown[]) => Promise<unknown>;

export function jsonRpc(url: string): Ask {
  const client = createClient({ transport: http(url, { timeout: TIMEOUT_MS }) });
  return async (method, params) => {
    try {
      return await client.request({ method, params } as never);
    } catch (error) {
      if (!(error instanceof BaseError)) throw error;
      const unanswered = error.walk((cause) => cause instanceof HttpRequestError);
      // The rest of an address may be a secret.
      const reason =
        unanswered instanceof HttpRequestError
          ? `no JSON-RPC answers at ${new URL(url).host}`
          : `${method}: ${error.details || error.shortMessage}`;
      throw new OperationError(reason.replaceAll(/\s*\n\s*/g, " "), { cause: error });
    }
  };
}

/** Throws OperationError when nobody answers, or what answers is not GraphQL or refuses the question. */
export async function graphql<T>(url: string, query: string, variables: Record<string, unknown>): Promise<T> {
  const where = new URL(url).host;
  let text: string;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (error) {
    throw new OperationError(`no GraphQL answers at ${where}; see --graphql.url`, { cause: error });
  }
  let answer: { readonly data?: T | null; readonly errors?: readonly { readonly message: string }[] };
  try {
    answer = JSON.parse(text);
  } catch (error) {
    throw new OperationError(`what answers at ${where} is not GraphQL; see --graphql.url`, { cause: error });
  }
  if (answer.errors !== undefined || answer.data === undefined || answer.data === null) {
    const reasons = answer.errors?.map(({ message }) => message).join("; ") ?? "it answers nothing";
    throw new OperationError(`GraphQL at ${where}: ${reasons}`);
  }
  return answer.data;
}
