/** What an output was made of: models, contributions and Datanets, each by the event that made it and its storage. */
import { bytesToHex } from "../../core/bytes.ts";
import { LICENCES } from "../../core/licences.ts";
import { MODEL_KIND, STATUS } from "../../indexer/codes.ts";
import { loadLive, loadModelData } from "../../precompiles/attribution-live.ts";
import {
  contributionSlot,
  loadContentRoot,
  loadDatanet,
  loadOrigin,
  loadStanding,
} from "../../precompiles/datanet-state.ts";
import { loadModelHead, loadModelOrigin, modelSlot } from "../../precompiles/models-state.ts";
import { wordOf } from "../../precompiles/storage.ts";
import { NotProven, nameIn, requireSame } from "./checks.ts";
import { eventAt, placeOf } from "./events.ts";
import type { ContributionRecord, DatanetRecord, EntityRecord, Lineage, ModelRecord } from "./record.ts";
import type { Audit } from "./verify.ts";
import type { ProvenAnswer } from "./verify-answer.ts";
import type { ProvenInference } from "./verify-inference.ts";

const ACCESSES = ["OPEN", "PERMISSIONED"];

const licenceName = (code: number): string => LICENCES[code]?.spdx ?? String(code);

export async function checkModel({ lineage, chain, state }: Audit, model: ModelRecord): Promise<[string, true]> {
  const id = BigInt(model.id);
  const { args } = await eventAt(chain, model, "models", "ModelRegistered", ({ modelId }) => modelId === id);
  const kept = await state.read((context) => {
    const slot = modelSlot(context, id);
    const head = loadModelHead(context, slot);
    return head && { ...head, ...loadModelOrigin(context, slot) };
  });
  if (kept === undefined) throw new NotProven("the state has no such model");
  requireSame([
    ["name", model.name, args.name],
    ["kind", model.kind, nameIn(MODEL_KIND, kept.kind)],
    ["licence", model.licence, licenceName(kept.licence)],
    ["owner", model.owner.address, bytesToHex(kept.owner)],
    ["parent", model.parent?.id, kept.parent === 0n ? undefined : kept.parent],
    ["metadata", model.metadataUri, args.metadataURI],
    ["artifact hash", model.artifactHash, args.artifactHash],
    ["configuration hash", model.configHash, args.configHash],
    ["royalty", model.royaltyPpm, kept.royaltyPpm],
    ["host's share", model.hostPpm, kept.hostPpm],
    ["block", model.block.number, kept.registeredAt],
  ]);
  requireEdges(lineage, `model:${id}`, [
    ...(kept.parent === 0n ? [] : [`DERIVED_FROM model:${kept.parent}`]),
    ...args.data.map(({ datanetId, version }) => `TRAINED_ON datanet:${datanetId} ${version}`),
  ]);
  const data = args.data.map(({ datanetId, version }) => `Datanet ${datanetId} version ${version}`).join(", ");
  const parent = kept.parent === 0n ? "" : ` of model ${kept.parent}`;
  return [
    `${model.kind}${parent} on ${data || "no data of its own"}, ${model.licence}, registered in ${placeOf(model)}`,
    true,
  ];
}

/** `inference` and `answer`: the contribution has to be live for the request where a span names it. */
export async function checkContribution(
  { lineage, chain, state }: Audit,
  contribution: ContributionRecord,
  inference: ProvenInference,
  answer: ProvenAnswer | undefined,
): Promise<[string, true]> {
  const id = BigInt(contribution.id);
  const spans = answer?.spans.filter((span) => span.contribution === id) ?? [];
  const { args } = await eventAt(
    chain,
    contribution,
    "datanet",
    "ContributionSubmitted",
    (event) => event.contributionId === id,
  );
  const { standing, origin, root, live } = await state.read((context) => {
    const slot = contributionSlot(context, id);
    const found = loadStanding(context, slot);
    const { modelId } = inference.head;
    return {
      standing: found,
      origin: loadOrigin(context, slot),
      root: loadContentRoot(context, slot),
      live:
        spans.length === 0
          ? undefined
          : loadLive(context, id, loadModelData(context, modelId), inference.served.requestedAt),
    };
  });
  if (standing === undefined) throw new NotProven("the state has no such contribution");
  const { withdrawnAt } = standing;
  const attribution = lineage.attributions.find((one) => one.contribution.id === contribution.id);
  const licence = licenceName(origin.licence);
  const contributor = bytesToHex(origin.contributor);
  requireSame([
    ["content root", contribution.contentRoot, bytesToHex(wordOf(root))],
    ["size", contribution.size, standing.size],
    ["URI", contribution.uri, args.uri],
    ["licence", contribution.licence, licence],
    ["contributor", contribution.contributor.address, contributor],
    ["Datanet", contribution.datanet.id, standing.datanetId],
    ["status", contribution.status, nameIn(STATUS, standing.status)],
    ["score", contribution.score ?? 0, origin.score],
    ["consent", contribution.consent, withdrawnAt === 0n],
    ["block of the withdrawal", contribution.withdrawnBlock?.number, withdrawnAt === 0n ? undefined : withdrawnAt],
    ["block", contribution.block.number, origin.revealedAt],
  ]);
  if (spans.length > 0 || attribution !== undefined) {
    requireSame([
      ["licence of the attribution", attribution?.licence, licence],
      ["contributor of the attribution", attribution?.contributor.address, contributor],
      ["Datanet of the attribution", attribution?.datanet.id, standing.datanetId],
    ]);
  }
  requireEdges(lineage, `contribution:${id}`, [
    `PART_OF datanet:${standing.datanetId}`,
    ...args.parents.map((parent) => `DERIVED_FROM contribution:${parent}`),
  ]);
  // Withdrawn in the block of request and commitment, but after both: then the claim stands (docs/precompiles.md).
  const isLate = withdrawnAt === inference.served.requestedAt;
  if (spans.length > 0 && live === undefined && !isLate)
    throw new NotProven("it was not live data of the model for the request");
  if (spans.some(({ contentOffset, length }) => contentOffset + BigInt(length) > standing.size)) {
    throw new NotProven("a span ends beyond its content");
  }
  return [`${licence}, of ${contributor} in Datanet ${standing.datanetId}, revealed in ${placeOf(contribution)}`, true];
}

