/** The transaction that a call would be, if somebody signed it. */

import { ZERO_ADDRESS } from "../../core/addresses.ts";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import type { CallRequest } from "./call.ts";
import { encodeTransaction } from "./sign.ts";

/** With a signature of zeros, which `raw` and `hash` cover. Of type 2, unless a field of the call is of another type. */
export function unsignedTransaction(call: CallRequest, gasLimit: bigint, nonce: bigint, chainId: bigint): Transaction {
  const { from = ZERO_ADDRESS, to, value = 0n, data = EMPTY_BYTES, accessList = [], authorizationList = [] } = call;
  const type = typeOf(call);
  const maxFeePerGas = call.gasPrice ?? call.maxFeePerGas ?? call.maxPriorityFeePerGas ?? 0n;
  const maxPriorityFeePerGas = call.gasPrice ?? call.maxPriorityFeePerGas ?? 0n;
  const unsigned = {
    type,
    // In type 0 it is the signature that says it.
    chainId: type === 0 ? undefined : chainId,
    nonce,
    to,
    gasLimit,
    value,
    data,
    maxFeePerGas,
    maxPriorityFeePerGas,
    accessList,
    authorizationList,
  };
  const raw = encodeTransaction(unsigned, 0n, 0n, 0n);
  return { ...unsigned, raw, hash: keccak256(raw), from, v: 0n, r: 0n, s: 0n };
}

function typeOf({ gasPrice, accessList, authorizationList }: CallRequest): 0 | 1 | 2 | 4 {
  if (authorizationList !== undefined) return 4;
  if (gasPrice === undefined) return 2;
  return accessList === undefined ? 0 : 1;
}
