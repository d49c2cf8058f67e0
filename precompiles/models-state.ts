/** Storage of the model registry: docs/precompiles.md "Models storage". The attribution precompile reads it by address. */
import { MODELS_ADDRESS } from "../core/addresses.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { mapSlot, packedSlot, rootSlot, slotAt, wordOf, wordToInteger } from "./storage.ts";

const COUNT = rootSlot(0);
const MODELS = rootSlot(1);
const HOSTS = rootSlot(2);

/** Offsets of a model's slots. */
const ORIGIN = 1;
const PRICES = 2;
const ARTIFACT = 3;
const CONFIG = 4;
const METADATA = 5;
const DATA = 6;

export const KIND_BASE = 0;

const headLayout = packedSlot({
  owner: "address",
  kind: "uint8",
  licence: "uint8",
  depth: "uint8",
  royaltyPpm: "uint32",
  hostPpm: "uint32",
  dataCount: "uint8",
});
const originLayout = packedSlot({ parent: "uint64", registeredAt: "uint64" });
const pricesLayout = packedSlot({ requestPrice: "uint128", outputPrice: "uint128" });

type Context = PrecompileContext;
const load = (context: Context, slot: Uint8Array): bigint => context.loadFrom(MODELS_ADDRESS, slot);

export type ModelHead = ReturnType<typeof headLayout.unpack>;
export type ModelOrigin = ReturnType<typeof originLayout.unpack>;
export type ModelPrices = ReturnType<typeof pricesLayout.unpack>;

export interface DataCount {
  readonly datanetId: bigint;
  readonly count: number;
}

export const loadModelCount = (context: Context): bigint => load(context, COUNT);
export const storeModelCount = (context: Context, count: bigint): void => context.store(COUNT, count);

export const modelSlot = (context: Context, modelId: bigint): Uint8Array => mapSlot(context, MODELS, modelId);

/** Undefined when there is no such model. */
export function loadModelHead(context: Context, slot: Uint8Array): ModelHead | undefined {
  const word = load(context, slot);
  // A registered model has an owner, so its first slot is not zero.
  return word === 0n ? undefined : headLayout.unpack(word);
}
export const loadModelOrigin = (context: Context, slot: Uint8Array): ModelOrigin =>
  originLayout.unpack(load(context, slotAt(slot, ORIGIN)));
export const loadModelPrices = (context: Context, slot: Uint8Array): ModelPrices =>
  pricesLayout.unpack(load(context, slotAt(slot, PRICES)));
export const storeModelPrices = (context: Context, slot: Uint8Array, prices: ModelPrices): void =>
  context.store(slotAt(slot, PRICES), pricesLayout.pack(prices));

export const loadModelHashes = (context: Context, slot: Uint8Array) => ({
  artifactHash: wordOf(load(context, slotAt(slot, ARTIFACT))),
  configHash: wordOf(load(context, slotAt(slot, CONFIG))),
  metadataHash: wordOf(load(context, slotAt(slot, METADATA))),
});

export interface NewModel {
  readonly head: ModelHead;
  readonly origin: ModelOrigin;
  readonly prices: ModelPrices;
  readonly artifactHash: Uint8Array;
  readonly configHash: Uint8Array;
  readonly metadataHash: Uint8Array;
  readonly data: readonly DataCount[];
}

export function storeModel(context: Context, slot: Uint8Array, model: NewModel): void {
  context.store(slot, headLayout.pack(model.head));
  context.store(slotAt(slot, ORIGIN), originLayout.pack(model.origin));
  storeModelPrices(context, slot, model.prices);
  context.store(slotAt(slot, ARTIFACT), wordToInteger(model.artifactHash));
  context.store(slotAt(slot, CONFIG), wordToInteger(model.configHash));
  context.store(slotAt(slot, METADATA), wordToInteger(model.metadataHash));
  storeData(context, slot, model.data);
}

/** Flattened data, three (datanetId uint48, count uint32) a slot, the first in the lowest bits. */
const DATA_A_SLOT = 3;
const ID_BITS = 48n;
const ENTRY_BITS = 80n;

function storeData(context: Context, slot: Uint8Array, data: readonly DataCount[]): void {
  for (let first = 0; first < data.length; first += DATA_A_SLOT) {
    let word = 0n;
    data.slice(first, first + DATA_A_SLOT).forEach(({ datanetId, count }, i) => {
      if (datanetId >> ID_BITS !== 0n) throw new RangeError(`Datanet id ${datanetId} above 48 bits`);
      word |= (datanetId | (BigInt(count) << ID_BITS)) << (ENTRY_BITS * BigInt(i));
    });
    context.store(slotAt(slot, DATA + first / DATA_A_SLOT), word);
  }
}

/** `dataCount` entries, Datanet ids strictly rising. */
export function loadData(context: Context, slot: Uint8Array, dataCount: number): DataCount[] {
  const data: DataCount[] = [];
  let word = 0n;
  for (let i = 0; i < dataCount; i++) {
    word = i % DATA_A_SLOT === 0 ? load(context, slotAt(slot, DATA + i / DATA_A_SLOT)) : word >> ENTRY_BITS;
    data.push({ datanetId: word & ((1n << ID_BITS) - 1n), count: Number((word >> ID_BITS) & 0xffff_ffffn) });
  }
  return data;
}

export interface Ancestor {
  readonly modelId: bigint;
  readonly head: ModelHead;
}

/** Nearest parent first; at most LIMITS.lineageDepth. */
export function loadAncestors(context: Context, slot: Uint8Array, depth: number): Ancestor[] {
  const ancestors: Ancestor[] = [];
  let child = slot;
  for (let i = 0; i < depth; i++) {
    const modelId = loadModelOrigin(context, child).parent;
    child = modelSlot(context, modelId);
    const head = loadModelHead(context, child);
    if (head === undefined) throw new Error(`ancestor ${modelId} does not exist`);
    ancestors.push({ modelId, head });
  }
  return ancestors;
}

const hostSlot = (context: Context, modelId: bigint, host: Uint8Array): Uint8Array =>
  mapSlot(context, mapSlot(context, HOSTS, modelId), host);

export const loadIsHost = (context: Context, modelId: bigint, host: Uint8Array): boolean =>
  load(context, hostSlot(context, modelId, host)) !== 0n;
/** 1 while the host serves the model. */
export const storeIsHost = (context: Context, modelId: bigint, host: Uint8Array, serves: boolean): void =>
  context.store(hostSlot(context, modelId, host), serves ? 1n : 0n);
