/**
 * The write-ahead log on disk: a directory with one segment, `00000001.log` and so on (encoding: consensus/wal.ts).
 *
 * Opening reads and changes nothing. The first write cuts off a torn tail, or makes the first segment. `rotate` writes a
 * new segment to the side, syncs it, renames it and syncs the directory before it removes the old one: a crash leaves
 * one of them whole, and the one with the larger number counts.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { encodeFrame, HEADER_BYTES, MAX_FRAME_BYTES, SALT_BYTES } from "../../consensus/frames.ts";
import { decodeWal, encodeRecords, encodeWalHeader, type WalRecord } from "../../consensus/wal.ts";
import { concatBytes } from "../../core/bytes.ts";
import { DataError } from "../errors.ts";
import { CommitQueue } from "./commit-queue.ts";
import { type Files, type OpenFile, systemFiles } from "./files.ts";

/**
 * new: there is no log yet. missing: there is a directory and no segment in it. damaged: records that were durable are
 * lost. In the last two only `rotate` writes.
 */
export type WalState = "new" | "intact" | "torn" | "damaged" | "missing";

export class WalError extends Error {
  /** FAILED and CLOSED are for good. UNUSABLE: damaged or missing. FULL: rotate first. TOO_LARGE: no frame holds it. */
  readonly code: "FAILED" | "CLOSED" | "UNUSABLE" | "FULL" | "TOO_LARGE";
  constructor(code: WalError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "WalError";
    this.code = code;
  }
}

export interface Wal {
  readonly state: WalState;
  /** What is wrong, when damaged. */
  readonly damage: string | undefined;
  /** As found on opening: with a damaged log, what precedes the damage. */
  readonly records: readonly WalRecord[];
  /** Of the segment, to know when to rotate. */
  readonly sizeBytes: number;
  /**
   * Resolves once the records are durable, all or none of them. Rejects with WalError. After FAILED nothing is written
   * any more: whoever signs must stop.
   */
  append(records: readonly WalRecord[]): Promise<void>;
  /** Without a sync of its own: durable with the next append. Dropped while more than 64 MiB wait for a slow disk. */
  appendLazy(records: readonly WalRecord[]): void;
  /**
   * Goes on in a new segment that holds exactly these records. They must include own votes of every view above their
   * tip, those whose append is on its way too.
   */
  rotate(records: readonly WalRecord[]): Promise<void>;
  /** Writes what is waiting. */
  close(): Promise<void>;
}

/** Read whole into memory on start. */
export const MAX_SEGMENT_BYTES = 1024 * 1024 * 1024;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** Lazy records beyond this do not wait for somebody else's sync. */
const LAZY_BYTES = 256 * 1024;

const SEGMENT = /^(\d{8})\.log$/;
const segmentName = (number: number): string => `${String(number).padStart(8, "0")}.log`;

/** Payload of a frame, or of as many as it takes to begin a new segment. */
type Job =
  | { readonly type: "append"; readonly payload: Uint8Array }
  | { readonly type: "rotate"; readonly payloads: Uint8Array[] };

/** What is on the disk. */
export interface LogReading {
  readonly state: WalState;
  readonly damage?: string | undefined;
  readonly records: readonly WalRecord[];
  /** Of the segment; 0 when there is none. */
  readonly number: number;
  readonly end: number;
  readonly salt?: Uint8Array;
}

/**
 * Changes nothing. `network` as in consensus/wal.ts; without it any network's log is read.
 * Throws DataError when the log is another network's or a newer program's.
 */
