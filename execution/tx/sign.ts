/** Signs transactions and EIP-7702 authorizations: for tests, benchmarks and tools that hold a key. */
import { bytesToBigInt } from "../../core/bytes.ts";
import type { AccessListEntry, Authorization, Transaction } from "../../core/chain.ts";
import { ecdsaSign, keccak256 } from "../../core/crypto.ts";
import { type RlpInput, rlpEncode } from "../../core/rlp.ts";
import { authorizationDigest } from "./authorization.ts";

/** Types 0 and 1 pay `maxFeePerGas` as their gas price. A type 0 transaction without chainId is unprotected (EIP-155). */
export interface UnsignedTransaction
  extends Omit<Transaction, "type" | "raw" | "hash" | "from" | "v" | "r" | "s" | "deposit"> {
  readonly type: Exclude<Transaction["type"], 0x7e>;
}

/** The EIP-2718 envelope. */
export function signTransaction(tx: UnsignedTransaction, privateKey: Uint8Array): Uint8Array {
  const fields = unsignedFields(tx);
  if (tx.type === 0) {
    const payload = tx.chainId === undefined ? fields : [...fields, tx.chainId, 0n, 0n];
    const { r, s, yParity } = ecdsaSign(keccak256(rlpEncode(payload)), privateKey);
    const v = tx.chainId === undefined ? 27n : 35n + 2n * tx.chainId;
    return encodeTransaction(tx, v + BigInt(yParity), bytesToBigInt(r), bytesToBigInt(s));
  }
  const { r, s, yParity } = ecdsaSign(keccak256(Uint8Array.of(tx.type), rlpEncode(fields)), privateKey);
  return encodeTransaction(tx, BigInt(yParity), bytesToBigInt(r), bytesToBigInt(s));
}

/** The EIP-2718 envelope with a given signature; `v` is the parity, in type 0 with what EIP-155 adds. */
export function encodeTransaction(tx: UnsignedTransaction, v: bigint, r: bigint, s: bigint): Uint8Array {
  const signed = rlpEncode([...unsignedFields(tx), v, r, s]);
  if (tx.type === 0) return signed;
  const envelope = new Uint8Array(signed.length + 1);
  envelope[0] = tx.type;
  envelope.set(signed, 1);
  return envelope;
}

export function signAuthorization(
  authorization: Pick<Authorization, "chainId" | "address" | "nonce">,
  privateKey: Uint8Array,
): Authorization {
  const { r, s, yParity } = ecdsaSign(authorizationDigest(authorization), privateKey);
  return { ...authorization, yParity: BigInt(yParity), r: bytesToBigInt(r), s: bytesToBigInt(s) };
}

function unsignedFields(tx: UnsignedTransaction): RlpInput[] {
  const { nonce, maxFeePerGas, maxPriorityFeePerGas, gasLimit, value, data } = tx;
  const to = tx.to ?? new Uint8Array(0);
  if (tx.type === 0) return [nonce, maxFeePerGas, gasLimit, to, value, data];
  const fees = tx.type === 1 ? [maxFeePerGas] : [maxPriorityFeePerGas, maxFeePerGas];
  const fields = [tx.chainId ?? 0n, nonce, ...fees, gasLimit, to, value, data, tx.accessList.map(accessListFields)];
  if (tx.blobs !== undefined) return [...fields, tx.blobs.maxFeePerBlobGas, tx.blobs.versionedHashes];
  return tx.type === 4 ? [...fields, tx.authorizationList.map(authorizationFields)] : fields;
}

const accessListFields = (entry: AccessListEntry): RlpInput => [entry.address, entry.storageKeys];

const authorizationFields = (a: Authorization): RlpInput => [a.chainId, a.address, a.nonce, a.yParity, a.r, a.s];
