/**
 * The write-ahead log's encoding: what a validator promised, saw and needs again after a restart. A frame (frames.ts)
 * holds the records of one write, all or none of them:
 *
 *   vote         1 ‖ subject 57
 *   block        2 ‖ id 32 ‖ height u64 ‖ parent 32 ‖ length u32 ‖ bytes
 *   certificate  3 ‖ length u16 ‖ certificate
 *   tip          4 ‖ epoch u64 ‖ view u64 ‖ height u64 ‖ block 32
 */
import { bigIntToFixed, bytesToBigInt, concatBytes, equalsBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import { decodeCertificate, decodeSubject, encodeCertificate, encodeSubject, SUBJECT_BYTES } from "./codec.ts";
import { decodeFrames, decodeHeader, encodeFrame, encodeHeader, type FileHeader, type FileKind } from "./frames.ts";
import { type BlockId, type Certificate, epochOfView, type Subject, type Tip } from "./types.ts";

export type WalRecord =
  /** An own vote: written and synced before it is signed. */
  | { readonly type: "vote"; readonly subject: Subject }
  /** A block that a vote or a certificate speaks of, as it travels. */
  | {
      readonly type: "block";
      readonly id: BlockId;
      readonly height: number;
      readonly parent: BlockId;
      readonly bytes: Uint8Array;
    }
  | { readonly type: "certificate"; readonly certificate: Certificate }
  /** Finalized: own votes at or below its view need not be in the log any more. */
  | ({ readonly type: "tip"; readonly epoch: number } & Tip);

const WAL: FileKind = { magic: "OL-WRITE", version: 1 };
const TYPE = { vote: 1, block: 2, certificate: 3, tip: 4 } as const;

const NETWORK_DOMAIN = keccak256(new TextEncoder().encode("OpenLedger network v1"));

/** What binds a file to its network: keccak256(keccak256("OpenLedger network v1") ‖ uint256 chain id ‖ genesis hash). */
export function networkHash(chainId: bigint, genesisHash: Uint8Array): Uint8Array {
  return keccak256(NETWORK_DOMAIN, bigIntToFixed(chainId, 32), genesisHash);
}

/** 64 bytes. `network` is a network hash, `salt` 16 random bytes. */
export const encodeWalHeader = (header: FileHeader): Uint8Array => encodeHeader(WAL, header);

const uint = (value: number, length: number): Uint8Array => bigIntToFixed(BigInt(value), length);

function encodeRecord(record: WalRecord): Uint8Array {
  const type = Uint8Array.of(TYPE[record.type]);
  switch (record.type) {
    case "vote":
      return concatBytes(type, encodeSubject(record.subject));
    case "block": {
      const { id, height, parent, bytes } = record;
      return concatBytes(type, id, uint(height, 8), parent, uint(bytes.length, 4), bytes);
    }
    case "certificate": {
      const bytes = encodeCertificate(record.certificate);
      return concatBytes(type, uint(bytes.length, 2), bytes);
    }
    case "tip":
      return concatBytes(type, uint(record.epoch, 8), uint(record.view, 8), uint(record.height, 8), record.block);
  }
}

/** Records one after another: the payload of a frame. */
export const encodeRecords = (records: readonly WalRecord[]): Uint8Array => concatBytes(...records.map(encodeRecord));

/** A frame that will begin at `offset` of the file. Throws RangeError when it would be empty or over 16 MiB. */
export const encodeWalFrame = (salt: Uint8Array, offset: number, records: readonly WalRecord[]): Uint8Array =>
  encodeFrame(salt, offset, encodeRecords(records));

export interface WalReading {
  readonly records: readonly WalRecord[];
  /** Of this file; undefined when its header is not readable. */
  readonly salt: Uint8Array | undefined;
  /** Where the last whole frame ends and the next one belongs; 0 without a header. */
  readonly end: number;
  /** Bytes follow `end` that no finished write left there: to be cut off. */
  readonly torn: boolean;
  /** Why records that were durable once are lost. `records` are those before. */
  readonly damage?: string;
  /** Written for another network or by a newer program: leave it alone. */
  readonly refused?: string;
}

/** Without `network`, any network's log is read. Never throws, whatever the bytes; time and memory linear in them. */
export function decodeWal(bytes: Uint8Array, network?: Uint8Array): WalReading {
  const nothing = { records: [], salt: undefined, end: 0, torn: false };
  const header = decodeHeader(bytes, WAL);
  if (header.type === "damaged") return { ...nothing, damage: header.detail };
  if (header.type === "newer") {
    return { ...nothing, refused: `has version ${header.version}, this program knows ${WAL.version}; use a newer one` };
  }
  if (network !== undefined && !equalsBytes(network, header.network)) {
    return { ...nothing, refused: "was written for another network" };
  }
  const frames = decodeFrames(bytes, header.salt);
  const records: WalRecord[] = [];
  for (const { offset, payload } of frames.payloads) {
    try {
      const reader = new RecordReader(payload);
      while (!reader.isDone) records.push(reader.record());
    } catch (error) {
      const damage = `holds at byte ${offset} what is no record: ${(error as Error).message}`;
      return { records, salt: header.salt, end: offset, torn: false, damage };
    }
  }
  const { end, damage } = frames;
  const found = { records, salt: header.salt, end };
  return damage === undefined ? { ...found, torn: bytes.length > end } : { ...found, torn: false, damage };
}

class RecordReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length;
  }

  #raw(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new RangeError(`ends after ${this.#bytes.length} bytes`);
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  #uint(length: number): number {
    const value = bytesToBigInt(this.#raw(length));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`${value} is out of range`);
    return Number(value);
  }

  /** Throws when the next bytes are no record. */
  record(): WalRecord {
    const type = this.#uint(1);
    switch (type) {
      case TYPE.vote:
        return { type: "vote", subject: decodeSubject(this.#raw(SUBJECT_BYTES)) };
      case TYPE.block: {
        const [id, height, parent] = [this.#raw(32), this.#uint(8), this.#raw(32)];
        return { type: "block", id, height, parent, bytes: this.#raw(this.#uint(4)) };
      }
      case TYPE.certificate:
        return { type: "certificate", certificate: decodeCertificate(this.#raw(this.#uint(2))) };
      case TYPE.tip: {
        const [epoch, view, height] = [this.#uint(8), this.#uint(8), this.#uint(8)];
        if (epochOfView(view) !== epoch) throw new RangeError(`view ${view} is not of epoch ${epoch}`);
        return { type: "tip", epoch, view, height, block: this.#raw(32) };
      }
      default:
        throw new RangeError(`type ${type} is unknown`);
    }
  }
}
