/**
 * One message on the state: gas is bought, the EVM runs, what is left is returned, fees are paid. Transactions and
 * `eth_call` both end here. Validity has been checked before.
 */
import type { EVMResult, ExecResult } from "@ethereumjs/evm";
import { Address } from "@ethereumjs/util";
import { L1_FEE_VAULT_ADDRESS } from "../../core/addresses.ts";
import { bigIntMax, bigIntMin, bytesToHex, hexToBytes } from "../../core/bytes.ts";
import type { AccessListEntry, Authorization, Log } from "../../core/chain.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import type { LayerJournal } from "../evm/journal.ts";
import { bytesKey } from "../state/keys.ts";
import { EMPTY_TRIE_ROOT } from "../state/trie-node.ts";
import type { AccountState, StateLayer } from "../state/types.ts";
import { delegationCode, isDelegation, recoverAuthority } from "./authorization.ts";
import type { MessageEnvironment } from "./environment.ts";
import { AUTHORIZATION_REFUND, type GasRequirement } from "./intrinsic.ts";
import type { Machine } from "./machine.ts";
import type { MessageRules } from "./message-rules.ts";
import { callNatively } from "./native-call.ts";
import { hasCode } from "./validate.ts";

export interface Message {
  readonly from: Uint8Array;
  readonly to: Uint8Array | undefined;
  readonly gasLimit: bigint;
  /** Wei a unit of gas that the sender pays: base fee plus tip. */
  readonly gasPrice: bigint;
  /** The part of it that goes to the coinbase. */
  readonly tipPerGas: bigint;
  /** Wei that the sender pays on top of gas, whatever becomes of the message. */
  readonly l1FeeWei: bigint;
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly accessList: readonly AccessListEntry[];
  readonly authorizationList: readonly Authorization[];
  /** Of a message with blobs, on a foreign chain. The fee is burned. */
  readonly paidBlobs?: { readonly versionedHashes: readonly Uint8Array[]; readonly feeWei: bigint };
}

export interface MessageResult {
  /** What the sender pays for: after refunds, at least the floor (EIP-7623). */
  readonly gasUsed: bigint;
  /** What was subtracted from the gas that execution used. */
  readonly gasRefunded: bigint;
  /** What the sender pays for if nothing is refunded. */
  readonly gasSpent: bigint;
  /** Return or revert data. */
  readonly output: Uint8Array;
  readonly logs: readonly Log[];
  /** geth's word for why the outermost frame failed; undefined when it succeeded. */
  readonly failure: string | undefined;
}

const NO_ACCOUNT: AccountState = { nonce: 0n, balance: 0n, codeHash: KECCAK_EMPTY, storageRoot: EMPTY_TRIE_ROOT };
const MAX_UINT64 = 2n ** 64n - 1n;

/**
 * Precondition: the sender can pay for gas, L1 fee, blobs and value, and gasLimit covers `required`. Rejects on a failure
 * that is not the message's (damaged store, defect); the layer is then as before, the machine must be thrown away.
 */
export async function applyMessage(
  machine: Machine,
  message: Message,
  required: GasRequirement,
  environment: MessageEnvironment,
): Promise<MessageResult> {
  const { layer } = machine.stateManager;
  layer.beginTransaction();
  machine.journal.cleanJournal();
  const depth = layer.openCheckpoints;
  layer.checkpoint();
  try {
    const result = await run(machine, layer, message, required, environment);
    layer.commit();
    return result;
  } catch (error) {
    while (layer.openCheckpoints > depth) layer.revert();
    throw error;
  }
}

async function run(
  machine: Machine,
  layer: StateLayer,
  message: Message,
  required: GasRequirement,
  environment: MessageEnvironment,
): Promise<MessageResult> {
  const { messages } = environment;
  const sender = layer.account(message.from) ?? NO_ACCOUNT;
  const blobFeeWei = message.paidBlobs?.feeWei ?? 0n;
  layer.setAccount(message.from, {
    ...sender,
    // Only a call that nobody checked has the last nonce: as in geth it goes round.
    nonce: sender.nonce === MAX_UINT64 ? 0n : sender.nonce + 1n,
    balance: sender.balance - message.gasLimit * message.gasPrice - message.l1FeeWei - blobFeeWei,
  });
  const gasLimit = message.gasLimit - required.intrinsic;
  const native = callNatively(machine, message, gasLimit, environment);
  const { execResult, authorizationRefund } = native
    ? { execResult: native, authorizationRefund: 0n }
    : await callEvm(machine, layer, message, gasLimit, environment);

  const spent = required.intrinsic + execResult.executionGasUsed;
  const earned = authorizationRefund + (execResult.gasRefund ?? 0n);
  const gasRefunded = bigIntMin(earned, spent / messages.maxRefundQuotient);
  const gasUsed = bigIntMax(spent - gasRefunded, required.floor);

  credit(layer, message.from, (message.gasLimit - gasUsed) * message.gasPrice);
  payFees(layer, gasUsed, message, environment);
  if (native === undefined) {
    deleteDestroyed(layer, execResult, messages);
    await machine.journal.cleanup();
  }
  return {
    gasUsed,
    gasRefunded,
    gasSpent: bigIntMax(spent, required.floor),
    output: execResult.returnValue,
    logs: (execResult.logs ?? []).map(([address, topics, data]) => ({ address, topics, data })),
    failure: failureOf(execResult),
  };
}