export async function readLog(dir: string, network: Uint8Array | undefined, files: Files): Promise<LogReading> {
  const names = await files.list(dir);
  if (names === undefined) return { state: "new", records: [], number: 0, end: 0 };
  const number = Math.max(0, ...names.map((name) => Number(SEGMENT.exec(name)?.[1] ?? 0)));
  const path = join(dir, segmentName(number));
  const file = number === 0 ? undefined : await files.open(path);
  if (file === undefined) return { state: "missing", records: [], number, end: 0 };
  try {
    const sizeBytes = await file.sizeBytes();
    if (sizeBytes > MAX_SEGMENT_BYTES) {
      const damage = `${path} has ${sizeBytes} bytes, more than any log`;
      return { state: "damaged", damage, records: [], number, end: 0 };
    }
    const { records, end, torn, salt, damage, refused } = decodeWal(await file.read(), network);
    if (refused !== undefined) throw new DataError(`${path} ${refused}`);
    const found = { records, number, end, ...(salt === undefined ? {} : { salt }) };
    if (damage !== undefined) return { ...found, state: "damaged", damage: `${path} ${damage}` };
    return { ...found, state: torn ? "torn" : "intact" };
  } finally {
    await file.close();
  }
}

/** Reads the log; changes nothing until something is written. Throws DataError as readLog does. */
export async function openWal(dir: string, network: Uint8Array, files: Files = systemFiles): Promise<Wal> {
  return new WalFile(files, dir, network, await readLog(dir, network, files));
}

class WalFile implements Wal {
  readonly state: WalState;
  readonly damage: string | undefined;
  readonly records: readonly WalRecord[];
  readonly #files: Files;
  readonly #dir: string;
  readonly #network: Uint8Array;
  readonly #queue: CommitQueue<Job>;
  #number: number;
  #end: number;
  #salt: Uint8Array;
  #file: OpenFile | undefined;
  #isUsable: boolean;
  #isClosed = false;
  #waitingBytes = 0;
  #lazyBytes = 0;

