/** What a transaction must satisfy to enter the pool. Texts are geth's: tools match on them. */
import { bytesToHex } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { type ChainRules, maxTransactionGas } from "../rules.ts";
import type { AccountState, StateReader } from "../state/types.ts";
import { isDelegation } from "../tx/authorization.ts";
import { effectiveTip } from "../tx/derive.ts";
import { gasRequirement, MAX_INIT_CODE_BYTES } from "../tx/intrinsic.ts";
import { dataGas, l1FeeOf } from "../tx/l1-fee.ts";
import { NEWEST_MESSAGES } from "../tx/message-rules.ts";
import { hasCode, type RejectionCode } from "../tx/validate.ts";
import type { PoolEntry } from "./sender.ts";

export interface MempoolLimits {
  /** Bytes of the EIP-2718 envelope. */
  readonly transactionBytes: number;
  /** Capacity in slots of 32 KiB: pending and queued. */
  readonly pendingSlots: number;
  readonly queuedSlots: number;
  /** Pending transactions of one sender that are never displaced by other senders' number. */
  readonly senderPending: number;
  readonly senderQueued: number;
  /** A sender's queued transactions are dropped when none of its transactions became pending for so long. */
  readonly lifetimeMs: number;
  /** A replacement must raise both fees by this much. */
  readonly priceBumpPercent: bigint;
  readonly minTipWei: bigint;
}

export const DEFAULT_MEMPOOL_LIMITS: MempoolLimits = {
  transactionBytes: 128 * 1024,
  pendingSlots: 5_120,
  queuedSlots: 1_024,
  senderPending: 16,
  senderQueued: 64,
  lifetimeMs: 3 * 60 * 60 * 1_000,
  priceBumpPercent: 10n,
  minTipWei: 1n,
};

const SLOT_BYTES = 32 * 1024;
/** EIP-2681. */
const MAX_NONCE = 2n ** 64n - 1n;

export type RefusalCode =
  | RejectionCode
  | "already-known"
  /** On a foreign chain, whose head's fork has no such transactions. */
  | "type-not-supported"
  | "oversized"
  | "tip-too-low"
  | "underpriced"
  | "replacement-underpriced"
  | "sender-limit"
  | "future-replaces-pending"
  | "full"
  | "delegated-gap"
  | "delegated-limit"
  | "authority-reserved";

export interface Refusal {
  readonly ok: false;
  readonly code: RefusalCode;
  readonly message: string;
}

export function refuse(code: RefusalCode, message: string): Refusal {
  return { ok: false, code, message };
}

export function slotsOf(tx: Transaction): number {
  return Math.max(1, Math.ceil(tx.raw.length / SLOT_BYTES));
}

/** The most a transaction can cost its sender, in wei, with L1 data at this price. Fills in the entry's `dataGas`. */
export function costOf(entry: Pick<PoolEntry, "tx" | "dataGas">, l1FeePrice: bigint): bigint {
  const { tx } = entry;
  const costWei = tx.gasLimit * tx.maxFeePerGas + tx.value;
  if (l1FeePrice === 0n) return costWei;
  entry.dataGas ??= dataGas(tx.raw);
  return costWei + l1FeeOf(entry.dataGas, l1FeePrice);
}

/** Checks that need no state, in geth's order (core/txpool/validation.go). */
export function checkForm(
  tx: Transaction,
  limits: MempoolLimits,
  blockGasLimit: bigint,
  rules: Pick<ChainRules, "hardfork" | "messages">,
): Refusal | undefined {
  const { messages = NEWEST_MESSAGES } = rules;
  if (messages.refusal !== undefined || !messages.types.has(tx.type)) {
    return refuse("type-not-supported", messages.refusal ?? "transaction type not supported");
  }
  if (tx.raw.length > limits.transactionBytes) {
    return refuse("oversized", `oversized data: transaction size ${tx.raw.length}, limit ${limits.transactionBytes}`);
  }
  if (tx.to === undefined && tx.data.length > MAX_INIT_CODE_BYTES) {
    const sizes = `code size ${tx.data.length} limit ${MAX_INIT_CODE_BYTES}`;
    return refuse("init-code-too-large", `max initcode size exceeded: ${sizes}`);
  }
  const gasCap = maxTransactionGas(rules);
  if (gasCap !== undefined && tx.gasLimit > gasCap) {
    return refuse("gas-limit-too-high", `transaction gas limit too high (cap: ${gasCap}, tx: ${tx.gasLimit})`);
  }
  if (tx.gasLimit > blockGasLimit) return refuse("gas-limit-reached", "exceeds block gas limit");
  if (tx.maxPriorityFeePerGas > tx.maxFeePerGas) {
    const fees = `maxPriorityFeePerGas: ${tx.maxPriorityFeePerGas}, maxFeePerGas: ${tx.maxFeePerGas}`;
    return refuse("tip-above-fee-cap", `max priority fee per gas higher than max fee per gas: ${fees}`);
  }
  if (tx.nonce >= MAX_NONCE) return refuse("nonce-max", "nonce has max value");
  const { intrinsic, floor } = gasRequirement(tx, messages);
  if (tx.gasLimit < intrinsic) {
    return refuse("intrinsic-gas", `intrinsic gas too low: gas ${tx.gasLimit}, minimum needed ${intrinsic}`);
  }
  if (tx.gasLimit < floor) {
    const gas = `gas ${tx.gasLimit}, minimum needed ${floor}`;
    return refuse("floor-gas", `insufficient gas for floor data gas cost: ${gas}`);
  }
  if (tx.maxPriorityFeePerGas < limits.minTipWei) {
    const tips = `gas tip cap ${tx.maxPriorityFeePerGas}, minimum needed ${limits.minTipWei}`;
    return refuse("tip-too-low", `transaction gas price below minimum: ${tips}`);
  }
  return undefined;
}

