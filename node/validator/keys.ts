/**
 * A validator's key: an EIP-2335 keystore, `keystore.json`, made together with the signer guard that remembers what the
 * key signs. Scrypt with N = 2^18, as EIP-2335 recommends: opening one takes about a second and 256 MiB.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  create,
  decrypt,
  defaultScryptModule,
  type IKdfModule,
  type IKeystore,
  isValidKeystore,
} from "@chainsafe/bls-keystore";
import { blsPublicKey, blsSecretKey, blsSign, compressBlsPublicKey, provePossession } from "../../core/bls.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { lockDirectory } from "../directory-lock.ts";
import { DataError, OperationError } from "../errors.ts";
import { type Files, systemFiles } from "./files.ts";
import { readGuard } from "./guard-file.ts";
import { createGuard, logPath } from "./state.ts";

export interface Signer {
  /** 96 bytes, uncompressed. */
  readonly publicKey: Uint8Array;
  /** 32-byte digest to 96-byte signature. */
  sign(digest: Uint8Array): Uint8Array;
}

/** What a genesis or a registry takes of a key. */
export interface PublicIdentity {
  /** 96 bytes, uncompressed. */
  readonly publicKey: Uint8Array;
  /** 96 bytes. */
  readonly proofOfPossession: Uint8Array;
}

type Kdf = Pick<IKdfModule, "function" | "params">;

const MAX_KEYSTORE_BYTES = 64 * 1024;

const keystorePath = (dir: string): string => join(dir, "keystore.json");

/** The public key of the directory's keystore, 48 bytes; undefined without one. Throws DataError. */
export function readPublicKey(dir: string): Uint8Array | undefined {
  const keystore = readKeystore(keystorePath(dir));
  return keystore === undefined ? undefined : publicKeyOf(keystore, keystorePath(dir));
}

/**
 * Needs no more than the keystore: what may be signed is the guard's to say.
 * Throws DataError when there is none or others can read it, and OperationError when the password is not its own.
 */
export async function loadSigner(dir: string, password: string): Promise<Signer> {
  const secretKey = await loadSecretKey(dir, password);
  return { publicKey: blsPublicKey(secretKey), sign: (digest) => blsSign(secretKey, digest) };
}

/** What createKey gave. Throws as loadSigner does. */
export async function loadPublicIdentity(dir: string, password: string): Promise<PublicIdentity> {
  const secretKey = await loadSecretKey(dir, password);
  return { publicKey: blsPublicKey(secretKey), proofOfPossession: provePossession(secretKey) };
}

async function loadSecretKey(dir: string, password: string): Promise<Uint8Array> {
  const path = keystorePath(dir);
  const keystore = readKeystore(path);
  if (keystore === undefined) {
    throw new DataError(`${path} does not exist; make a key with openledger validator keys create`);
  }
  return openKeystore(keystore, path, password);
}

/** Makes a key from the system's randomness. Throws DataError when the directory holds one, or what is left of one. */
export async function createKey(
  dir: string,
  password: string,
  kdf: Kdf = defaultScryptModule(),
): Promise<PublicIdentity> {
  const secretKey = blsSecretKey(randomBytes(32));
  const publicKey = blsPublicKey(secretKey);
  const keystore = await create(password, secretKey, compressBlsPublicKey(publicKey), "", "OpenLedger validator", kdf);
  await storeKey(dir, publicKey, keystore, false);
  return { publicKey, proofOfPossession: provePossession(secretKey) };
}

/**
 * Takes a keystore over as it is, once the password has opened it. Its guard waits for the operator: what the key signed
 * elsewhere is not known here. Throws DataError and OperationError as createKey and loadSigner do.
 */
export async function importKey(dir: string, file: string, password: string): Promise<PublicIdentity> {
  const keystore = readKeystore(file, "foreign");
  if (keystore === undefined) throw new OperationError(`${file} does not exist`);
  const secretKey = await openKeystore(keystore, file, password);
  const publicKey = blsPublicKey(secretKey);
  await storeKey(dir, publicKey, keystore, true);
  return { publicKey, proofOfPossession: provePossession(secretKey) };
}

