/**
 * Options of what JSON-RPC answers and what it refuses, by geth's and reth's names, and what they come to. The defaults are
 * DEFAULT_RPC_LIMITS, written out: help texts load nothing of RPC.
 */
import { integerOf, type OptionSpec } from "./option-spec.ts";
import type { RpcLimits } from "./rpc/limits.ts";

export interface RpcConfig {
  readonly limits: Partial<RpcLimits>;
  readonly maxConnections: number;
  readonly callThreads: number;
  readonly callMs: number;
}

const integer = integerOf("JSON-RPC");

export const RPC_OPTIONS = {
  "rpc.gascap": integer(50_000_000, 1_000_000_000, "GAS", "Gas of a call, an estimate's attempt or a simulation"),
  "rpc.evmtimeout": integer(5, 3_600, "SECONDS", "Work that a call may take, in seconds"),
  "rpc.threads": integer(2, 64, "N", "Threads that run calls, estimates, proofs and traces"),
  "rpc.maxconnections": integer(500, 100_000, "N", "Connections of HTTP and WebSocket together"),
  "rpc.maxsubscriptions": integer(1_024, 1_000_000, "N", "Subscriptions of a WebSocket connection"),
  "rpc.batch-request-limit": integer(100, 100_000, "N", "Requests in a batch"),
  "rpc.batch-response-max-size": integer(25_000_000, 250_000_000, "BYTES", "Longest answer, in bytes"),
  "rpc.rangelimit": integer(10_000, 100_000_000, "BLOCKS", "Blocks that eth_getLogs looks through"),
  "rpc.maxlogs": integer(10_000, 10_000_000, "LOGS", "Logs that eth_getLogs answers"),
} as const satisfies Record<string, OptionSpec>;

export const rpcOptions = Object.keys(RPC_OPTIONS) as (keyof typeof RPC_OPTIONS)[];

/** The defaults where a command has none of the options. */
export function rpcConfig(values: Readonly<Partial<Record<keyof typeof RPC_OPTIONS, unknown>>>): RpcConfig {
  const number = (name: keyof typeof RPC_OPTIONS) =>
    (values[name] as number | undefined) ?? Number(RPC_OPTIONS[name].default);
  return {
    limits: {
      callGas: BigInt(number("rpc.gascap")),
      subscriptionsPerSession: number("rpc.maxsubscriptions"),
      batchItems: number("rpc.batch-request-limit"),
      responseBytes: number("rpc.batch-response-max-size"),
      logBlocks: number("rpc.rangelimit"),
      logResults: number("rpc.maxlogs"),
    },
    maxConnections: number("rpc.maxconnections"),
    callThreads: number("rpc.threads"),
    callMs: number("rpc.evmtimeout") * 1_000,
  };
}
