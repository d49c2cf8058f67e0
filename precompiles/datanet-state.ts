/** Storage of the Datanet precompile: docs/precompiles.md "Datanet storage". Other precompiles read it by address. */
import { DATANET_ADDRESS } from "../core/addresses.ts";
import type { Frontier } from "../core/datanet-tree.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { hashOf, mapSlot, type Packed, packedSlot, rootSlot, slotAt, wordOf, wordToInteger } from "./storage.ts";

const COUNTERS = rootSlot(0);
const DATANETS = rootSlot(1);
const ROLES = rootSlot(2);
const COMMITMENTS = rootSlot(3);
const CONTRIBUTIONS = rootSlot(4);
const BY_ROOT = rootSlot(5);
const VERSIONS = rootSlot(6);
const ACCEPTED = rootSlot(7);
const FRONTIERS = rootSlot(8);

export const ACCESS_PERMISSIONED = 1;

/** IDatanet.Status */
export const STATUS = { none: 0, pending: 1, accepted: 2, rejected: 3, duplicate: 4, withdrawn: 5 } as const;

/** Bits of an account's role in a Datanet. */
export const ROLE = { curator: 1n, contributor: 2n, builder: 4n } as const;
export type Role = keyof typeof ROLE;

const countersLayout = packedSlot({ datanets: "uint64", contributions: "uint64" });
const datanetLayout = packedSlot({
  owner: "address",
  modality: "uint8",
  licence: "uint8",
  access: "uint8",
  versions: "uint32",
  accepted: "uint32",
});
const commitmentLayout = packedSlot({ datanetId: "uint64", committedAt: "uint64" });
/** All that says whether a contribution is live, in one slot: a commitment reads no other for each that it names. */
const standingLayout = packedSlot({
  datanetId: "uint64",
  status: "uint8",
  size: "uint64",
  withdrawnAt: "uint64",
  leafIndex: "uint32",
});
const originLayout = packedSlot({ contributor: "address", licence: "uint8", score: "uint16", revealedAt: "uint64" });
const bondLayout = packedSlot({ duplicateOf: "uint64", bond: "uint128" });
const versionLayout = packedSlot({ count: "uint32", publishedAt: "uint64" });

type Context = PrecompileContext;
const load = (context: Context, slot: Uint8Array): bigint => context.loadFrom(DATANET_ADDRESS, slot);

export const loadCounters = (context: Context) => countersLayout.unpack(load(context, COUNTERS));
export const storeCounters = (context: Context, counters: ReturnType<typeof loadCounters>): void =>
  context.store(COUNTERS, countersLayout.pack(counters));

export type DatanetHead = ReturnType<typeof datanetLayout.unpack>;
const isZero = (address: Uint8Array): boolean => address.every((byte) => byte === 0);

/** Undefined when there is no such Datanet. */
export function loadDatanet(context: Context, datanetId: bigint): DatanetHead | undefined {
  const head = datanetLayout.unpack(load(context, mapSlot(context, DATANETS, datanetId)));
  return isZero(head.owner) ? undefined : head;
}

export const storeDatanet = (context: Context, datanetId: bigint, head: DatanetHead): void =>
  context.store(mapSlot(context, DATANETS, datanetId), datanetLayout.pack(head));

export const loadDatanetBond = (context: Context, datanetId: bigint): bigint =>
  load(context, slotAt(mapSlot(context, DATANETS, datanetId), 1));

export const loadMetadataHash = (context: Context, datanetId: bigint): Uint8Array =>
  wordOf(load(context, slotAt(mapSlot(context, DATANETS, datanetId), 2)));

export function storeDatanetTerms(context: Context, datanetId: bigint, bond: bigint, metadataHash: bigint): void {
  const slot = mapSlot(context, DATANETS, datanetId);
  if (bond !== 0n) context.store(slotAt(slot, 1), bond);
  context.store(slotAt(slot, 2), metadataHash);
}

const roleSlot = (context: Context, datanetId: bigint, account: Uint8Array): Uint8Array =>
  mapSlot(context, mapSlot(context, ROLES, datanetId), account);

export const hasRole = (context: Context, datanetId: bigint, account: Uint8Array, role: Role): boolean =>
  (load(context, roleSlot(context, datanetId, account)) & ROLE[role]) !== 0n;

export function storeRole(context: Context, datanetId: bigint, account: Uint8Array, role: Role, held: boolean): void {
  const slot = roleSlot(context, datanetId, account);
  const roles = load(context, slot);
  context.store(slot, held ? roles | ROLE[role] : roles & ~ROLE[role]);
}

export interface Commitment {
  readonly datanetId: bigint;
  /** Block number. */
  readonly committedAt: bigint;
}

/** Keyed by its sender too: a copied commitment must not be in the way of its author. */
const commitmentSlot = (context: Context, sender: Uint8Array, commitment: Uint8Array): Uint8Array =>
  mapSlot(context, mapSlot(context, COMMITMENTS, sender), commitment);

export function loadCommitment(context: Context, sender: Uint8Array, commitment: Uint8Array): Commitment | undefined {
  const found = commitmentLayout.unpack(load(context, commitmentSlot(context, sender, commitment)));
  return found.datanetId === 0n ? undefined : found;
}

