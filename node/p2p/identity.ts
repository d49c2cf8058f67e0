/**
 * The node's name in the network: an ed25519 key in a file of its own, which is not the validator's key. The file is one
 * line, the hex of libp2p's protobuf form of the private key.
 */

import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import type { Ed25519PrivateKey } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { bytesToHex, type Hex, hexToBytes } from "../../core/bytes.ts";
import { DataError } from "../errors.ts";
import type { PeerId } from "./types.ts";

export interface Identity {
  readonly privateKey: Ed25519PrivateKey;
  readonly peerId: PeerId;
}

const identityOf = (privateKey: Ed25519PrivateKey): Identity => ({
  privateKey,
  peerId: peerIdFromPrivateKey(privateKey).toString(),
});

export const createIdentity = async (): Promise<Identity> => identityOf(await generateKeyPair("Ed25519"));

/**
 * The key in the file; a new one, readable only by its owner, where there is no file. Throws DataError when the file is
 * damaged or others may read it. The file is there in whole or not at all, whenever the process ends.
 */
export async function loadIdentity(file: string): Promise<Identity> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new DataError(`the network key ${file} cannot be read: ${error.message}`, { cause: error });
  });
  if (text === undefined) return create(file);
  // Windows has no such mode.
  if (process.platform !== "win32" && ((await stat(file)).mode & 0o077) !== 0) {
    throw new DataError(`others may read the network key ${file}: run chmod 600 ${file}`);
  }
  return parse(text.trim(), file);
}

function parse(text: string, file: string): Identity {
  try {
    const key = privateKeyFromProtobuf(hexToBytes(text as Hex));
    if (key.type !== "Ed25519") throw new RangeError(`a key of type ${key.type}`);
    return identityOf(key);
  } catch (error) {
    throw new DataError(
      `the network key ${file} is damaged: restore it, or remove it and the node gets a new name in the network`,
      { cause: error },
    );
  }
}

async function create(file: string): Promise<Identity> {
  const identity = await createIdentity();
  const beside = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(beside, "wx", 0o600);
    try {
      await handle.writeFile(`${bytesToHex(privateKeyToProtobuf(identity.privateKey))}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // Unlike rename, this never takes the place of a key that came in between.
    await link(beside, file);
    await syncDirectory(dirname(file));
  } catch (error) {
    throw new DataError(`the network key ${file} cannot be written: ${(error as Error).message}`, { cause: error });
  } finally {
    await rm(beside, { force: true });
  }
  return identity;
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
