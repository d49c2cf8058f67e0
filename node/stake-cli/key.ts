/** The key that the commands are about: the one in the data directory, or a devnet's, which everybody knows. */
import { join } from "node:path";
import { blsPublicKey, expandBlsPublicKey, provePossession } from "../../core/bls.ts";
import { DEVNET_CHAIN_ID } from "../accounts.ts";
import { dataDirectory, type Values } from "../config.ts";
import { DataError, UsageError } from "../errors.ts";
import { devnetValidatorKey } from "../validator/devnet.ts";
import { loadPublicIdentity, type PublicIdentity, readPublicKey } from "../validator/keys.ts";
import { readPassword } from "../validator/password.ts";

const directoryOf = (values: Partial<Values>): string => join(dataDirectory(values, "devnet"), "validator");

/** 96 bytes. Throws UsageError, DataError when the directory has no key. */
export function publicKeyOf(chainId: number, values: Partial<Values>): Uint8Array {
  const secretKey = devnetKey(chainId, values);
  if (secretKey !== undefined) return blsPublicKey(secretKey);
  const dir = directoryOf(values);
  const publicKey = readPublicKey(dir);
  if (publicKey !== undefined) return expandBlsPublicKey(publicKey);
  throw new DataError(
    `${dir} holds no key; make one with openledger validator keys create, name its --datadir, or on a devnet --validator.devnetkey`,
  );
}

/** With its proof of possession, so that the keystore's password is needed. Throws as publicKeyOf does, OperationError. */
export async function identityOf(chainId: number, values: Partial<Values>): Promise<PublicIdentity> {
  const secretKey = devnetKey(chainId, values);
  if (secretKey !== undefined) {
    return { publicKey: blsPublicKey(secretKey), proofOfPossession: provePossession(secretKey) };
  }
  publicKeyOf(chainId, values);
  const password = await readPassword({ file: values["validator.passwordfile"] as string | undefined });
  return loadPublicIdentity(directoryOf(values), password);
}

function devnetKey(chainId: number, values: Partial<Values>): Uint8Array | undefined {
  const index = values["validator.devnetkey"] as number | undefined;
  if (index === undefined) return undefined;
  if (BigInt(chainId) === DEVNET_CHAIN_ID) return devnetValidatorKey(index);
  throw new UsageError(`--validator.devnetkey is for devnets: this network has chain id ${chainId}`);
}
