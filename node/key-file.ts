/** Private keys of accounts, each in a file of its own: 0x and 64 hex digits on one line. */
import { readFileSync, statSync } from "node:fs";
import type { Hex } from "viem";
import { OperationError } from "./errors.ts";

/** Throws OperationError, which never shows what the file holds. */
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

/** The same, of a key that a node keeps: nobody else may be able to read it. */
export function readSecretKeyFile(file: string): Hex {
  const key = readKeyFile(file);
  if (process.platform !== "win32" && (statSync(file).mode & 0o077) !== 0) {
    throw new OperationError(`${file} can be read by others: chmod 600 ${file}`);
  }
  return key;
}
