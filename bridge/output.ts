/**
 * Withdrawals and output roots (OP Stack, specs/protocol/withdrawals.md and proposals.md):
 *
 *   withdrawal hash  keccak256(abi.encode(nonce, sender, target, value, gasLimit, data)); nonce = 1 << 240 | counter
 *   slot             of the hash in the message passer's mapping `sentMessages`, which is its slot 0
 *   output root      keccak256(bytes32(0) ‖ stateRoot ‖ messagePasserStorageRoot ‖ blockHash), version 0
 */
import { bigIntToFixed, concatBytes, padTo32, ZERO_32 } from "../core/bytes.ts";
import type { Header } from "../core/chain.ts";
import { keccak256 } from "../core/crypto.ts";

export interface Withdrawal {
  readonly nonce: bigint;
  /** 20 bytes each. */
  readonly sender: Uint8Array;
  readonly target: Uint8Array;
  readonly valueWei: bigint;
  readonly gasLimit: bigint;
  readonly data: Uint8Array;
}

/** Position of `data` in the encoding: six words stand before it. */
const DATA_OFFSET = 6n * 32n;

/** 32 bytes. Throws RangeError when an integer does not fit 256 bits. */
export function withdrawalHash({ nonce, sender, target, valueWei, gasLimit, data }: Withdrawal): Uint8Array {
  const word = (value: bigint): Uint8Array => bigIntToFixed(value, 32);
  const padding = new Uint8Array((32 - (data.length % 32)) % 32);
  return keccak256(
    concatBytes(
      word(nonce),
      padTo32(sender),
      padTo32(target),
      word(valueWei),
      word(gasLimit),
      word(DATA_OFFSET),
      word(BigInt(data.length)),
      data,
      padding,
    ),
  );
}

/** 32 bytes: true there means that the message passer has the withdrawal. */
export const withdrawalSlot = (hash: Uint8Array): Uint8Array => keccak256(hash, ZERO_32);

/** What the message passer gives its `counter`-th message: the encoding's version, 1, in the upper 16 bits. */
export const messageNonce = (counter: bigint): bigint => (1n << 240n) | counter;

/**
 * 32 bytes: what L1 keeps of an L2 block. The message passer's storage root is the header's `withdrawalsRoot`; `blockHash`
 * is that of the header.
 */
export function outputRoot(header: Pick<Header, "stateRoot" | "withdrawalsRoot">, blockHash: Uint8Array): Uint8Array {
  return keccak256(ZERO_32, header.stateRoot, header.withdrawalsRoot, blockHash);
}
