/** The devnet's ten accounts: known to everybody, worth nothing anywhere else. */
import type { Hex } from "viem";
import { type HDAccount, mnemonicToAccount } from "viem/accounts";
import { bytesToHex } from "../core/bytes.ts";

/** The L2 of every devnet. On it alone these keys may be used. */
export const DEVNET_CHAIN_ID = 161_299n;
export const DEVNET_MNEMONIC = "test test test test test test test test test test test junk";
export const DEVNET_ACCOUNTS = 10;

export function devnetAccount(addressIndex: number): HDAccount {
  return mnemonicToAccount(DEVNET_MNEMONIC, { addressIndex });
}

export function privateKeyOf(account: HDAccount): Hex {
  const key = account.getHdKey().privateKey;
  if (key === null) throw new Error("the account has no private key");
  return bytesToHex(key);
}
