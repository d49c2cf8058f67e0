/** `openledger data encrypt`, `decrypt`, `grant` and `key`. Files appear complete or not at all. */
import { createReadStream } from "node:fs";
import { open, readFile, rename, rm } from "node:fs/promises";
import { contentKey, type Grants, grantTo, noGrants, parseGrants } from "../../attribution/content-grants.ts";
import { isPublicKey, newContentKey, publicKeyOf, SealError, seal, unseal } from "../../attribution/content-seal.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../core/bytes.ts";
import { addressOf } from "../../core/crypto.ts";
import { OperationError, UsageError } from "../errors.ts";
import { readSecretKeyFile } from "../key-file.ts";
import { fileRoot } from "./download.ts";

export const grantsFileOf = (sealed: string): string => `${sealed}.grants.json`;

/** Throws UsageError. */
export function publicKeys(texts: readonly string[]): Uint8Array[] {
  return texts.map((text) => {
    const bytes = /^0x[0-9a-fA-F]{66}$/.test(text) ? hexToBytes(text.toLowerCase() as Hex) : undefined;
    if (bytes !== undefined && isPublicKey(bytes)) return bytes;
    throw new UsageError(`--recipient ${JSON.stringify(text)} is no public key: openledger data key prints one`);
  });
}

const privateKey = (keyFile: string | undefined): Uint8Array => {
  if (keyFile === undefined) throw new UsageError("--keyfile FILE is missing: the private key");
  return hexToBytes(readSecretKeyFile(keyFile));
};

export function describeKey(keyFile: string | undefined) {
  const key = privateKey(keyFile);
  return { address: bytesToHex(addressOf(key)), publicKey: bytesToHex(publicKeyOf(key)) };
}

/** Seals `file` into `out`, with the grants beside it: for the recipients and, when there is one, the own key. */
export async function encrypt(file: string, out: string, recipients: readonly string[], keyFile: string | undefined) {
  const keys = publicKeys(recipients);
  if (keyFile !== undefined) keys.push(publicKeyOf(privateKey(keyFile)));
  if (keys.length === 0) throw new UsageError("nobody could open it: --recipient PUBLICKEY, or --keyfile for oneself");
  const { root: contentRoot } = await fileRoot(file);
  const key = newContentKey();
  await writeWhole(out, seal(key, createReadStream(file)));
  const { root: sealedRoot } = await fileRoot(out);
  await writeGrants(grantsFileOf(out), grantTo(key, keys, noGrants(contentRoot, sealedRoot)));
  return { contentRoot, sealedRoot, file: out, grants: grantsFileOf(out) };
}

/** Adds recipients to a grants file, by somebody who is in it. */
export async function grant(grantsFile: string, recipients: readonly string[], keyFile: string | undefined) {
  if (recipients.length === 0) throw new UsageError("data grant needs --recipient PUBLICKEY");
  const grants = await readGrants(grantsFile);
  const extended = sealing(() => grantTo(contentKey(grants, privateKey(keyFile)), publicKeys(recipients), grants));
  await writeGrants(grantsFile, extended);
  return { sealedRoot: grants.sealedRoot, granted: extended.grants.length - grants.grants.length };
}

export async function decrypt(sealed: string, grantsFile: string, out: string, keyFile: string | undefined) {
  const grants = await readGrants(grantsFile);
  const key = sealing(() => contentKey(grants, privateKey(keyFile)));
  const partial = `${out}.partial`;
  try {
    await writeWhole(partial, unseal(key, createReadStream(sealed)));
    const { root, size } = await fileRoot(partial);
    if (root !== grants.contentRoot)
      throw new OperationError(`${sealed} holds ${root} instead of ${grants.contentRoot}`);
    await rename(partial, out);
    return { root, size, file: out };
  } catch (error) {
    await rm(partial, { force: true });
    throw told(error);
  }
}

async function readGrants(file: string): Promise<Grants> {
  const text = await readFile(file, "utf8").catch((error: Error) => {
    throw new OperationError(`${file} cannot be read: ${error.message}`, { cause: error });
  });
  return sealing(() => parseGrants(text));
}

const writeGrants = (file: string, grants: Grants): Promise<void> =>
  writeWhole(file, [Buffer.from(`${JSON.stringify(grants, null, 2)}\n`)]);

async function writeWhole(file: string, pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  const temporary = `${file}.tmp`;
  try {
    const handle = await open(temporary, "w", 0o600);
    try {
      for await (const piece of pieces) await handle.appendFile(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw told(error);
  }
}

function sealing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw told(error);
  }
}

const told = (error: unknown): unknown => {
  const isPlain = error instanceof SealError || (error as NodeJS.ErrnoException).code !== undefined;
  return isPlain ? new OperationError((error as Error).message, { cause: error }) : error;
};
