/** What the projections of all events share. */
import { type Change, insert } from "./changes.ts";
import type { NodeKind } from "./codes.ts";
import type { PlacedEvent } from "./decode.ts";
import { IndexError } from "./errors.ts";

/** Where the rows of one event stand. */
export interface Position {
  readonly block: number;
  readonly log_index: number;
  readonly tx_hash: Uint8Array;
}

export type Args<Name extends PlacedEvent["eventName"]> = Extract<PlacedEvent, { eventName: Name }>["args"];

export const changedAt = (at: Position) => ({ changed_block: at.block, changed_tx: at.tx_hash });

export function edge(
  at: Position,
  ordinal: number,
  kind: number,
  from_kind: NodeKind,
  from_id: number,
  to_kind: NodeKind,
  to_id: number,
  weight: number | null = null,
  detail: number | null = null,
): Change {
  return insert("edges", { ...at, ordinal, kind, from_kind, from_id, to_kind, to_id, weight, detail });
}

/** Ids are sequences from 1; one that is no safe integer cannot come from the precompiles. */
export function toId(id: bigint): number {
  const number = Number(id);
  if (!Number.isSafeInteger(number)) throw new IndexError("INDEX_INCONSISTENT", `id ${id} is not a sequence number`);
  return number;
}

/** Unix seconds. A deadline beyond 2^53 seconds never comes; it must not stop the index either. */
export function toTime(seconds: bigint): number {
  return seconds > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(seconds);
}

/** Anyone may write strings; U+0000 ends a text in SQLite's functions and PostgreSQL refuses it. */
export function text(value: string): string {
  return value.replaceAll("\u0000", "\ufffd");
}
