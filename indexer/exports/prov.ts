/**
 * Provenance of an output as PROV-JSON (W3C Member Submission of 24 April 2013), a document of PROV-DM: outputs, models,
 * Datanets and contributions are entities, accounts are agents, the inference is an activity.
 */
import type { ExportEdge, ExportNode } from "./answers.ts";
import { chainUri, dateTime, type ExportContext } from "./names.ts";
import type { OutputLineage } from "./output-lineage.ts";

/** A literal with its type of XML Schema, or plain text. */
export type ProvValue = string | { readonly $: string; readonly type: string };
export type ProvRecord = Readonly<Record<string, ProvValue>>;

type Relation = "used" | "wasGeneratedBy" | "wasAssociatedWith" | "wasAttributedTo" | "wasDerivedFrom" | "hadMember";

export interface ProvDocument {
  readonly prefix: Readonly<Record<string, string>>;
  readonly entity: Readonly<Record<string, ProvRecord>>;
  readonly activity: Readonly<Record<string, ProvRecord>>;
  readonly agent: Readonly<Record<string, ProvRecord>>;
  readonly [relation: string]: Readonly<Record<string, ProvRecord | string>>;
}

const integer = (value: string | number): ProvValue => ({ $: String(value), type: "xsd:nonNegativeInteger" });
const time = (seconds: number): ProvValue => ({ $: dateTime(seconds), type: "xsd:dateTime" });
const type = (name: string): ProvValue => ({ $: `ol:${name}`, type: "xsd:QName" });
/** A node's id as the local part of a qualified name, which may not have a colon. */
const nodeName = (id: string): string => `ol:${id.replace(":", "/")}`;
const accountName = (address: string): string => `ol:account/${address}`;

export function provDocument(lineage: OutputLineage, context: ExportContext): ProvDocument {
  const { root, nodes, edges, truncated, asOf } = lineage;
  const entity: Record<string, ProvRecord> = {};
  const agent: Record<string, ProvRecord> = {};
  const relations = new Map<Relation, Record<string, ProvRecord>>();
  let count = 0;
  const relate = (relation: Relation, record: ProvRecord): void => {
    count += 1;
    relations.set(relation, { ...relations.get(relation), [`_:r${count}`]: record });
  };
  const attribute = (name: string, address: string): void => {
    agent[accountName(address)] = { "prov:type": type("Account"), "ol:address": address };
    relate("wasAttributedTo", { "prov:entity": name, "prov:agent": accountName(address) });
  };

  for (const node of nodes) {
    const name = nodeName(node.id);
    entity[name] = entityOf(node);
    const owner = ownerOf(node.entity);
    if (owner !== undefined) attribute(name, owner);
  }
  const output = nodeName(`output:${root.id}`);
  entity[output] = {
    ...entity[output],
    "ol:asOfBlock": integer(asOf.number),
    ...(truncated && { "ol:truncated": { $: "true", type: "xsd:boolean" } }),
  };

  const inference = `ol:inference/${root.id}`;
  const end = root.committed ?? root.closed;
  const activity = {
    [inference]: {
      "prov:type": type("Inference"),
      "prov:startTime": dateTime(root.block.timestamp),
      ...(end !== null && { "prov:endTime": dateTime(end.block.timestamp) }),
      "ol:state": root.state,
      "ol:requestRoot": root.requestRoot,
      "ol:request": root.tx,
    },
  };
  for (const [role, address] of [
    ["host", root.host.address],
    ["payer", root.payer.address],
  ] as const) {
    agent[accountName(address)] = { "prov:type": type("Account"), "ol:address": address };
    relate("wasAssociatedWith", {
      "prov:activity": inference,
      "prov:agent": accountName(address),
      "prov:role": role,
    });
  }
  if (root.committed !== null) {
    relate("wasGeneratedBy", {
      "prov:entity": output,
      "prov:activity": inference,
      "prov:time": dateTime(root.committed.block.timestamp),
    });
  }
  const paid = new Map(root.attributions.map((entry) => [`contribution:${entry.contribution.id}`, entry.paid]));
  for (const edge of edges) {
    const payment = edge.kind === "ATTRIBUTED_TO" ? { "ol:paidWei": integer(paid.get(edge.to) ?? 0) } : {};
    for (const [relation, record] of relationsOf(edge, inference)) {
      relate(relation, { ...record, ...detailsOf(edge), ...payment });
    }
  }
  return {
    prefix: { ol: `${chainUri(context)}:`, xsd: "http://www.w3.org/2001/XMLSchema#" },
    entity,
    activity,
    agent,
    ...Object.fromEntries(relations),
  };
}

/** An output's model and data were used by its inference; the output derives from the data whose bytes it repeats. */
function relationsOf({ kind, from, to }: ExportEdge, inference: string): [Relation, ProvRecord][] {
  const [made, source] = [nodeName(from), nodeName(to)];
  switch (kind) {
    case "GENERATED_BY":
      return [["used", { "prov:activity": inference, "prov:entity": source }]];
    case "PART_OF":
      return [["hadMember", { "prov:collection": source, "prov:entity": made }]];
    default:
      return [["wasDerivedFrom", { "prov:generatedEntity": made, "prov:usedEntity": source }]];
  }
}

function detailsOf({ kind, weight, weightPpm, version, tx }: ExportEdge): ProvRecord {
  // PROV-DM gives membership no attributes.
  if (kind === "PART_OF") return {};
  return {
    "prov:type": type(kind),
    "ol:transaction": tx,
    ...(weight !== null && kind === "ATTRIBUTED_TO" && { "ol:weightBytes": integer(weight) }),
    ...(weightPpm !== null && { "ol:weightPpm": integer(weightPpm) }),
    ...(version !== null && { "ol:datanetVersion": integer(version) }),
  };
}

function entityOf({ entity }: ExportNode): ProvRecord {
  const base = { "ol:transaction": entity.tx, "ol:block": integer(entity.block.number) };
  const made = { ...base, "ol:recordedAt": time(entity.block.timestamp) };
  switch (entity.__typename) {
    case "Contribution":
      return {
        "prov:type": type("Contribution"),
        "ol:contentRoot": entity.contentRoot,
        "ol:uri": entity.uri,
        "ol:sizeBytes": integer(entity.size),
        "ol:licence": entity.licence,
        "ol:consent": { $: String(entity.consent), type: "xsd:boolean" },
        ...made,
      };
    case "Datanet":
      return {
        "prov:type": { $: "prov:Collection", type: "xsd:QName" },
        "prov:label": entity.name,
        "ol:domain": entity.domain,
        "ol:licence": entity.licence,
        ...made,
      };
    case "Model":
      return {
        "prov:type": type("Model"),
        "prov:label": entity.name,
        "ol:kind": entity.kind,
        "ol:licence": entity.licence,
        "ol:artifactHash": entity.artifactHash,
        "ol:configHash": entity.configHash,
        ...made,
      };
    default:
      return {
        "prov:type": type("Output"),
        ...(entity.outputRoot !== null && { "ol:outputRoot": entity.outputRoot }),
        ...made,
      };
  }
}

function ownerOf(entity: ExportNode["entity"]): string | undefined {
  if (entity.__typename === "Contribution") return entity.contributor.address;
  return entity.__typename === "Inference" ? undefined : entity.owner.address;
}
