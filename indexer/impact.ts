/** What was made of somebody's data: a bounded walk downstream, and exact totals of what it was paid. */
import { type Expression, type SqlBool, sql } from "kysely";
import { asOf } from "./as-of.ts";
import { EDGE_KIND, NODE_KIND } from "./codes.ts";
import { type Graph, type GraphBounds, type NodeName, walk } from "./lineage.ts";
import type { Reader } from "./loaders.ts";
import { totalOf } from "./paging.ts";
import type { Stored } from "./tables.ts";

/** Whose data: one of three. */
export type Source =
  | { readonly contribution: number }
  | { readonly datanet: number }
  | { readonly contributor: Uint8Array };

export interface Impact {
  /** The nodeId asked for. */
  readonly of: string;
  /** Wei and bytes over all settled outputs, whatever the bounds of the walk. */
  readonly paid: bigint;
  readonly weight: bigint;
  readonly outputs: readonly {
    readonly id: number;
    readonly depth: number;
    /** Bytes drawn from `own`. */
    readonly weight: number;
    /** Contributions that are the source itself. */
    readonly own: ReadonlySet<number>;
  }[];
  readonly models: readonly number[];
  readonly contributions: readonly number[];
  readonly truncated: boolean;
}

/** Undefined for a contribution or Datanet that does not exist. */
export async function findImpact(
  reader: Reader,
  source: Source,
  of: string,
  bounds: GraphBounds,
): Promise<Impact | undefined> {
  const roots = await rootsOf(reader, source, bounds.maxNodes + 1);
  if (roots === undefined) return undefined;
  const graph: Graph =
    roots.length === 0
      ? { nodes: [], edges: [], truncated: false }
      : await walk(reader, roots, { ...bounds, direction: "DOWNSTREAM" });
  const own = ownContributions(source, graph);
  const weights = new Map<number, number>();
  for (const { kind, from_id, to_id, weight } of graph.edges) {
    if (kind !== EDGE_KIND.ATTRIBUTED_TO || !own.has(to_id)) continue;
    weights.set(from_id, (weights.get(from_id) ?? 0) + (weight ?? 0));
  }
  const ofKind = (kind: number) => graph.nodes.filter((node) => node.kind === kind);
  return {
    of,
    ...(await totals(reader, source)),
    outputs: ofKind(NODE_KIND.OUTPUT).map(({ id, depth }) => ({ id, depth, weight: weights.get(id) ?? 0, own })),
    models: ofKind(NODE_KIND.MODEL).map(({ id }) => id),
    contributions: ofKind(NODE_KIND.CONTRIBUTION).map(({ id }) => id),
    truncated: graph.truncated,
  };
}

async function rootsOf(reader: Reader, source: Source, limit: number): Promise<NodeName[] | undefined> {
  if ("contribution" in source) {
    const found = await reader.contribution.load(source.contribution);
    return found && [{ kind: NODE_KIND.CONTRIBUTION, id: found.id }];
  }
  if ("datanet" in source) {
    const found = await reader.datanet.load(source.datanet);
    return found && [{ kind: NODE_KIND.DATANET, id: found.id }];
  }
  await reader.turn();
  const all = asOf(reader.db.selectFrom("contributions").select("id"), "contributions", reader.at);
  const rows = await all.where("contributor", "=", source.contributor).orderBy("id").limit(limit).execute();
  return rows.map(({ id }) => ({ kind: NODE_KIND.CONTRIBUTION, id }));
}

function ownContributions(source: Source, { nodes, edges }: Graph): ReadonlySet<number> {
  const isOwn = ({ kind, to_id }: Stored<"edges">, datanet: number) => kind === EDGE_KIND.PART_OF && to_id === datanet;
  return new Set(
    "datanet" in source
      ? edges.filter((edge) => isOwn(edge, source.datanet)).map(({ from_id }) => from_id)
      : nodes.filter(({ kind, depth }) => kind === NODE_KIND.CONTRIBUTION && depth === 0).map(({ id }) => id),
  );
}

async function totals(reader: Reader, source: Source): Promise<{ paid: bigint; weight: bigint }> {
  const [[name, value]] = Object.entries(source) as [[string, number | Uint8Array]];
  const column = name === "contribution" ? "id" : name;
  const total = (of: "accrued" | "weight") => sql<bigint | null>`uint_sum(${totalOf(of, reader.at)})`.as(of);
  await reader.turn();
  const query = asOf(reader.db.selectFrom("contributions"), "contributions", reader.at);
  const row = await query
    .where(sql<SqlBool>`${sql.ref(column)} = ${value}` as Expression<SqlBool>)
    .select([total("accrued"), total("weight")])
    .executeTakeFirst();
  return { paid: row?.accrued ?? 0n, weight: row?.weight ?? 0n };
}