async function callEvm(
  { evm, journal }: Machine,
  layer: StateLayer,
  message: Message,
  gasLimit: bigint,
  environment: MessageEnvironment,
): Promise<{ readonly execResult: ExecResult; readonly authorizationRefund: bigint }> {
  warm(journal, message, environment);
  const authorizationRefund = authorize(journal, layer, message.authorizationList, environment.chainId);
  const { execResult } = await evm.runCall({
    block: environment.block,
    caller: new Address(message.from),
    ...(message.to && { to: new Address(message.to) }),
    gasPrice: message.gasPrice,
    gasLimit,
    value: message.value,
    data: message.data,
    ...(message.paidBlobs && {
      blobVersionedHashes: message.paidBlobs.versionedHashes.map((hash) => bytesToHex(hash)),
    }),
    skipNonceIncrement: true, // done before, as runTx does: a failed message keeps it
  });
  return { execResult, authorizationRefund };
}

/** Tip to the coinbase; base fee and L1 fee to whom the chain's rules name. Crediting nothing creates no account (EIP-161). */
export function payFees(
  layer: StateLayer,
  gasUsed: bigint,
  message: Pick<Message, "gasPrice" | "tipPerGas" | "l1FeeWei">,
  environment: MessageEnvironment,
): void {
  credit(layer, environment.coinbase, gasUsed * message.tipPerGas);
  if (!environment.messages.deletesEmpty && message.gasPrice > 0n) makeAccount(layer, environment.coinbase);
  if (environment.baseFeeRecipient !== undefined) {
    credit(layer, environment.baseFeeRecipient, gasUsed * (message.gasPrice - message.tipPerGas));
  }
  credit(layer, L1_FEE_VAULT_ADDRESS, message.l1FeeWei);
}

/** As in geth a balance goes round, which only one that a call pretends can. */
export function credit(layer: StateLayer, address: Uint8Array, amountWei: bigint): void {
  if (amountWei === 0n) return;
  const account = layer.account(address) ?? NO_ACCOUNT;
  layer.setAccount(address, { ...account, balance: BigInt.asUintN(256, account.balance + amountWei) });
}

function makeAccount(layer: StateLayer, address: Uint8Array): void {
  if (layer.account(address) === undefined) layer.setAccount(address, NO_ACCOUNT);
}

/** EIP-2929, EIP-2930, EIP-3651. */
function warm(journal: LayerJournal, message: Message, environment: MessageEnvironment): void {
  journal.warmAlways(bytesKey(message.from));
  if (message.to !== undefined) journal.warmAlways(bytesKey(message.to));
  if (environment.messages.warmsCoinbase) journal.warmAlways(bytesKey(environment.coinbase));
  for (const { address, storageKeys } of message.accessList) {
    const key = bytesKey(address);
    journal.warmAlways(key);
    for (const slot of storageKeys) journal.warmSlotAlways(key, bytesKey(slot));
  }
}

/** EIP-7702: sets the delegations that are valid, skips the others. Returns the refund for authorities that existed. */
function authorize(
  journal: LayerJournal,
  layer: StateLayer,
  authorizations: readonly Authorization[],
  chainId: bigint,
): bigint {
  let refund = 0n;
  for (const authorization of authorizations) {
    if (authorization.chainId !== 0n && authorization.chainId !== chainId) continue;
    if (authorization.nonce >= MAX_UINT64) continue;
    const authority = recoverAuthority(authorization);
    if (authority === undefined) continue;
    journal.warmAlways(bytesKey(authority));
    const existing = layer.account(authority);
    const account = existing ?? NO_ACCOUNT;
    if (hasCode(account) && !isDelegation(layer.code(account.codeHash))) continue;
    if (account.nonce !== authorization.nonce) continue;
    if (existing !== undefined) refund += AUTHORIZATION_REFUND;
    const isReset = authorization.address.every((byte) => byte === 0);
    const codeHash = isReset ? KECCAK_EMPTY : layer.addCode(delegationCode(authorization.address));
    layer.setAccount(authority, { ...account, nonce: account.nonce + 1n, codeHash });
  }
  return refund;
}

function deleteDestroyed(layer: StateLayer, result: EVMResult["execResult"], rules: MessageRules): void {
  if (result.selfdestruct === undefined) return;
  for (const address of result.selfdestruct.keys()) {
    const goes = !rules.destroysOnlyCreated || result.createdAddresses?.has(address) === true;
    if (goes) layer.setAccount(hexToBytes(address), undefined);
  }
}

/** ethereumjs's words where geth has others. */
const GETH_WORDS: Readonly<Record<string, string>> = {
  revert: "execution reverted",
  "code store out of gas": "contract creation code storage out of gas",
  "code size to deposit exceeds maximum code size": "max code size exceeded",
  "static state change": "write protection",
  "create collision": "contract address collision",
  "insufficient balance": "insufficient balance for transfer",
  "invalid bytecode deployed": "invalid code: must not begin with 0xef",
  "initcode exceeds max initcode size": "max initcode size exceeded",
};

const failureOf = ({ exceptionError }: EVMResult["execResult"]): string | undefined =>
  exceptionError && failureWord(exceptionError);

/** geth's word for why a frame ended. */
export function failureWord({ error }: Pick<NonNullable<ExecResult["exceptionError"]>, "error">): string {
  // ethereumjs appends where; the hash of the code says nothing to a caller.
  if (error.startsWith("invalid JUMP")) return "invalid jump destination";
  return GETH_WORDS[error] ?? error;
}
