/** Validators with keys that everybody can compute. */
import { blsPublicKey, blsSecretKey, provePossession } from "../../core/bls.ts";
import { bigIntToFixed } from "../../core/bytes.ts";
import { addressOf, keccak256 } from "../../core/crypto.ts";
import type { DeclaredValidator } from "../validators.ts";

export interface TestValidator extends DeclaredValidator {
  readonly secretKey: Uint8Array;
}

export function testValidator(index: number, stake = 100n): TestValidator {
  const seed = keccak256(new TextEncoder().encode("test validator"), bigIntToFixed(BigInt(index), 8));
  const secretKey = blsSecretKey(seed);
  return {
    address: addressOf(seed),
    publicKey: blsPublicKey(secretKey),
    proofOfPossession: provePossession(secretKey),
    stake,
    secretKey,
  };
}
