import type * as Answers from "./answers.d.ts";

export type {
  Attribution,
  BlockRef,
  Earning,
  Hex,
  LineageEdge,
  LineageNode,
  Output,
  Reward,
  RewardKind,
} from "./answers.d.ts";

export type Meta = Answers.MetaAnswer["_meta"];
export type Lineage = NonNullable<Answers.LineageAnswer["lineage"]>;
export type Account = Answers.AccountAnswer["account"];

export interface LineageClientOptions {
  /** Of the GraphQL endpoint, e.g. http://127.0.0.1:4000/graphql. */
  readonly url: string;
  /** `globalThis.fetch` by default. */
  readonly fetch?: typeof globalThis.fetch;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of one request, 30,000 by default. Subscriptions have their own bound. */
  readonly timeoutMs?: number;
}

export interface RequestOptions {
  /** Ends the request: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface ListOptions extends RequestOptions {
  /** By place in the chain; OLDEST by default. What is added while a list is read comes at the end of OLDEST. */
  readonly order?: "OLDEST" | "NEWEST";
  /** Rows of one request, 1 to 1,000; 100 by default. */
  readonly pageSize?: number;
}

export interface LineageOptions extends RequestOptions {
  /** Steps from the output, 1 to 64; 16 by default. */
  readonly maxDepth?: number;
  /** 1 to 5,000; 500 by default. */
  readonly maxNodes?: number;
}

export interface SubscribeOptions extends RequestOptions {
  /** A connection without a byte for so long is made anew; 45,000 by default. */
  readonly idleTimeoutMs?: number;
  /** Attempts to reconnect, without an event between them, before the iterator throws; 20 by default. */
  readonly maxRetries?: number;
  /** Pause before the first of them, 250 by default; it doubles up to 10 seconds. */
  readonly retryMs?: number;
  /** Called before each attempt to reconnect: what happened since the last event may be missing. */
  readonly onRetry?: (reason: LineageTransportError) => void;
}

/** One error of a GraphQL answer. */
export interface GraphqlError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions?: { readonly code?: string; readonly [name: string]: unknown };
}

export declare class LineageError extends Error {
  readonly code: string;
}

/** Nothing came back that is an answer: the same question may succeed later or elsewhere. */
export declare class LineageTransportError extends LineageError {
  readonly code: "UNREACHABLE" | "TIMEOUT" | "HTTP" | "BAD_ANSWER";
  /** Of HTTP, where there was a response. */
  readonly status: number | undefined;
}

/** The server refused the question. `code` is that of its first error, such as BAD_USER_INPUT or QUERY_LIMIT. */
export declare class LineageQueryError extends LineageError {
  readonly errors: readonly GraphqlError[];
}

/**
 * All methods reject with a LineageTransportError or a LineageQueryError. Amounts are wei, sizes and weights bytes, both
 * bigint; timestamps are Unix seconds.
 */
export interface LineageClient {
  /**
   * Any query of the schema. `Data` is its JSON as it came: BigInt fields are decimal strings. bigints in `variables`
   * are sent as such strings.
   */
  query<Data = Record<string, unknown>>(
    document: string,
    variables?: Readonly<Record<string, unknown>>,
    options?: RequestOptions,
  ): Promise<Data>;
  /** What the index has: its last block, and whether it halted there. */
  meta(options?: RequestOptions): Promise<Meta>;
  output(id: string | bigint, options?: RequestOptions): Promise<Answers.Output | null>;
  /** The first output with this content root: the same bytes may have been generated more than once. */
  outputByRoot(root: Answers.Hex, options?: RequestOptions): Promise<Answers.Output | null>;
  /** Everything that an output was made of, `truncated` where a bound cut it; null for an output that does not exist. */
  lineage(output: string | bigint, options?: LineageOptions): Promise<Lineage | null>;
  account(address: Answers.Hex, options?: RequestOptions): Promise<Account>;
  /** Every reward of an account, page by page as they are read. */
  rewards(
    account: Answers.Hex,
    options?: ListOptions & { readonly kind?: Answers.RewardKind },
  ): AsyncGenerator<Answers.Reward, void, undefined>;
  /** Every contribution of an account and what it has earned. */
  earnings(contributor: Answers.Hex, options?: ListOptions): AsyncGenerator<Answers.Earning, void, undefined>;
  /** When and from which outputs one contribution earned; nothing for one that does not exist. */
  contributionRewards(id: string | bigint, options?: ListOptions): AsyncGenerator<Answers.Reward, void, undefined>;
  /**
   * The data of every event of a subscription, as it came. Reconnects by itself; what happened meanwhile is missing, so
   * for money there is followRewards. Ends when the server completes it, when the loop is left, or by the signal.
   */
  subscribe<Data = Record<string, unknown>>(
    document: string,
    variables?: Readonly<Record<string, unknown>>,
    options?: SubscribeOptions,
  ): AsyncGenerator<Data, void, undefined>;
}

export declare function createLineageClient(options: LineageClientOptions): LineageClient;
