/** Who acts: a private key from a file, or one of the devnet's well-known accounts. */
import { readFileSync } from "node:fs";
import type { Hex, LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { devnetAccount } from "../accounts.ts";
import { OperationError, UsageError } from "../errors.ts";

export const DEVNET_CHAIN_ID = 161_299;

/** Throws UsageError when nobody is named or a devnet's account is meant on another network, OperationError on a bad file. */
export function actor(chainId: number, index: number | undefined, file: string | undefined): LocalAccount {
  if ((index === undefined) === (file === undefined)) {
    throw new UsageError("name who acts: --account INDEX on a devnet, or --keyfile FILE");
  }
  if (file !== undefined) return privateKeyToAccount(readKeyFile(file));
  if (chainId !== DEVNET_CHAIN_ID) {
    throw new UsageError("--account is for devnets: everybody has those keys; use --keyfile FILE");
  }
  return devnetAccount(index as number);
}

/** 0x and 64 hex digits, on one line. Throws OperationError, which never shows what the file holds. */
export function readKeyFile(file: string): Hex {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new OperationError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  if (!/^0x[0-9a-fA-F]{64}$/.test(text)) throw new OperationError(`${file} holds no private key: 0x and 64 hex digits`);
  return text as Hex;
}
