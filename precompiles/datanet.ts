/** Datanets: ownership, roles, versions and what anyone may read. Contributions are in datanet-contributions.ts. */

import { DATANET_ADDRESS } from "../core/addresses.ts";
import { equalsBytes } from "../core/bytes.ts";
import { treeRoot } from "../core/datanet-tree.ts";
import { LICENCES, licenceAllows } from "../core/licences.ts";
import type { Precompile, PrecompileContext } from "../core/precompile.ts";
import { encodeStrings } from "./codec.ts";
import {
  acceptContribution,
  acceptDuplicate,
  commitContribution,
  readContribution,
  rejectContribution,
  submitContribution,
  withdrawConsent,
} from "./datanet-contributions.ts";
import { emit, error, precompile, requireLength } from "./datanet-interface.ts";
import {
  type DatanetHead,
  frontierOf,
  hasRole,
  loadAcceptedIds,
  loadByRoot,
  loadCounters,
  loadDatanet,
  loadDatanetBond,
  loadMetadataHash,
  loadVersion,
  loadVersionRoot,
  type Role,
  storeCounters,
  storeDatanet,
  storeDatanetTerms,
  storeRole,
  storeVersion,
} from "./datanet-state.ts";
import { LIMITS } from "./limits.ts";
import { wordToInteger } from "./storage.ts";

type Context = PrecompileContext;

export const datanetPrecompile: Precompile = precompile("Datanet", DATANET_ADDRESS, {
  createDatanet(context, { name, domain, metadataURI, modality, licence, access, bond }) {
    if (name.length === 0) throw error("EmptyName", {});
    requireLength(name, LIMITS.nameBytes);
    requireLength(domain, LIMITS.domainBytes);
    requireLength(metadataURI, LIMITS.uriBytes);
    // Licence 0 grants nothing, so such a Datanet could never accept anything.
    if (licence === 0 || licence >= LICENCES.length) throw error("UnknownLicence", { licence });

    const counters = loadCounters(context);
    const datanetId = counters.datanets + 1n;
    const owner = context.caller;
    storeCounters(context, { ...counters, datanets: datanetId });
    storeDatanet(context, datanetId, { owner, modality, licence, access, versions: 0, accepted: 0 });
    const metadataHash = context.keccak(encodeStrings(name, domain, metadataURI));
    storeDatanetTerms(context, datanetId, bond, wordToInteger(metadataHash));
    storeRole(context, datanetId, owner, "curator", true);
    emit(context, "DatanetCreated", {
      datanetId,
      owner,
      name,
      domain,
      metadataURI,
      modality,
      licence,
      access,
      bond,
    });
    emit(context, "CuratorSet", { datanetId, curator: owner, allowed: true });
    return datanetId;
  },

  setCurator(context, { datanetId, curator, allowed }) {
    setRole(context, datanetId, curator, "curator", allowed);
    emit(context, "CuratorSet", { datanetId, curator, allowed });
  },
  setContributor(context, { datanetId, contributor, allowed }) {
    setRole(context, datanetId, contributor, "contributor", allowed);
    emit(context, "ContributorSet", { datanetId, contributor, allowed });
  },
  setBuilder(context, { datanetId, builder, allowed }) {
    setRole(context, datanetId, builder, "builder", allowed);
    emit(context, "BuilderSet", { datanetId, builder, allowed });
  },

  commitContribution,
  submitContribution,
  acceptContribution,
  rejectContribution,
  acceptDuplicate,
  withdrawConsent,

  publishVersion(context, { datanetId }) {
    const head = requireOwner(context, datanetId);
    const count = head.accepted;
    const published = head.versions === 0 ? 0 : loadVersion(context, datanetId, head.versions).count;
    if (count === published) throw error("NothingToPublish", { datanetId });
    const version = head.versions + 1;
    const root = treeRoot(frontierOf(context, datanetId), count);
    storeVersion(context, datanetId, version, { count, publishedAt: context.blockNumber }, wordToInteger(root));
    storeDatanet(context, datanetId, { ...head, versions: version });
    emit(context, "VersionPublished", { datanetId, version, count, root });
    return version;
  },

  datanetCount: (context) => loadCounters(context).datanets,
  contributionCount: (context) => loadCounters(context).contributions,
  datanet: (context, { datanetId }) => ({
    ...requireDatanet(context, datanetId),
    bond: loadDatanetBond(context, datanetId),
    metadataHash: loadMetadataHash(context, datanetId),
  }),
  contribution: readContribution,
  contributionByRoot: (context, { datanetId, contentRoot }) => loadByRoot(context, datanetId, contentRoot),
  version(context, { datanetId, number }) {
    const head = requireDatanet(context, datanetId);
    if (number === 0 || number > head.versions) throw error("UnknownVersion", { datanetId, version: number });
    return { ...loadVersion(context, datanetId, number), root: loadVersionRoot(context, datanetId, number) };
  },
  acceptedIds(context, { datanetId, start, count }) {
    const { accepted } = requireDatanet(context, datanetId);
    if (count > LIMITS.idsAPage) throw error("TooManyItems", { count: BigInt(count), limit: BigInt(LIMITS.idsAPage) });
    if (start + count > accepted) {
      throw error("IndexOutOfRange", { index: BigInt(start + count), length: BigInt(accepted) });
    }
    return loadAcceptedIds(context, datanetId, start, count);
  },
  isCurator: (context, { datanetId, account }) => hasRole(context, datanetId, account, "curator"),
  isContributor: (context, { datanetId, account }) => hasRole(context, datanetId, account, "contributor"),
  isBuilder: (context, { datanetId, account }) => hasRole(context, datanetId, account, "builder"),
  licenceAllows: (_context, { from, to }) => licenceAllows(from, to),
});

function setRole(context: Context, datanetId: bigint, account: Uint8Array, role: Role, held: boolean): void {
  requireOwner(context, datanetId);
  storeRole(context, datanetId, account, role, held);
}

function requireDatanet(context: Context, datanetId: bigint): DatanetHead {
  const head = loadDatanet(context, datanetId);
  if (head === undefined) throw error("UnknownDatanet", { datanetId });
  return head;
}

function requireOwner(context: Context, datanetId: bigint): DatanetHead {
  const head = requireDatanet(context, datanetId);
  if (!equalsBytes(head.owner, context.caller)) throw error("NotOwner", { caller: context.caller });
  return head;
}
