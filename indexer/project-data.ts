/** Rows of the data and what is made of it: Datanets, grants, contributions, models. */
import { type Hex, hexToBytes } from "../core/bytes.ts";
import { type Change, insert, revise } from "./changes.ts";
import { EDGE_KIND, NODE_KIND, type NodeKind, STATUS } from "./codes.ts";
import { type Args, changedAt, edge, type Position, text, toId } from "./project-rows.ts";
import { searchable } from "./search.ts";

export function datanetCreated(args: Args<"DatanetCreated">, at: Position): Change[] {
  const id = toId(args.datanetId);
  const owner = hexToBytes(args.owner);
  return [
    insert("datanets", {
      ...at,
      id,
      owner,
      name: text(args.name),
      domain: text(args.domain),
      metadata_uri: text(args.metadataURI),
      modality: args.modality,
      licence: args.licence,
      access: args.access,
      bond: args.bond,
    }),
    ...searchable(at.block, NODE_KIND.DATANET, id, text(args.name), text(args.domain)),
  ];
}

export function grant(args: { datanetId: bigint; allowed: boolean }, role: number, account: Hex, at: Position): Change {
  const key = { datanet: toId(args.datanetId), role, account: hexToBytes(account) };
  const set = { allowed: args.allowed ? 1 : 0, ...changedAt(at) };
  return revise("grants", key, { set, create: { ...at, ...key, ...set } });
}

export function statusEvent(contribution: number, status: number, actor: Hex, at: Position): Change {
  return insert("contribution_events", { ...at, contribution, status, actor: hexToBytes(actor) });
}

export function contributionSubmitted(args: Args<"ContributionSubmitted">, at: Position): Change[] {
  const id = toId(args.contributionId);
  const datanet = toId(args.datanetId);
  const upstream = (ordinal: number, kind: number, toKind: NodeKind, target: number): Change =>
    edge(at, ordinal, kind, NODE_KIND.CONTRIBUTION, id, toKind, target);
  return [
    insert("contributions", {
      ...at,
      id,
      datanet,
      contributor: hexToBytes(args.contributor),
      content_root: hexToBytes(args.contentRoot),
      size: args.size,
      licence: args.licence,
      uri: text(args.uri),
      bond: args.bond,
      status: STATUS.PENDING,
      curator: null,
      score: null,
      leaf_index: null,
      duplicate_of: null,
      reason: null,
      decided_block: null,
      decided_tx: null,
      withdrawn_block: null,
      withdrawn_tx: null,
    }),
    statusEvent(id, STATUS.PENDING, args.contributor, at),
    ...searchable(at.block, NODE_KIND.CONTRIBUTION, id, text(args.uri)),
    upstream(0, EDGE_KIND.PART_OF, NODE_KIND.DATANET, datanet),
    ...args.parents.map((parent, i) => upstream(i + 1, EDGE_KIND.DERIVED_FROM, NODE_KIND.CONTRIBUTION, toId(parent))),
  ];
}

interface Decision {
  readonly status: number;
  readonly score?: number;
  readonly leaf_index?: number;
  readonly duplicate_of?: number;
  readonly reason?: string;
}

export function decided(args: { contributionId: bigint; curator: Hex }, at: Position, decision: Decision): Change[] {
  const id = toId(args.contributionId);
  const set = { ...decision, curator: hexToBytes(args.curator), decided_block: at.block, decided_tx: at.tx_hash };
  return [revise("contributions", { id }, { set }), statusEvent(id, decision.status, args.curator, at)];
}

export function modelRegistered(args: Args<"ModelRegistered">, at: Position): Change[] {
  const id = toId(args.modelId);
  const parent = args.parent === 0n ? null : toId(args.parent);
  const { block } = at;
  const changes: Change[] = [
    insert("models", {
      ...at,
      id,
      owner: hexToBytes(args.owner),
      kind: args.kind,
      parent,
      name: text(args.name),
      metadata_uri: text(args.metadataURI),
      artifact_hash: hexToBytes(args.artifactHash),
      config_hash: hexToBytes(args.configHash),
      licence: args.licence,
      request_price: args.requestPrice,
      output_price: args.outputPrice,
      royalty_ppm: args.royaltyPpm,
      host_ppm: args.hostPpm,
    }),
    ...searchable(block, NODE_KIND.MODEL, id, text(args.name)),
  ];
  args.data.forEach((ref, i) => {
    const datanet = toId(ref.datanetId);
    changes.push(
      insert("model_data", { block, model: id, position: i, datanet, version: ref.version }),
      edge(at, i + 1, EDGE_KIND.TRAINED_ON, NODE_KIND.MODEL, id, NODE_KIND.DATANET, datanet, null, ref.version),
    );
  });
  for (const { datanetId, count } of args.flattened) {
    changes.push(insert("model_counts", { block, model: id, datanet: toId(datanetId), count }));
  }
  if (parent !== null) {
    changes.push(edge(at, 0, EDGE_KIND.DERIVED_FROM, NODE_KIND.MODEL, id, NODE_KIND.MODEL, parent));
  }
  return changes;
}
