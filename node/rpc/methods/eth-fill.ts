/** eth_fillTransaction: what a wallet would have to ask for before it signs, in one answer. Nothing is signed here. */
import { ZERO_ADDRESS } from "../../../core/addresses.ts";
import { bytesToHex } from "../../../core/bytes.ts";
import type { CallRequest } from "../../../execution/tx/call.ts";
import { unsignedTransaction } from "../../../execution/tx/unsigned.ts";
import { callRequest } from "../call-request.ts";
import { type Methods, method, type RpcContext } from "../context.ts";
import { invalidParams } from "../errors.ts";
import { suggestTip } from "../fees.ts";
import { formatTransaction } from "../format.ts";
import { PENDING } from "../selectors.ts";
import { required } from "../values.ts";
import { environmentAt, estimate, pendingNonce, prepared } from "./eth-state.ts";

/** As geth: twice the next base fee, so that it is still enough after several full blocks. */
function fees({ chain, pool }: RpcContext, call: CallRequest): Partial<CallRequest> {
  if (call.gasPrice !== undefined) return {};
  const tip = call.maxPriorityFeePerGas ?? suggestTip(chain, pool.minTipWei);
  const maxFeePerGas = call.maxFeePerGas ?? 2n * chain.nextBaseFee() + tip;
  if (call.maxPriorityFeePerGas !== undefined || tip <= maxFeePerGas) {
    return { maxFeePerGas, maxPriorityFeePerGas: tip };
  }
  return { maxFeePerGas, maxPriorityFeePerGas: maxFeePerGas };
}

export const ethFill: Methods = {
  eth_fillTransaction: method([required(callRequest)], async (context, [asked]) => {
    if (asked.to === undefined && (asked.data === undefined || asked.data.length === 0)) {
      throw invalidParams("contract creation without any data provided");
    }
    if (asked.blobVersionedHashes !== undefined) throw invalidParams("transactions with blobs are not taken here");
    const call = { ...asked, ...fees(context, asked) };
    // The caller's gas limit is kept, also where a call would be capped.
    const gasLimit = asked.gas ?? (await estimate(context, prepared(context, asked), environmentAt(context, PENDING)));
    const nonce = asked.nonce ?? (await pendingNonce(context, asked.from ?? ZERO_ADDRESS));
    const tx = unsignedTransaction(call, gasLimit, nonce, context.chain);
    const { blockHash, blockNumber, blockTimestamp, transactionIndex, ...shape } = formatTransaction(tx);
    return { raw: bytesToHex(tx.raw), tx: shape };
  }),
};
