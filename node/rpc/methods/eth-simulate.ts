/** eth_simulateV1: blocks of calls above a block, in the shapes of the execution-apis specification. */
import { bytesToHex } from "../../../core/bytes.ts";
import type {
  SimulatedBlock,
  SimulatedInput,
  SimulationFailure,
  SimulationRequest,
} from "../../../execution/simulate/types.ts";
import { callRequest, present } from "../call-request.ts";
import { type Methods, method, type RpcContext } from "../context.ts";
import { invalidParams, RPC_ERROR, RpcError } from "../errors.ts";
import { formatBlock, formatLog, type JsonObject, toQuantity } from "../format.ts";
import { simulatedBlockOverrides, stateOverrides } from "../overrides.ts";
import { callError, REVERTED } from "../revert.ts";
import { blockSelector, LATEST, stateAt } from "../selectors.ts";
import { boolean, type Decoder, field, list, object, optional, required } from "../values.ts";

/** Codes of the specification, and geth's where it has none. */
const CODES: Readonly<Record<SimulationFailure["code"], number>> = {
  "nonce-too-low": -38010,
  "nonce-too-high": -38011,
  "nonce-max": RPC_ERROR.internal,
  "fee-cap-too-low": -38012,
  "intrinsic-gas": -38013,
  "floor-gas": -38013,
  "insufficient-funds": -38014,
  "gas-limit-reached": -38015,
  "block-number": -38020,
  "block-timestamp": -38021,
  "sender-has-code": -38024,
  "init-code-too-large": -38025,
  "too-many-blocks": -38026,
  "gas-budget": -38026,
  override: RPC_ERROR.server,
  "field-not-supported": RPC_ERROR.server,
  "blobs-invalid": RPC_ERROR.internal,
  "blob-fee-cap-too-low": RPC_ERROR.internal,
  "tip-above-fee-cap": RPC_ERROR.invalidParams,
  "gas-limit-too-high": RPC_ERROR.invalidParams,
  timeout: -32016,
  busy: RPC_ERROR.server,
};
/** A call whose code failed, but not by a revert. */
const VM_ERROR = -32015;

/** Blocks cannot be many more than numbers, and calls cost at least 21,000 gas each; both are checked later. */
const MAX_ITEMS = 10_000;

type Call = ReturnType<typeof callRequest>;

interface Payload {
  readonly blocks: readonly (SimulatedInput & { readonly calls: readonly Call[] })[];
  readonly logsTransfers: boolean;
  readonly isValidating: boolean;
  readonly isFull: boolean;
}

const simulatedInput: Decoder<Payload["blocks"][number]> = (value) => {
  const input = object(value);
  const block = field(input, "blockOverrides", simulatedBlockOverrides);
  const state = field(input, "stateOverrides", stateOverrides);
  const calls = field(input, "calls", list(callRequest, MAX_ITEMS, "calls")) ?? [];
  return { calls, ...block, ...present({ state }) };
};

const payload: Decoder<Payload> = (value) => {
  const fields = object(value);
  return {
    blocks: field(fields, "blockStateCalls", list(simulatedInput, MAX_ITEMS, "blocks")) ?? [],
    logsTransfers: field(fields, "traceTransfers", boolean) ?? false,
    isValidating: field(fields, "validation", boolean) ?? false,
    isFull: field(fields, "returnFullTransactions", boolean) ?? false,
  };
};

function requestOf({ chain, limits }: RpcContext, { blocks, logsTransfers, isValidating }: Payload): SimulationRequest {
  if (blocks.length === 0) throw invalidParams("empty input");
  for (const { calls } of blocks) {
    for (const { chainId } of calls) {
      if (chainId === undefined || chainId === chain.chainId) continue;
      throw invalidParams(`chainId does not match node's (have=${chainId}, want=${chain.chainId})`);
    }
  }
  return { blocks, logsTransfers, isValidating, gasBudget: limits.callGas, maxBlocks: limits.simulatedBlocks };
}

function formatSimulated({ block, calls }: SimulatedBlock, isFull: boolean): JsonObject {
  let logs = 0;
  const results = calls.map(({ output, gasUsed, gasSpent, failure, logs: own }, index): JsonObject => {
    const first = logs;
    logs += own.length;
    const { hash } = block.transactions[index]!;
    return {
      returnData: bytesToHex(output),
      logs: own.map((log, i) => formatLog(log, block, { hash, index }, first + i)),
      gasUsed: toQuantity(gasUsed),
      maxUsedGas: toQuantity(gasSpent),
      status: failure === undefined ? "0x1" : "0x0",
      ...(failure !== undefined && { error: formatFailure(failure, output) }),
    };
  });
  return { ...formatBlock(block, isFull), calls: results };
}

function formatFailure(reason: string, output: Uint8Array): JsonObject {
  if (reason !== REVERTED) return { message: reason, code: VM_ERROR };
  const { message, code } = callError({ ok: false, reason, output, gasUsed: 0n });
  return { message, code, data: bytesToHex(output) };
}

export const ethSimulate: Methods = {
  eth_simulateV1: method([required(payload), optional(blockSelector, LATEST)], async (context, [asked, at]) => {
    const request = requestOf(context, asked);
    const simulation = await context.runner.simulate(request, stateAt(context.chain, at).block);
    if (simulation.ok) return simulation.blocks.map((block) => formatSimulated(block, asked.isFull));
    const { code, message } = simulation.failure;
    throw new RpcError(CODES[code], message);
  }),
};