/** Checks against the sender's account. `costWei`: the most it can be charged. */
export function checkAccount(
  tx: Transaction,
  account: AccountState | undefined,
  state: StateReader,
  costWei: bigint,
): Refusal | undefined {
  const nonce = account?.nonce ?? 0n;
  if (tx.nonce < nonce) {
    return refuse("nonce-too-low", `nonce too low: next nonce ${nonce}, tx nonce ${tx.nonce}`);
  }
  // EIP-3607, with EIP-7702's exception for delegated accounts.
  if (account !== undefined && hasCode(account) && !isDelegation(state.code(account.codeHash))) {
    return refuse("sender-has-code", `sender not an eoa: address ${bytesToHex(tx.from)}`);
  }
  const balance = account?.balance ?? 0n;
  if (balance < costWei) {
    return refuse(
      "insufficient-funds",
      `insufficient funds for gas * price + value: balance ${balance}, tx cost ${costWei}, overshot ${costWei - balance}`,
    );
  }
  return undefined;
}

/** Both fees must rise, and by at least the bump. */
export function isSufficientBump(next: Transaction, old: Transaction, bumpPercent: bigint): boolean {
  if (next.maxFeePerGas <= old.maxFeePerGas || next.maxPriorityFeePerGas <= old.maxPriorityFeePerGas) return false;
  const factor = 100n + bumpPercent;
  return (
    next.maxFeePerGas >= (old.maxFeePerGas * factor) / 100n &&
    next.maxPriorityFeePerGas >= (old.maxPriorityFeePerGas * factor) / 100n
  );
}

/**
 * What the sender cannot pay on top of what it has pending. `old`: what the transaction replaces there, which is part
 * of `pendingWei`.
 */
export function checkExpenditure(
  balance: bigint,
  pendingWei: bigint,
  costWei: bigint,
  old: PoolEntry | undefined,
): Refusal | undefined {
  const added = costWei - (old?.costWei ?? 0n);
  const overshot = pendingWei + added - balance;
  if (overshot <= 0n) return undefined;
  const own = old === undefined ? `tx cost ${added}` : `tx bumped ${added}`;
  const detail = `balance ${balance}, queued cost ${pendingWei}, ${own}, overshot ${overshot}`;
  return refuse("insufficient-funds", `insufficient funds for gas * price + value: ${detail}`);
}

/** Below 0 when `a` is worth less than `b` to the proposer of a block with this base fee, 0 when as much. */
export function comparePrice(a: Transaction, b: Transaction, baseFeePerGas: bigint): number {
  return (
    compare(effectiveTip(a, baseFeePerGas), effectiveTip(b, baseFeePerGas)) ||
    compare(a.maxFeePerGas, b.maxFeePerGas) ||
    compare(a.maxPriorityFeePerGas, b.maxPriorityFeePerGas)
  );
}

/** Whether `a` leaves a full pool before `b`; of equals the higher nonce does, then the later one. */
export function leavesBefore(a: PoolEntry, b: PoolEntry, baseFeePerGas: bigint): boolean {
  const price = comparePrice(a.tx, b.tx, baseFeePerGas);
  if (price !== 0) return price < 0;
  return a.tx.nonce === b.tx.nonce ? a.sequence > b.sequence : a.tx.nonce > b.tx.nonce;
}

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
