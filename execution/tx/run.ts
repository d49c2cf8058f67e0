/** Runs one transaction on a layer: refused without a trace, or applied with all that its receipt needs. */
import { bigIntMax } from "../../core/bytes.ts";
import type { Blobs, Log, Transaction } from "../../core/chain.ts";
import type { ChainRules } from "../rules.ts";
import { bytesKey } from "../state/keys.ts";
import type { AccountState, StateLayer } from "../state/types.ts";
import { createdAddress, effectiveTip } from "./derive.ts";
import type { MessageEnvironment } from "./environment.ts";
import { GAS_PER_BLOB, type GasRequirement, gasRequirement } from "./intrinsic.ts";
import { l1DataFee } from "./l1-fee.ts";
import type { Machine } from "./machine.ts";
import { applyMessage, credit, type Message, payFees } from "./message.ts";
import { checkTransaction, hasCode, type Rejection } from "./validate.ts";

export interface AppliedTransaction {
  readonly ok: true;
  readonly status: 0 | 1;
  readonly gasUsed: bigint;
  readonly effectiveGasPrice: bigint;
  /** Where a creation puts its contract, also when it fails. */
  readonly contractAddress: Uint8Array | undefined;
  readonly logs: readonly Log[];
  readonly output: Uint8Array;
  /** geth's word for why execution failed. */
  readonly failure: string | undefined;
  /** Of a deposit only. */
  readonly depositNonce?: bigint;
  /** Wei; 0 on a chain without an L1. Of the others. */
  readonly l1FeeWei?: bigint;
}

export type TransactionOutcome = AppliedTransaction | Rejection;

const NOTHING = new Uint8Array(0);
const NO_LOGS: readonly Log[] = [];
const MAX_UINT256 = 2n ** 256n - 1n;

/**
 * Precondition: no deposit. `gasLeft`: gas that the block still has. A transfer between plain accounts is applied at
 * once; anything else is a promise. When that rejects (damaged database), throw the layer away.
 */
export function runTransaction(
  machine: Machine,
  tx: Transaction,
  environment: MessageEnvironment,
  gasLeft: bigint,
  rules: ChainRules,
): TransactionOutcome | Promise<TransactionOutcome> {
  const { layer } = machine.stateManager;
  const { baseFeePerGas, l1FeePrice } = environment;
  const sender = layer.account(tx.from);
  const required = gasRequirement(tx, environment.messages);
  const l1FeeWei = l1FeePrice === undefined ? 0n : l1DataFee(tx.raw, l1FeePrice);
  const rejection = checkTransaction(tx, sender, layer, required, baseFeePerGas, l1FeeWei, gasLeft, rules);
  if (rejection !== undefined) return rejection;

  const tipPerGas = effectiveTip(tx, baseFeePerGas);
  const message: Message = {
    from: tx.from,
    to: tx.to,
    gasLimit: tx.gasLimit,
    gasPrice: baseFeePerGas + tipPerGas,
    tipPerGas,
    l1FeeWei,
    value: tx.value,
    data: tx.data,
    accessList: tx.accessList,
    authorizationList: tx.authorizationList,
    ...(tx.blobs && { paidBlobs: paidBlobs(tx.blobs, environment) }),
  };
  return (
    transfer(machine, layer, message, sender, required, environment) ??
    execute(machine, tx, message, required, environment)
  );
}

/** On a foreign chain. */
function paidBlobs({ versionedHashes }: Blobs, { block }: MessageEnvironment): NonNullable<Message["paidBlobs"]> {
  const feeWei = BigInt(versionedHashes.length) * GAS_PER_BLOB * block.header.getBlobGasPrice();
  return { versionedHashes, feeWei };
}

/**
 * Undefined when code may run, or when the sender does not exist (it sends at price zero). Nothing but the balances and the nonce changes, so the
 * EVM is not asked.
 */
function transfer(
  machine: Machine,
  layer: StateLayer,
  message: Message,
  sender: AccountState | undefined,
  required: GasRequirement,
  environment: MessageEnvironment,
): AppliedTransaction | undefined {
  const { to, value } = message;
  if (to === undefined || sender === undefined || message.authorizationList.length > 0) return undefined;
  const recipient = layer.account(to);
  if (recipient !== undefined && (hasCode(recipient) || recipient.balance + value > MAX_UINT256)) return undefined;
  // An empty account that genesis made goes when it is touched (EIP-161).
  if (recipient !== undefined && recipient.nonce === 0n && recipient.balance + value === 0n) return undefined;
  if (machine.nativeAddresses.has(bytesKey(to))) return undefined;

  const gasUsed = bigIntMax(required.intrinsic, required.floor);
  layer.setAccount(message.from, {
    nonce: sender.nonce + 1n,
    balance: sender.balance - value - gasUsed * message.gasPrice - message.l1FeeWei,
    codeHash: sender.codeHash,
    storageRoot: sender.storageRoot,
  });
  credit(layer, to, value);
  payFees(layer, gasUsed, message, environment);
  return {
    ok: true,
    status: 1,
    gasUsed,
    effectiveGasPrice: message.gasPrice,
    contractAddress: undefined,
    logs: NO_LOGS,
    output: NOTHING,
    failure: undefined,
    l1FeeWei: message.l1FeeWei,
  };
}

async function execute(
  machine: Machine,
  tx: Transaction,
  message: Message,
  required: GasRequirement,
  environment: MessageEnvironment,
): Promise<AppliedTransaction> {
  const result = await applyMessage(machine, message, required, environment);
  return {
    ok: true,
    status: result.failure === undefined ? 1 : 0,
    gasUsed: result.gasUsed,
    effectiveGasPrice: message.gasPrice,
    contractAddress: tx.to === undefined ? createdAddress(tx.from, tx.nonce) : undefined,
    logs: result.logs,
    output: result.output,
    failure: result.failure,
    l1FeeWei: message.l1FeeWei,
  };
}
