/**
 * Raw bytes of a signed transaction -> Transaction with its recovered sender. Strict: one canonical encoding, or a reason why not.
 * Rules: EIP-2718 (envelope), EIP-155, 2930, 1559, 7702, EIP-2 (low s). Messages are geth's where it has one.
 */
import { DEPOSIT_TYPE } from "../../bridge/deposit.ts";
import { EMPTY_BYTES, padTo32 } from "../../core/bytes.ts";
import type { AccessListEntry, Authorization, Transaction } from "../../core/chain.ts";
import { keccak256, recoverAddress } from "../../core/crypto.ts";
import {
  RlpError,
  type RlpItem,
  rlpEncode,
  rlpFixed,
  rlpList,
  rlpListHeader,
  rlpSpanAt,
  rlpString,
  rlpStringSize,
  rlpUint,
  rlpValue,
  rlpWhole,
} from "../../core/rlp.ts";
import { GenerationCache } from "../state/cache.ts";
import { bytesKey } from "../state/keys.ts";
import { MAX_S } from "./authorization.ts";

/** Largest envelope, as geth's transaction pool has it: what no node relays cannot be in a block. */
export const MAX_TRANSACTION_BYTES = 128 * 1024;

export type DecodeErrorCode =
  | "oversized"
  | "malformed"
  | "unsupported-type"
  | "blob-transaction"
  | "wrong-chain"
  | "invalid-signature"
  | "invalid";

export type DecodedTransaction =
  | { readonly ok: true; readonly tx: Transaction }
  | { readonly ok: false; readonly code: DecodeErrorCode; readonly message: string };

/** By transaction hash: a transaction comes alone, and then once more in a block that somebody made of it. */
const recentSenders = new GenerationCache<Uint8Array>(32_768);

/** For transactions whose sender another thread recovered; the hash covers the signature. */
export function rememberSender(hash: Uint8Array, from: Uint8Array): void {
  recentSenders.set(bytesKey(hash), from);
}

/** Whether decoding the envelope needs no recovery. */
export function isSenderKnown(raw: Uint8Array): boolean {
  return recentSenders.get(bytesKey(keccak256(raw))) !== undefined;
}

type Unsigned = Omit<Transaction, "raw" | "hash" | "from" | "v" | "r" | "s">;

/** Sizes in bytes. Gas and nonces are 64-bit in geth and ethereumjs alike. */
const UINT64 = 8;
const UINT256 = 32;
const ANY_LENGTH = MAX_TRANSACTION_BYTES;

/**
 * `raw` is kept and shared by the result, so the caller must not change it afterwards. Never throws on any bytes.
 * `knownSender` saves the recovery where a trusted store remembers it.
 */
export function decodeTransaction(raw: Uint8Array, chainId: bigint, knownSender?: Uint8Array): DecodedTransaction {
  if (raw.length > MAX_TRANSACTION_BYTES) {
    return refuse("oversized", `oversized data: transaction size ${raw.length}, limit ${MAX_TRANSACTION_BYTES}`);
  }
  const type = raw[0];
  if (type === undefined) return refuse("malformed", "typed transaction too short");
  if (type === 3) return refuse("blob-transaction", "transaction type not supported: this chain carries no blobs");
  if (type === DEPOSIT_TYPE) {
    return refuse("unsupported-type", "transaction type not supported: deposits (0x7e) come from L1 only");
  }
  if (type < 0xc0 && type !== 1 && type !== 2 && type !== 4) {
    return refuse("unsupported-type", `transaction type not supported: 0x${type.toString(16)}`);
  }
  try {
    return type >= 0xc0
      ? decodeLegacy(raw, chainId, knownSender)
      : decodeTyped(raw, type as 1 | 2 | 4, chainId, knownSender);
  } catch (error) {
    if (error instanceof RlpError) return refuse("malformed", error.message);
    throw error;
  }
}

function refuse(code: DecodeErrorCode, message: string): DecodedTransaction {
  return { ok: false, code, message };
}

