/** The logs of a block for those who look through many blocks: what is not asked for is not decoded. */
import type { ExecutedBlock, Header, Log } from "../core/chain.ts";
import { keccak256 } from "../core/crypto.ts";
import { type RlpSpan, rlpChildren, rlpDecode, rlpSpanAt, rlpWhole } from "../core/rlp.ts";
import { headerFromRlp } from "../execution/block/header.ts";
import type { KeyValueReader } from "../execution/state/types.ts";
import { damagedBlock, readable, readChecked, readRawUnchecked } from "./chain-store.ts";

export interface BlockLogs {
  readonly header: Pick<Header, "number" | "timestamp" | "logsBloom">;
  readonly hash: Uint8Array;
  /** In order, with the index of the log's transaction. Throws DataError when they cannot be read. */
  each(visit: (log: Log, transactionIndex: number) => void): void;
  readonly transactionCount: number;
  transactionHash(index: number): Uint8Array;
}

export const logsOf = ({ header, hash, receipts, transactions }: Omit<ExecutedBlock, "foreign">): BlockLogs => ({
  header,
  hash,
  each: (visit) =>
    receipts.forEach(({ logs }, index) => {
      for (const log of logs) visit(log, index);
    }),
  transactionCount: transactions.length,
  transactionHash: (index) => transactions[index]!.hash,
});

/** Of a block in the store; undefined when it is not there. Throws DataError. */
export function readBlockLogs(reader: KeyValueReader, number: bigint): BlockLogs | undefined {
  const raw = readRawUnchecked(reader, number);
  return raw && readable(number, "cannot be decoded", () => new StoredLogs(reader, number, raw));
}

class StoredLogs implements BlockLogs {
  readonly header: Header;
  readonly #reader: KeyValueReader;
  readonly #number: bigint;
  readonly #raw: Uint8Array;
  readonly #headerBytes: Uint8Array;
  #hash: Uint8Array | undefined;
  #transactions: readonly RlpSpan[] | undefined;

  constructor(reader: KeyValueReader, number: bigint, raw: Uint8Array) {
    this.#reader = reader;
    this.#number = number;
    this.#raw = raw;
    const { payload, end } = rlpWhole(raw);
    const header = rlpSpanAt(raw, payload, end);
    this.#headerBytes = raw.subarray(header.start, header.end);
    this.header = headerFromRlp(rlpDecode(this.#headerBytes));
  }

  get hash(): Uint8Array {
    this.#hash ??= keccak256(this.#headerBytes);
    return this.#hash;
  }

  each(visit: (log: Log, transactionIndex: number) => void): void {
    const record = readChecked(this.#reader, this.#number)?.record;
    if (record === undefined) throw damagedBlock(this.#number, "is half there");
    readable(this.#number, "has unreadable receipts", () => {
      const receipts = child(record, rlpWhole(record), 1);
      let index = 0;
      for (let at = receipts.payload; at < receipts.end; index++) {
        const receipt = rlpSpanAt(record, at, receipts.end);
        const logs = child(record, receipt, 2);
        for (let from = logs.payload; from < logs.end; ) {
          const log = rlpSpanAt(record, from, logs.end);
          visit(new StoredLog(record, log), index);
          from = log.end;
        }
        at = receipt.end;
      }
    });
  }

  get transactionCount(): number {
    return this.#transactionSpans().length;
  }

  transactionHash(index: number): Uint8Array {
    const { isList, start, payload, end } = this.#transactionSpans()[index]!;
    // An envelope is a string of the list, a transaction from before EIP-2718 a list itself.
    return keccak256(this.#raw.subarray(isList ? start : payload, end));
  }

  #transactionSpans(): readonly RlpSpan[] {
    this.#transactions ??= readable(this.#number, "cannot be decoded", () =>
      rlpChildren(this.#raw, rlpChildren(this.#raw, rlpWhole(this.#raw))[1]!),
    );
    return this.#transactions;
  }
}

/** Of `rlp([address, [topic..], data])`: each part is cut out when it is asked for. Throws RlpError. */
class StoredLog implements Log {
  readonly #bytes: Uint8Array;
  readonly #span: RlpSpan;

  constructor(bytes: Uint8Array, span: RlpSpan) {
    this.#bytes = bytes;
    this.#span = span;
  }

  get address(): Uint8Array {
    const { payload, end } = child(this.#bytes, this.#span, 0);
    return this.#bytes.subarray(payload, end);
  }

  get topics(): readonly Uint8Array[] {
    const topics = rlpChildren(this.#bytes, child(this.#bytes, this.#span, 1));
    return topics.map(({ payload, end }) => this.#bytes.subarray(payload, end));
  }

  get data(): Uint8Array {
    const { payload, end } = child(this.#bytes, this.#span, 2);
    return this.#bytes.subarray(payload, end);
  }
}

function child(bytes: Uint8Array, { payload, end }: RlpSpan, index: number): RlpSpan {
  let span = rlpSpanAt(bytes, payload, end);
  for (let i = 0; i < index; i++) span = rlpSpanAt(bytes, span.end, end);
  return span;
}
