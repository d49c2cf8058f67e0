/** The validators of a devnet: known to everybody, worth nothing anywhere else. */
import { pbkdf2Sync } from "node:crypto";
import { SecretKey } from "@chainsafe/blst";
import { blsPublicKey, provePossession } from "../../core/bls.ts";
import { type Hex, hexToBytes } from "../../core/bytes.ts";
import type { DeclaredValidator } from "../../genesis/validators.ts";
import { DEVNET_MNEMONIC, devnetAccount } from "../accounts.ts";

const STAKE_WEI = 1_000_000n * 10n ** 18n;

/** EIP-2334: m/12381/3600/i/0/0 of the test mnemonic's BIP-39 seed. 32 bytes. */
export function devnetValidatorKey(index: number): Uint8Array {
  const seed = pbkdf2Sync(DEVNET_MNEMONIC, "mnemonic", 2_048, 64, "sha512");
  const path = [12_381, 3_600, index, 0, 0];
  return path.reduce((key, child) => key.deriveChildEip2333(child), SecretKey.deriveMasterEip2333(seed)).toBytes();
}

/** All of the same stake; the address is that of the devnet's account. */
export function devnetValidator(index: number): DeclaredValidator {
  const secretKey = devnetValidatorKey(index);
  return {
    address: hexToBytes(devnetAccount(index).address.toLowerCase() as Hex),
    publicKey: blsPublicKey(secretKey),
    proofOfPossession: provePossession(secretKey),
    stake: STAKE_WEI,
  };
}
