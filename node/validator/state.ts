/**
 * A validator's durable state: lock, log and signer guard, and whether it may sign with them. Where anything suggests
 * that the key may have signed what is not on record here, the node observes, until the operator takes responsibility
 * with `openledger validator resume`.
 */
import { join } from "node:path";
import { encodeSubject } from "../../consensus/codec.ts";
import type { Subject } from "../../consensus/types.ts";
import { networkHash, type WalRecord } from "../../consensus/wal.ts";
import { compressBlsPublicKey } from "../../core/bls.ts";
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { type DirectoryLock, lockDirectory } from "../directory-lock.ts";
import { DataError, OperationError } from "../errors.ts";
import { type Files, systemFiles } from "./files.ts";
import { type Guard, observingGuard, openGuard } from "./guard.ts";
import {
  type GuardContents,
  type GuardReading,
  isSameNetwork,
  type NetworkId,
  readGuard,
  writeGuard,
} from "./guard-file.ts";
import { contradiction, describe, Positions } from "./positions.ts";
import { MAX_IN_FLIGHT } from "./vote-signer.ts";
import { type LogReading, openWal, type Wal, WalError } from "./wal-file.ts";

export interface ValidatorState {
  readonly mode: "sign" | "observe";
  /** Why it only observes, each a sentence for the operator; empty when it signs. */
  readonly reasons: readonly string[];
  /**
   * Observing, it holds what was found, drops lazy records, and refuses to append. Signing, a rotation also keeps own
   * votes above the tip that the given records lack.
   */
  readonly wal: Wal;
  readonly guard: Guard;
  close(): Promise<void>;
}

/** Tests and the simulator bring their own. */
export interface StatePorts {
  readonly files: Files;
  readonly lock: (dir: string) => DirectoryLock;
  /** Votes' room in the guard before it is made anew, in bytes. */
  readonly guardRoomBytes?: number;
}

export const systemPorts: StatePorts = { files: systemFiles, lock: lockDirectory };

export const logPath = (dir: string): string => join(dir, "log");

/**
 * Creates the guard of a new key, which has signed nothing, or of an imported one, which may have. Replaces a guard that
 * is there: the caller has made sure that it is of no use. `network` undefined: that of the first node that opens it.
 */
export async function createGuard(
  dir: string,
  publicKey: Uint8Array,
  options: { readonly isImported: boolean; readonly network?: NetworkId },
  files: Files = systemFiles,
): Promise<void> {
  const { isImported, network } = options;
  await files.makeDirectory(dir);
  const key = compressBlsPublicKey(publicKey);
  const contents = { publicKey: key, network, floor: 0, last: 0, isImported, resumedAtMs: 0, votes: [] };
  await (await writeGuard(files, dir, contents)).close();
}

export interface Assessment {
  readonly reasons: readonly string[];
  /** Nothing at or below it needs to be signed: it is finalized. */
  readonly floor: number;
  /** Above the floor, of log and guard. */
  readonly votes: readonly Subject[];
  /** Of these, what the log lacks. */
  readonly onlyGuard: readonly Subject[];
}

/** Whether log and guard are what this key left behind when it last signed. `publicKey`: 48 bytes. Pure. */
export function assess(
  guard: GuardReading,
  log: Pick<LogReading, "state" | "damage" | "records">,
  publicKey: Uint8Array,
): Assessment {
  const reasons: string[] = [];
  if (guard.type === "missing") reasons.push("the signer guard is missing: what this key has signed is not known here");
  if (guard.type === "damaged") reasons.push(`the signer guard is damaged: ${guard.detail}`);
  if (guard.type === "missing" || guard.type === "damaged") return { reasons, floor: 0, votes: [], onlyGuard: [] };

  const { contents } = guard;
  if (guard.type === "moved") {
    reasons.push("the signer guard is a copy, of a backup or of another directory: the key may have signed more since");
  }
  if (!equalsBytes(contents.publicKey, publicKey)) {
    reasons.push(`the signer guard is that of the key ${bytesToHex(contents.publicKey)}`);
  }
  if (contents.isImported) {
    reasons.push(
      "the key was imported, and what it signed elsewhere is not known here: see openledger validator protection import",
    );
  }

  const floor = Math.max(contents.floor, tipOf(log.records));
  const positions = new Positions(floor, contents.last, contents.votes);
  const guarded = positions.votes;
  const logged = votesOf(log.records);
  const onlyGuard = without(guarded, logged);
  const onlyLog = without(logged, guarded).filter(({ view }) => view > positions.lowest);

  if (guarded.length > 0 && (log.state === "new" || log.state === "missing")) {
    reasons.push(`the log is missing, although the key has signed up to view ${contents.last}`);
  } else if (guarded.length > 0 && log.state === "damaged") {
    reasons.push(`the log is damaged: ${log.damage}`);
  } else if (onlyGuard.length > MAX_IN_FLIGHT) {
    reasons.push(`the log lacks ${onlyGuard.length} votes that the signer guard holds: it is not the newest`);
  }
  if (onlyLog.length > MAX_IN_FLIGHT) {
    reasons.push(`the signer guard lacks ${onlyLog.length} votes that the log holds: it is not the newest`);
  }
  const votes = [...guarded, ...onlyLog];
  const pair = contradiction(votes);
  if (pair !== undefined) {
    reasons.push(
      `log and signer guard contradict each other: ${describe(pair[0])} and ${describe(pair[1])} are signed`,
    );
  }
  return { reasons, floor, votes, onlyGuard };
}

