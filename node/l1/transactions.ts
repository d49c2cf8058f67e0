/** L1's transactions between JSON and the bytes that are hashed. */
import { formatTransaction, type Hex, hexToBytes, type RpcTransaction, serializeTransaction } from "viem";

/** Undefined for a type that is not known here, or JSON that lacks something. */
export function serializeL1Transaction(json: unknown): Uint8Array | undefined {
  try {
    const tx = formatTransaction(json as RpcTransaction);
    const { r, s, v, yParity } = tx;
    const signature = tx.type === "legacy" ? { r, s, v: v as bigint } : { r, s, yParity: yParity as number };
    const { input, gasPrice, maxFeePerGas, maxPriorityFeePerGas, ...rest } = tx;
    const fees = tx.type === "legacy" || tx.type === "eip2930" ? { gasPrice } : { maxFeePerGas, maxPriorityFeePerGas };
    const chainId = tx.chainId === undefined ? {} : { chainId: tx.chainId };
    const fields = { ...rest, ...fees, ...chainId, data: input as Hex };
    return hexToBytes(serializeTransaction(fields as never, signature as never));
  } catch {
    // It is whatever an endpoint sent; who needs the bytes asks for them otherwise.
    return undefined;
  }
}
