/**
 * Whether a transaction may be in the next place of a block. Order and texts are those of geth's state transition
 * (core/error.go), because wallets and tools match on them.
 */
import { bytesToHex } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { type ChainRules, maxTransactionGas } from "../rules.ts";
import { bytesKey } from "../state/keys.ts";
import type { AccountState, StateReader } from "../state/types.ts";
import { isDelegation } from "./authorization.ts";
import { type GasRequirement, MAX_INIT_CODE_BYTES } from "./intrinsic.ts";
import { type MessageRules, NEWEST_MESSAGES } from "./message-rules.ts";

export type RejectionCode =
  | "nonce-too-low"
  | "nonce-too-high"
  | "nonce-max"
  | "sender-has-code"
  | "gas-limit-too-high"
  | "tip-above-fee-cap"
  | "fee-cap-too-low"
  | "insufficient-funds"
  | "gas-limit-reached"
  | "intrinsic-gas"
  | "floor-gas"
  | "init-code-too-large";

export interface Rejection {
  readonly ok: false;
  readonly code: RejectionCode;
  readonly message: string;
}

/** EIP-2681. */
const MAX_NONCE = 2n ** 64n - 1n;
const EMPTY_CODE_KEY = bytesKey(KECCAK_EMPTY);

export function hasCode(account: AccountState): boolean {
  return bytesKey(account.codeHash) !== EMPTY_CODE_KEY;
}

/** Undefined when the transaction is valid. `gasLeft` is what the block still has. */
export function checkTransaction(
  tx: Transaction,
  sender: AccountState | undefined,
  state: StateReader,
  required: GasRequirement,
  baseFeePerGas: bigint,
  l1FeeWei: bigint,
  gasLeft: bigint,
  rules: ChainRules,
): Rejection | undefined {
  const nonce = sender?.nonce ?? 0n;
  if (tx.nonce < nonce)
    return reject("nonce-too-low", "nonce too low", `address ${of(tx)}, tx: ${tx.nonce} state: ${nonce}`);
  if (tx.nonce > nonce)
    return reject("nonce-too-high", "nonce too high", `address ${of(tx)}, tx: ${tx.nonce} state: ${nonce}`);
  if (nonce >= MAX_NONCE) return reject("nonce-max", "nonce has max value", `address ${of(tx)}, nonce: ${nonce}`);
  // EIP-3607, with EIP-7702's exception for delegated accounts.
  if (sender !== undefined && hasCode(sender) && !isDelegation(state.code(sender.codeHash))) {
    return reject(
      "sender-has-code",
      "sender not an eoa",
      `address ${of(tx)}, codehash: ${bytesToHex(sender.codeHash)}`,
    );
  }
  const cap = maxTransactionGas(rules);
  if (cap !== undefined && tx.gasLimit > cap) {
    return reject("gas-limit-too-high", "transaction gas limit too high", `cap: ${cap}, tx: ${tx.gasLimit}`);
  }
  if (tx.maxPriorityFeePerGas > tx.maxFeePerGas) {
    return reject(
      "tip-above-fee-cap",
      "max priority fee per gas higher than max fee per gas",
      `address ${of(tx)}, maxPriorityFeePerGas: ${tx.maxPriorityFeePerGas}, maxFeePerGas: ${tx.maxFeePerGas}`,
    );
  }
  if (tx.maxFeePerGas < baseFeePerGas) {
    return reject(
      "fee-cap-too-low",
      "max fee per gas less than block base fee",
      `address ${of(tx)}, maxFeePerGas: ${tx.maxFeePerGas}, baseFee: ${baseFeePerGas}`,
    );
  }
  const have = sender?.balance ?? 0n;
  const want = tx.gasLimit * tx.maxFeePerGas + tx.value + l1FeeWei;
  if (have < want) {
    return reject(
      "insufficient-funds",
      "insufficient funds for gas * price + value",
      `address ${of(tx)} have ${have} want ${want}`,
    );
  }
  if (tx.gasLimit > gasLeft)
    return reject("gas-limit-reached", "gas limit reached", `have ${gasLeft}, want ${tx.gasLimit}`);
  return checkGas(tx, required, rules.messages);
}

/** The checks that also a call without a signature must pass. */
export function checkGas(
  tx: Pick<Transaction, "gasLimit" | "to" | "data">,
  required: GasRequirement,
  rules: MessageRules = NEWEST_MESSAGES,
): Rejection | undefined {
  if (tx.gasLimit < required.intrinsic) {
    return reject("intrinsic-gas", "intrinsic gas too low", `have ${tx.gasLimit}, want ${required.intrinsic}`);
  }
  if (tx.gasLimit < required.floor) {
    const detail = `have ${tx.gasLimit}, want ${required.floor}`;
    return reject("floor-gas", "insufficient gas for floor data gas cost", detail);
  }
  if (rules.boundsInitCode && tx.to === undefined && tx.data.length > MAX_INIT_CODE_BYTES) {
    const detail = `code size ${tx.data.length} limit ${MAX_INIT_CODE_BYTES}`;
    return reject("init-code-too-large", "max initcode size exceeded", detail);
  }
  return undefined;
}

function reject(code: RejectionCode, text: string, detail: string): Rejection {
  return { ok: false, code, message: `${text}: ${detail}` };
}

const of = (tx: Transaction): string => bytesToHex(tx.from);
