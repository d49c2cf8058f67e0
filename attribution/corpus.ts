/** A model's live contributions as a host opens and traces them. */
import type { Hex } from "../core/bytes.ts";
import type { ShardStore } from "./shard-store.ts";
import { buildSpanIndex, type SpanIndex } from "./span-index.ts";

export type Corpus = SpanIndex;

export interface CorpusEntry {
  readonly id: bigint;
  readonly contentRoot: Hex;
  /** Bytes. */
  readonly size: number;
}

/** Over exactly these entries, ids rising. `read` rejects when a content cannot be had. */
export type OpenCorpus = (
  entries: readonly CorpusEntry[],
  read: (entry: CorpusEntry) => Promise<Uint8Array>,
) => Promise<Corpus>;

/** From shards on disk, which are built where they are missing. */
export const openFromShards =
  (shards: ShardStore): OpenCorpus =>
  (entries, read) =>
    shards.view(entries, read);

const PARALLEL_READS = 8;

/** All in memory, built on this thread: for small corpora. */
export const openInMemory: OpenCorpus = async (entries, read) => {
  const documents = new Array<{ id: bigint; bytes: Uint8Array }>(entries.length);
  const pending = entries.entries();
  const reader = async () => {
    for (const [i, entry] of pending) documents[i] = { id: entry.id, bytes: await read(entry) };
  };
  await Promise.all(Array.from({ length: PARALLEL_READS }, reader));
  return buildSpanIndex(documents);
};