export const storeCommitment = (
  context: Context,
  sender: Uint8Array,
  commitment: Uint8Array,
  value: Commitment | undefined,
): void =>
  context.store(commitmentSlot(context, sender, commitment), value === undefined ? 0n : commitmentLayout.pack(value));

/** A contribution's four slots; each function below pays for the ones it touches. */
export type ContributionStanding = ReturnType<typeof standingLayout.unpack>;
export type ContributionOrigin = ReturnType<typeof originLayout.unpack>;

export const contributionSlot = (context: Context, contributionId: bigint): Uint8Array =>
  mapSlot(context, CONTRIBUTIONS, contributionId);

/** Undefined when there is no such contribution. */
export function loadStanding(context: Context, slot: Uint8Array): ContributionStanding | undefined {
  const standing = standingLayout.unpack(load(context, slot));
  return standing.status === STATUS.none ? undefined : standing;
}
export const storeStanding = (context: Context, slot: Uint8Array, standing: ContributionStanding): void =>
  context.store(slot, standingLayout.pack(standing));

export const loadOrigin = (context: Context, slot: Uint8Array): ContributionOrigin =>
  originLayout.unpack(load(context, slotAt(slot, 1)));
export const storeOrigin = (context: Context, slot: Uint8Array, origin: ContributionOrigin): void =>
  context.store(slotAt(slot, 1), originLayout.pack(origin));

export type ContributionBond = Packed<{ duplicateOf: "uint64"; bond: "uint128" }>;
export const loadBond = (context: Context, slot: Uint8Array): ContributionBond =>
  bondLayout.unpack(load(context, slotAt(slot, 2)));
export const storeBond = (context: Context, slot: Uint8Array, bond: ContributionBond): void =>
  context.store(slotAt(slot, 2), bondLayout.pack(bond));

export const loadContentRoot = (context: Context, slot: Uint8Array): bigint => load(context, slotAt(slot, 3));
export const storeContentRoot = (context: Context, slot: Uint8Array, root: bigint): void =>
  context.store(slotAt(slot, 3), root);

const byRootSlot = (context: Context, datanetId: bigint, root: Uint8Array): Uint8Array =>
  mapSlot(context, mapSlot(context, BY_ROOT, datanetId), root);
/** 0 when the Datanet does not hold this root. */
export const loadByRoot = (context: Context, datanetId: bigint, root: Uint8Array): bigint =>
  load(context, byRootSlot(context, datanetId, root));
export const storeByRoot = (context: Context, datanetId: bigint, root: Uint8Array, contributionId: bigint): void =>
  context.store(byRootSlot(context, datanetId, root), contributionId);

export interface Version {
  readonly count: number;
  readonly publishedAt: bigint;
}
const versionSlot = (context: Context, datanetId: bigint, number: number): Uint8Array =>
  mapSlot(context, mapSlot(context, VERSIONS, datanetId), BigInt(number));

/** Precondition: 1 <= number <= versions of the Datanet. */
export const loadVersion = (context: Context, datanetId: bigint, number: number): Version =>
  versionLayout.unpack(load(context, versionSlot(context, datanetId, number)));
export const loadVersionRoot = (context: Context, datanetId: bigint, number: number): Uint8Array =>
  wordOf(load(context, slotAt(versionSlot(context, datanetId, number), 1)));

export function storeVersion(context: Context, datanetId: bigint, number: number, value: Version, root: bigint): void {
  const slot = versionSlot(context, datanetId, number);
  context.store(slot, versionLayout.pack(value));
  context.store(slotAt(slot, 1), root);
}

const IDS_A_SLOT = 4;
const acceptedSlot = (context: Context, datanetId: bigint): Uint8Array => mapSlot(context, ACCEPTED, datanetId);
const idShift = (leafIndex: number): bigint => BigInt(leafIndex % IDS_A_SLOT) * 64n;

/** Ids at leaf indices start to start + count - 1, four a slot. */
export function loadAcceptedIds(context: Context, datanetId: bigint, start: number, count: number): bigint[] {
  const base = acceptedSlot(context, datanetId);
  const ids: bigint[] = [];
  let word = 0n;
  for (let index = start; index < start + count; index++) {
    if (index === start || index % IDS_A_SLOT === 0) word = load(context, slotAt(base, Math.floor(index / IDS_A_SLOT)));
    ids.push((word >> idShift(index)) & 0xffff_ffff_ffff_ffffn);
  }
  return ids;
}

/** Precondition: nothing was stored at this leaf index yet. */
export function storeAcceptedId(context: Context, datanetId: bigint, leafIndex: number, contributionId: bigint): void {
  const slot = slotAt(acceptedSlot(context, datanetId), Math.floor(leafIndex / IDS_A_SLOT));
  context.store(slot, load(context, slot) | (contributionId << idShift(leafIndex)));
}

/** The Datanet tree's frontier: the node of height h lies h slots after the first. */
export function frontierOf(context: Context, datanetId: bigint): Frontier {
  const first = mapSlot(context, FRONTIERS, datanetId);
  return {
    get: (height) => wordOf(context.load(slotAt(first, height))),
    set: (height, node) => context.store(slotAt(first, height), wordToInteger(node)),
    hash: hashOf(context),
  };
}