/**
 * `publicKey`: 48 or 96 bytes. A key's guard is made with the key (createGuard): one that is missing is never new.
 * Throws DataError when another process holds the directory, or when what is in it belongs to another network or a newer
 * program, and OperationError when it cannot be read or written.
 */
export async function openValidatorState(
  dir: string,
  publicKey: Uint8Array,
  network: NetworkId,
  { files, lock, guardRoomBytes }: StatePorts = systemPorts,
): Promise<ValidatorState> {
  await files.makeDirectory(dir);
  const held = lock(dir);
  try {
    const reading = await readGuard(files, dir);
    const contents = "contents" in reading ? reading.contents : undefined;
    requireNetwork(dir, contents, network);
    const wal = await openWal(logPath(dir), networkHash(network.chainId, network.genesisHash), files);
    const { reasons, floor, votes, onlyGuard } = assess(reading, wal, compressBlsPublicKey(publicKey));
    const [reason] = reasons;
    if (reason !== undefined || contents === undefined) {
      const guard = observingGuard(contents, reason ?? "there is no signer guard");
      return { mode: "observe", reasons, wal: observingWal(wal), guard, close: async () => held.release() };
    }
    const guard = await openGuard(files, dir, { ...contents, network, floor, votes }, guardRoomBytes);
    try {
      // What either lacks it gets, so that what a next crash leaves apart does not add up.
      if (wal.state === "intact" || wal.state === "torn") await wal.append(onlyGuard.map(voteRecord));
      else await wal.rotate(votes.map(voteRecord));
    } catch (error) {
      await guard.close();
      throw error;
    }
    return { mode: "sign", reasons, wal: guardedWal(wal, guard), guard, close: () => closeAll(wal, guard, held) };
  } catch (error) {
    held.release();
    if (error instanceof DataError) throw error;
    throw new OperationError(`${dir} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

/** View of the newest finalized block that the log tells of. */
const tipOf = (records: readonly WalRecord[]): number => records.findLast((record) => record.type === "tip")?.view ?? 0;
const votesOf = (records: readonly WalRecord[]): Subject[] =>
  records.flatMap((record) => (record.type === "vote" ? [record.subject] : []));

/** The first of each of `votes` that is not in `others`. */
function without(votes: readonly Subject[], others: readonly Subject[]): Subject[] {
  const known = new Set(others.map((vote) => encodeSubject(vote).join()));
  return votes.filter((vote) => {
    const name = encodeSubject(vote).join();
    if (known.has(name)) return false;
    known.add(name);
    return true;
  });
}

const voteRecord = (subject: Subject): WalRecord => ({ type: "vote", subject });

function requireNetwork(dir: string, contents: GuardContents | undefined, network: NetworkId): void {
  const bound = contents?.network;
  if (bound === undefined || isSameNetwork(bound, network)) return;
  throw new DataError(
    `${dir} belongs to chain ${bound.chainId} with genesis ${bytesToHex(bound.genesisHash)}; choose another --datadir`,
  );
}

async function closeAll(wal: Wal, guard: Guard, lock: DirectoryLock): Promise<void> {
  try {
    await wal.close();
  } finally {
    await guard.close().finally(() => lock.release());
  }
}

/** With everything that the guard remembers above the tip: what the log lacks after a rotation looks like a loss. */
function guardedWal(wal: Wal, guard: Guard): Wal {
  return {
    state: wal.state,
    damage: wal.damage,
    records: wal.records,
    get sizeBytes() {
      return wal.sizeBytes;
    },
    append: (records) => wal.append(records),
    appendLazy: (records) => wal.appendLazy(records),
    rotate(records) {
      const floor = Math.max(tipOf(records), guard.floor);
      const missing = without(guard.votes, votesOf(records)).filter(({ view }) => view > floor);
      return wal.rotate([...records, ...missing.map(voteRecord)]);
    },
    close: () => wal.close(),
  };
}

/** What is on the disk is evidence, and stays as it is. */
function observingWal(wal: Wal): Wal {
  return {
    state: wal.state,
    damage: wal.damage,
    records: wal.records,
    sizeBytes: wal.sizeBytes,
    append: async () => {
      throw new WalError("UNUSABLE", "this node only observes");
    },
    appendLazy: () => {},
    rotate: async () => {},
    close: async () => {},
  };
}
