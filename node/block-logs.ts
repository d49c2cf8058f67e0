/** The logs of a block for those who look through many blocks: what is not asked for is not decoded. */
import { EMPTY_BYTES, equalsBytes } from "../core/bytes.ts";
import type { ExecutedBlock, Header, Log } from "../core/chain.ts";
import { keccak256 } from "../core/crypto.ts";
import { RlpError, type RlpSpan, rlpChildren, rlpDecode, rlpSpanAt, rlpWhole } from "../core/rlp.ts";
import { headerSummaryFromRlp } from "../execution/block/header.ts";
import type { KeyValueReader } from "../execution/state/types.ts";
import { damagedBlock, readable, readChecked, readRawUnchecked } from "./chain-store.ts";

/** Logs by their index in the block. What reads them throws DataError when it cannot. */
export interface BlockLogs {
  readonly header: Pick<Header, "number" | "timestamp" | "logsBloom">;
  readonly hash: Uint8Array;
  readonly logCount: number;
  log(index: number): Log;
  /** The same as with the log's own parts, without making them. */
  isFrom(index: number, address: Uint8Array): boolean;
  hasTopic(index: number, position: number, topic: Uint8Array): boolean;
  topicCount(index: number): number;
  /** Index of the transaction that left the log. */
  transactionOf(index: number): number;
  readonly transactionCount: number;
  transactionHash(index: number): Uint8Array;
}

export const logsOf = (block: Omit<ExecutedBlock, "foreign">): BlockLogs => new DecodedLogs(block);

class DecodedLogs implements BlockLogs {
  readonly #block: Omit<ExecutedBlock, "foreign">;
  #logs: readonly { readonly log: Log; readonly transaction: number }[] | undefined;

  constructor(block: Omit<ExecutedBlock, "foreign">) {
    this.#block = block;
  }

  get header(): Header {
    return this.#block.header;
  }

  get hash(): Uint8Array {
    return this.#block.hash;
  }

  get logCount(): number {
    return this.#all.length;
  }

  log(index: number): Log {
    return this.#all[index]!.log;
  }

  isFrom(index: number, address: Uint8Array): boolean {
    return equalsBytes(this.log(index).address, address);
  }

  hasTopic(index: number, position: number, topic: Uint8Array): boolean {
    return equalsBytes(this.log(index).topics[position] ?? EMPTY_BYTES, topic);
  }

  topicCount(index: number): number {
    return this.log(index).topics.length;
  }

  transactionOf(index: number): number {
    return this.#all[index]!.transaction;
  }

  get transactionCount(): number {
    return this.#block.transactions.length;
  }

  transactionHash(index: number): Uint8Array {
    return this.#block.transactions[index]!.hash;
  }

  get #all(): readonly { readonly log: Log; readonly transaction: number }[] {
    this.#logs ??= this.#block.receipts.flatMap(({ logs }, transaction) => logs.map((log) => ({ log, transaction })));
    return this.#logs;
  }
}

/**
 * Of a block in the store; undefined when it is not there. `onRead` is called once, when the logs were asked for and are
 * in memory from then on, with their size. Throws DataError.
 */
export function readBlockLogs(
  reader: KeyValueReader,
  number: bigint,
  onRead: (logs: BlockLogs, bytes: number) => void,
): BlockLogs | undefined {
  const raw = readRawUnchecked(reader, number);
  return raw && readable(number, "cannot be decoded", () => new StoredLogs(reader, number, raw, onRead));
}

/** Where things lie in the bytes of receipts. */
interface LogTable {
  readonly bytes: Uint8Array;
  /** Of each log: where its address begins, and the index of its transaction. */
  readonly places: Uint32Array;
}

const PLACE_WORDS = 2;
const ADDRESS_BYTES = 20;
/** With its prefix. */
const TOPIC_ITEM_BYTES = 33;

class StoredLogs implements BlockLogs {
  readonly header: BlockLogs["header"];
  readonly #reader: KeyValueReader;
  readonly #number: bigint;
  readonly #raw: Uint8Array;
  readonly #onRead: (logs: BlockLogs, bytes: number) => void;
  readonly #headerBytes: Uint8Array;
  #hash: Uint8Array | undefined;
  #transactions: readonly RlpSpan[] | undefined;
  #table: LogTable | undefined;