export async function checkDatanet({ chain, state }: Audit, datanet: DatanetRecord): Promise<[string, true]> {
  const id = BigInt(datanet.id);
  const { args } = await eventAt(chain, datanet, "datanet", "DatanetCreated", ({ datanetId }) => datanetId === id);
  const kept = await state.read((context) => loadDatanet(context, id));
  if (kept === undefined) throw new NotProven("the state has no such Datanet");
  requireSame([
    ["name", datanet.name, args.name],
    ["domain", datanet.domain, args.domain],
    ["metadata", datanet.metadataUri, args.metadataURI],
    ["licence", datanet.licence, licenceName(kept.licence)],
    ["access", datanet.access, ACCESSES[kept.access]],
    ["owner", datanet.owner.address, bytesToHex(kept.owner)],
  ]);
  return [`"${datanet.name}", ${datanet.licence}, created in ${placeOf(datanet)}`, true];
}

/** Nothing that the output comes from is left out, and nothing else is there. */
export function checkGraph(
  { lineage }: Audit,
  { inferenceId, head }: ProvenInference,
  answer: ProvenAnswer | undefined,
): [string, true] {
  const { nodes, edges, attributions, truncated } = lineage;
  const contributions = [...new Set(answer?.spans.map(({ contribution }) => contribution))];
  requireEdges(
    lineage,
    `output:${inferenceId}`,
    answer === undefined
      ? []
      : [`GENERATED_BY model:${head.modelId}`, ...contributions.map((id) => `ATTRIBUTED_TO contribution:${id}`)],
  );
  for (const { id, entity } of nodes) requireSame([["id of a node", id, nodeOf(entity)]]);
  const there = new Set(nodes.map(({ id }) => id));
  const targets = new Set(edges.map(({ to }) => to));
  const attributed = attributions.map(({ contribution }) => `contribution:${contribution.id}`);
  const missing = [...attributed, ...(truncated ? [] : targets)].find((node) => !there.has(node));
  if (missing !== undefined) throw new NotProven(`GraphQL leaves out ${missing}`);
  const stray = [...there].find((node) => node !== `output:${inferenceId}` && !targets.has(node));
  if (stray !== undefined) throw new NotProven(`GraphQL has ${stray}, which nothing here was made of`);
  const sourceless = edges.find(({ from }) => !there.has(from));
  if (sourceless !== undefined)
    throw new NotProven(`GraphQL says where ${sourceless.from} comes from, which is not there`);
  return [
    `${there.size} nodes and ${edges.length} edges${truncated ? ", which GraphQL says are not all" : ", none left out"}`,
    true,
  ];
}

const NODE_NAMES = { Inference: "output", Contribution: "contribution", Model: "model", Datanet: "datanet" };

const nodeOf = ({ __typename, id }: EntityRecord): string => `${NODE_NAMES[__typename]}:${id}`;

/** GraphQL says exactly this of where the node comes from; where it cut the graph short, nothing else. */
function requireEdges({ edges, truncated }: Lineage, node: string, proven: readonly string[]): void {
  const claimed = edges
    .filter(({ from }) => from === node)
    .map(({ kind, to, version }) => (version === null ? `${kind} ${to}` : `${kind} ${to} ${version}`));
  const wrong = claimed.find((edge) => !proven.includes(edge));
  if (wrong !== undefined) throw new NotProven(`GraphQL says ${wrong}, the chain does not`);
  const missing = truncated ? undefined : proven.find((edge) => !claimed.includes(edge));
  if (missing !== undefined) throw new NotProven(`GraphQL leaves out ${missing}`);
}
