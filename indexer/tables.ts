/**
 * Every table of the index, once: from here come the DDL, kysely's types and the rewind.
 *
 * fact    append-only; a row belongs to one block and is deleted when that block is rewound.
 * entity  one row for each state it has had, valid in blocks [valid_from, valid_to); valid_to is NULL for the current one.
 *         So the state at any block is a query, and a rewind deletes newer rows and reopens the range below.
 *
 * int: a JavaScript safe integer. uint: uint256, a bigint in rows and parameters; SQLite keeps it as 32 bytes
 * big-endian, which sort as the number does (its integers end at 2^63, its NUMERIC is a float), PostgreSQL as
 * numeric(78). A trailing "?" allows NULL.
 */
type ColumnType = "int" | "text" | "bytes" | "uint";
type Column = ColumnType | `${ColumnType}?`;

interface TableShape {
  readonly kind: "fact" | "entity";
  readonly columns: Readonly<Record<string, Column>>;
  readonly key: readonly string[];
  readonly indexes: readonly (readonly string[])[];
}

/** Where an event stands: the log index counts all logs of the block, as eth_getLogs does. */
const position = { block: "int", log_index: "int", tx_hash: "bytes" } as const;

export const TABLES = {
  blocks: {
    kind: "fact",
    columns: {
      block: "int",
      hash: "bytes",
      parent_hash: "bytes",
      timestamp: "int",
      gas_used: "uint",
      transactions: "int",
      events: "int",
    },
    key: ["block"],
    indexes: [["hash"], ["timestamp", "block"]],
  },
  datanets: {
    kind: "fact",
    columns: {
      ...position,
      id: "int",
      owner: "bytes",
      name: "text",
      domain: "text",
      metadata_uri: "text",
      modality: "int",
      licence: "int",
      access: "int",
      bond: "uint",
    },
    key: ["id"],
    indexes: [["block"], ["owner", "id"]],
  },
  /** role: codes.ts. Its position is that of the first grant, so that it keeps its place in lists; changed_* the last. */
  grants: {
    kind: "entity",
    columns: {
      ...position,
      datanet: "int",
      role: "int",
      account: "bytes",
      allowed: "int",
      changed_block: "int",
      changed_tx: "bytes",
    },
    key: ["datanet", "role", "account"],
    indexes: [["block", "log_index"], ["account"]],
  },
  commitments: {
    kind: "fact",
    columns: { ...position, datanet: "int", contributor: "bytes", commitment: "bytes" },
    key: ["block", "log_index"],
    indexes: [],
  },
  /**
   * status as the chain has it (IDatanet.Status): an accepted contribution stays accepted when its consent ends, which
   * withdrawn_* says. decided_* is the curator's decision.
   */
  contributions: {
    kind: "entity",
    columns: {
      ...position,
      id: "int",
      datanet: "int",
      contributor: "bytes",
      content_root: "bytes",
      size: "uint",
      licence: "int",
      uri: "text",
      bond: "uint",
      status: "int",
      curator: "bytes?",
      score: "int?",
      leaf_index: "int?",
      duplicate_of: "int?",
      reason: "text?",
      decided_block: "int?",
      decided_tx: "bytes?",
      withdrawn_block: "int?",
      withdrawn_tx: "bytes?",
    },
    key: ["id"],
    indexes: [["datanet", "id"], ["contributor", "id"], ["content_root"], ["datanet", "leaf_index"]],
  },
  contribution_events: {
    kind: "fact",
    columns: { ...position, contribution: "int", status: "int", actor: "bytes" },
    key: ["block", "log_index"],
    indexes: [["contribution", "block"]],
  },
  bond_movements: {
    kind: "fact",
    columns: { ...position, contribution: "int", contributor: "bytes?", amount: "uint", forfeited: "int" },
    key: ["block", "log_index"],
    indexes: [["contribution"]],
  },
  versions: {
    kind: "fact",
    columns: { ...position, datanet: "int", version: "int", count: "int", root: "bytes" },
    key: ["datanet", "version"],
    indexes: [["block"]],
  },
  models: {
    kind: "entity",
    columns: {
      ...position,
      id: "int",
      owner: "bytes",
      kind: "int",
      parent: "int?",
      name: "text",
      metadata_uri: "text",
      artifact_hash: "bytes",
      config_hash: "bytes",
      licence: "int",
      request_price: "uint",
      output_price: "uint",
      royalty_ppm: "int",
      host_ppm: "int",
    },
    key: ["id"],
    indexes: [["owner", "id"]],
  },
  /** Own training data in the order given; version is the published one. */
  model_data: {
    kind: "fact",
    columns: { block: "int", model: "int", position: "int", datanet: "int", version: "int" },
    key: ["model", "position"],
    indexes: [["block"], ["datanet", "version"]],
  },
  /** Flattened over the ancestors: the first `count` accepted contributions of the Datanet. */
  model_counts: {
    kind: "fact",
    columns: { block: "int", model: "int", datanet: "int", count: "int" },
    key: ["model", "datanet"],
    indexes: [["block"], ["datanet"]],
  },
  /** Its position is that of the first joining, changed_* of the last joining or leaving. */
  hosts: {
    kind: "entity",
    columns: {
      ...position,
      model: "int",
      host: "bytes",
      url: "text",
      active: "int",
      changed_block: "int",
      changed_tx: "bytes",
    },
    key: ["model", "host"],
    indexes: [["block", "log_index"], ["host"]],
  },
  /**
   * state as in IAttribution.State; committed_*, closed_* (settled, expired or void) as far as it has come; fault as in
   * IAttribution.Fault, with who showed it and about which contribution.
   */
  inferences: {
    kind: "entity",
    columns: {
      ...position,
      id: "int",
      model: "int",
      payer: "bytes",
      host: "bytes",
      audience: "int",
      state: "int",
      request_root: "bytes",
      request_bytes: "int",
      escrow: "uint",
      commit_deadline: "int",
      min_span: "int",
      request_price: "uint",
      output_price: "uint",
      platform_fee: "uint",
      output_root: "bytes?",
      output_bytes: "int?",
      covered_bytes: "int?",
      fee: "uint?",
      stake_locked: "uint?",
      settle_after: "int?",
      committed_block: "int?",
      committed_tx: "bytes?",
      batch: "int?",
      batch_index: "int?",
      refund: "uint?",
      contributors_paid: "uint?",
      model_paid: "uint?",
      stakers_paid: "uint?",
      treasury_paid: "uint?",
      closed_block: "int?",
      closed_tx: "bytes?",
      fault: "int?",
      challenger: "bytes?",
      fault_contribution: "int?",
      slashed: "uint?",
    },
    key: ["id"],
    indexes: [["model", "id"], ["payer", "id"], ["host", "id"], ["state", "id"], ["output_root"]],
  },
  /** The one hash that the chain keeps of a commitment. */
  batches: {
    kind: "fact",
    columns: { ...position, id: "int", root: "bytes", count: "int" },
    key: ["id"],
    indexes: [["block"]],
  },
  /** Chunks that a host must show; state: codes.ts. */
  demands: {
    kind: "entity",
    columns: {
      ...position,
      inference: "int",
      contribution: "int",
      chunk: "uint",
      demander: "bytes",
      deadline: "int",
      bond: "uint",
      state: "int",
    },
    key: ["inference", "contribution", "chunk"],
    indexes: [["block", "log_index"]],
  },
  /** Who may challenge a private answer, besides its payer. */
  auditors: {
    kind: "entity",
    columns: { ...position, inference: "int", auditor: "bytes", allowed: "int" },
    key: ["inference", "auditor"],
    indexes: [["block", "log_index"]],
  },
  /** weight as docs/spec.md "span-v1" has it. */
  spans: {
    kind: "fact",
    columns: {
      ...position,
      inference: "int",
      span: "int",
      contribution: "int",
      output_start: "int",
      length: "int",
      content_offset: "uint",
      weight: "int",
    },
    key: ["inference", "span"],
    indexes: [["block"], ["contribution", "inference"]],
  },
  /**
   * The lineage graph, pointing upstream. Node kinds and edge kinds: codes.ts. `weight` is set where the edge has
   * one (an output and a contribution: the merged weight of its spans); `detail` is the Datanet version for training data.
   */
  edges: {
    kind: "fact",
    columns: {
      ...position,
      ordinal: "int",
      kind: "int",
      from_kind: "int",
      from_id: "int",
      to_kind: "int",
      to_id: "int",
      weight: "int?",
      detail: "int?",
    },
    key: ["block", "log_index", "ordinal"],
    indexes: [
      ["from_kind", "from_id"],
      // A node of very many edges is read range by range, in order: lineage.ts.
      ["to_kind", "to_id", "kind", "block", "log_index", "ordinal"],
    ],
  },
  /** kind as in IAttribution.RewardKind; source is a contribution for Contributor and LeftOut, a model for owner, royalty and host. */
  rewards: {
    kind: "fact",
    columns: {
      ...position,
      inference: "int",
      account: "bytes",
      kind: "int",
      source: "int?",
      weight: "uint",
      amount: "uint",
      /** Of the block: Unix seconds. */
      time: "int",
    },
    key: ["block", "log_index"],
    indexes: [
      ["account", "block", "log_index"],
      ["inference", "block", "log_index"],
      ["kind", "source", "block", "log_index"],
    ],
  },
  claims: {
    kind: "fact",
    columns: { ...position, account: "bytes", caller: "bytes", amount: "uint" },
    key: ["block", "log_index"],
    indexes: [["account", "block", "log_index"]],
  },
  /** kind: codes.ts. */
  stakes: {
    kind: "fact",
    columns: { ...position, host: "bytes", kind: "int", amount: "uint", total: "uint" },
    key: ["block", "log_index"],
    indexes: [["host", "block", "log_index"]],
  },
  /** Deposits from L1 as they arrive, without each block's first one, which carries L1's attributes. */
  deposits: {
    kind: "fact",
    columns: {
      block: "int",
      tx_index: "int",
      tx_hash: "bytes",
      source_hash: "bytes",
      sender: "bytes",
      recipient: "bytes?",
      mint: "uint",
      value: "uint",
      /** As its receipt has it: what failed has minted nevertheless. */
      succeeded: "int",
    },
    key: ["block", "tx_index"],
    indexes: [
      ["sender", "block", "tx_index"],
      ["recipient", "block", "tx_index"],
    ],
  },
  /** Messages to L1, as the message passer notes them. */
  withdrawals: {
    kind: "fact",
    columns: {
      ...position,
      nonce: "uint",
      sender: "bytes",
      target: "bytes",
      value: "uint",
      gas_limit: "uint",
      withdrawal_hash: "bytes",
    },
    key: ["block", "log_index"],
    indexes: [["sender", "block", "log_index"], ["withdrawal_hash"]],
  },
  /** Snapshots of the validator registry that arrived; one takes over when its epoch ends, if no newer one has come. */
  validator_sets: {
    kind: "fact",
    columns: { ...position, number: "int", set_hash: "bytes", count: "int", total_stake: "uint" },
    key: ["block", "log_index"],
    indexes: [],
  },
  /** Words of names, domains and URIs: search.ts. Node kinds: codes.ts. */
  search_words: {
    kind: "fact",
    columns: { block: "int", word: "text", kind: "int", id: "int" },
    key: ["word", "kind", "id"],
    indexes: [["block"], ["kind", "id", "word"]],
  },
  /** Rollup: what an account has accrued and claimed, and its stake as a host. */
  accounts: {
    kind: "entity",
    columns: { address: "bytes", accrued: "uint", claimed: "uint", stake: "uint", rewards: "int" },
    key: ["address"],
    indexes: [],
  },
  /** Rollup: accrued by account and RewardKind. */
  reward_totals: {
    kind: "entity",
    columns: { account: "bytes", kind: "int", accrued: "uint", rewards: "int" },
    key: ["account", "kind"],
    indexes: [],
  },
  /** Rollup: what a contribution has earned over all outputs. */
  contribution_totals: {
    kind: "entity",
    columns: { contribution: "int", accrued: "uint", weight: "uint", rewards: "int" },
    key: ["contribution"],
    indexes: [],
  },
} as const satisfies Readonly<Record<string, TableShape>>;