  constructor(
    reader: KeyValueReader,
    number: bigint,
    raw: Uint8Array,
    onRead: (logs: BlockLogs, bytes: number) => void,
  ) {
    this.#reader = reader;
    this.#number = number;
    this.#raw = raw;
    this.#onRead = onRead;
    const { payload, end } = rlpWhole(raw);
    const header = rlpSpanAt(raw, payload, end);
    this.#headerBytes = raw.subarray(header.start, header.end);
    this.header = headerSummaryFromRlp(rlpDecode(this.#headerBytes));
  }

  get hash(): Uint8Array {
    this.#hash ??= keccak256(this.#headerBytes);
    return this.#hash;
  }

  get logCount(): number {
    return this.#read().places.length / PLACE_WORDS;
  }

  log(index: number): Log {
    const { bytes } = this.#read();
    const start = this.#place(index);
    const topics = rlpSpanAt(bytes, start + ADDRESS_BYTES, bytes.length);
    const data = rlpSpanAt(bytes, topics.end, bytes.length);
    return {
      address: bytes.subarray(start, start + ADDRESS_BYTES),
      topics: rlpChildren(bytes, topics).map(({ payload, end }) => bytes.subarray(payload, end)),
      data: bytes.subarray(data.payload, data.end),
    };
  }

  isFrom(index: number, address: Uint8Array): boolean {
    return lies(this.#read().bytes, this.#place(index), address);
  }

  hasTopic(index: number, position: number, topic: Uint8Array): boolean {
    const { payload, end } = this.#topics(index);
    const item = payload + position * TOPIC_ITEM_BYTES;
    return item < end && lies(this.#read().bytes, item + 1, topic);
  }

  topicCount(index: number): number {
    const { payload, end } = this.#topics(index);
    return (end - payload) / TOPIC_ITEM_BYTES;
  }

  transactionOf(index: number): number {
    return this.#read().places[index * PLACE_WORDS + 1]!;
  }

  get transactionCount(): number {
    return this.#transactionSpans().length;
  }

  transactionHash(index: number): Uint8Array {
    const { isList, start, payload, end } = this.#transactionSpans()[index]!;
    // An envelope is a string of the list, a transaction from before EIP-2718 a list itself.
    return keccak256(this.#raw.subarray(isList ? start : payload, end));
  }

  #place(index: number): number {
    return this.#read().places[index * PLACE_WORDS]!;
  }

  #topics(index: number): RlpSpan {
    const { bytes } = this.#read();
    return rlpSpanAt(bytes, this.#place(index) + ADDRESS_BYTES, bytes.length);
  }

  #transactionSpans(): readonly RlpSpan[] {
    this.#transactions ??= readable(this.#number, "cannot be decoded", () =>
      rlpChildren(this.#raw, rlpChildren(this.#raw, rlpWhole(this.#raw))[1]!),
    );
    return this.#transactions;
  }

  #read(): LogTable {
    if (this.#table !== undefined) return this.#table;
    const record = readChecked(this.#reader, this.#number)?.record;
    if (record === undefined) throw damagedBlock(this.#number, "is half there");
    const places = readable(this.#number, "has unreadable receipts", () => placesOf(record));
    this.#table = { bytes: record, places };
    this.#onRead(this, this.#raw.length + record.length + places.byteLength);
    return this.#table;
  }
}

/**
 * Of `rlp([senders, [[status, gas, [log..], ..]..]])` with logs `[address, [topic..], data]`, whose addresses and topics
 * have their fixed lengths. Throws RlpError.
 */
function placesOf(record: Uint8Array): Uint32Array {
  const places: number[] = [];
  const receipts = child(record, rlpWhole(record), 1);
  let transaction = 0;
  for (let at = receipts.payload; at < receipts.end; transaction++) {
    const receipt = rlpSpanAt(record, at, receipts.end);
    const logs = child(record, receipt, 2);
    for (let from = logs.payload; from < logs.end; ) {
      const log = rlpSpanAt(record, from, logs.end);
      const address = rlpSpanAt(record, log.payload, log.end);
      const topics = rlpSpanAt(record, address.end, log.end);
      if (address.end - address.payload !== ADDRESS_BYTES) throw new RlpError("an address has another length");
      for (const topic of rlpChildren(record, topics)) {
        if (topic.end - topic.start !== TOPIC_ITEM_BYTES) throw new RlpError("a topic has another length");
      }
      places.push(address.payload, transaction);
      from = log.end;
    }
    at = receipt.end;
  }
  return Uint32Array.from(places);
}

function child(bytes: Uint8Array, { payload, end }: RlpSpan, index: number): RlpSpan {
  let span = rlpSpanAt(bytes, payload, end);
  for (let i = 0; i < index; i++) span = rlpSpanAt(bytes, span.end, end);
  return span;
}

/** Whether `part` lies at `at`. From its end: words are padded in front. */
function lies(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  for (let i = part.length - 1; i >= 0; i--) if (bytes[at + i] !== part[i]) return false;
  return true;
}
