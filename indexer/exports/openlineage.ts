/**
 * Lineage of an output as OpenLineage 2-0-2 RunEvents: a run for everything that was made, with what it was made of as
 * inputs. https://openlineage.io/spec/2-0-2/OpenLineage.json
 *
 * Facets that OpenLineage does not know begin with `openledger_`. They name the base facet as their schema, which allows
 * any further fields: there is no public schema of theirs to name.
 */
import type { ExportEdge, ExportNode } from "./answers.ts";
import { chainUri, dateTime, type ExportContext, programUri, uuidOf } from "./names.ts";
import type { OutputLineage } from "./output-lineage.ts";

const SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs";
const FACETS = "https://openlineage.io/spec/facets";

type EventType = "START" | "COMPLETE" | "ABORT" | "FAIL";

export interface Facet {
  readonly _producer: string;
  readonly _schemaURL: string;
  readonly [field: string]: unknown;
}

export interface Dataset {
  readonly namespace: string;
  readonly name: string;
  readonly facets?: Readonly<Record<string, Facet>>;
  readonly inputFacets?: Readonly<Record<string, Facet>>;
}

export interface RunEvent {
  readonly eventType: EventType;
  readonly eventTime: string;
  readonly run: { readonly runId: string };
  readonly job: { readonly namespace: string; readonly name: string; readonly facets: Readonly<Record<string, Facet>> };
  readonly inputs: readonly Dataset[];
  readonly outputs: readonly Dataset[];
  readonly producer: string;
  readonly schemaURL: string;
}

/** How the making of each kind of thing is called, as job and as job type. */
const MAKING: Readonly<Record<ExportNode["entity"]["__typename"], string>> = {
  Contribution: "derivation",
  Datanet: "curation",
  Model: "training",
  Inference: "inference",
};

/**
 * Two events a run, START and its end, in the order of time; of one time, what was made of another comes after it. A
 * request whose output is not committed yet has only its START.
 */
export function openLineageEvents(lineage: OutputLineage, context: ExportContext): RunEvent[] {
  const namespace = chainUri(context);
  const _producer = programUri(context);
  const nodes = new Map(lineage.nodes.map((node) => [node.id, node]));
  const paid = new Map(lineage.root.attributions.map((entry) => [`contribution:${entry.contribution.id}`, entry.paid]));
  const facet = (_schemaURL: string, fields: object): Facet => ({ _producer, _schemaURL, ...fields });

  function datasetOf({ id, entity }: ExportNode): Dataset {
    const { __typename, id: _, block, ...fields } = entity;
    return {
      namespace,
      name: id,
      facets: {
        ownership: facet(`${FACETS}/1-0-1/OwnershipDatasetFacet.json#/$defs/OwnershipDatasetFacet`, {
          owners: [ownerOf(entity)],
        }),
        openledger_artifact: facet(`${SPEC}/DatasetFacet`, { kind: __typename, block: block.number, ...fields }),
      },
    };
  }

  function inputOf(node: ExportNode, { kind, weight, weightPpm, version, tx }: ExportEdge): Dataset {
    const dataset = datasetOf(node);
    const payment = kind === "ATTRIBUTED_TO" ? { paid: paid.get(node.id) ?? "0" } : {};
    const edge = facet(`${SPEC}/InputDatasetFacet`, { kind, weight, weightPpm, tx, ...payment });
    const ofVersion =
      version === null
        ? {}
        : {
            version: facet(`${FACETS}/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet`, {
              datasetVersion: String(version),
            }),
          };
    return { ...dataset, facets: { ...dataset.facets, ...ofVersion }, inputFacets: { openledger_edge: edge } };
  }

  function eventsOf(made: ExportNode, inputs: readonly Dataset[], moments: Moments): RunEvent[] {
    const kind = MAKING[made.entity.__typename];
    // Of the jobs of one model's inferences every output is a run.
    const about = made.entity.__typename === "Inference" ? `model:${lineage.root.model.id}` : made.id;
    const job = {
      namespace,
      name: `${kind}.${about}`,
      facets: {
        jobType: facet(`${FACETS}/2-0-2/JobTypeJobFacet.json#/$defs/JobTypeJobFacet`, {
          processingType: "BATCH",
          integration: "OPENLEDGER",
          jobType: kind.toUpperCase(),
        }),
      },
    };
    const run = { runId: uuidOf(`${namespace}:${kind}:${made.id}`) };
    const base = { run, job, inputs, outputs: [datasetOf(made)], producer: _producer, schemaURL: `${SPEC}/RunEvent` };
    return moments.map(([eventType, seconds]) => ({ eventType, eventTime: dateTime(seconds), ...base }));
  }

  const made = madeOf(lineage.edges);
  const output = `output:${lineage.root.id}`;
  // Edges begin with the commitment: before it only the model is known.
  if (!made.has(output)) made.set(output, []);
  return inOrder(made)
    .flatMap((id) => {
      const node = nodes.get(id);
      if (node === undefined) return [];
      const sources = made.get(id) ?? [];
      const inputs = sources.flatMap(({ source, edge }) => {
        const from = nodes.get(source);
        return from === undefined ? [] : [inputOf(from, edge)];
      });
      if (node.entity.__typename === "Inference") {
        const model = { namespace, name: `model:${lineage.root.model.id}` };
        return eventsOf(node, sources.length === 0 ? [model] : inputs, momentsOf(lineage.root));
      }
      const last = Math.max(...sources.map(({ edge }) => edge.block.timestamp));
      return eventsOf(node, inputs, [
        ["START", last],
        ["COMPLETE", last],
      ]);
    })
    .sort((a, b) => (a.eventTime < b.eventTime ? -1 : a.eventTime > b.eventTime ? 1 : 0));
}

type Moments = readonly (readonly [EventType, number])[];

function momentsOf({ state, block, committed, closed }: OutputLineage["root"]): Moments {
  const start = ["START", block.timestamp] as const;
  if (state === "VOID" && closed !== null) return [start, ["FAIL", closed.block.timestamp]];
  if (state === "EXPIRED" && closed !== null) return [start, ["ABORT", closed.block.timestamp]];
  return committed === null ? [start] : [start, ["COMPLETE", committed.block.timestamp]];
}

type Made = Map<string, { readonly source: string; readonly edge: ExportEdge }[]>;

/**
 * Edges by what was made, each with its source. They point from what was made to its source, but for PART_OF: there a
 * Datanet is made of contributions.
 */
function madeOf(edges: readonly ExportEdge[]): Made {
  const made: Made = new Map();
  for (const edge of edges) {
    const [id, source] = edge.kind === "PART_OF" ? [edge.to, edge.from] : [edge.from, edge.to];
    const sources = made.get(id);
    if (sources === undefined) made.set(id, [{ source, edge }]);
    else sources.push({ source, edge });
  }
  return made;
}

/** What was made, each after all that it was made of. */
function inOrder(made: Made): string[] {
  const placed = new Set<string>();
  const place = (id: string): void => {
    if (placed.has(id)) return;
    for (const { source } of made.get(id) ?? []) place(source);
    placed.add(id);
  };
  for (const id of made.keys()) place(id);
  return [...placed].filter((id) => made.has(id));
}

function ownerOf(entity: ExportNode["entity"]): { name: string; type: string } {
  switch (entity.__typename) {
    case "Contribution":
      return { name: entity.contributor.address, type: "CONTRIBUTOR" };
    case "Inference":
      return { name: entity.host.address, type: "HOST" };
    default:
      return { name: entity.owner.address, type: "OWNER" };
  }
}
