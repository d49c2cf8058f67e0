/** debug_trace*: what blocks, transactions and calls did, opcode by opcode or call by call, in geth's shapes. */
import { bytesToHex } from "../../../core/bytes.ts";
import type { ExecutedBlock } from "../../../core/chain.ts";
import type { StateOverrides } from "../../../execution/tx/overrides.ts";
import type { BlockSelector } from "../../chain-api.ts";
import type { Traced, TraceOptions, TraceRunner } from "../../runner/types.ts";
import { callRequest, present } from "../call-request.ts";
import { type Methods, method, type RpcContext } from "../context.ts";
import { invalidParams, serverError } from "../errors.ts";
import { blockOverrides, stateOverrides } from "../overrides.ts";
import { blockSelector, isPending, LATEST, numberOrTag, stateAt } from "../selectors.ts";
import { DEFAULT_TRACE, type TraceConfig, traceConfig } from "../trace-config.ts";
import { type Decoder, data, field, hash, object, optional, quantity, required } from "../values.ts";
import { prepared } from "./eth-state.ts";

interface TraceCallConfig extends TraceConfig {
  readonly state?: StateOverrides;
  readonly block?: ReturnType<typeof blockOverrides>;
  /** Of the block's transaction on whose state before it the call runs. */
  readonly txIndex?: bigint;
}

const traceCallConfig: Decoder<TraceCallConfig> = (value) => {
  const config = object(value);
  return {
    ...traceConfig(value),
    ...present({
      state: field(config, "stateOverrides", stateOverrides),
      block: field(config, "blockOverrides", blockOverrides),
      txIndex: field(config, "txIndex", quantity(32)),
    }),
  };
};

const config = optional(traceConfig, DEFAULT_TRACE);

const optionsOf = ({ limits }: RpcContext, { tracer, timeoutMs }: TraceConfig): TraceOptions => ({
  tracer,
  timeoutMs,
  withinMs: limits.requestTimeoutMs,
  maxBytes: limits.responseBytes,
});

export function debugTrace(traces: TraceRunner): Methods {
  return {
    debug_traceTransaction: method([required(hash), config], (context, [txHash, config]) => {
      const found = context.chain.transaction(txHash);
      if (found === undefined) throw serverError("transaction not found");
      return answer(traces.traceTransaction(found.block.hash, found.index, optionsOf(context, config)));
    }),
    debug_traceBlockByNumber: method([required(numberOrTag), config], (context, [number, config]) =>
      answer(traces.traceBlock(blockOf(context, number).hash, optionsOf(context, config))),
    ),
    debug_traceBlockByHash: method([required(hash), config], (context, [blockHash, config]) =>
      answer(traces.traceBlock(blockOf(context, { hash: blockHash }).hash, optionsOf(context, config))),
    ),
    debug_traceBlock: method([required(data), config], (context, [raw, config]) =>
      answer(traces.traceEncodedBlock(raw, optionsOf(context, config))),
    ),
    debug_traceCall: method(
      [required(callRequest), optional(blockSelector, LATEST), optional(traceCallConfig, DEFAULT_TRACE)],
      (context, [request, at, config]) => {
        const { state, block: pretended, txIndex }: TraceCallConfig = config;
        refusePending(at);
        const { block } = stateAt(context.chain, at);
        if (txIndex !== undefined && txIndex >= block.transactions.length) {
          throw invalidParams(
            `txIndex ${txIndex} is out of range: the block has ${block.transactions.length} transactions`,
          );
        }
        const before = txIndex === undefined ? undefined : Number(txIndex);
        const overrides = present({ state, block: pretended });
        return answer(
          traces.traceCall(prepared(context, request), block.hash, overrides, before, optionsOf(context, config)),
        );
      },
    ),
  };
}

/** What is still pending has not run. */
function refusePending(selector: BlockSelector): void {
  if (isPending(selector)) throw serverError("tracing on top of pending is not supported");
}

function blockOf({ chain }: RpcContext, selector: BlockSelector): ExecutedBlock {
  refusePending(selector);
  const block = chain.find(selector);
  if (block !== undefined) return block;
  const name =
    "number" in selector ? `#${selector.number}` : "hash" in selector ? bytesToHex(selector.hash) : selector.tag;
  throw serverError(`block ${name} not found`);
}

async function answer<T>(traced: Promise<Traced<T>>): Promise<T> {
  const trace = await traced;
  if (trace.ok) return trace.result;
  throw serverError(trace.message);
}