export type TableName = keyof typeof TABLES;
type Shape<T extends TableName> = (typeof TABLES)[T];
type TablesOfKind<K> = { [T in TableName]: Shape<T>["kind"] extends K ? T : never }[TableName];
export type FactTable = TablesOfKind<"fact">;
export type EntityTable = TablesOfKind<"entity">;

interface Values {
  int: number;
  text: string;
  bytes: Uint8Array;
  uint: bigint;
}
type ValueOf<C> = C extends ColumnType
  ? Values[C]
  : C extends `${infer B extends ColumnType}?`
    ? Values[B] | null
    : never;

/** A row as the projection writes it. */
export type Row<T extends TableName> = {
  -readonly [C in keyof Shape<T>["columns"]]: ValueOf<Shape<T>["columns"][C]>;
};
export type KeyColumn<T extends TableName> = Extract<Shape<T>["key"][number], keyof Row<T>>;
/** Columns that a rollup may add to. */
export type CountedColumn<T extends TableName> = {
  [C in keyof Row<T>]: Row<T>[C] extends bigint | number ? C : never;
}[keyof Row<T>];

/** A row as a query returns it. */
type StoredRow<T extends TableName> = Row<T> &
  (Shape<T>["kind"] extends "entity" ? { valid_from: number; valid_to: number | null } : unknown);

export interface Checkpoint {
  /** Always 1: there is one checkpoint. */
  id: number;
  block: number;
  hash: Uint8Array;
  genesis_hash: Uint8Array;
  schema_hash: string;
}

/** What the writer knows of the chain besides its blocks, and of itself. It is no part of what a rebuild must equal. */
export interface Progress {
  /** Always 1: there is one. */
  id: number;
  /** Numbers of the chain's blocks; `head` may be ahead of the checkpoint. */
  head: number;
  safe: number;
  finalized: number;
  /** Why the index has halted; null while it follows. */
  error: string | null;
}

export type Database = { [T in TableName]: StoredRow<T> } & { checkpoint: Checkpoint; progress: Progress };
export type Stored<T extends keyof Database> = Database[T];

export function tableShape(table: TableName): TableShape {
  return TABLES[table];
}

export const TABLE_NAMES = Object.keys(TABLES) as readonly TableName[];

/** Columns of uint256. No other column of that name holds bytes. */
export const UINT_COLUMNS: ReadonlySet<string> = new Set(
  TABLE_NAMES.flatMap((table) =>
    Object.entries(tableShape(table).columns).flatMap(([name, type]) => (type.startsWith("uint") ? [name] : [])),
  ),
);
