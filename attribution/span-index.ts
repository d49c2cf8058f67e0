/**
 * The index over a model's live contributions: what occurs where, how often, and who had it first. It spreads over
 * shards (attribution/shard.ts), each a searchable text over some of the contributions; together they hold each
 * contribution once.
 */
import { type Interval, Shard } from "./shard.ts";
import { buildShard } from "./shard-build.ts";
import { shardInMemory } from "./shard-file.ts";

export interface CorpusDocument {
  readonly id: bigint;
  readonly bytes: Uint8Array;
}

export interface Location {
  readonly id: bigint;
  readonly offset: number;
}

/** Occurrences of some bytes that go on in their contribution, numbered from 0 in an order that the shards fix. */
export interface Continuations {
  readonly count: number;
  /** Numbers of the first and last of each shard: between two that continue alike, all do. */
  readonly edges: readonly number[];
  /** Up to `limit` bytes of what follows occurrence k, fewer where its contribution ends. */
  read(k: number, limit: number): Uint8Array;
}

/**
 * Queries are synchronous; from disk they wait for the disk. Throws ShardDamagedError when a page that is read differs
 * from its checksum: the shard store then builds the shard again for the next view.
 */
export interface SpanIndex {
  readonly contributions: number;
  /** Of all contributions. */
  readonly bytes: number;
  /** Length of the longest prefix of query[from..to) that occurs in one contribution; 0 when not even its first byte does. */
  longestMatch(query: Uint8Array, from: number, to: number): number;
  /** Length of the longest suffix of query[from..to) that occurs in one contribution; 0 when it is below `least`. */
  longestMatchBefore(query: Uint8Array, from: number, to: number, least: number): number;
  /** Exact number of occurrences of query[from..to). Precondition here and below: from < to. */
  count(query: Uint8Array, from: number, to: number): number;
  /** Lowest contribution id that holds query[from..to), and its lowest offset there; undefined when none does. */
  earliest(query: Uint8Array, from: number, to: number): Location | undefined;
  /** Up to `limit` occurrences, by rising id and offset. Which ones, the shards say. */
  locations(query: Uint8Array, from: number, to: number, limit: number): readonly Location[];
  continuations(query: Uint8Array, from: number, to: number): Continuations;
  /** Up to `limit` first bytes of the n-th contribution, n from 0 in an order that the shards fix. */
  beginning(n: number, limit: number): Uint8Array;
  /** Gives files and memory back. The index answers nothing afterwards. */
  close(): void;
}

/** Precondition: no contribution is in two of the shards. `release` is called once, by `close`. */
export function joinShards(shards: readonly Shard[], release: () => void = () => {}): SpanIndex {
  /** Those that last held something first: what follows is often there too. */
  const recent = [...shards];
  let open = true;

  return {
    contributions: shards.reduce((sum, { ids }) => sum + ids.length, 0),
    bytes: shards.reduce((sum, { entries }) => sum + entries, 0),

    longestMatch(query, from, to) {
      let longest = 0;
      for (let i = 0; i < recent.length && longest < to - from; i++) {
        longest = recent[i]!.longestPrefix(query, from, to, longest);
      }
      return longest;
    },

    longestMatchBefore(query, from, to, least) {
      let longest = least - 1;
      let holder = 0;
      for (let i = 0; i < recent.length && longest < to - from; i++) {
        const length = recent[i]!.longestSuffix(query, from, to, longest);
        if (length > longest) holder = i;
        longest = length;
      }
      if (holder > 0) recent.unshift(...recent.splice(holder, 1));
      return longest < least ? 0 : longest;
    },

    count(query, from, to) {
      return shards.reduce((sum, shard) => sum + size(shard.interval(query, from, to)), 0);
    },

    earliest(query, from, to) {
      let first: Location | undefined;
      for (const shard of shards) {
        const interval = shard.interval(query, from, to);
        if (size(interval) === 0) continue;
        const location = locate(shard, shard.smallestPosition(interval));
        if (first === undefined || location.id < first.id) first = location;
      }
      return first;
    },

    locations(query, from, to, limit) {
      const found: Location[] = [];
      for (const shard of shards) {
        const interval = shard.interval(query, from, to);
        for (let entry = interval.from; entry < interval.to && found.length < limit; entry++) {
          found.push(locate(shard, shard.position(entry)));
        }
      }
      return found.sort((a, b) => (a.id === b.id ? a.offset - b.offset : a.id < b.id ? -1 : 1));
    },

    continuations(query, from, to) {
      const length = to - from;
      const parts = shards
        .map((shard) => ({ shard, interval: shard.continued(shard.interval(query, from, to), length) }))
        .filter(({ interval }) => size(interval) > 0);
      const edges: number[] = [];
      let count = 0;
      for (const { interval } of parts) {
        edges.push(count, count + size(interval) - 1);
        count += size(interval);
      }
      return {
        count,
        edges,
        read(k, limit) {
          let entry = k;
          for (const { shard, interval } of parts) {
            if (entry < size(interval)) return shard.read(shard.position(interval.from + entry) + length, limit);
            entry -= size(interval);
          }
          throw new RangeError(`occurrence ${k} of ${count}`);
        },
      };
    },

    beginning(n, limit) {
      let document = n;
      for (const shard of shards) {
        if (document < shard.ids.length) return shard.read(shard.starts[document]!, limit);
        document -= shard.ids.length;
      }
      throw new RangeError(`contribution ${n} is none of the index`);
    },

    close() {
      if (open) release();
      open = false;
    },
  };
}

const size = ({ from, to }: Interval) => to - from;

function locate(shard: Shard, position: number): Location {
  const document = shard.documentAt(position);
  return { id: shard.ids[document]!, offset: position - shard.starts[document]! };
}

/**
 * An index in memory over contributions at hand, built on this thread: for tests and small corpora. A host uses
 * attribution/shard-store.ts. Throws RangeError unless ids rise strictly and every contribution has at least one byte.
 */
export function buildSpanIndex(documents: readonly CorpusDocument[]): SpanIndex {
  if (documents.length === 0) return joinShards([]);
  return joinShards([new Shard(shardInMemory("in memory", shardFile(documents)))]);
}

/** Bytes of a shard's file over contributions at hand. */
export function shardFile(documents: readonly CorpusDocument[]): Uint8Array<ArrayBuffer> {
  let file = new Uint8Array(0);
  buildShard(
    {
      name: NO_HASH,
      documents: documents.map(({ id, bytes }) => ({ id, root: NO_HASH, size: bytes.length })),
      read: (i, target) => target.set(documents[i]!.bytes),
    },
    {
      resize: (bytes) => {
        file = new Uint8Array(bytes);
      },
      write: (at, bytes) => file.set(bytes, at),
    },
  );
  return file;
}

/** Where nothing is looked up by it. */
const NO_HASH = new Uint8Array(32);