/** The guard first: a keystore without one never signs, and a guard without a keystore of this key can be replaced. */
async function storeKey(dir: string, publicKey: Uint8Array, keystore: IKeystore, isImported: boolean): Promise<void> {
  const files = systemFiles;
  await files.makeDirectory(dir);
  const lock = lockDirectory(dir);
  try {
    await requireFree(files, dir);
    await createGuard(dir, publicKey, { isImported }, files);
    const path = keystorePath(dir);
    const file = await files.create(`${path}.new`);
    try {
      await file.write(Buffer.from(`${JSON.stringify(keystore, null, 2)}\n`), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await files.rename(`${path}.new`, path);
    await files.syncDirectory(dir);
  } catch (error) {
    if (error instanceof DataError || error instanceof OperationError) throw error;
    throw new OperationError(`${dir} cannot be written: ${(error as Error).message}`, { cause: error });
  } finally {
    lock.release();
  }
}

async function requireFree(files: Files, dir: string): Promise<void> {
  const remedy = "choose another --datadir";
  if ((await files.list(dir))?.includes("keystore.json")) {
    throw new DataError(`${keystorePath(dir)} exists: one directory holds one key; ${remedy}`);
  }
  const guard = await readGuard(files, dir);
  // One that has signed nothing is what a creation left that was cut short.
  const isUnused = guard.type === "intact" && guard.contents.last === 0 && guard.contents.floor === 0;
  if (guard.type !== "missing" && !(isUnused && guard.contents.votes.length === 0)) {
    throw new DataError(`${dir} holds the signer guard of a key whose keystore is gone; ${remedy}, or bring it back`);
  }
  if ((await files.list(logPath(dir))) !== undefined) {
    throw new DataError(`${logPath(dir)} is the log of a key whose keystore is gone; ${remedy}, or bring it back`);
  }
}

/** `foreign`: not made by this program; where it comes from is its owner's to keep. */
function readKeystore(path: string, origin: "own" | "foreign" = "own"): IKeystore | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (origin === "own") requirePrivate(path, stat.mode);
  if (stat.size > MAX_KEYSTORE_BYTES) throw new DataError(`${path} has ${stat.size} bytes, more than any keystore`);
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new DataError(`${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  if (!isValidKeystore(json)) throw new DataError(`${path} is no EIP-2335 keystore`);
  requireBounded(path, json.crypto.kdf);
  return json;
}

/** Throws DataError when anybody but the owner may read it. Windows has no such mode. */
export function requirePrivate(path: string, mode: number): void {
  if (process.platform === "win32" || (mode & 0o077) === 0) return;
  const octal = (mode & 0o777).toString(8);
  throw new DataError(`${path} can be read by others (mode ${octal}); run: chmod 600 ${path}`);
}

/** A keystore from elsewhere does not choose how much memory and time this machine spends on it. */
function requireBounded(path: string, kdf: IKdfModule): void {
  const { params } = kdf;
  const isBounded =
    "n" in params
      ? params.n <= 2 ** 20 && params.r <= 16 && params.p <= 16 && params.n * params.r * params.p <= 2 ** 24
      : params.c <= 10_000_000;
  if (!isBounded || params.dklen !== 32) {
    throw new DataError(`${path} has unusual ${kdf.function} parameters: ${JSON.stringify(params)}`);
  }
}

async function openKeystore(keystore: IKeystore, path: string, password: string): Promise<Uint8Array> {
  let secretKey: Uint8Array;
  try {
    secretKey = Uint8Array.from(await decrypt(keystore, password));
  } catch (cause) {
    const isWrong = (cause as Error).message === "Invalid password";
    throw new OperationError(`${path} ${isWrong ? "has another password" : `cannot be opened: ${cause}`}`, { cause });
  }
  let found: string;
  try {
    found = bytesToHex(compressBlsPublicKey(blsPublicKey(secretKey)));
  } catch (cause) {
    throw new DataError(`${path} holds no BLS12-381 key`, { cause });
  }
  if (found !== bytesToHex(publicKeyOf(keystore, path))) {
    throw new DataError(`${path} names the public key 0x${keystore.pubkey}, and holds the secret key of ${found}`);
  }
  return secretKey;
}

function publicKeyOf(keystore: IKeystore, path: string): Uint8Array {
  const key = new Uint8Array(Buffer.from(keystore.pubkey, "hex"));
  if (key.length !== 48) throw new DataError(`${path} names a public key of ${key.length} bytes, not 48`);
  return key;
}