/** `rlp([nonce, gasPrice, gasLimit, to, value, data, v, r, s])`; v = 27 + y, or 35 + 2 * chainId + y (EIP-155). */
function decodeLegacy(raw: Uint8Array, chainId: bigint, knownSender: Uint8Array | undefined): DecodedTransaction {
  const fields = fieldsOf(raw, 0, 9);
  const gasPrice = rlpUint(fields[1], UINT256, "gasPrice");
  const v = rlpUint(fields[6], UINT256, "v");
  const isProtected = v !== 27n && v !== 28n;
  if (isProtected && v < 35n) return refuse("invalid-signature", "invalid transaction v, r, s values");
  const signedChainId = isProtected ? (v - 35n) / 2n : undefined;
  if (signedChainId !== undefined && signedChainId !== chainId) return refuseChain(signedChainId, chainId);
  const yParity = isProtected ? (v - 35n) & 1n : v - 27n;

  const tx: Unsigned = {
    type: 0,
    to: recipient(fields[3]),
    nonce: rlpUint(fields[0], UINT64, "nonce"),
    gasLimit: rlpUint(fields[2], UINT64, "gasLimit"),
    maxFeePerGas: gasPrice,
    maxPriorityFeePerGas: gasPrice,
    value: rlpUint(fields[4], UINT256, "value"),
    data: rlpString(fields[5], ANY_LENGTH, "data"),
    chainId: signedChainId,
    accessList: [],
    authorizationList: [],
  };
  const suffix = isProtected ? rlpEncode([chainId, 0n, 0n]).subarray(1) : undefined;
  return withSignature(raw, 0, fields, 6, suffix, tx, v, yParity, knownSender);
}

/** `type ‖ rlp([chainId, nonce, fees.., gasLimit, to, value, data, accessList, authorizations?, yParity, r, s])`. */
function decodeTyped(
  raw: Uint8Array,
  type: 1 | 2 | 4,
  chainId: bigint,
  knownSender: Uint8Array | undefined,
): DecodedTransaction {
  if (raw.length === 1) return refuse("malformed", "typed transaction too short");
  const fields = fieldsOf(raw, 1, type === 1 ? 11 : type === 2 ? 12 : 13);
  const signedChainId = rlpUint(fields[0], UINT256, "chainId");
  if (signedChainId !== chainId) return refuseChain(signedChainId, chainId);

  let next = 1;
  const nonce = rlpUint(fields[next++], UINT64, "nonce");
  const maxPriorityFeePerGas = rlpUint(fields[next++], UINT256, type === 1 ? "gasPrice" : "maxPriorityFeePerGas");
  const maxFeePerGas = type === 1 ? maxPriorityFeePerGas : rlpUint(fields[next++], UINT256, "maxFeePerGas");
  const tx: Unsigned = {
    type,
    nonce,
    maxPriorityFeePerGas,
    maxFeePerGas,
    gasLimit: rlpUint(fields[next++], UINT64, "gasLimit"),
    to: recipient(fields[next++]),
    value: rlpUint(fields[next++], UINT256, "value"),
    data: rlpString(fields[next++], ANY_LENGTH, "data"),
    chainId: signedChainId,
    accessList: accessList(fields[next++]),
    authorizationList: type === 4 ? authorizations(fields[next++]) : [],
  };
  if (type === 4 && tx.to === undefined) {
    return refuse("invalid", "EIP-7702 transaction cannot be used to create contract");
  }
  if (type === 4 && tx.authorizationList.length === 0) {
    return refuse("invalid", "EIP-7702 transaction with empty auth list");
  }
  const yParity = rlpUint(fields[next], UINT256, "yParity");
  return withSignature(raw, 1, fields, next, undefined, tx, yParity, yParity, knownSender);
}

/**
 * The signing hash covers the fields before the signature as they are encoded: the encodings of v, r and s are cut off
 * the end of `raw` and the list gets a new header (and, for EIP-155, a suffix).
 */
