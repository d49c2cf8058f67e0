/** The question that is put to GraphQL, and the record that answers it. Numbers above 2^53 are decimal strings. */
import type { Hex } from "../../core/bytes.ts";

export interface Place {
  readonly block: { readonly number: string; readonly timestamp: number };
  readonly tx: Hex;
}

interface Account {
  readonly address: Hex;
}

interface Ref {
  readonly id: string;
}

export interface SpanRecord {
  readonly outputStart: string;
  readonly length: number;
  readonly contentOffset: string;
  /** Bytes that it owns. */
  readonly weight: string;
  readonly contribution: Ref;
}

export interface RewardRecord {
  readonly kind: string;
  /** Wei. */
  readonly amount: string;
  readonly weight: string;
  readonly account: Account;
  readonly contribution: Ref | null;
  readonly model: Ref | null;
}

export interface InferenceRecord extends Place {
  readonly id: string;
  readonly state: string;
  readonly audience: string;
  readonly model: Ref;
  readonly payer: Account;
  readonly host: Account;
  readonly requestRoot: Hex;
  readonly requestBytes: string;
  readonly minSpan: number;
  readonly escrow: string;
  readonly requestPrice: string;
  readonly outputPrice: string;
  readonly platformFee: string;
  readonly commitDeadline: number;
  readonly settleAfter: number | null;
  readonly outputRoot: Hex | null;
  readonly outputBytes: string | null;
  readonly coveredBytes: string | null;
  readonly fee: string | null;
  readonly refund: string | null;
  readonly contributorsPaid: string | null;
  readonly modelPaid: string | null;
  readonly stakersPaid: string | null;
  readonly treasuryPaid: string | null;
  readonly fault: string | null;
  readonly slashed: string | null;
  readonly batch: { readonly id: string; readonly root: Hex; readonly count: number } | null;
  readonly batchIndex: number | null;
  readonly committed: Place | null;
  /** The settlement, the expiry or the proven challenge. */
  readonly closed: Place | null;
  readonly spans: readonly SpanRecord[];
  readonly rewards: readonly RewardRecord[];
}

export interface AttributionRecord {
  readonly weight: string;
  readonly weightPpm: number;
  readonly licence: string;
  readonly paid: string;
  readonly contributor: Account;
  readonly datanet: Ref;
  readonly contribution: Ref;
}

export interface ContributionRecord extends Place {
  readonly __typename: "Contribution";
  readonly id: string;
  readonly contentRoot: Hex;
  readonly size: string;
  readonly uri: string;
  readonly licence: string;
  readonly status: string;
  readonly consent: boolean;
  readonly withdrawnBlock: { readonly number: string } | null;
  readonly score: number | null;
  readonly contributor: Account;
  readonly datanet: Ref;
}

export interface ModelRecord extends Place {
  readonly __typename: "Model";
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly licence: string;
  readonly metadataUri: string;
  readonly artifactHash: Hex;
  readonly configHash: Hex;
  readonly royaltyPpm: number;
  readonly hostPpm: number;
  readonly owner: Account;
  readonly parent: Ref | null;
}

export interface DatanetRecord extends Place {
  readonly __typename: "Datanet";
  readonly id: string;
  readonly name: string;
  readonly domain: string;
  readonly metadataUri: string;
  readonly licence: string;
  readonly access: string;
  readonly owner: Account;
}

export type EntityRecord = ContributionRecord | ModelRecord | DatanetRecord | InferenceRef;

interface InferenceRef extends Ref {
  readonly __typename: "Inference";
}

export interface EdgeRecord {
  readonly kind: string;
  /** Kind and id of a node, as in model:3. */
  readonly from: string;
  readonly to: string;
  readonly version: number | null;
}

export interface Lineage {
  readonly asOf: { readonly number: string; readonly hash: Hex; readonly timestamp: number };
  readonly truncated: boolean;
  readonly root: InferenceRecord;
  readonly attributions: readonly AttributionRecord[];
  readonly nodes: readonly { readonly id: string; readonly entity: EntityRecord }[];
  readonly edges: readonly EdgeRecord[];
}

/** One of the inferences with a root. */
export interface Match extends Place {
  readonly id: string;
  readonly state: string;
  readonly model: Ref;
  readonly payer: Account;
}

const PLACE = "block { number timestamp } tx";

/** Listed of one root at most: more are counted only. */
export const MAX_MATCHES = 100;

export const MATCHES = `query ($root: Bytes!, $block: BlockSelector) {
  inferences(outputRoot: $root, first: ${MAX_MATCHES}, block: $block) {
    totalCount nodes { id state ${PLACE} model { id } payer { address } }
  }
}`;

/** No list within a list: of a graph a server counts each as long as the whole. */
export const LINEAGE = `query ($id: ID!, $block: BlockSelector) {
  lineage(output: $id, block: $block) {
    asOf { number hash timestamp } truncated
    root {
      id state audience ${PLACE} model { id } payer { address } host { address } requestRoot requestBytes minSpan escrow
      requestPrice outputPrice platformFee commitDeadline settleAfter outputRoot outputBytes coveredBytes fee refund
      contributorsPaid modelPaid stakersPaid treasuryPaid fault slashed batch { id root count } batchIndex
      committed { ${PLACE} } closed { ${PLACE} }
      spans { outputStart length contentOffset weight contribution { id } }
      rewards { kind amount weight account { address } contribution { id } model { id } }
    }
    attributions { weight weightPpm licence paid contributor { address } datanet { id } contribution { id } }
    nodes {
      id
      entity {
        __typename
        ... on Inference { id }
        ... on Contribution {
          id ${PLACE} contentRoot size uri licence status consent withdrawnBlock { number } score
          contributor { address } datanet { id }
        }
        ... on Model {
          id ${PLACE} name kind licence metadataUri artifactHash configHash royaltyPpm hostPpm owner { address } parent { id }
        }
        ... on Datanet { id ${PLACE} name domain metadataUri licence access owner { address } }
      }
    }
    edges { kind from to version }
  }
}`;

/** The nodes of one type, in the order in which the walk found them. */
export function entities<T extends EntityRecord["__typename"]>(
  { nodes }: Lineage,
  type: T,
): Extract<EntityRecord, { __typename: T }>[] {
  return nodes.flatMap(({ entity }) =>
    entity.__typename === type ? [entity as Extract<EntityRecord, { __typename: T }>] : [],
  );
}
