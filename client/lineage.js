/**
 * Asks the GraphQL endpoint of an OpenLedger node: where an output comes from, who was paid, what happens now.
 *
 *   import { createLineageClient } from "openledger/lineage";
 *   const client = createLineageClient({ url: "http://127.0.0.1:4000/graphql" });
 *   const output = await client.outputByRoot(root);
 *
 * No dependencies: any runtime with `fetch` (Node 20, Deno, Bun, browsers). Types and what each does: lineage.d.ts.
 */
import { documents } from "./documents.js";
import { LineageError, LineageQueryError, LineageTransportError } from "./errors.js";
import { followEvents } from "./events.js";
import { BIGINT_FIELDS } from "./integers.js";

export { LineageError, LineageQueryError, LineageTransportError };

const TIMEOUT_MS = 30_000;
const PAGE_SIZE = 100;
const MAX_DEPTH = 16;
const MAX_NODES = 500;
/** Node ids name kind and number, as in model:3; a number alone is an output's. */
const nodeId = (/** @type {string | bigint} */ of) => (String(of).includes(":") ? String(of) : `output:${of}`);

/** @type {typeof import("./lineage.d.ts").createLineageClient} */
export function createLineageClient({ url, fetch = globalThis.fetch, headers = {}, timeoutMs = TIMEOUT_MS }) {
  /**
   * @param {string} query
   * @param {object} variables
   * @param {string} accept
   * @param {AbortSignal} signal
   */
  function post(query, variables, accept, signal) {
    return fetch(url, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json", accept },
      body: JSON.stringify({ query, variables }, (_, value) => (typeof value === "bigint" ? String(value) : value)),
      signal,
    });
  }

  /**
   * @param {string} query
   * @param {object} variables
   * @param {import("./lineage.d.ts").RequestOptions} options
   * @returns {Promise<any>}
   */
  async function ask(query, variables = {}, { signal } = {}) {
    const timeout = AbortSignal.timeout(timeoutMs);
    const accept = "application/graphql-response+json, application/json";
    try {
      const response = await post(query, variables, accept, signal ? AbortSignal.any([signal, timeout]) : timeout);
      return dataOf(url, response, await response.text());
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof LineageError) throw error;
      const [code, what] = timeout.aborted
        ? /** @type {const} */ (["TIMEOUT", `has not answered within ${timeoutMs} ms`])
        : /** @type {const} */ (["UNREACHABLE", "cannot be reached: is the node running?"]);
      throw new LineageTransportError(code, `${url} ${what}`, { cause: error });
    }
  }

  /** With bigints: for the documents of this folder, whose fields are known.
   * @param {string} query
   * @param {object} variables
   * @param {import("./lineage.d.ts").RequestOptions} [options]
   */
  const askTyped = async (query, variables, options) => withBigints(await ask(query, variables, options));

  /**
   * One root field of an answer.
   * @param {keyof typeof import("./documents.js").documents} document
   * @param {string} field
   * @param {object} variables
   * @param {import("./lineage.d.ts").StateOptions} [options]
   */
  const answer = async (document, field, variables, { block, ...options } = {}) =>
    (await askTyped(documents[document], { ...variables, block }, options))[field];

  /**
   * Every row of a list, page after page.
   * @template T
   * @param {string} query
   * @param {object} variables
   * @param {(data: any) => { nodes: T[], pageInfo: { hasNextPage: boolean, endCursor: string | null } } | undefined} listOf
   * @param {import("./lineage.d.ts").ListOptions} [options]
   */
  async function* pages(query, variables, listOf, { order = "OLDEST", pageSize = PAGE_SIZE, block, ...options } = {}) {
    /** @type {string | null} */
    let after = null;
    do {
      const list = listOf(await askTyped(query, { ...variables, order, first: pageSize, after, block }, options));
      if (list === undefined) return;
      yield* list.nodes;
      after = list.pageInfo.hasNextPage ? list.pageInfo.endCursor : null;
    } while (after !== null);
  }

  /**
   * @template T
   * @param {string} query
   * @param {object} variables
   * @param {import("./lineage.d.ts").SubscribeOptions} options
   * @param {(data: any) => AsyncIterable<T>} each
   */
  const follow = (query, variables, options, each) =>
    followEvents(url, (signal) => post(query, variables, "text/event-stream", signal), options, each);

  /**
   * Blocks only wake; the cursor says what comes next. So nothing is lost or repeated, however connections break.
   * @param {string} account
   * @param {import("./lineage.d.ts").FollowOptions} options
   */
  function followRewards(account, { after, kind, pageSize = PAGE_SIZE, ...options } = {}) {
    let cursor = after;
    let readTo = -1n;
    return follow(documents.head, {}, options, async function* (data) {
      // What comes while pages are read wakes for nothing.
      if (data !== undefined && BigInt(data.head.number) <= readTo) return;
      for (let more = true; more; ) {
        const variables = { account, kind, first: pageSize, after: cursor };
        const { _meta, rewards } = await askTyped(documents.newRewards, variables, options);
        for (const { cursor: at, node } of rewards.edges) {
          cursor = at;
          yield { cursor: at, reward: node };
        }
        more = rewards.pageInfo.hasNextPage;
        readTo = _meta.block.number;
      }
    });
  }

  return {
    query: ask,
    meta: (options) => answer("meta", "_meta", {}, options),
    output: (id, options) => answer("output", "inference", { id }, options),
    outputByRoot: (root, options) => answer("outputByRoot", "outputByRoot", { root }, options),
    lineage: (of, { maxDepth = MAX_DEPTH, maxNodes = MAX_NODES, direction = "UPSTREAM", kinds, ...options } = {}) =>
      answer("lineage", "lineage", { of: nodeId(of), maxDepth, maxNodes, direction, kinds }, options),
    account: (address, options) => answer("account", "account", { address }, options),
    rewardSeries: async (address, { from, to, interval = "DAY", ...options }) =>
      (await answer("rewardSeries", "account", { address, from, to, interval }, options)).rewardSeries,
    rewards: (account, { kind, ...options } = {}) =>
      pages(documents.rewards, { account, kind }, ({ rewards }) => rewards, options),
    earnings: (contributor, options) =>
      pages(documents.earnings, { contributor }, ({ contributions }) => contributions, options),
    contributionRewards: (id, options) =>
      pages(documents.contributionRewards, { id }, ({ contribution }) => contribution?.rewards, options),
    followRewards,
    subscribe: (query, variables = {}, options = {}) =>
      follow(query, variables, options, async function* (data) {
        if (data !== undefined) yield data;
      }),
  };
}

/**
 * @param {string} url
 * @param {Response} response
 * @param {string} text
 */
function dataOf(url, response, text) {
  const { status } = response;
  const answer = parsed(text);
  const errors = Array.isArray(answer?.errors) ? answer.errors : [];
  const isGraphql = response.headers.get("content-type")?.includes("application/graphql-response+json");
  if (errors.length > 0 && (response.ok || isGraphql)) throw new LineageQueryError(errors);
  if (!response.ok) {
    const reason = errors[0]?.message ?? response.statusText;
    throw new LineageTransportError("HTTP", `${url} answered ${status}: ${reason}`, { status });
  }
  if (typeof answer?.data === "object" && answer.data !== null) return answer.data;
  const start = JSON.stringify(text.slice(0, 60));
  throw new LineageTransportError(
    "BAD_ANSWER",
    `${url} answered ${start}, which is not GraphQL: is this its endpoint?`,
    { status },
  );
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The same answer with bigints where the schema says BigInt.
 * @param {unknown} value
 * @returns {any}
 */
function withBigints(value) {
  if (Array.isArray(value)) return value.map(withBigints);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      typeof field === "string" && BIGINT_FIELDS.has(name) ? BigInt(field) : withBigints(field),
    ]),
  );
}
