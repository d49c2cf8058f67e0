/** Runs a message without a signature, as `eth_call` does. The machine's layer is thrown away by the caller. */
import { ZERO_ADDRESS } from "../../core/addresses.ts";
import { bigIntMin, bytesToHex, EMPTY_BYTES } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import type { ChainRules } from "../rules.ts";
import type { StateReader } from "../state/types.ts";
import { type HeaderContext, MIN_BLOB_GAS_PRICE, messageEnvironment } from "./environment.ts";
import { GAS_PER_BLOB, type GasRequirement, gasRequirement } from "./intrinsic.ts";
import type { Machine } from "./machine.ts";
import { applyMessage, type Message } from "./message.ts";
import { type MessageRules, NEWEST_MESSAGES } from "./message-rules.ts";
import { checkGas, type RejectionCode } from "./validate.ts";

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
  /** EIP-4844: 32 bytes each. */
  readonly blobVersionedHashes?: readonly Uint8Array[];
  /** Wei. */
  readonly maxFeePerBlobGas?: bigint;
}

export type CallResult =
  | { readonly ok: true; readonly output: Uint8Array; readonly gasUsed: bigint; readonly gasRefunded?: bigint }
  /** `reason` is geth's word. Refused before anything ran: gasUsed is 0. */
  | { readonly ok: false; readonly output: Uint8Array; readonly gasUsed: bigint; readonly reason: string };

/**
 * As geth: nonce and kind of the sender are not looked at, and without a price neither is the fee; then BASEFEE is 0,
 * and BLOBBASEFEE in a call with blobs.
 * What is sent must be there. `header` is the environment, its gas limit caps the gas.
 */
export async function callMessage(
  machine: Machine,
  request: CallRequest,
  header: HeaderContext,
  rules: ChainRules,
): Promise<CallResult> {
  const prepared = prepareCall(machine.stateManager.layer, request, header, rules, false);
  if (!prepared.ok) return { ok: false, output: EMPTY_BYTES, gasUsed: 0n, reason: prepared.message };
  const { message, required } = prepared;
  const free: Partial<HeaderContext> = {
    ...(message.gasPrice === 0n && { baseFeePerGas: 0n }),
    ...(message.paidBlobs?.feeWei === 0n && { blobBaseFee: 0n }),
  };
  const environment = messageEnvironment({ ...header, ...free }, rules);
  const { output, gasUsed, gasRefunded, failure } = await applyMessage(machine, message, required, environment);
  return failure === undefined
    ? { ok: true, output, gasUsed, gasRefunded }
    : { ok: false, output, gasUsed, reason: failure };
}

export type CallRejectionCode =
  | RejectionCode
  /** The fork has no transactions with it. */
  | "field-not-supported"
  | "blobs-invalid"
  | "blob-fee-cap-too-low";

interface CallRejection {
  readonly ok: false;
  readonly code: CallRejectionCode;
  readonly message: string;
}

export type PreparedCall =
  | { readonly ok: true; readonly message: Message; readonly required: GasRequirement }
  | CallRejection;

/**
 * The message that a call is, or why it cannot run, in geth's words. Nonce and kind of the sender are not looked at.
 * `paysBaseFee`: also a call without a price.
 */
export function prepareCall(
  state: StateReader,
  request: CallRequest,
  header: HeaderContext,
  rules: Pick<ChainRules, "messages">,
  paysBaseFee: boolean,
): PreparedCall {
  const messages = rules.messages ?? NEWEST_MESSAGES;
  const unknown = unknownField(request, messages);
  if (unknown !== undefined) return refuse("field-not-supported", unknown);
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
  const blobs = prepareBlobs(request, header.blobBaseFee ?? MIN_BLOB_GAS_PRICE, who, paysBaseFee);
  if (!blobs.ok) return blobs;
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
    ...(blobs.paid && { paidBlobs: blobs.paid }),
  };
  const have = state.account(from)?.balance ?? 0n;
  const want = message.gasLimit * feeCap + message.value + blobs.mostWei;
  if (have < want) {
    return refuse(
      "insufficient-funds",
      feeCap === 0n
        ? `insufficient funds for transfer: ${who}`
        : `insufficient funds for gas * price + value: ${who} have ${have} want ${want}`,
    );
  }
  const required = gasRequirement(message, messages);
  return checkGas(message, required, messages) ?? { ok: true, message, required };
}

/** What the fork has no transactions with. */
function unknownField(request: CallRequest, rules: MessageRules): string | undefined {
  const { refusal, types, hasBaseFee, hasBlobFee } = rules;
  if (refusal !== undefined) return refusal;
  const { maxFeePerGas, maxPriorityFeePerGas, accessList, blobVersionedHashes, maxFeePerBlobGas } = request;
  if (!hasBaseFee && (maxFeePerGas ?? maxPriorityFeePerGas) !== undefined) {
    return "maxFeePerGas and maxPriorityFeePerGas are not valid before London is active";
  }
  const notSupported = "transaction type not supported";
  if (accessList !== undefined && !types.has(1)) return `${notSupported}: access list tx`;
  const isBlob = blobVersionedHashes !== undefined ? !types.has(3) : maxFeePerBlobGas !== undefined && !hasBlobFee;
  if (isBlob) return `${notSupported}: blob tx`;
  if (request.authorizationList !== undefined && !types.has(4)) return `${notSupported}: setcode tx`;
  return undefined;
}

type PreparedBlobs =
  | { readonly ok: true; readonly paid: Message["paidBlobs"]; readonly mostWei: bigint }
  | CallRejection;

/** `mostWei`: what the sender must have for them. As with gas, whoever names no price pays none unless `paysBaseFee`. */
function prepareBlobs(
  { to, blobVersionedHashes: versionedHashes, maxFeePerBlobGas: cap = 0n }: CallRequest,
  blobBaseFee: bigint,
  who: string,
  paysBaseFee: boolean,
): PreparedBlobs {
  if (versionedHashes === undefined) return { ok: true, paid: undefined, mostWei: 0n };
  if (to === undefined) return refuse("blobs-invalid", "blob transaction of type create");
  if (versionedHashes.length === 0) return refuse("blobs-invalid", "blob transaction missing blob hashes");
  const wrong = versionedHashes.findIndex((hash) => hash[0] !== KZG_VERSION);
  if (wrong >= 0) return refuse("blobs-invalid", `blob ${wrong} has invalid hash version`);
  const isFree = cap === 0n && !paysBaseFee;
  if (cap < blobBaseFee && !isFree) {
    const detail = `${who} blobGasFeeCap: ${cap}, blobBaseFee: ${blobBaseFee}`;
    return refuse("blob-fee-cap-too-low", `max fee per blob gas less than block blob gas fee: ${detail}`);
  }
  const gas = BigInt(versionedHashes.length) * GAS_PER_BLOB;
  return { ok: true, paid: { versionedHashes, feeWei: isFree ? 0n : gas * blobBaseFee }, mostWei: gas * cap };
}

/** EIP-4844: the first byte of a versioned hash. */
const KZG_VERSION = 0x01;

const refuse = (code: CallRejectionCode, message: string): CallRejection => ({ ok: false, code, message });
