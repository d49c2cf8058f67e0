/** The model registry: lineage and data of a model are fixed at registration; prices and hosts may change. */

import { MODELS_ADDRESS } from "../core/addresses.ts";
import { equalsBytes } from "../core/bytes.ts";
import { LICENCES, licenceAllows } from "../core/licences.ts";
import type { Precompile, PrecompileContext } from "../core/precompile.ts";
import { encodeStrings } from "./codec.ts";
import { ACCESS_PERMISSIONED, hasRole, loadDatanet, loadVersion } from "./datanet-state.ts";
import { defineInterface } from "./interface.ts";
import { modelsAbi } from "./interfaces/models.abi.ts";
import { LIMITS } from "./limits.ts";
import {
  type DataCount,
  KIND_BASE,
  loadAncestors,
  loadData,
  loadIsHost,
  loadModelCount,
  loadModelHashes,
  loadModelHead,
  loadModelOrigin,
  loadModelPrices,
  type ModelHead,
  modelSlot,
  storeIsHost,
  storeModel,
  storeModelCount,
  storeModelPrices,
} from "./models-state.ts";

type Context = PrecompileContext;

const { emit, error, precompile } = defineInterface(modelsAbi, { "IModels.Kind": 3 });

export const modelsPrecompile: Precompile = precompile("Models", MODELS_ADDRESS, {
  registerModel(context, { params }) {
    const { kind, name, metadataURI, licence, royaltyPpm, hostPpm, artifactHash, configHash } = params;
    if (name.length === 0) throw error("EmptyName", {});
    requireLength(name, LIMITS.nameBytes);
    requireLength(metadataURI, LIMITS.uriBytes);
    if (licence === 0 || licence >= LICENCES.length) throw error("UnknownLicence", { licence });
    requireShare(royaltyPpm, LIMITS.royaltyPpm);
    requireShare(hostPpm, LIMITS.hostPpm);
    requireItems(params.data.length, LIMITS.dataRefs);

    const parent = requireParent(context, kind, params.parent);
    if (parent !== undefined && !licenceAllows(parent.head.licence, licence)) {
      throw error("LicenceConflict", { from: parent.head.licence, to: licence });
    }
    const own = ownData(context, params.data, licence);
    const inherited = parent === undefined ? [] : loadData(context, parent.slot, parent.head.dataCount);
    const flattened = flatten(inherited, own);
    if (flattened.length === 0) throw error("NoData", {});
    requireItems(flattened.length, LIMITS.flattenedDatanets);

    const owner = context.caller;
    const depth = parent === undefined ? 0 : parent.head.depth + 1;
    const modelId = loadModelCount(context) + 1n;
    storeModelCount(context, modelId);
    const prices = { requestPrice: params.requestPrice, outputPrice: params.outputPrice };
    storeModel(context, modelSlot(context, modelId), {
      head: { owner, kind, licence, depth, royaltyPpm, hostPpm, dataCount: flattened.length },
      origin: { parent: params.parent, registeredAt: context.blockNumber },
      prices,
      artifactHash,
      configHash,
      metadataHash: context.keccak(encodeStrings(name, metadataURI)),
      data: flattened,
    });
    emit(context, "ModelRegistered", { ...params, modelId, owner, flattened });
    return modelId;
  },

  setPrices(context, { modelId, requestPrice, outputPrice }) {
    const { slot, head } = requireModel(context, modelId);
    if (!equalsBytes(head.owner, context.caller)) throw error("NotModelOwner", { caller: context.caller });
    storeModelPrices(context, slot, { requestPrice, outputPrice });
    emit(context, "PricesSet", { modelId, requestPrice, outputPrice });
  },

  joinAsHost(context, { modelId, url }) {
    requireModel(context, modelId);
    requireLength(url, LIMITS.uriBytes);
    const host = context.caller;
    if (loadIsHost(context, modelId, host)) throw error("AlreadyHost", { modelId, host });
    storeIsHost(context, modelId, host, true);
    emit(context, "HostJoined", { modelId, host, url });
  },

  leaveAsHost(context, { modelId }) {
    requireModel(context, modelId);
    const host = context.caller;
    if (!loadIsHost(context, modelId, host)) throw error("NotHost", { modelId, host });
    storeIsHost(context, modelId, host, false);
    emit(context, "HostLeft", { modelId, host });
  },

  modelCount: loadModelCount,
  model(context, { modelId }) {
    const { slot, head } = requireModel(context, modelId);
    return {
      ...head,
      ...loadModelOrigin(context, slot),
      ...loadModelPrices(context, slot),
      ...loadModelHashes(context, slot),
    };
  },
  dataOf(context, { modelId }) {
    const { slot, head } = requireModel(context, modelId);
    return loadData(context, slot, head.dataCount);
  },
  isHost: (context, { modelId, host }) => loadIsHost(context, modelId, host),
  ancestors(context, { modelId }) {
    const { slot, head } = requireModel(context, modelId);
    return loadAncestors(context, slot, head.depth).map((ancestor) => ancestor.modelId);
  },
});

