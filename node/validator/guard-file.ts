/**
 * The signer guard's file, `guard`: whose key it is, for which network, and what the key has signed. Frames as in
 * consensus/frames.ts; the first one is the standing:
 *
 *   public key 48 ‖ bound u8 ‖ chain id 32 ‖ genesis hash 32 ‖ inode u64 ‖ device u64 ‖ birth u64 (ns)
 *   ‖ floor u64 ‖ last view u64 ‖ imported u8 ‖ resumed u64 (Unix ms, 0: never)                          162 bytes
 *
 * and each of the others a write's votes, 57 bytes each. The rest is zeros, so that a vote costs no growth of the file
 * and a full disk is met when the file is made, not when a vote is signed.
 *
 * A file is never rewritten: what changes the standing, and a file that is full, makes a new one, which is synced before
 * it takes the old one's name. Each start and each stop does so too. The file names its own inode and time of birth,
 * which no copy shares: a copied directory and a restored backup are told by that. The device's number is not compared
 * where there is a time of birth, because many systems number devices anew on each boot.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { decodeSubject, encodeSubject, SUBJECT_BYTES } from "../../consensus/codec.ts";
import {
  decodeFrames,
  decodeHeader,
  encodeFrame,
  encodeHeader,
  type FileKind,
  FRAME_HEAD_BYTES,
  HEADER_BYTES,
  SALT_BYTES,
} from "../../consensus/frames.ts";
import type { Subject } from "../../consensus/types.ts";
import { networkHash } from "../../consensus/wal.ts";
import { bigIntToFixed, bytesToBigInt, concatBytes, equalsBytes, ZERO_32 } from "../../core/bytes.ts";
import { DataError } from "../errors.ts";
import type { FileIdentity, Files, OpenFile } from "./files.ts";

export interface NetworkId {
  readonly chainId: bigint;
  /** 32 bytes. */
  readonly genesisHash: Uint8Array;
}

export interface GuardContents {
  /** 48 bytes, compressed. */
  readonly publicKey: Uint8Array;
  /** Undefined until a node has opened it: keys are made before their network is. */
  readonly network: NetworkId | undefined;
  /** Nothing at or below this view is signed. */
  readonly floor: number;
  /** Highest view signed. */
  readonly last: number;
  /** The key may have signed elsewhere, and nobody has said yet how far. */
  readonly isImported: boolean;
  /** When the operator last took responsibility (Unix milliseconds); 0: never. */
  readonly resumedAtMs: number;
  readonly votes: readonly Subject[];
}

export type GuardReading =
  | { readonly type: "missing" }
  | { readonly type: "damaged"; readonly detail: string }
  /** Whole, but the file is a copy: the key may have signed more elsewhere since. */
  | { readonly type: "moved"; readonly contents: GuardContents }
  | { readonly type: "intact"; readonly contents: GuardContents };

const GUARD: FileKind = { magic: "OL-GUARD", version: 1 };
const STANDING_BYTES = 162;
/** For votes beyond those that a file begins with. */
const ROOM_BYTES = 256 * 1024;
const MAX_GUARD_BYTES = 4 * 1024 * 1024;

const guardPath = (dir: string): string => join(dir, "guard");
const uint64 = (value: number | bigint): Uint8Array => bigIntToFixed(BigInt.asUintN(64, BigInt(value)), 8);
const encodeVotes = (votes: readonly Subject[]): Uint8Array => concatBytes(...votes.map(encodeSubject));

function encodeStanding(contents: GuardContents, { inode, device, birthtimeNs }: FileIdentity): Uint8Array {
  const { publicKey, network, floor, last, isImported, resumedAtMs } = contents;
  return concatBytes(
    publicKey,
    Uint8Array.of(network === undefined ? 0 : 1),
    bigIntToFixed(network?.chainId ?? 0n, 32),
    network?.genesisHash ?? ZERO_32,
    uint64(inode),
    uint64(device),
    uint64(birthtimeNs),
    uint64(floor),
    uint64(last),
    Uint8Array.of(isImported ? 1 : 0),
    uint64(resumedAtMs),
  );
}

function decodeStanding(bytes: Uint8Array): { contents: Omit<GuardContents, "votes">; identity: FileIdentity } {
  const uint = (at: number): bigint => bytesToBigInt(bytes.subarray(at, at + 8));
  const isBound = bytes[48] === 1;
  const network = { chainId: bytesToBigInt(bytes.subarray(49, 81)), genesisHash: bytes.slice(81, 113) };
  return {
    contents: {
      publicKey: bytes.slice(0, 48),
      network: isBound ? network : undefined,
      floor: Number(uint(137)),
      last: Number(uint(145)),
      isImported: bytes[153] === 1,
      resumedAtMs: Number(uint(154)),
    },
    identity: { inode: uint(113), device: uint(121), birthtimeNs: uint(129) },
  };
}

