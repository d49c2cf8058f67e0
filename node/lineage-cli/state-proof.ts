/** Storage of an account, proven by Merkle-Patricia nodes under a header's state root (EIP-1186). */
import { bytesToBigInt, bytesToHex, type Hex, hexToBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { RlpError, rlpDecode, rlpFixed, rlpList, rlpUint } from "../../core/rlp.ts";
import { StoreError } from "../../execution/state/errors.ts";
import { Trie } from "../../execution/state/trie.ts";
import type { HashedHeader } from "../sync/messages.ts";
import { NotProven } from "./checks.ts";
import type { Ask } from "./endpoints.ts";

/** Values of 32-byte slots after the block, in their order. Rejects with NotProven, OperationError. */
export async function proveStorage(
  ask: Ask,
  { header, hash }: HashedHeader,
  account: Uint8Array,
  slots: readonly Uint8Array[],
): Promise<bigint[]> {
  const answer = await ask("eth_getProof", [bytesToHex(account), slots.map(bytesToHex), bytesToHex(hash)]);
  try {
    const { accountProof, storageProof } = answer as {
      readonly accountProof: readonly Hex[];
      readonly storageProof: readonly { readonly proof: readonly Hex[] }[];
    };
    const root = storageRoot(header.stateRoot, account, accountProof.map(hexToBytes));
    return slots.map((slot, i) => storageValue(root, slot, storageProof[i]!.proof.map(hexToBytes)));
  } catch (error) {
    const reason =
      error instanceof StoreError || error instanceof RlpError ? "does not lead to its state root" : "is no proof";
    throw new NotProven(`what eth_getProof answers of ${bytesToHex(account)} after block ${header.number} ${reason}`, {
      cause: error,
    });
  }
}

/** Undefined where the proof shows that there is no such account. Throws StoreError, RlpError when it shows nothing. */
export function storageRoot(
  stateRoot: Uint8Array,
  account: Uint8Array,
  proof: readonly Uint8Array[],
): Uint8Array | undefined {
  const leaf = proven(stateRoot, account, proof);
  return leaf && rlpFixed(rlpList(rlpDecode(leaf), "account")[2], 32, "storageRoot");
}

/** Zero where the proof shows that the slot is empty. Throws as `storageRoot`. */
export function storageValue(root: Uint8Array | undefined, slot: Uint8Array, proof: readonly Uint8Array[]): bigint {
  const leaf = root && proven(root, slot, proof);
  return leaf === undefined ? 0n : rlpUint(rlpDecode(leaf), 32, "value");
}

/** The nodes are a store in which each is found by its own hash: a wrong one is never found, so the trie is not complete. */
function proven(root: Uint8Array, key: Uint8Array, proof: readonly Uint8Array[]): Uint8Array | undefined {
  const nodes = new Map(proof.map((node) => [bytesToBigInt(keccak256(node)), node]));
  return new Trie((hash) => nodes.get(bytesToBigInt(hash)), root).get(keccak256(key));
}
