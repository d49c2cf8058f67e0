/** The least gas with which a message succeeds, by geth's search (eth/gasestimator). */
import { bigIntMax, bigIntMin } from "../../core/bytes.ts";
import { type ChainRules, maxTransactionGas } from "../rules.ts";
import type { StateReader } from "../state/types.ts";
import type { CallRequest, CallResult } from "./call.ts";
import { hasCode } from "./validate.ts";

/** The state that the message runs on, each time anew. */
export interface EstimatedOn {
  readonly state: StateReader;
  call(request: CallRequest): Promise<CallResult>;
}

export type GasEstimate =
  | { readonly ok: true; readonly gas: bigint }
  /** Fails with any gas: what it said with the most. */
  | Extract<CallResult, { ok: false }>
  /** Refused before anything ran, in words for the caller. */
  | { readonly ok: false; readonly message: string };

const TRANSFER_GAS = 21_000n;
/** A call with value gives its callee this much for nothing, so it must be there when the call is made. */
const CALL_STIPEND = 2_300n;
/** The search ends when the answer is at most 1.5 % too high: each step runs the whole message. */
const TOLERANCE_PERMILLE = 15n;

/** Runs the message about a dozen times, 66 at most; the block's gas limit and `gasCap` bound each attempt. */
export async function estimateGas(
  on: EstimatedOn,
  request: CallRequest,
  rules: Pick<ChainRules, "hardfork">,
  blockGasLimit: bigint,
  gasCap: bigint,
): Promise<GasEstimate> {
  let high = request.gas !== undefined && request.gas >= TRANSFER_GAS ? request.gas : blockGasLimit;
  high = bigIntMin(high, blockGasLimit, gasCap, maxTransactionGas(rules) ?? high);
  const sender = request.from === undefined ? undefined : on.state.account(request.from);
  const feeCap = request.gasPrice ?? request.maxFeePerGas ?? request.maxPriorityFeePerGas ?? 0n;
  if (feeCap > 0n) {
    const available = (sender?.balance ?? 0n) - (request.value ?? 0n);
    if (available < 0n) return { ok: false, message: "insufficient funds for transfer" };
    high = bigIntMin(high, available / feeCap);
  }
  const attempt = (gas: bigint) => on.call({ ...request, gas });

  if (isTransfer(on.state, request) && high >= TRANSFER_GAS && (await attempt(TRANSFER_GAS)).ok) {
    return { ok: true, gas: TRANSFER_GAS };
  }
  const most = await attempt(high);
  if (!most.ok) {
    const outOfGas = most.reason === "out of gas" || most.reason.startsWith("intrinsic gas too low");
    if (outOfGas) return { ok: false, message: `gas required exceeds allowance (${high})` };
    return most.gasUsed === 0n ? { ok: false, message: most.reason } : most;
  }

  // Less than it used cannot do. EIP-150 keeps 1/64 of the gas back at each call, so a little more usually does.
  let low = most.gasUsed - 1n;
  const optimistic = ((most.gasUsed + (most.gasRefunded ?? 0n) + CALL_STIPEND) * 64n) / 63n;
  if (optimistic < high) {
    if ((await attempt(optimistic)).ok) high = optimistic;
    else low = bigIntMax(low, optimistic);
  }
  while (low + 1n < high && (high - low) * 1_000n > high * TOLERANCE_PERMILLE) {
    // Most messages need little more than they use: no step more than doubles the lower bound.
    const middle = bigIntMin((low + high) / 2n, low * 2n);
    if ((await attempt(middle)).ok) high = middle;
    else low = middle;
  }
  return { ok: true, gas: high };
}

function isTransfer(state: StateReader, request: CallRequest): boolean {
  if (request.to === undefined || (request.data?.length ?? 0) > 0) return false;
  const recipient = state.account(request.to);
  return recipient === undefined || !hasCode(recipient);
}
