/** What methods work with. One for all connections; a session is one connection. */
import type { Transaction } from "../../core/chain.ts";
import type { ChainApi } from "../chain-api.ts";
import type { Runner } from "../runner/types.ts";
import type { BlockFeed } from "./block-feed.ts";
import type { Filters } from "./filters.ts";
import type { RpcLimits } from "./limits.ts";
import type { Pool } from "./pool.ts";
import type { SyncFeed } from "./sync-feed.ts";
import type { Parameter } from "./values.ts";

/** The part of pino that is used here. */
export interface RpcLog {
  error(fields: object, message: string): void;
  debug(fields: object, message: string): void;
}

export type DecodeTransaction = (
  raw: Uint8Array,
  chainId: bigint,
) => { readonly ok: true; readonly tx: Transaction } | { readonly ok: false; readonly message: string };

export interface SyncStatus {
  readonly startingBlock: bigint;
  readonly currentBlock: bigint;
  readonly highestBlock: bigint;
}

export interface RpcContext {
  readonly chain: ChainApi;
  readonly pool: Pool;
  readonly decode: DecodeTransaction;
  readonly runner: Runner;
  readonly clientVersion: string;
  /** Highest `gas × price` that eth_sendRawTransaction takes; 0 for no cap. */
  readonly txFeeCapWei: bigint;
  /** Whether transactions without a chain id (before EIP-155) are taken. */
  readonly allowUnprotected: boolean;
  readonly peerCount: () => number;
  /** Undefined when in sync. */
  readonly syncStatus: () => SyncStatus | undefined;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly limits: RpcLimits;
  readonly blocks: BlockFeed;
  readonly syncing: SyncFeed;
  readonly filters: Filters;
  readonly namespaces: ReadonlySet<string>;
  readonly log: RpcLog;
}

export interface Session {
  /** Sends text to the client outside of an answer. Absent where the transport cannot (HTTP). */
  readonly notify?: (text: string) => void;
  /** Subscription id to what ends it. */
  readonly subscriptions: Map<string, () => void>;
}

export interface Method {
  readonly parameters: readonly Parameter<unknown>[];
  readonly run: (context: RpcContext, args: readonly unknown[], session: Session) => unknown;
}

export type Methods = Readonly<Record<string, Method>>;

type Arguments<P extends readonly Parameter<unknown>[]> = {
  [K in keyof P]: P[K] extends Parameter<infer T> ? T : never;
};

/** A method with typed arguments, one for each parameter. `run` returns JSON, or throws RpcError. */
export function method<const P extends readonly Parameter<unknown>[]>(
  parameters: P,
  run: (context: RpcContext, args: Arguments<P>, session: Session) => unknown,
): Method {
  // The dispatcher decodes with `parameters`, so the arguments have these types.
  return { parameters, run: run as Method["run"] };
}
