/** Written by scripts/write-client-types.ts from documents.js and the GraphQL schema: do not edit. */
export type Hex = `0x${string}`;
export type Audience = "PRIVATE" | "PUBLIC";
export type ContributionStatus = "ACCEPTED" | "DUPLICATE" | "PENDING" | "REJECTED" | "WITHDRAWN";
export type Fault = "BOUNDARY" | "CONTRADICTION" | "EARLIER_HOLDER" | "MISMATCH" | "OMISSION" | "UNAVAILABLE";
export type InferenceState = "COMMITTED" | "EXPIRED" | "REQUESTED" | "SETTLED" | "VOID";
export type LineageEdgeKind = "ATTRIBUTED_TO" | "DERIVED_FROM" | "GENERATED_BY" | "PART_OF" | "TRAINED_ON";
export type ModelKind = "ADAPTER" | "BASE" | "FINE_TUNE";
export type RewardKind =
  | "CHALLENGER"
  | "CONTRIBUTOR"
  | "HOST"
  | "LEFT_OUT"
  | "MODEL_OWNER"
  | "ROYALTY"
  | "STAKERS"
  | "TREASURY";
export interface BlockRef {
  readonly number: bigint;
  readonly hash: Hex;
  readonly timestamp: number;
}
export interface Output {
  readonly id: string;
  readonly state: InferenceState;
  readonly audience: Audience;
  readonly block: BlockRef;
  readonly tx: Hex;
  readonly committed: { readonly block: BlockRef; readonly tx: Hex } | null;
  readonly closed: { readonly block: BlockRef; readonly tx: Hex } | null;
  readonly settleAfter: number | null;
  readonly fault: Fault | null;
  readonly model: {
    readonly id: string;
    readonly name: string;
    readonly kind: ModelKind;
    readonly licence: string;
    readonly owner: { readonly address: Hex };
  };
  readonly host: { readonly address: Hex };
  readonly payer: { readonly address: Hex };
  readonly requestRoot: Hex;
  readonly requestBytes: bigint;
  readonly outputRoot: Hex | null;
  readonly outputBytes: bigint | null;
  readonly coveredBytes: bigint | null;
  readonly escrow: bigint;
  readonly fee: bigint | null;
  readonly platformFee: bigint;
  readonly refund: bigint | null;
  readonly contributorsPaid: bigint | null;
  readonly modelPaid: bigint | null;
  readonly stakersPaid: bigint | null;
  readonly treasuryPaid: bigint | null;
  readonly slashed: bigint | null;
}
export interface Attribution {
  readonly weight: bigint;
  readonly weightPpm: number;
  readonly licence: string;
  readonly paid: bigint;
  readonly contributor: { readonly address: Hex };
  readonly datanet: { readonly id: string; readonly name: string };
  readonly contribution: {
    readonly id: string;
    readonly contentRoot: Hex;
    readonly uri: string;
    readonly size: bigint;
    readonly consent: boolean;
    readonly block: BlockRef;
    readonly tx: Hex;
  };
  readonly spans: readonly {
    readonly outputStart: bigint;
    readonly length: number;
    readonly contentOffset: bigint;
    readonly weight: bigint;
  }[];
}
export interface LineageNode {
  readonly id: string;
  readonly depth: number;
  readonly entity:
    | {
        readonly __typename: "Contribution";
        readonly id: string;
        readonly contentRoot: Hex;
        readonly uri: string;
        readonly licence: string;
        readonly contributor: { readonly address: Hex };
      }
    | {
        readonly __typename: "Datanet";
        readonly id: string;
        readonly name: string;
        readonly licence: string;
        readonly owner: { readonly address: Hex };
      }
    | {
        readonly __typename: "Inference";
        readonly id: string;
        readonly outputRoot: Hex | null;
        readonly state: InferenceState;
      }
    | {
        readonly __typename: "Model";
        readonly id: string;
        readonly name: string;
        readonly kind: ModelKind;
        readonly licence: string;
        readonly owner: { readonly address: Hex };
      };
}
export interface LineageEdge {
  readonly from: string;
  readonly to: string;
  readonly kind: LineageEdgeKind;
  readonly weight: bigint | null;
  readonly weightPpm: number | null;
  readonly version: number | null;
  readonly tx: Hex;
}
export interface Reward {
  readonly id: string;
  readonly kind: RewardKind;
  readonly amount: bigint;
  readonly weight: bigint;
  readonly block: BlockRef;
  readonly tx: Hex;
  readonly account: { readonly address: Hex };
  readonly inference: { readonly id: string; readonly outputRoot: Hex | null };
  readonly contribution: { readonly id: string } | null;
  readonly model: { readonly id: string } | null;
}
export interface Earning {
  readonly id: string;
  readonly contentRoot: Hex;
  readonly uri: string;
  readonly size: bigint;
  readonly licence: string;
  readonly status: ContributionStatus;
  readonly consent: boolean;
  readonly earned: bigint;
  readonly rewardCount: number;
  readonly datanet: { readonly id: string; readonly name: string };
  readonly block: BlockRef;
  readonly tx: Hex;
}
export interface MetaAnswer {
  readonly _meta: {
    readonly block: BlockRef;
    readonly safe: BlockRef;
    readonly finalized: BlockRef;
    readonly chainHead: bigint;
    readonly hasIndexingErrors: boolean;
    readonly deployment: string;
    readonly schemaVersion: number;
  };
}
export interface OutputByIdAnswer {
  readonly inference: Output | null;
}
export interface OutputByRootAnswer {
  readonly outputByRoot: Output | null;
}
export interface LineageAnswer {
  readonly lineage: {
    readonly of: string;
    readonly root: (Output & { readonly attributions: readonly Attribution[] }) | null;
    readonly nodes: readonly LineageNode[];
    readonly edges: readonly LineageEdge[];
    readonly truncated: boolean;
    readonly asOf: BlockRef;
  } | null;
}
export interface AccountAnswer {
  readonly account: {
    readonly address: Hex;
    readonly accrued: bigint;
    readonly claimed: bigint;
    readonly claimable: bigint;
    readonly rewardCount: number;
    readonly stake: bigint;
    readonly rewardTotals: readonly { readonly kind: RewardKind; readonly amount: bigint; readonly count: number }[];
  };
}
export interface RewardSeriesAnswer {
  readonly account: {
    readonly rewardSeries: readonly {
      readonly start: number;
      readonly seconds: number;
      readonly amount: bigint;
      readonly count: number;
    }[];
  };
}
export interface RewardsAnswer {
  readonly rewards: {
    readonly nodes: readonly Reward[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  };
}
export interface EarningsAnswer {
  readonly contributions: {
    readonly nodes: readonly Earning[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  };
}
export interface ContributionRewardsAnswer {
  readonly contribution: {
    readonly rewards: {
      readonly nodes: readonly Reward[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
    };
  } | null;
}
export interface NewRewardsAnswer {
  readonly _meta: { readonly block: { readonly number: bigint } };
  readonly rewards: {
    readonly edges: readonly { readonly cursor: string; readonly node: Reward }[];
    readonly pageInfo: { readonly hasNextPage: boolean };
  };
}
export interface HeadAnswer {
  readonly head: { readonly number: bigint };
}
