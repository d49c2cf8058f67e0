/** Runs a message without a signature, as `eth_call` does. The machine's layer is thrown away by the caller. */
import { bigIntMin } from "@ethereumjs/util";
import { bytesToHex, EMPTY_BYTES } from "../../core/bytes.ts";
import type { Header, Transaction } from "../../core/chain.ts";
import type { ChainRules } from "../rules.ts";
import { type HeaderContext, messageEnvironment } from "./environment.ts";
import { gasRequirement } from "./intrinsic.ts";
import type { Machine } from "./machine.ts";
import { applyMessage, type Message } from "./message.ts";
import { checkGas } from "./validate.ts";

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
  readonly accessList?: Transaction["accessList"];
  readonly authorizationList?: Transaction["authorizationList"];
}

export type CallResult =
  | { readonly ok: true; readonly output: Uint8Array; readonly gasUsed: bigint; readonly gasRefunded?: bigint }
  /** `reason` is geth's word. Refused before anything ran: gasUsed is 0. */
  | { readonly ok: false; readonly output: Uint8Array; readonly gasUsed: bigint; readonly reason: string };

const ZERO_ADDRESS = new Uint8Array(20);

/**
 * As geth: nonce and kind of the sender are not looked at, and without a price neither is the fee; then BASEFEE is 0.
 * What is sent must be there. `header` is the environment, its gas limit caps the gas.
 */
export async function callMessage(
  machine: Machine,
  request: CallRequest,
  header: HeaderContext & Pick<Header, "gasLimit">,
  rules: ChainRules,
): Promise<CallResult> {
  const feeCap = request.gasPrice ?? request.maxFeePerGas ?? request.maxPriorityFeePerGas ?? 0n;
  const tipCap = request.gasPrice ?? request.maxPriorityFeePerGas ?? 0n;
  const baseFeePerGas = feeCap === 0n ? 0n : header.baseFeePerGas;
  const from = request.from ?? ZERO_ADDRESS;
  if (tipCap > feeCap) {
    const detail = `address ${bytesToHex(from)}, maxPriorityFeePerGas: ${tipCap}, maxFeePerGas: ${feeCap}`;
    return refuse(`max priority fee per gas higher than max fee per gas: ${detail}`);
  }
  if (feeCap < baseFeePerGas) {
    const detail = `address ${bytesToHex(from)}, maxFeePerGas: ${feeCap}, baseFee: ${baseFeePerGas}`;
    return refuse(`max fee per gas less than block base fee: ${detail}`);
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

  const have = machine.stateManager.layer.account(from)?.balance ?? 0n;
  const want = message.gasLimit * feeCap + message.value;
  if (have < want) {
    const who = `address ${bytesToHex(from)}`;
    return refuse(
      feeCap === 0n
        ? `insufficient funds for transfer: ${who}`
        : `insufficient funds for gas * price + value: ${who} have ${have} want ${want}`,
    );
  }
  const required = gasRequirement(message);
  const rejection = checkGas(message, required);
  if (rejection !== undefined) return refuse(rejection.message);

  const environment = messageEnvironment({ ...header, baseFeePerGas }, rules);
  const { output, gasUsed, gasRefunded, failure } = await applyMessage(machine, message, required, environment);
  return failure === undefined
    ? { ok: true, output, gasUsed, gasRefunded }
    : { ok: false, output, gasUsed, reason: failure };
}

const refuse = (reason: string): CallResult => ({ ok: false, output: EMPTY_BYTES, gasUsed: 0n, reason });