interface Found {
  readonly slot: Uint8Array;
  readonly head: ModelHead;
}

function findModel(context: Context, modelId: bigint): Found | undefined {
  const slot = modelSlot(context, modelId);
  const head = loadModelHead(context, slot);
  return head === undefined ? undefined : { slot, head };
}

function requireModel(context: Context, modelId: bigint): Found {
  const model = findModel(context, modelId);
  if (model === undefined) throw error("UnknownModel", { modelId });
  return model;
}

/** A base model has none, every other kind has one. */
function requireParent(context: Context, kind: number, parentId: bigint): Found | undefined {
  if ((kind === KIND_BASE) !== (parentId === 0n)) throw error("InvalidParent", { parent: parentId });
  if (parentId === 0n) return undefined;
  const parent = findModel(context, parentId);
  if (parent === undefined) throw error("InvalidParent", { parent: parentId });
  if (parent.head.depth >= LIMITS.lineageDepth) throw error("LineageTooDeep", { limit: BigInt(LIMITS.lineageDepth) });
  return parent;
}

/** The versions that the model was trained on: published, permitted to the sender, licensed for the model. */
function ownData(
  context: Context,
  refs: readonly { readonly datanetId: bigint; readonly version: number }[],
  licence: number,
): DataCount[] {
  const seen = new Set<bigint>();
  return refs.map(({ datanetId, version }) => {
    if (seen.has(datanetId)) throw error("DuplicateData", { datanetId });
    seen.add(datanetId);
    const datanet = loadDatanet(context, datanetId);
    if (datanet === undefined || version === 0 || version > datanet.versions) {
      throw error("UnknownVersion", { datanetId, version });
    }
    if (datanet.access === ACCESS_PERMISSIONED && !hasRole(context, datanetId, context.caller, "builder")) {
      throw error("AccessNotGranted", { datanetId, caller: context.caller });
    }
    if (!licenceAllows(datanet.licence, licence))
      throw error("LicenceConflict", { from: datanet.licence, to: licence });
    return { datanetId, count: loadVersion(context, datanetId, version).count };
  });
}

/** The larger count of each Datanet, ids rising. */
function flatten(inherited: readonly DataCount[], own: readonly DataCount[]): DataCount[] {
  const counts = new Map<bigint, number>();
  for (const { datanetId, count } of [...inherited, ...own]) {
    counts.set(datanetId, Math.max(count, counts.get(datanetId) ?? 0));
  }
  return [...counts]
    .map(([datanetId, count]) => ({ datanetId, count }))
    .sort((a, b) => (a.datanetId < b.datanetId ? -1 : 1));
}

function requireLength(text: Uint8Array, limit: number): void {
  if (text.length > limit) throw error("StringTooLong", { length: BigInt(text.length), limit: BigInt(limit) });
}

function requireItems(count: number, limit: number): void {
  if (count > limit) throw error("TooManyItems", { count: BigInt(count), limit: BigInt(limit) });
}

function requireShare(ppm: number, limit: number): void {
  if (ppm > limit) throw error("InvalidShare", { ppm: BigInt(ppm), limit: BigInt(limit) });
}
