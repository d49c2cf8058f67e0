/**
 * Transactions in a file that only grows, until it is written anew with those that still matter.
 *
 *   openledger transactions 1 0x<genesis hash>
 *   <CRC-32 of the bytes, 8 hex digits> 0x<signed transaction>
 *
 * What one turn of the event loop appends is written at once, before any promise of that turn is heard of: by then a
 * line is in the hands of the operating system, and a process that is killed loses nothing; a machine that loses power
 * may lose what was not on the disk yet. A line that is not whole is left out, those after it are not: each begins on a
 * line of its own, also after a write that failed.
 */
import { closeSync, createReadStream, fdatasync, fstatSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { DataError, OperationError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { pacer } from "../pace.ts";

/** In the data directory, unless --txpool.journal names another file. */
export const JOURNAL_FILE = "transactions.journal";

const VERSION = 1;
const HEADER = /^openledger transactions (\d{1,9}) (0x[0-9a-f]{64})$/;
const LINE = /^([0-9a-f]{8}) (0x(?:[0-9a-f]{2})+)$/;
/** Written at once when the file is made anew. */
const CHUNK_BYTES = 256 * 1024;

const syncData = promisify(fdatasync);

const lineOf = (raw: Uint8Array): string => `${crc32(raw).toString(16).padStart(8, "0")} ${bytesToHex(raw)}\n`;

/** Bytes that a transaction takes in the file. */
export const lineBytes = (raw: Uint8Array): number => 2 * raw.length + 12;

export interface JournalReading {
  readonly journal: TransactionJournal;
  /** In the order in which they were appended. */
  readonly raws: readonly Uint8Array[];
}

/**
 * Reads the file and goes on behind it; makes it where there is none. Throws DataError when it is no such file, another
 * chain's or a newer program's, OperationError when it cannot be read or written.
 */
export async function openJournal(path: string, genesisHash: Uint8Array, log: Logger): Promise<JournalReading> {
  const raws: Uint8Array[] = [];
  let damaged = 0;
  let isFirst = true;
  try {
    const input = createReadStream(path, { encoding: "latin1" });
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (isFirst) checkHeader(path, text, genesisHash);
      else if (text !== "") {
        const raw = rawOf(text);
        if (raw === undefined) damaged++;
        else raws.push(raw);
      }
      isFirst = false;
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw unusable(path, error);
  }
  if (damaged > 0) log.warn({ path, lines: damaged }, "lines that are not whole in the journal are left out");
  const journal = new TransactionJournal(path, genesisHash, log);
  // What a process left that was ended while it made the file anew.
  rmSync(`${path}.new`, { force: true });
  try {
    if (isFirst) await journal.rewrite(() => []);
    else journal.resume();
  } catch (error) {
    throw unusable(path, error);
  }
  return { journal, raws };
}

function checkHeader(path: string, text: string, genesisHash: Uint8Array): void {
  const [, version, hash] = HEADER.exec(text) ?? [];
  const remedy = "choose another --txpool.journal";
  if (version === undefined) throw new DataError(`${path} is no journal of transactions; ${remedy}`);
  if (Number(version) > VERSION) throw new DataError(`${path} was written by a newer openledger; update, or ${remedy}`);
  if (hash !== bytesToHex(genesisHash)) throw new DataError(`${path} has the transactions of another chain; ${remedy}`);
}

function rawOf(text: string): Uint8Array | undefined {
  const [, checksum, hex] = LINE.exec(text) ?? [];
  if (checksum === undefined) return undefined;
  const raw = hexToBytes(hex as `0x${string}`);
  return Number.parseInt(checksum, 16) === crc32(raw) ? raw : undefined;
}

const unusable = (path: string, cause: unknown): OperationError =>
  new OperationError(`${path} cannot be used: ${(cause as Error).message}; choose another --txpool.journal`, { cause });

export class TransactionJournal {
  readonly #path: string;
  readonly #header: string;
  readonly #log: Logger;
  #file: number | undefined;
  /** Being written, to take the file's place. */
  #next: number | undefined;
  /** Why it lacks what was appended meanwhile. */
  #nextProblem: unknown;
  #rewriting: Promise<void> | undefined;
  #sizeBytes = 0;
  #unwritten = "";
  #isFailing = false;

  /** Writes nothing before `resume` or `rewrite`. */
  constructor(path: string, genesisHash: Uint8Array, log: Logger) {
    this.#path = path;
    this.#header = `openledger transactions ${VERSION} ${bytesToHex(genesisHash)}\n`;
    this.#log = log;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Goes on behind what is in the file. Throws the system's error. */
  resume(): void {
    this.#file = openSync(this.#path, "a");
    this.#sizeBytes = fstatSync(this.#file).size;
    // The last line may not be whole.
    this.#append(this.#file, "\n");
  }

  /** Written in the next microtask: before whoever is told, by a promise, that it was taken. */
  append(raw: Uint8Array): void {
    if (this.#unwritten === "") queueMicrotask(() => this.flush());
    this.#unwritten += lineOf(raw);
  }

  /** False when what was appended could not be written; that is logged once. */
  flush(): boolean {
    const text = this.#unwritten;
    if (text === "") return !this.#isFailing;
    this.#unwritten = "";
    const wasFailing = this.#isFailing;
    try {
      if (this.#file === undefined) throw new Error("it is closed");
      this.#append(this.#file, wasFailing ? `\n${text}` : text);
      this.#isFailing = false;
    } catch (err) {
      this.#isFailing = true;
      if (!wasFailing) this.#log.error({ err, path: this.#path }, "a transaction could not be put into the journal");
    }
    this.#alsoIntoNext(text);
    return !this.#isFailing;
  }

  #alsoIntoNext(text: string): void {
    if (this.#next === undefined) return;
    try {
      writeAll(this.#next, text);
    } catch (error) {
      this.#nextProblem = error;
    }
  }

  /**
   * Makes the file anew with the transactions that `raws` gives when it begins, and what is appended meanwhile. Until
   * the new one is on the disk the old one is whole and in its place. One at a time: a second call waits for the first.
   * Rejects with the system's error; then the old file goes on.
   */
  async rewrite(raws: () => readonly Uint8Array[]): Promise<void> {
    while (this.#rewriting !== undefined) await this.#rewriting.catch(() => {});
    this.flush();
    this.#rewriting = this.#replace(raws()).finally(() => {
      this.#rewriting = undefined;
    });
    return this.#rewriting;
  }

  async close(): Promise<void> {
    this.flush();
    await this.#rewriting?.catch(() => {});
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  async #replace(raws: readonly Uint8Array[]): Promise<void> {
    const path = `${this.#path}.new`;
    const next = openSync(path, "w");
    try {
      writeAll(next, this.#header);
      this.#next = next;
      this.#nextProblem = undefined;
      const pause = pacer();
      let text = "";
      for (const raw of raws) {
        text += lineOf(raw);
        if (text.length < CHUNK_BYTES) continue;
        writeAll(next, text);
        text = "";
        await pause();
      }
      writeAll(next, text);
      await syncData(next);
      if (this.#nextProblem !== undefined) throw this.#nextProblem;
      renameSync(path, this.#path);
    } catch (error) {
      this.#next = undefined;
      closeSync(next);
      rmSync(path, { force: true });
      throw error;
    }
    this.#next = undefined;
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = next;
    this.#isFailing = false;
    this.#sizeBytes = fstatSync(next).size;
  }

  #append(file: number, text: string): void {
    writeAll(file, text);
    this.#sizeBytes += text.length;
  }
}

function writeAll(file: number, text: string): void {
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}
