/** Runs a message without a signature, as `eth_call` does. The machine's layer is thrown away by the caller. */
import { ZERO_ADDRESS } from "../../core/addresses.ts";
import { bigIntMin, bytesToHex, EMPTY_BYTES } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import type { ChainRules } from "../rules.ts";
import type { StateReader } from "../state/types.ts";
import { type HeaderContext, messageEnvironment } from "./environment.ts";
import { type GasRequirement, gasRequirement } from "./intrinsic.ts";
import type { Machine } from "./machine.ts";
import { applyMessage, type Message } from "./message.ts";
import { checkGas, type Rejection } from "./validate.ts";

export interface CallRequest {
  readonly from?: Uint8Array;
  /** Absent for a creation. */
  readonly to?: Uint8Array;
  /** The block's gas limit when absent. */
  readonly gas?: bigint;
  readonly gasPrice?: bigint;
  readonly maxFeePerGas?: bigint;
  readonly maxPriorityFeePerGas?: bigint;
  readonly value?: bigint;
  readonly data?: Uint8Array;
  /** Only a simulated block looks at it. */
  readonly nonce?: bigint;
  readonly accessList?: Transaction["accessList"];
  readonly authorizationList?: Transaction["authorizationList"];
}

export type CallResult =
  | { readonly ok: true; readonly output: Uint8Array; readonly gasUsed: bigint; readonly gasRefunded?: bigint }
  /** `reason` is geth's word. Refused before anything ran: gasUsed is 0. */
  | { readonly ok: false; readonly output: Uint8Array; readonly gasUsed: bigint; readonly reason: string };

/**
 * As geth: nonce and kind of the sender are not looked at, and without a price neither is the fee; then BASEFEE is 0.
 * What is sent must be there. `header` is the environment, its gas limit caps the gas.
 */
export async function callMessage(
  machine: Machine,
  request: CallRequest,
  header: HeaderContext,
  rules: ChainRules,
): Promise<CallResult> {
  const prepared = prepareCall(machine.stateManager.layer, request, header, false);
  if (!prepared.ok) return { ok: false, output: EMPTY_BYTES, gasUsed: 0n, reason: prepared.message };
  const { message, required } = prepared;
  const environment = messageEnvironment(message.gasPrice === 0n ? { ...header, baseFeePerGas: 0n } : header, rules);
  const { output, gasUsed, gasRefunded, failure } = await applyMessage(machine, message, required, environment);
  return failure === undefined
    ? { ok: true, output, gasUsed, gasRefunded }
    : { ok: false, output, gasUsed, reason: failure };
}

export type PreparedCall =
  | { readonly ok: true; readonly message: Message; readonly required: GasRequirement }
  | Rejection;

/**
 * The message that a call is, or why it cannot run, in geth's words. Nonce and kind of the sender are not looked at.
 * `paysBaseFee`: also a call without a price.
 */
export function prepareCall(
  state: StateReader,
  request: CallRequest,
  header: HeaderContext,
  paysBaseFee: boolean,
): PreparedCall {
  const feeCap = request.gasPrice ?? request.maxFeePerGas ?? request.maxPriorityFeePerGas ?? 0n;
  const tipCap = request.gasPrice ?? request.maxPriorityFeePerGas ?? 0n;
  const baseFeePerGas = feeCap === 0n && !paysBaseFee ? 0n : header.baseFeePerGas;
  const from = request.from ?? ZERO_ADDRESS;
  const who = `address ${bytesToHex(from)}`;
  if (tipCap > feeCap) {
    const detail = `${who}, maxPriorityFeePerGas: ${tipCap}, maxFeePerGas: ${feeCap}`;
    return refuse("tip-above-fee-cap", `max priority fee per gas higher than max fee per gas: ${detail}`);
  }
  if (feeCap < baseFeePerGas) {
    const detail = `${who}, maxFeePerGas: ${feeCap}, baseFee: ${baseFeePerGas}`;
    return refuse("fee-cap-too-low", `max fee per gas less than block base fee: ${detail}`);
  }
  const tipPerGas = bigIntMin(tipCap, feeCap - baseFeePerGas);
  const message: Message = {
    from,
    to: request.to,
    gasLimit: request.gas === undefined ? header.gasLimit : bigIntMin(request.gas, header.gasLimit),
    gasPrice: baseFeePerGas + tipPerGas,
    tipPerGas,
    l1FeeWei: 0n, // of a signed transaction's bytes, which a call has not
    value: request.value ?? 0n,
    data: request.data ?? EMPTY_BYTES,
    accessList: request.accessList ?? [],
    authorizationList: request.authorizationList ?? [],
  };
  const have = state.account(from)?.balance ?? 0n;
  const want = message.gasLimit * feeCap + message.value;
  if (have < want) {
    return refuse(
      "insufficient-funds",
      feeCap === 0n
        ? `insufficient funds for transfer: ${who}`
        : `insufficient funds for gas * price + value: ${who} have ${have} want ${want}`,
    );
  }
  const required = gasRequirement(message);
  return checkGas(message, required) ?? { ok: true, message, required };
}

const refuse = (code: Rejection["code"], message: string): Rejection => ({ ok: false, code, message });
