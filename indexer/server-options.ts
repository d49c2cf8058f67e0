/** What a GraphQL server is given and gives; apart, so that whoever starts one on a thread does not load GraphQL. */
import type { Rate } from "../core/token-bucket.ts";
import type { QueryLimits } from "./limits.ts";
import type { PersistedOptions } from "./persisted-operations.ts";
import type { IndexerLog } from "./store.ts";

/** Plain data but for `log`, so that a thread can be given them. */
export interface GraphqlServerOptions {
  /** Of the index, which exists: a file, or a postgres:// URL. */
  readonly location: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /**
   * Host names that requests may name besides localhost, `host` and addresses: DNS rebinding needs a name, which a web
   * page's owner points here. "*" allows all.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Origins of web pages that may read the answers and open WebSockets. None by default, "*" for all. */
  readonly corsOrigins?: readonly string[] | undefined;
  readonly limits?: Partial<QueryLimits> | undefined;
  /** Of one query, from when it is asked. */
  readonly timeoutMs?: number | undefined;
  /** Connections to the index: queries that read at the same time. */
  readonly connections?: number | undefined;
  /** Requests of one client; Infinity for no limit. */
  readonly rate?: Rate | undefined;
  /** The client is the last address of X-Forwarded-For. Only behind a proxy that sets it. */
  readonly trustsProxy?: boolean | undefined;
  /** Queries that take longer are logged. */
  readonly slowMs?: number | undefined;
  readonly operations?: PersistedOptions | undefined;
  readonly maxSubscribers?: number | undefined;
  /** How often new blocks are looked for, while there are subscribers. */
  readonly pollMs?: number | undefined;
  readonly heartbeatMs?: number | undefined;
  readonly log?: IndexerLog | undefined;
}

export interface GraphqlServer {
  /** Of the GraphQL endpoint, which also serves GraphiQL to browsers. */
  readonly url: string;
  readonly port: number;
  /** Refuses new requests, ends subscriptions, finishes requests in hand (at most a second) and closes the index. */
  close(): Promise<void>;
}

/** Of a query, where nothing else is said. */
export const TIMEOUT_MS = 10_000;
