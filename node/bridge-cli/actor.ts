/** Who acts: a private key from a file, or one of the devnet's well-known accounts. */
import type { LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { DEVNET_CHAIN_ID, devnetAccount } from "../accounts.ts";
import { UsageError } from "../errors.ts";
import { readKeyFile } from "../key-file.ts";

/** Throws UsageError when nobody is named or a devnet's account is meant on another network, OperationError on a bad file. */
export function actor(chainId: number, index: number | undefined, file: string | undefined): LocalAccount {
  if ((index === undefined) === (file === undefined)) {
    throw new UsageError("name who acts: --account INDEX on a devnet, or --keyfile FILE");
  }
  if (file !== undefined) return privateKeyToAccount(readKeyFile(file));
  if (BigInt(chainId) !== DEVNET_CHAIN_ID) {
    throw new UsageError("--account is for devnets: everybody has those keys; use --keyfile FILE");
  }
  return devnetAccount(index as number);
}
