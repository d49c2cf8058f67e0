/** The operator's word: from here on this place signs again. And what a directory knows of its key, to decide by. */
import { join } from "node:path";
import { baseView, epochOfView } from "../../consensus/types.ts";
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { DataError, UsageError } from "../errors.ts";
import type { Files } from "./files.ts";
import { type GuardReading, readGuard, writeGuard } from "./guard-file.ts";
import { readPublicKey } from "./keys.ts";
import { assess, logPath, type StatePorts, systemPorts } from "./state.ts";
import { type LogReading, readLog } from "./wal-file.ts";

export interface Inspection {
  /** 48 bytes. */
  readonly publicKey: Uint8Array;
  readonly guard: GuardReading;
  readonly log: LogReading;
  /** Why a node would only observe. */
  readonly reasons: readonly string[];
  /** Highest view that anything here tells of; nothing the key signed here lies above it, as far as is known. */
  readonly lastKnownView: number;
  /**
   * Whether what is here is all that the key signed: the guard is intact and in its place, or at least the log is.
   * Otherwise only the operator can know.
   */
  readonly isComplete: boolean;
}

/** Changes nothing. Throws DataError when the directory holds no key, or what a newer program wrote. */
export async function inspectValidator(dir: string, files: Files): Promise<Inspection> {
  const guard = await readGuard(files, dir);
  const contents = "contents" in guard ? guard.contents : undefined;
  // A devnet's validators have a guard and no keystore.
  const publicKey = readPublicKey(dir) ?? contents?.publicKey;
  if (publicKey === undefined) {
    throw new DataError(`${dir} holds no key; make one with openledger validator keys create`);
  }
  const log = await readLog(logPath(dir), undefined, files);
  const { reasons } = assess(guard, log, publicKey);
  const views = log.records.map((record) =>
    record.type === "vote"
      ? record.subject.view
      : record.type === "certificate"
        ? record.certificate.view
        : record.type === "tip"
          ? record.view
          : 0,
  );
  const guarded = [contents?.floor ?? 0, contents?.last ?? 0, ...(contents?.votes.map(({ view }) => view) ?? [])];
  const lastKnownView = [...views, ...guarded].reduce((most, view) => Math.max(most, view), 0);
  const isLogWhole = log.state === "intact" || log.state === "torn";
  const isComplete =
    contents === undefined
      ? isLogWhole
      : guard.type === "intact" && !contents.isImported && equalsBytes(contents.publicKey, publicKey);
  return { publicKey, guard, log, reasons, lastKnownView, isComplete };
}

export interface Resumption {
  /** Nothing at or below it will be signed. */
  readonly aboveView: number;
  /** What the operator takes responsibility for. */
  readonly reasons: readonly string[];
}

/**
 * Makes a new guard, in this place, that signs nothing at or below `aboveView` nor anything that log and guard tell of,
 * and moves a log that cannot be used aside to `log.damaged`. Undefined when there is nothing to do: the validator signs.
 * Throws UsageError when the view must be given and is not, and DataError as inspectValidator does or when it is in use.
 */
export async function resumeValidator(
  dir: string,
  aboveView: number | undefined,
  nowMs: number,
  { files, lock }: StatePorts = systemPorts,
): Promise<Resumption | undefined> {
  const held = lock(dir);
  try {
    const { publicKey, guard, log, reasons, lastKnownView, isComplete } = await inspectValidator(dir, files);
    if (reasons.length === 0 && aboveView === undefined) return undefined;
    if (!isComplete && aboveView === undefined) {
      const epoch = epochOfView(lastKnownView);
      throw new UsageError(
        `${reasons.join("; ")}; what ${bytesToHex(publicKey)} signed last is not known here, where nothing tells of a ` +
          `view after ${lastKnownView - baseView(epoch)} of epoch ${epoch}: add --above.epoch and --above.view, where ` +
          "the network is now, or 0 and 0 for a key that never signed",
      );
    }
    const floor = Math.max(lastKnownView, aboveView ?? 0);
    const former = "contents" in guard ? guard.contents : undefined;
    const contents = {
      publicKey,
      network: former?.network,
      floor,
      last: former?.last ?? lastKnownView,
      isImported: false,
      resumedAtMs: nowMs,
      votes: [],
    };
    // One atomic step: whatever a crash leaves of the rest, nothing at or below the floor is signed.
    await (await writeGuard(files, dir, contents)).close();
    if (log.state === "damaged" || log.state === "missing") {
      await files.remove(join(dir, "log.damaged"));
      await files.rename(logPath(dir), join(dir, "log.damaged"));
      await files.syncDirectory(dir);
    }
    return { aboveView: floor, reasons };
  } finally {
    held.release();
  }
}
