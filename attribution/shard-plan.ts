/**
 * Which shards make up a view, which are to be built, and which should become one: pure decisions over lists of
 * documents. A shard serves every view that wants all of its documents.
 */
import type { Hex } from "../core/bytes.ts";
import { bigIntToFixed, concatBytes, hexToBytes } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";

export interface IndexedDocument {
  readonly id: bigint;
  readonly contentRoot: Hex;
  /** Bytes. */
  readonly size: number;
}

/** What of a shard matters to a plan. */
export interface ShardContents {
  readonly ids: BigUint64Array;
  /** 32 bytes a document. */
  readonly roots: Uint8Array;
  /** Of all documents. */
  readonly bytes: number;
}

export interface Plan<S extends ShardContents> {
  /** Disjoint, all of their documents wanted. */
  readonly use: readonly S[];
  /** Documents for new shards, each list within the size of a shard unless it is of one document. */
  readonly build: readonly (readonly IndexedDocument[])[];
}

/** Precondition: ids rise. The largest shards are taken first. */
export function planView<S extends ShardContents>(
  documents: readonly IndexedDocument[],
  shards: readonly S[],
  maxShardBytes: number,
): Plan<S> {
  const wanted = new Map<bigint, { readonly root: Uint8Array; taken: boolean }>();
  for (const { id, contentRoot } of documents) wanted.set(id, { root: hexToBytes(contentRoot), taken: false });
  const use: S[] = [];
  for (const shard of shards.toSorted((a, b) => b.bytes - a.bytes)) {
    const fits = shard.ids.every((id, i) => {
      const document = wanted.get(id);
      return document !== undefined && !document.taken && sameRoot(shard.roots, i, document.root);
    });
    if (!fits) continue;
    for (const id of shard.ids) wanted.get(id)!.taken = true;
    use.push(shard);
  }
  return {
    use,
    build: split(
      documents.filter(({ id }) => !wanted.get(id)!.taken),
      maxShardBytes,
    ),
  };
}

function split(documents: readonly IndexedDocument[], maxShardBytes: number): IndexedDocument[][] {
  const lists: IndexedDocument[][] = [];
  let room = 0;
  for (const document of documents) {
    if (lists.length === 0 || document.size + 1 > room) {
      lists.push([]);
      room = maxShardBytes;
    }
    lists.at(-1)!.push(document);
    room -= document.size + 1;
  }
  return lists;
}

export const sameRoot = (roots: Uint8Array, i: number, root: Uint8Array): boolean => {
  for (let k = 0; k < 32; k++) if (roots[32 * i + k] !== root[k]) return false;
  return true;
};

const SMALLEST_TIER_BYTES = 1_000_000;
const TIER_FACTOR = 4;

/**
 * Shards of a view that should become one: four of a tier (up to 1 MB, 4 MB, 16 MB …), lowest tier first. So a view
 * has at most three shards a tier, and a byte is indexed again once a tier.
 */
export function planMerge<S extends ShardContents>(use: readonly S[], maxShardBytes: number): readonly S[] | undefined {
  const tiers = new Map<number, S[]>();
  for (const shard of use) {
    const tier = Math.max(0, Math.ceil(Math.log(shard.bytes / SMALLEST_TIER_BYTES) / Math.log(TIER_FACTOR)));
    tiers.set(tier, [...(tiers.get(tier) ?? []), shard]);
  }
  for (const tier of [...tiers.keys()].sort((a, b) => a - b)) {
    const group: S[] = [];
    let room = maxShardBytes;
    for (const shard of tiers.get(tier)!.toSorted((a, b) => a.bytes - b.bytes)) {
      if (shard.bytes + shard.ids.length > room) break;
      group.push(shard);
      room -= shard.bytes + shard.ids.length;
    }
    if (group.length >= TIER_FACTOR) return group;
  }
  return undefined;
}

/** What a shard is named by: 32 bytes. */
export const shardName = (documents: readonly Pick<IndexedDocument, "id" | "contentRoot">[]): Uint8Array =>
  keccak256(
    concatBytes(...documents.flatMap(({ id, contentRoot }) => [bigIntToFixed(id, 8), hexToBytes(contentRoot)])),
  );
