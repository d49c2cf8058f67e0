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
export type RewardSeries = Answers.RewardSeriesAnswer["account"]["rewardSeries"];

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

/** A block by one of these. `number_gte`: the last one, if the index has come that far. */
export type BlockSelector =
  | { readonly number: bigint }
  | { readonly hash: Answers.Hex }
  | { readonly number_gte: bigint }
  | { readonly tag: "LATEST" | "SAFE" | "FINALIZED" };

export interface StateOptions extends RequestOptions {
  /** The block whose state is asked for; the last one by default. */
  readonly block?: BlockSelector | undefined;
}

export interface ListOptions extends StateOptions {
  /** By place in the chain; OLDEST by default. What is added while a list is read comes at the end of OLDEST. */
  readonly order?: "OLDEST" | "NEWEST";
  /** Rows of one request, 1 to 1,000; 100 by default. */
  readonly pageSize?: number;
}

export interface LineageOptions extends StateOptions {
  /** What it was made of (UPSTREAM, the default), or what was made of it. */
  readonly direction?: "UPSTREAM" | "DOWNSTREAM";
  /** All kinds by default. */
  readonly kinds?: readonly Answers.LineageEdgeKind[];
  /** Steps, 1 to 64; 16 by default. */
  readonly maxDepth?: number;
  /** 500 by default. A server grants what its cost limit allows: by default, a little more than 1,200. */
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
  readonly onRetry?: (reason: LineageError) => void;
}

export interface SeriesOptions extends StateOptions {
  /** Unix seconds. `from` and `to` span at most 1,000 intervals. */
  readonly from: number;
  readonly to: number;
  /** DAY by default; weeks begin on Monday, UTC. */
  readonly interval?: "HOUR" | "DAY" | "WEEK";
}

export interface FollowOptions extends SubscribeOptions {
  /** Cursor of the last reward that is known; from the first reward on when absent. */
  readonly after?: string | undefined;
  readonly kind?: Answers.RewardKind | undefined;
  readonly pageSize?: number;
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
  /** What the index has: its block, those that are safe and final, and whether it halted. */
  meta(options?: StateOptions): Promise<Meta>;
  output(id: string | bigint, options?: StateOptions): Promise<Answers.Output | null>;
  /** The first output with this content root: the same bytes may have been generated more than once. */
  outputByRoot(root: Answers.Hex, options?: StateOptions): Promise<Answers.Output | null>;
  /**
   * Everything that something was made of, or that was made of it, `truncated` where a bound cut it; null for what does
   * not exist. `of`: an output's id, or a node's, as in "model:3". `root` is that output, with its attributions.
   */
  lineage(of: string | bigint, options?: LineageOptions): Promise<Lineage | null>;
  account(address: Answers.Hex, options?: StateOptions): Promise<Account>;
  /** What an account earned by time, oldest first; intervals without rewards are left out. */
  rewardSeries(address: Answers.Hex, options: SeriesOptions): Promise<RewardSeries>;
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
   * Every reward of an account after the cursor, those that are there and then those to come, each exactly once and in
   * the order of the chain, across broken connections; keep `cursor` to go on after a restart.
   */
  followRewards(
    account: Answers.Hex,
    options?: FollowOptions,
  ): AsyncGenerator<{ readonly cursor: string; readonly reward: Answers.Reward }, void, undefined>;
  /**
   * The data of every event of a subscription, as it came. Reconnects by itself; what happened meanwhile is missing, so
   * for money there is followRewards. Ends when the loop is left or by the signal, and throws when another attempt would
   * not help: a document that is invalid, an index that has gone back (REWOUND).
   */
  subscribe<Data = Record<string, unknown>>(
    document: string,
    variables?: Readonly<Record<string, unknown>>,
    options?: SubscribeOptions,
  ): AsyncGenerator<Data, void, undefined>;
}

export declare function createLineageClient(options: LineageClientOptions): LineageClient;
