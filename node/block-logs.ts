/** The logs of a block for those who look through many blocks: what is not asked for is not decoded. */
import type { ExecutedBlock, Header, Log } from "../core/chain.ts";
import { keccak256 } from "../core/crypto.ts";
import { type RlpItem, type RlpSpan, rlpChildren, rlpDecode, rlpList, rlpSpanAt, rlpWhole } from "../core/rlp.ts";
import { headerFromRlp } from "../execution/block/header.ts";
import type { KeyValueReader } from "../execution/state/types.ts";
import { damagedBlock, decodeLog, readable, readChecked, readRawUnchecked } from "./chain-store.ts";

export interface BlockLogs {
  readonly header: Pick<Header, "number" | "timestamp" | "logsBloom">;
  readonly hash: Uint8Array;
  /** By transaction. Throws DataError when they cannot be read. */
  readonly logs: readonly (readonly Log[])[];
  readonly transactionCount: number;
  transactionHash(index: number): Uint8Array;
}

export const logsOf = ({ header, hash, receipts, transactions }: Omit<ExecutedBlock, "foreign">): BlockLogs => ({
  header,
  hash,
  logs: receipts.map(({ logs }) => logs),
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
  #logs: readonly (readonly Log[])[] | undefined;

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

  get logs(): readonly (readonly Log[])[] {
    this.#logs ??= readable(this.#number, "has unreadable receipts", () => {
      const record = readChecked(this.#reader, this.#number)?.record;
      if (record === undefined) throw damagedBlock(this.#number, "is half there");
      const entries = rlpList(rlpList(rlpDecode(record), "record")[1], "receipts");
      return entries.map((entry) =>
        rlpList(rlpList(entry, "receipt")[2], "logs").map((log: RlpItem) => decodeLog(log)),
      );
    });
    return this.#logs;
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