function isSamePlace(written: FileIdentity, found: FileIdentity): boolean {
  const [inode, device, birthtimeNs] = [found.inode, found.device, found.birthtimeNs].map((n) => BigInt.asUintN(64, n));
  if (written.inode !== inode || written.birthtimeNs !== birthtimeNs) return false;
  return birthtimeNs !== 0n || written.device === device;
}

/** Changes nothing. Throws DataError when a newer program wrote it. */
export async function readGuard(files: Files, dir: string): Promise<GuardReading> {
  const path = guardPath(dir);
  const file = await files.open(path);
  if (file === undefined) return { type: "missing" };
  try {
    const damaged = (detail: string): GuardReading => ({ type: "damaged", detail: `${path} ${detail}` });
    const sizeBytes = await file.sizeBytes();
    if (sizeBytes > MAX_GUARD_BYTES) return damaged(`has ${sizeBytes} bytes, more than any guard`);
    const bytes = await file.read();
    const header = decodeHeader(bytes, GUARD);
    if (header.type === "damaged") return damaged(header.detail);
    if (header.type === "newer") {
      throw new DataError(
        `${path} has version ${header.version}, this program knows ${GUARD.version}; use a newer one`,
      );
    }
    const { payloads, damage } = decodeFrames(bytes, header.salt);
    if (damage !== undefined) return damaged(damage);
    const [first, ...rest] = payloads;
    if (first?.payload.length !== STANDING_BYTES) return damaged("lacks its first record");
    const { contents, identity } = decodeStanding(first.payload);
    const votes = rest.flatMap(({ payload }) => decodeVotes(payload) ?? []);
    if (rest.some(({ payload }) => decodeVotes(payload) === undefined)) return damaged("holds what is no vote");
    const type = isSamePlace(identity, await file.identity()) ? "intact" : "moved";
    // The standing knows of those votes only that were there when the file was made.
    const last = votes.reduce((most, { view }) => Math.max(most, view), contents.last);
    return { type, contents: { ...contents, last, votes } };
  } finally {
    await file.close();
  }
}

function decodeVotes(payload: Uint8Array): Subject[] | undefined {
  if (payload.length % SUBJECT_BYTES !== 0) return undefined;
  try {
    return Array.from({ length: payload.length / SUBJECT_BYTES }, (_, i) =>
      decodeSubject(payload.subarray(i * SUBJECT_BYTES, (i + 1) * SUBJECT_BYTES)),
    );
  } catch {
    return undefined;
  }
}

/** An open guard with room for more votes; one writer at a time. */
export interface GuardFile {
  /** Durable when it resolves; false: there is no room, and nothing was written. */
  append(votes: readonly Subject[]): Promise<boolean>;
  close(): Promise<void>;
}

/** Puts a new file in the place of the old one, at once and durably. A crash leaves one of them whole. */
export async function writeGuard(
  files: Files,
  dir: string,
  contents: GuardContents,
  roomBytes: number = ROOM_BYTES,
): Promise<GuardFile> {
  const path = guardPath(dir);
  const salt = new Uint8Array(randomBytes(SALT_BYTES));
  const { network } = contents;
  const file = await files.create(`${path}.new`);
  try {
    const header = encodeHeader(GUARD, {
      network: network === undefined ? ZERO_32 : networkHash(network.chainId, network.genesisHash),
      salt,
    });
    const standing = encodeFrame(salt, HEADER_BYTES, encodeStanding(contents, await file.identity()));
    let bytes = concatBytes(header, standing);
    if (contents.votes.length > 0)
      bytes = concatBytes(bytes, encodeFrame(salt, bytes.length, encodeVotes(contents.votes)));
    await file.write(concatBytes(bytes, new Uint8Array(roomBytes)), 0);
    await file.sync();
    await files.rename(`${path}.new`, path);
    await files.syncDirectory(dir);
    return openGuardFile(file, salt, bytes.length, bytes.length + roomBytes);
  } catch (error) {
    await file.close();
    throw error;
  }
}

function openGuardFile(file: OpenFile, salt: Uint8Array, begin: number, limit: number): GuardFile {
  let end = begin;
  return {
    async append(votes) {
      const payload = encodeVotes(votes);
      if (end + FRAME_HEAD_BYTES + payload.length > limit) return false;
      const frame = encodeFrame(salt, end, payload);
      await file.write(frame, end);
      await file.sync();
      end += frame.length;
      return true;
    },
    close: () => file.close(),
  };
}

export const isSameNetwork = (a: NetworkId, b: NetworkId): boolean =>
  a.chainId === b.chainId && equalsBytes(a.genesisHash, b.genesisHash);
