/** EIP-7702 authorizations: who signed one, and what a delegated account's code looks like. */
import { bigIntToFixed, concatBytes } from "../../core/bytes.ts";
import type { Authorization } from "../../core/chain.ts";
import { keccak256, recoverAddress } from "../../core/crypto.ts";
import { rlpEncode } from "../../core/rlp.ts";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
/** EIP-2: a signature with a larger s is malleable and refused. */
export const MAX_S = ORDER / 2n;

const MAGIC = Uint8Array.of(0x05);
const DELEGATION_PREFIX = Uint8Array.of(0xef, 0x01, 0x00);

/** keccak(0x05 ‖ rlp([chainId, address, nonce])). */
export function authorizationDigest(authorization: Pick<Authorization, "chainId" | "address" | "nonce">): Uint8Array {
  return keccak256(MAGIC, rlpEncode([authorization.chainId, authorization.address, authorization.nonce]));
}

/** Undefined when the signature is invalid. */
export function recoverAuthority(authorization: Authorization): Uint8Array | undefined {
  const { yParity, r, s } = authorization;
  if (s > MAX_S || yParity > 1n) return undefined;
  return recoverAddress(
    authorizationDigest(authorization),
    bigIntToFixed(r, 32),
    bigIntToFixed(s, 32),
    Number(yParity),
  );
}

export function isDelegation(code: Uint8Array): boolean {
  return code.length === 23 && code[0] === 0xef && code[1] === 0x01 && code[2] === 0x00;
}

/** The 23 bytes 0xef0100 ‖ address. */
export function delegationCode(address: Uint8Array): Uint8Array {
  return concatBytes(DELEGATION_PREFIX, address);
}