  constructor(files: Files, dir: string, network: Uint8Array, found: LogReading) {
    this.#files = files;
    this.#dir = dir;
    this.#network = network;
    this.state = found.state;
    this.damage = found.damage;
    this.records = found.records;
    this.#number = found.number;
    this.#end = found.end;
    this.#salt = found.salt ?? new Uint8Array(SALT_BYTES);
    this.#isUsable = found.state !== "damaged" && found.state !== "missing";
    this.#queue = new CommitQueue(
      (jobs) => this.#commit(jobs),
      (jobs) => batchLength(jobs),
    );
  }

  get sizeBytes(): number {
    return this.#end;
  }

  async append(records: readonly WalRecord[]): Promise<void> {
    if (records.length === 0) return;
    const payload = this.#admit(records);
    this.#lazyBytes = 0;
    await this.#push({ type: "append", payload }, payload.length);
  }

  appendLazy(records: readonly WalRecord[]): void {
    if (records.length === 0 || this.#queue.failure !== undefined || this.#waitingBytes > MAX_WAITING_BYTES) return;
    const payload = this.#admit(records);
    this.#waitingBytes += payload.length;
    this.#lazyBytes += payload.length;
    this.#queue.pushLazy({ type: "append", payload });
    if (this.#lazyBytes <= LAZY_BYTES) return;
    this.#lazyBytes = 0;
    // A failure stays in the queue, for whoever writes next.
    this.#queue.flush().catch(() => {});
  }

  async rotate(records: readonly WalRecord[]): Promise<void> {
    this.#requireOpen();
    const payloads = framePayloads(records);
    this.#isUsable = true;
    await this.#push({ type: "rotate", payloads }, 0);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const known = this.#queue.failure;
    try {
      await this.#queue.flush();
    } catch (cause) {
      // Whoever appended has heard of a failure before; one of lazy records is heard of here.
      if (known === undefined) throw failed(this.#dir, cause);
    } finally {
      await this.#file?.close();
      this.#file = undefined;
    }
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new WalError("CLOSED", `the log ${this.#dir} is closed`);
  }

  #admit(records: readonly WalRecord[]): Uint8Array {
    this.#requireOpen();
    if (!this.#isUsable) throw new WalError("UNUSABLE", `the log ${this.#dir} is ${this.state}`);
    const payload = encodeRecords(records);
    if (payload.length > MAX_FRAME_BYTES) throw new WalError("TOO_LARGE", `${payload.length} bytes in one write`);
    if (this.#end + this.#waitingBytes + payload.length > MAX_SEGMENT_BYTES || this.#waitingBytes > MAX_WAITING_BYTES) {
      throw new WalError("FULL", `the log ${this.#dir} takes no more: ${this.#waitingBytes} bytes wait`);
    }
    return payload;
  }

  async #push(job: Job, bytes: number): Promise<void> {
    this.#waitingBytes += bytes;
    try {
      await this.#queue.push(job);
    } catch (cause) {
      throw failed(this.#dir, cause);
    }
  }

  async #commit(jobs: readonly Job[]): Promise<void> {
    const [first] = jobs;
    if (first?.type === "rotate") {
      await this.#replace(first.payloads);
      return;
    }
    const file = await this.#open();
    const payload = concatBytes(...jobs.map((job) => (job.type === "append" ? job.payload : new Uint8Array(0))));
    const frame = encodeFrame(this.#salt, this.#end, payload);
    await file.write(frame, this.#end);
    await file.sync();
    this.#end += frame.length;
    this.#waitingBytes -= payload.length;
  }

  /** The segment that is written to; a new one where there is none, without the torn tail where there was one. */
  async #open(): Promise<OpenFile> {
    if (this.#file !== undefined) return this.#file;
    if (this.#number === 0) return this.#replace([]);
    const path = join(this.#dir, segmentName(this.#number));
    const file = await this.#files.open(path);
    if (file === undefined) throw new Error(`${path} has vanished`);
    this.#file = file;
    // Durable with the frame that follows.
    if ((await file.sizeBytes()) > this.#end) await file.truncate(this.#end);
    await this.#removeOthers();
    return file;
  }

  async #replace(payloads: readonly Uint8Array[]): Promise<OpenFile> {
    await this.#files.makeDirectory(this.#dir);
    const salt = new Uint8Array(randomBytes(SALT_BYTES));
    const path = join(this.#dir, segmentName(this.#number + 1));
    const file = await this.#files.create(`${path}.new`);
    try {
      await file.write(encodeWalHeader({ network: this.#network, salt }), 0);
      let end = HEADER_BYTES;
      for (const payload of payloads) {
        const frame = encodeFrame(salt, end, payload);
        await file.write(frame, end);
        end += frame.length;
      }
      await file.sync();
      await this.#files.rename(`${path}.new`, path);
      await this.#files.syncDirectory(this.#dir);
      await this.#file?.close();
      this.#file = file;
      this.#number++;
      this.#end = end;
      this.#salt = salt;
    } catch (error) {
      if (this.#file !== file) await file.close();
      throw error;
    }
    await this.#removeOthers();
    return file;
  }

  async #removeOthers(): Promise<void> {
    for (const name of (await this.#files.list(this.#dir)) ?? []) {
      const isOurs = SEGMENT.test(name.replace(/\.new$/, ""));
      if (isOurs && name !== segmentName(this.#number)) await this.#files.remove(join(this.#dir, name));
    }
  }
}

const failed = (dir: string, cause: unknown): WalError =>
  new WalError("FAILED", `the log ${dir} cannot be written: ${(cause as Error).message}`, { cause });

/** A rotation goes alone; appends go together as far as a frame holds them. */
function batchLength(jobs: readonly Job[]): number {
  let bytes = 0;
  for (const [index, job] of jobs.entries()) {
    if (job.type === "rotate") return Math.max(1, index);
    bytes += job.payload.length;
    if (bytes > MAX_FRAME_BYTES) return Math.max(1, index);
  }
  return jobs.length;
}

function framePayloads(records: readonly WalRecord[]): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for (const record of records) {
    const encoded = encodeRecords([record]);
    if (encoded.length > MAX_FRAME_BYTES) throw new WalError("TOO_LARGE", `a record of ${encoded.length} bytes`);
    if (bytes + encoded.length > MAX_FRAME_BYTES) {
      payloads.push(concatBytes(...waiting));
      waiting = [];
      bytes = 0;
    }
    waiting.push(encoded);
    bytes += encoded.length;
  }
  if (bytes > 0) payloads.push(concatBytes(...waiting));
  return payloads;
}
