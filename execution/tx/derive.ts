/** What follows from a transaction and its block without running it. */
import { bigIntMin } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import { rlpEncode } from "../../core/rlp.ts";

/** Where a creation by `sender` with this nonce puts its contract: keccak(rlp([sender, nonce])), last 20 bytes. */
export function createdAddress(sender: Uint8Array, nonce: bigint): Uint8Array {
  return keccak256(rlpEncode([sender, nonce])).slice(12);
}

/** EIP-1014: keccak(0xff ‖ creator ‖ salt ‖ keccak(init code)), last 20 bytes. `salt`: 32 bytes. */
export function create2Address(creator: Uint8Array, salt: Uint8Array, initCode: Uint8Array): Uint8Array {
  return keccak256(Uint8Array.of(0xff), creator, salt, keccak256(initCode)).slice(12);
}

/** EIP-1559: what the coinbase gets a unit of gas. Precondition: maxFeePerGas >= baseFeePerGas. */
export function effectiveTip(
  tx: Pick<Transaction, "maxFeePerGas" | "maxPriorityFeePerGas">,
  baseFeePerGas: bigint,
): bigint {
  return bigIntMin(tx.maxPriorityFeePerGas, tx.maxFeePerGas - baseFeePerGas);
}

/** EIP-1559: what the sender pays a unit of gas. Precondition: maxFeePerGas >= baseFeePerGas. */
export function effectiveGasPrice(
  tx: Pick<Transaction, "maxFeePerGas" | "maxPriorityFeePerGas">,
  baseFeePerGas: bigint,
): bigint {
  return baseFeePerGas + effectiveTip(tx, baseFeePerGas);
}
