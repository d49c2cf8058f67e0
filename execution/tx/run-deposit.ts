/** What deposits do: OP Stack, specs/protocol/deposits.md, rules since Regolith and Canyon. */
import type { Transaction } from "../../core/chain.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { EMPTY_TRIE_ROOT } from "../state/trie-node.ts";
import type { AccountState, StateLayer } from "../state/types.ts";
import { createdAddress } from "./derive.ts";
import type { MessageEnvironment } from "./environment.ts";
import { gasRequirement } from "./intrinsic.ts";
import type { Machine } from "./machine.ts";
import { applyMessage } from "./message.ts";
import type { AppliedTransaction } from "./run.ts";
import { checkGas } from "./validate.ts";

const NO_ACCOUNT: AccountState = { nonce: 0n, balance: 0n, codeHash: KECCAK_EMPTY, storageRoot: EMPTY_TRIE_ROOT };

/**
 * Runs a deposit; it cannot be refused. The mint comes first and stays; what fails after it leaves no other trace than
 * the nonce. Nobody pays or is paid for gas. `gasLeft`: gas that the block still has.
 *
 * Rejects on a failure that is not the deposit's (damaged store, defect): the layer is then as before, the machine must
 * be thrown away.
 */
export async function runDeposit(
  machine: Machine,
  tx: Transaction,
  environment: MessageEnvironment,
  gasLeft: bigint,
): Promise<AppliedTransaction> {
  const { layer } = machine.stateManager;
  const before = layer.account(tx.from);
  const nonce = before?.nonce ?? 0n;
  const required = gasRequirement(tx);
  const refusal = refusalOf(tx, (before?.balance ?? 0n) + mintOf(tx), gasLeft) ?? checkGas(tx, required)?.message;
  if (refusal !== undefined) return failDeposit(layer, tx, gasLeft, refusal);
  mint(layer, tx);
  try {
    const message = { ...tx, gasPrice: 0n, tipPerGas: 0n, l1FeeWei: 0n };
    const { gasUsed, logs, output, failure } = await applyMessage(machine, message, required, environment);
    return { ...outcomeOf(tx, nonce), status: failure === undefined ? 1 : 0, gasUsed, logs, output, failure };
  } catch (error) {
    layer.setAccount(tx.from, before);
    throw error;
  }
}

/** What a deposit leaves behind that cannot be executed: the mint, the nonce, and all its gas used. */
export function failDeposit(layer: StateLayer, tx: Transaction, gasLeft: bigint, failure: string): AppliedTransaction {
  mint(layer, tx);
  const account = layer.account(tx.from) ?? NO_ACCOUNT;
  layer.setAccount(tx.from, { ...account, nonce: account.nonce + 1n });
  const gasUsed = tx.gasLimit < gasLeft ? tx.gasLimit : gasLeft;
  return { ...outcomeOf(tx, account.nonce), status: 0, gasUsed, logs: [], output: new Uint8Array(0), failure };
}

const outcomeOf = (tx: Transaction, depositNonce: bigint) => ({
  ok: true as const,
  effectiveGasPrice: 0n,
  contractAddress: tx.to === undefined ? createdAddress(tx.from, depositNonce) : undefined,
  depositNonce,
});

const mintOf = (tx: Transaction): bigint => tx.deposit?.mintWei ?? 0n;

function mint(layer: StateLayer, tx: Transaction): void {
  const mintWei = mintOf(tx);
  if (mintWei === 0n) return;
  const account = layer.account(tx.from) ?? NO_ACCOUNT;
  // Wraps as an EVM word does: a balance that does not fit could not be hashed. No portal holds that much.
  layer.setAccount(tx.from, { ...account, balance: BigInt.asUintN(256, account.balance + mintWei) });
}

/** geth's checks of its order, as far as a deposit has them. */
function refusalOf(tx: Transaction, balance: bigint, gasLeft: bigint): string | undefined {
  // The portal's metering keeps the deposits of an L1 block below half of a block's gas.
  if (tx.gasLimit > gasLeft) return `gas limit reached: have ${gasLeft}, want ${tx.gasLimit}`;
  const available = BigInt.asUintN(256, balance);
  if (available < tx.value) return `insufficient funds for transfer: have ${available}, want ${tx.value}`;
  return undefined;
}
