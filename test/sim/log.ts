/**
 * A validator's log on a simulated disk, in the real encoding: one frame is written and synced at a time, what is lazy
 * goes with the next one, and a rotation puts a new segment in the place of the old one. What was not synced when the
 * process ends may be there or not, whole or torn.
 */
import { decodeWal, encodeRecords, encodeWalFrame, encodeWalHeader, type WalRecord } from "../../consensus/wal.ts";
import { concatBytes, EMPTY_BYTES } from "../../core/bytes.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

const NETWORK = new Uint8Array(32).fill(0x4f);

interface Write {
  readonly records: readonly WalRecord[];
  readonly isRotation: boolean;
  /** Undefined for a lazy one. */
  readonly done: (() => void) | undefined;
}

export class SimLog {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #syncTimeMs: () => number;
  #salt: Uint8Array;
  #buffer: Uint8Array = new Uint8Array(16_384);
  /** The file as it is read: what is durable, and behind it what a killed process has left to the operating system. */
  #length = 0;
  #durable = 0;
  #queue: Write[] = [];
  /** The frame that is being written behind the others, or the segment that takes the place of the file. */
  #writing: { readonly bytes: Uint8Array; readonly isRotation: boolean } | undefined;
  /** Ends with the process: what the disk had in hand then is never heard of again. */
  #life = 0;

  constructor(scheduler: Scheduler, random: Random, syncTimeMs: () => number) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#syncTimeMs = syncTimeMs;
    this.#salt = this.#newSalt();
    this.#put(encodeWalHeader({ network: NETWORK, salt: this.#salt }), false);
    this.#durable = this.#length;
  }

  get sizeBytes(): number {
    return this.#length;
  }

  /** What a process finds when it starts. Throws when it is damaged: no crash does that. */
  open(): readonly WalRecord[] {
    const { records, end, damage, refused, salt } = decodeWal(this.#buffer.slice(0, this.#length), NETWORK);
    const problem = damage ?? refused;
    if (problem !== undefined || salt === undefined) throw new Error(`the log ${problem}`);
    this.#salt = salt;
    // Before the first write: the torn end goes, and what is whole is made to stay.
    this.#length = end;
    this.#durable = end;
    return records;
  }

  /** `done` is called once the records are durable, unless the process ends first. */
  append(records: readonly WalRecord[], done: () => void): void {
    this.#push({ records, isRotation: false, done });
  }

  appendLazy(records: readonly WalRecord[]): void {
    this.#queue.push({ records, isRotation: false, done: undefined });
  }

  rotate(records: readonly WalRecord[]): void {
    this.#push({ records, isRotation: true, done: () => {} });
  }

  /** Whether this record is where it survives anything. */
  hasDurable(record: WalRecord): boolean {
    return Buffer.from(this.#buffer.buffer, 0, this.#durable).lastIndexOf(encodeRecords([record])) >= 0;
  }

  /** The process ends; with `isPowerLost`, the machine too. */
  stop(isPowerLost: boolean): void {
    this.#life++;
    this.#queue = [];
    const random = this.#random;
    const writing = this.#writing;
    this.#writing = undefined;
    if (writing !== undefined && random.chance(0.5)) {
      // Renamed or not; and of a frame, as much as had been written.
      const { bytes, isRotation } = writing;
      const written = isRotation || random.chance(0.5) ? bytes.length : random.below(bytes.length);
      this.#put(bytes.subarray(0, written), isRotation);
    }
    if (!isPowerLost) return;
    const loose = this.#length - this.#durable;
    const kept = this.#durable + (random.chance(0.3) ? loose : random.below(loose + 1));
    // A length that grew before its pages did leaves zeros, or whatever the pages held.
    const isJunk = random.chance(0.5);
    for (let at = kept; at < this.#length; at++) this.#buffer[at] = isJunk ? random.bits() : 0;
    if (random.chance(0.5)) this.#length = kept;
    this.#durable = this.#length;
  }

  #push(write: Write): void {
    this.#queue.push(write);
    if (this.#writing === undefined) this.#write();
  }

  /** The next frame: everything that waits, up to a rotation, which goes alone. */
  #write(): void {
    const at = this.#queue.findIndex(({ isRotation }) => isRotation);
    const batch = this.#queue.splice(0, at === 0 ? 1 : at < 0 ? this.#queue.length : at);
    const isRotation = batch[0]!.isRotation;
    const records = batch.flatMap((write) => write.records);
    const salt = isRotation ? this.#newSalt() : this.#salt;
    const header = isRotation ? encodeWalHeader({ network: NETWORK, salt }) : EMPTY_BYTES;
    const frame = encodeWalFrame(salt, isRotation ? header.length : this.#length, records);
    const bytes = isRotation ? concatBytes(header, frame) : frame;
    this.#writing = { bytes, isRotation };
    const life = this.#life;
    this.#scheduler.after(this.#syncTimeMs(), () => {
      if (life !== this.#life) return;
      this.#writing = undefined;
      this.#salt = salt;
      this.#put(bytes, isRotation);
      this.#durable = this.#length;
      for (const { done } of batch) {
        done?.();
        if (life !== this.#life) return;
      }
      if (this.#writing === undefined && this.#queue.some(({ done }) => done !== undefined)) this.#write();
    });
  }

  /** Behind what there is, or in its place: then it is durable, as a renamed file is. */
  #put(bytes: Uint8Array, isReplacing: boolean): void {
    const from = isReplacing ? 0 : this.#length;
    while (from + bytes.length > this.#buffer.length) {
      const larger = new Uint8Array(2 * this.#buffer.length);
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, from);
    this.#length = from + bytes.length;
    if (isReplacing) this.#durable = this.#length;
  }

  #newSalt(): Uint8Array {
    return Uint8Array.from({ length: 16 }, () => this.#random.below(256));
  }
}
