/**
 * Slashing protection that travels, in the spirit of EIP-3076: what a key has signed, as JSON, from one machine to
 * another. Consensus here has one number that orders everything a key signs, so that an import raises one floor: views
 * at or below the highest of the file are never signed again.
 */
import type { KIND, Subject } from "../../consensus/types.ts";
import { bytesToHex, equalsBytes, type Hex, hexToBytes } from "../../core/bytes.ts";
import { DataError } from "../errors.ts";
import { isSameNetwork, type NetworkId, writeGuard } from "./guard-file.ts";
import { KIND_NAMES } from "./positions.ts";
import { inspectValidator } from "./resume.ts";
import { type StatePorts, systemPorts } from "./state.ts";

const FORMAT = "openledger-slashing-protection";
const VERSION = 1;
/** A window of views, three votes each, is 600 KB. */
export const MAX_PROTECTION_BYTES = 4 * 1024 * 1024;

export interface Protection {
  readonly network: NetworkId;
  /** 48 bytes. */
  readonly publicKey: Uint8Array;
  /** Nothing at or below it may be signed any more, nor at or below the last vote. */
  readonly lastView: number;
  readonly votes: readonly Subject[];
}

export function encodeProtection({ network, publicKey, lastView, votes }: Protection): string {
  const json = {
    format: FORMAT,
    version: VERSION,
    chainId: network.chainId.toString(),
    genesisHash: bytesToHex(network.genesisHash),
    publicKey: bytesToHex(publicKey),
    lastView,
    votes: votes.map(({ kind, epoch, view, parentView, block }) => ({
      kind: KIND_NAMES[kind],
      epoch,
      view,
      parentView,
      block: bytesToHex(block),
    })),
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}

/** Throws DataError that names what is wrong. */
export function decodeProtection(text: string): Protection {
  const fields = objectOf(parse(text), "the file");
  if (fields.format !== FORMAT) throw new DataError(`it is no ${FORMAT} file`);
  if (fields.version !== VERSION) {
    throw new DataError(`it has version ${JSON.stringify(fields.version)}, this program knows ${VERSION}`);
  }
  const known = ["format", "version", "chainId", "genesisHash", "publicKey", "lastView", "votes"];
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new DataError(`${unknown} is unknown`);
  if (typeof fields.chainId !== "string" || !/^\d{1,78}$/.test(fields.chainId)) {
    throw new DataError("chainId must be a decimal number in quotes");
  }
  if (!Array.isArray(fields.votes)) throw new DataError("votes must be a list");
  return {
    network: { chainId: BigInt(fields.chainId), genesisHash: bytesOf(fields.genesisHash, 32, "genesisHash") },
    publicKey: bytesOf(fields.publicKey, 48, "publicKey"),
    lastView: integerOf(fields.lastView, "lastView"),
    votes: fields.votes.map((vote, index) => voteOf(vote, `votes.${index}`)),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DataError(`it is no JSON: ${(cause as Error).message}`, { cause });
  }
}

function objectOf(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new DataError(`${path} must be an object`);
}

function integerOf(value: unknown, path: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new DataError(`${path} must be an integer from 0 to 2^53 - 1`);
}

function bytesOf(value: unknown, length: number, path: string): Uint8Array {
  if (typeof value === "string" && new RegExp(`^0x[0-9a-fA-F]{${2 * length}}$`).test(value)) {
    return hexToBytes(value as Hex);
  }
  throw new DataError(`${path} must be 0x and ${2 * length} hex digits`);
}

function voteOf(value: unknown, path: string): Subject {
  const fields = objectOf(value, path);
  const kind = Object.entries(KIND_NAMES).find(([, name]) => name === fields.kind)?.[0];
  if (kind === undefined) throw new DataError(`${path}.kind must be one of ${Object.values(KIND_NAMES).join(", ")}`);
  return {
    kind: Number(kind) as (typeof KIND)[keyof typeof KIND],
    epoch: integerOf(fields.epoch, `${path}.epoch`),
    view: integerOf(fields.view, `${path}.view`),
    parentView: integerOf(fields.parentView, `${path}.parentView`),
    block: bytesOf(fields.block, 32, `${path}.block`),
  };
}

/**
 * Only of a validator that does not run: what it signs in the next moment would be missing. Throws DataError when it
 * runs, when its guard is not whole, and when it has never signed.
 */
export async function exportProtection(dir: string, { files, lock }: StatePorts = systemPorts): Promise<Protection> {
  const held = lock(dir);
  try {
    const { publicKey, guard, reasons, lastKnownView } = await inspectValidator(dir, files);
    if (guard.type !== "intact") throw new DataError(`${reasons.join("; ")}: its record would not be complete`);
    const { network, votes } = guard.contents;
    if (network === undefined) throw new DataError(`${dir} has never signed: there is nothing to export`);
    return { network, publicKey, lastView: lastKnownView, votes };
  } finally {
    held.release();
  }
}

/**
 * Raises the floor to the file's highest view, never lowers it, and tells a guard that waits for an imported key's
 * record that this is it. Resolves to the floor. Throws DataError when the file is another key's or network's, when the
 * validator runs, and when its guard is not whole.
 */
export async function importProtection(
  dir: string,
  protection: Protection,
  { files, lock }: StatePorts = systemPorts,
): Promise<number> {
  const held = lock(dir);
  try {
    const { publicKey, guard, reasons } = await inspectValidator(dir, files);
    if (guard.type !== "intact") {
      throw new DataError(`${reasons.join("; ")}; see openledger validator resume --above.view ${highest(protection)}`);
    }
    const { contents } = guard;
    for (const key of [publicKey, contents.publicKey]) {
      if (equalsBytes(protection.publicKey, key)) continue;
      throw new DataError(
        `it is the record of ${bytesToHex(protection.publicKey)}; the key here is ${bytesToHex(key)}`,
      );
    }
    const network = contents.network ?? protection.network;
    if (!isSameNetwork(network, protection.network)) {
      throw new DataError(
        `it is of chain ${protection.network.chainId} with genesis ${bytesToHex(protection.network.genesisHash)}; this validator is of chain ${network.chainId} with genesis ${bytesToHex(network.genesisHash)}`,
      );
    }
    const floor = Math.max(contents.floor, highest(protection));
    const last = Math.max(contents.last, floor);
    await (await writeGuard(files, dir, { ...contents, network, floor, last, isImported: false })).close();
    return floor;
  } finally {
    held.release();
  }
}

const highest = ({ lastView, votes }: Protection): number =>
  votes.reduce((most, { view }) => Math.max(most, view), lastView);
