/** L1's transactions between JSON and the bytes that are hashed. */
import { formatTransaction, type Hex, hexToBytes, type RpcTransaction, serializeTransaction } from "viem";
import { concatBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { RlpError, rlpChildren, rlpWhole } from "../../core/rlp.ts";

/** Undefined for a type that is not known here, or JSON that lacks something. */
export function serializeL1Transaction(json: unknown): Uint8Array | undefined {
  try {
    // Some nodes add what a blob transaction travels with.
    const { blobs, commitments, proofs, ...plain } = json as RpcTransaction & Record<string, unknown>;
    const tx = formatTransaction(plain as RpcTransaction);
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

const BLOB_TYPE = 3;

/** The transaction without the blobs that it travels with: 0x03 ‖ rlp([transaction, …]) becomes 0x03 ‖ transaction. */
export function withoutBlobs(raw: Uint8Array): Uint8Array {
  if (raw[0] !== BLOB_TYPE) return raw;
  try {
    const [body] = rlpChildren(raw, rlpWhole(raw, 1));
    return body?.isList === true ? concatBytes(raw.subarray(0, 1), raw.subarray(body.start, body.end)) : raw;
  } catch (error) {
    if (error instanceof RlpError) return raw;
    throw error;
  }
}

/** 32 bytes, of either form. */
export const transactionHash = (raw: Uint8Array): Uint8Array => keccak256(withoutBlobs(raw));
