/**
 * The two encodings of an account.
 *
 * In the trie: RLP [nonce, balance, storageRoot, codeHash] (Yellow Paper, section 4.1).
 * In the flat table: flags (1) ‖ generation (4) and, where the account exists, nonce (8) ‖ codeHash (32 if flag CODE)
 * ‖ storageRoot (32 if flag STORAGE) ‖ balance (the rest, no leading zeros).
 */
import { RLP } from "@ethereumjs/rlp";
import { bytesToBigInt, bytesToHex, concatBytes, EMPTY_BYTES, equalsBytes } from "../../core/bytes.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { damaged } from "./errors.ts";
import { EMPTY_TRIE_ROOT, newList, stringLength, writeString } from "./trie-node.ts";
import type { AccountState } from "./types.ts";

/** What the flat table knows of an address. */
export interface AccountRecord {
  readonly account: AccountState | undefined;
  /**
   * How often storage that was on disk was dropped whole. It is part of the slot keys, so that dropping is one write;
   * it outlives the account, or a later account at the address would see the old slots.
   */
  readonly generation: number;
}

export const NO_RECORD: AccountRecord = { account: undefined, generation: 0 };

const EXISTS = 1;
const CODE = 2;
const STORAGE = 4;

export function hasStorageRoot(account: AccountState | undefined): account is AccountState {
  return account !== undefined && !equalsBytes(account.storageRoot, EMPTY_TRIE_ROOT);
}

export function encodeTrieAccount(account: AccountState): Uint8Array {
  const nonce = minimalBytes(account.nonce);
  const balance = minimalBytes(account.balance);
  const payload = stringLength(nonce) + stringLength(balance) + 66;
  const out = newList(payload, allocateValue);
  let at = out.length - payload;
  at = writeString(out, at, nonce);
  at = writeString(out, at, balance);
  at = writeString(out, at, account.storageRoot);
  writeString(out, at, account.codeHash);
  return out;
}

const VALUES_BYTES = 1_024;
let values = new Uint8Array(VALUES_BYTES);
let valuesUsed = 0;

/** A part of a larger array, which costs a tenth of one of its own; not of a large one, as a value may stay for long. */
function allocateValue(length: number): Uint8Array {
  if (valuesUsed + length > VALUES_BYTES) {
    values = new Uint8Array(VALUES_BYTES);
    valuesUsed = 0;
  }
  valuesUsed += length;
  return values.subarray(valuesUsed - length, valuesUsed);
}

export function decodeTrieAccount(rlp: Uint8Array): AccountState {
  const fields = RLP.decode(rlp);
  if (Array.isArray(fields) && fields.length === 4) {
    const [nonce, balance, storageRoot, codeHash] = fields as Uint8Array[];
    if (storageRoot?.length === 32 && codeHash?.length === 32) {
      return { nonce: bytesToBigInt(nonce!), balance: bytesToBigInt(balance!), storageRoot, codeHash };
    }
  }
  throw damaged(`${bytesToHex(rlp)} in the state trie is no account`);
}

export function encodeRecord({ account, generation }: AccountRecord): Uint8Array {
  const head = new Uint8Array(account === undefined ? 5 : 13);
  const view = new DataView(head.buffer);
  view.setUint32(1, generation);
  if (account === undefined) return head;
  const hasCode = !equalsBytes(account.codeHash, KECCAK_EMPTY);
  const hasStorage = hasStorageRoot(account);
  head[0] = EXISTS | (hasCode ? CODE : 0) | (hasStorage ? STORAGE : 0);
  view.setBigUint64(5, account.nonce); // EIP-2681: nonces stay below 2^64
  return concatBytes(
    head,
    hasCode ? account.codeHash : EMPTY_BYTES,
    hasStorage ? account.storageRoot : EMPTY_BYTES,
    minimalBytes(account.balance),
  );
}

export function decodeRecord(bytes: Uint8Array): AccountRecord {
  const flags = bytes[0] ?? 0;
  const hashes = (flags & CODE ? 32 : 0) + (flags & STORAGE ? 32 : 0);
  if (bytes.length < (flags & EXISTS ? 13 + hashes : 5)) {
    throw damaged(`${bytesToHex(bytes)} in the account table is no account`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const generation = view.getUint32(1);
  if (!(flags & EXISTS)) return { account: undefined, generation };
  let at = 13;
  const take = () => {
    at += 32;
    return bytes.slice(at - 32, at);
  };
  const codeHash = flags & CODE ? take() : KECCAK_EMPTY;
  const storageRoot = flags & STORAGE ? take() : EMPTY_TRIE_ROOT;
  const balance = bytesToBigInt(bytes.subarray(at));
  return { account: { nonce: view.getBigUint64(5), balance, codeHash, storageRoot }, generation };
}

const scratch = new DataView(new ArrayBuffer(32));
const scratchBytes = new Uint8Array(scratch.buffer);

/** Big-endian without leading zeros; zero is empty. Precondition: below 2^256. */
function minimalBytes(value: bigint): Uint8Array {
  if (value === 0n) return EMPTY_BYTES;
  let rest = value;
  let word = 24;
  scratch.setBigUint64(word, rest); // keeps the low 64 bits
  for (rest >>= 64n; rest > 0n; rest >>= 64n) {
    word -= 8;
    scratch.setBigUint64(word, rest);
  }
  while (scratchBytes[word] === 0) word++;
  return scratchBytes.slice(word);
}