function withSignature(
  raw: Uint8Array,
  envelopeBytes: 0 | 1,
  fields: readonly RlpItem[],
  signatureAt: number,
  suffix: Uint8Array | undefined,
  tx: Unsigned,
  v: bigint,
  yParity: bigint,
  knownSender: Uint8Array | undefined,
): DecodedTransaction {
  const rBytes = rlpString(fields[signatureAt + 1], UINT256, "r");
  const sBytes = rlpString(fields[signatureAt + 2], UINT256, "s");
  const r = rlpUint(rBytes, UINT256, "r");
  const s = rlpUint(sBytes, UINT256, "s");
  // EIP-2: the upper half of the curve is malleable.
  if (yParity > 1n || s > MAX_S) return refuse("invalid-signature", "invalid transaction v, r, s values");

  const hash = keccak256(raw);
  const from = knownSender ?? recentSenders.get(bytesKey(hash)) ?? recover();
  if (from === undefined) return refuse("invalid-signature", "invalid transaction v, r, s values");
  return { ok: true, tx: { ...tx, raw, hash, from, v, r, s } };

  function recover(): Uint8Array | undefined {
    const sender = recoverAddress(signingHash(), padTo32(rBytes), padTo32(sBytes), Number(yParity));
    if (sender !== undefined) rememberSender(hash, sender);
    return sender;
  }

  function signingHash(): Uint8Array {
    const vBytes = fields[signatureAt] as Uint8Array;
    const signatureSize = rlpStringSize(vBytes) + rlpStringSize(rBytes) + rlpStringSize(sBytes);
    const body = raw.subarray(rlpSpanAt(raw, envelopeBytes, raw.length).payload, raw.length - signatureSize);
    const header = rlpListHeader(body.length + (suffix?.length ?? 0));
    return keccak256(raw.subarray(0, envelopeBytes), header, body, suffix ?? EMPTY_BYTES);
  }
}
function fieldsOf(raw: Uint8Array, start: number, count: number): readonly RlpItem[] {
  const fields = rlpList(rlpValue(raw, rlpWhole(raw, start)), "transaction");
  if (fields.length !== count) throw new RlpError(`transaction has ${fields.length} fields instead of ${count}`);
  return fields;
}

function refuseChain(have: bigint, want: bigint): DecodedTransaction {
  return refuse("wrong-chain", `invalid chain id for signer: have ${have} want ${want}`);
}

function recipient(item: RlpItem | undefined): Uint8Array | undefined {
  const bytes = rlpString(item, 20, "to");
  return bytes.length === 0 ? undefined : rlpFixed(bytes, 20, "to");
}

function accessList(item: RlpItem | undefined): AccessListEntry[] {
  return rlpList(item, "accessList").map((entry) => {
    const pair = rlpList(entry, "access list entry");
    if (pair.length !== 2) throw new RlpError(`access list entry has ${pair.length} fields instead of 2`);
    return {
      address: rlpFixed(pair[0], 20, "access list address"),
      storageKeys: rlpList(pair[1], "storageKeys").map((key) => rlpFixed(key, 32, "storage key")),
    };
  });
}

/** Only the shape is checked here: an authorization with a bad signature is skipped at execution (EIP-7702). */
function authorizations(item: RlpItem | undefined): Authorization[] {
  return rlpList(item, "authorizationList").map((entry) => {
    const tuple = rlpList(entry, "authorization");
    if (tuple.length !== 6) throw new RlpError(`authorization has ${tuple.length} fields instead of 6`);
    return {
      chainId: rlpUint(tuple[0], UINT256, "authorization chainId"),
      address: rlpFixed(tuple[1], 20, "authorization address"),
      nonce: rlpUint(tuple[2], UINT64, "authorization nonce"),
      yParity: rlpUint(tuple[3], 1, "authorization yParity"),
      r: rlpUint(tuple[4], UINT256, "authorization r"),
      s: rlpUint(tuple[5], UINT256, "authorization s"),
    };
  });
}
