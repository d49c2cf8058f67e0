/** The transaction that a call would be, if somebody signed it. */

import { ZERO_ADDRESS } from "../../core/addresses.ts";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import type { ChainRules } from "../rules.ts";
import type { CallRequest } from "./call.ts";
import { NEWEST_MESSAGES } from "./message-rules.ts";
import { encodeTransaction } from "./sign.ts";

/**
 * With a signature of zeros, which `raw` and `hash` cover. Of type 2 where the fork has it, unless a field of the call is
 * of another type. Precondition: the fork has the type.
 */
export function unsignedTransaction(
  call: CallRequest,
  gasLimit: bigint,
  nonce: bigint,
  { chainId, messages = NEWEST_MESSAGES }: Pick<ChainRules, "chainId" | "messages">,
): Transaction {
  const { from = ZERO_ADDRESS, to, value = 0n, data = EMPTY_BYTES, accessList = [], authorizationList = [] } = call;
  const { blobVersionedHashes: versionedHashes, maxFeePerBlobGas = 0n } = call;
  const type = typeOf(call, messages.hasBaseFee);
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
    ...(type === 3 && versionedHashes && { blobs: { maxFeePerBlobGas, versionedHashes } }),
  };
  const raw = encodeTransaction(unsigned, 0n, 0n, 0n);
  return { ...unsigned, raw, hash: keccak256(raw), from, v: 0n, r: 0n, s: 0n };
}

function typeOf(call: CallRequest, hasBaseFee: boolean): 0 | 1 | 2 | 3 | 4 {
  if (call.authorizationList !== undefined) return 4;
  if (call.blobVersionedHashes !== undefined) return 3;
  if (call.gasPrice === undefined && hasBaseFee) return 2;
  return call.accessList === undefined ? 0 : 1;
}
