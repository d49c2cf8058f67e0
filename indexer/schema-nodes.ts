/**
 * Things that one id names. `id` is what the chain calls a thing, unique among its kind, which users write by hand;
 * `nodeId` puts the kind before it, as in `model:3`, and is unique in the index. `node` and the lineage take nodeIds.
 */
import type { Reader } from "./loaders.ts";
import type { Filter, PagedTable } from "./paging.ts";
import { badInput, parseAddress, parseId, serializeAddress } from "./scalars.ts";
import { builder } from "./schema-builder.ts";
import type { AccountShape } from "./schema-refs.ts";

interface NodeType {
  /** GraphQL's name of it. */
  readonly type: string;
  idOf(row: object): string;
  /** Undefined for one that does not exist; throws GraphQLError for an id that cannot be. */
  load(reader: Reader, id: string): Promise<object | undefined>;
}

type Numbers = Readonly<Record<string, number>>;

/** Where integers in two columns name a row, as in 12-3. */
function byPair(type: string, table: PagedTable, first: string, second: string): NodeType {
  return {
    type,
    idOf: (row) => `${(row as Numbers)[first]}-${(row as Numbers)[second]}`,
    async load(reader, id) {
      const [a, b, ...more] = id.split("-").map((part) => (/^\d{1,15}$/.test(part) ? Number(part) : undefined));
      if (a === undefined || b === undefined || more.length > 0) throw badInput(`"${id}" is not the id of a ${type}`);
      const { rows } = await reader.page(table, { [first]: a, [second]: b } as Filter<typeof table>, { first: 1 });
      return rows[0];
    },
  };
}

/** What an event brought into being is named by the event's place. */
const byEvent = (type: string, table: PagedTable): NodeType => byPair(type, table, "block", "log_index");

function bySequence(type: string, load: (reader: Reader, id: number) => Promise<object | undefined>): NodeType {
  return {
    type,
    idOf: (row) => String((row as Numbers).id),
    load: (reader, id) => load(reader, parseId(id, "id")),
  };
}

const KINDS: Readonly<Record<string, NodeType>> = {
  output: bySequence("Inference", (reader, id) => reader.inference.load(id)),
  contribution: bySequence("Contribution", (reader, id) => reader.contribution.load(id)),
  model: bySequence("Model", (reader, id) => reader.model.load(id)),
  datanet: bySequence("Datanet", (reader, id) => reader.datanet.load(id)),
  batch: bySequence("Batch", (reader, id) => reader.batch.load(id)),
  version: byPair("DatanetVersion", "versions", "datanet", "version"),
  account: {
    type: "Account",
    idOf: (row) => serializeAddress((row as AccountShape).address),
    load: async (_, id) => ({ address: parseAddress(id) }),
  },
  block: {
    type: "Block",
    idOf: (row) => String((row as { block: number }).block),
    load: (reader, id) => reader.block.load(id === "0" ? 0 : parseId(id, "block")),
  },
  grant: byEvent("Grant", "grants"),
  host: byEvent("Host", "hosts"),
  commitment: byEvent("Commitment", "commitments"),
  event: byEvent("ContributionEvent", "contribution_events"),
  bond: byEvent("BondMovement", "bond_movements"),
  demand: byEvent("Demand", "demands"),
  auditor: byEvent("Auditor", "auditors"),
  reward: byEvent("Reward", "rewards"),
  claim: byEvent("RewardClaim", "claims"),
  stake: byEvent("StakeMovement", "stakes"),
  withdrawal: byEvent("Withdrawal", "withdrawals"),
  "validator-set": byEvent("ValidatorSet", "validator_sets"),
  deposit: byPair("Deposit", "deposits", "block", "tx_index"),
};

const BY_KIND = new Map(Object.entries(KINDS));
const BY_TYPE = new Map(Object.entries(KINDS).map(([kind, node]) => [node.type, { kind, ...node }]));

function nodeOfType(type: string) {
  const node = BY_TYPE.get(type);
  if (node === undefined) throw new Error(`${type} is no Node`);
  return node;
}

/** A row says nothing of its table, so where GraphQL must know its type that is noted beside it. */
const typeNames = new WeakMap<object, string>();

export function asType<R extends object>(type: string, row: R): R {
  typeNames.set(row, type);
  return row;
}

export function typeNameOf(row: object): string {
  const type = typeNames.get(row);
  if (type === undefined) throw new Error("a row whose type is asked for has none");
  return type;
}

export const Node = builder.interfaceRef<object>("Node").implement({
  description: "A thing that an id names.",
  resolveType: typeNameOf,
  fields: (t) => ({
    id: t.id({
      description: "What the chain calls it, unique among its type.",
      resolve: (row, _, __, { parentType }) => nodeOfType(parentType.name).idOf(row),
    }),
    nodeId: t.id({
      description: "Its kind and id, as in model:3, unique in the index: what node(id:) and the lineage take.",
      resolve: (row, _, __, { parentType }) => {
        const { kind, idOf } = nodeOfType(parentType.name);
        return `${kind}:${idOf(row)}`;
      },
    }),
  }),
});

/** Undefined for a thing that does not exist; throws GraphQLError for an id of no form that is known. */
export async function loadNode(reader: Reader, nodeId: string): Promise<object | undefined> {
  const separator = nodeId.indexOf(":");
  const node = BY_KIND.get(nodeId.slice(0, Math.max(0, separator)));
  if (node === undefined) {
    const kinds = [...BY_KIND.keys()].join(", ");
    throw badInput(`"${nodeId.slice(0, 80)}" is no nodeId: it is a kind and an id, as in model:3; kinds are ${kinds}`);
  }
  const row = await node.load(reader, nodeId.slice(separator + 1));
  return row === undefined ? undefined : asType(node.type, row);
}
