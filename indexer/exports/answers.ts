/** Written by scripts/write-client-types.ts from documents.ts and the GraphQL schema: do not edit. */
export type Hex = `0x${string}`;
export type Access = "OPEN" | "PERMISSIONED";
export type Audience = "PRIVATE" | "PUBLIC";
export type Fault = "BOUNDARY" | "CONTRADICTION" | "EARLIER_HOLDER" | "MISMATCH" | "OMISSION" | "UNAVAILABLE";
export type InferenceState = "COMMITTED" | "EXPIRED" | "REQUESTED" | "SETTLED" | "VOID";
export type LineageEdgeKind = "ATTRIBUTED_TO" | "DERIVED_FROM" | "GENERATED_BY" | "PART_OF" | "TRAINED_ON";
export type Modality = "AUDIO" | "IMAGE" | "TEXT";
export type ModelKind = "ADAPTER" | "BASE" | "FINE_TUNE";
export interface ExportRoot {
  readonly id: string;
  readonly state: InferenceState;
  readonly audience: Audience;
  readonly fault: Fault | null;
  readonly block: Moment;
  readonly tx: Hex;
  readonly committed: { readonly block: Moment; readonly tx: Hex } | null;
  readonly closed: { readonly block: Moment; readonly tx: Hex } | null;
  readonly model: { readonly id: string };
  readonly host: { readonly address: Hex };
  readonly payer: { readonly address: Hex };
  readonly requestRoot: Hex;
  readonly requestBytes: string;
  readonly outputRoot: Hex | null;
  readonly outputBytes: string | null;
  readonly coveredBytes: string | null;
  readonly fee: string | null;
}
export interface ExportNode {
  readonly id: string;
  readonly depth: number;
  readonly entity:
    | {
        readonly __typename: "Contribution";
        readonly id: string;
        readonly contentRoot: Hex;
        readonly uri: string;
        readonly size: string;
        readonly licence: string;
        readonly consent: boolean;
        readonly contributor: { readonly address: Hex };
        readonly block: Moment;
        readonly tx: Hex;
      }
    | {
        readonly __typename: "Datanet";
        readonly id: string;
        readonly name: string;
        readonly licence: string;
        readonly domain: string;
        readonly owner: { readonly address: Hex };
        readonly block: Moment;
        readonly tx: Hex;
      }
    | {
        readonly __typename: "Inference";
        readonly id: string;
        readonly state: InferenceState;
        readonly outputRoot: Hex | null;
        readonly host: { readonly address: Hex };
        readonly block: Moment;
        readonly tx: Hex;
      }
    | {
        readonly __typename: "Model";
        readonly id: string;
        readonly name: string;
        readonly kind: ModelKind;
        readonly licence: string;
        readonly artifactHash: Hex;
        readonly configHash: Hex;
        readonly owner: { readonly address: Hex };
        readonly block: Moment;
        readonly tx: Hex;
      };
}
export interface ExportEdge {
  readonly from: string;
  readonly to: string;
  readonly kind: LineageEdgeKind;
  readonly weight: string | null;
  readonly weightPpm: number | null;
  readonly version: number | null;
  readonly tx: Hex;
  readonly block: Moment;
}
export interface Moment {
  readonly number: string;
  readonly hash: Hex;
  readonly timestamp: number;
}
export interface ExportModel {
  readonly id: string;
  readonly name: string;
  readonly kind: ModelKind;
  readonly licence: string;
  readonly metadataUri: string;
  readonly artifactHash: Hex;
  readonly configHash: Hex;
  readonly owner: { readonly address: Hex };
  readonly parent: { readonly id: string } | null;
  readonly data: readonly {
    readonly version: number;
    readonly datanet: {
      readonly id: string;
      readonly name: string;
      readonly licence: string;
      readonly domain: string;
      readonly metadataUri: string;
      readonly modality: Modality;
      readonly owner: { readonly address: Hex };
    };
  }[];
  readonly block: Moment;
  readonly tx: Hex;
}
export interface ExportDatanet {
  readonly id: string;
  readonly name: string;
  readonly domain: string;
  readonly licence: string;
  readonly metadataUri: string;
  readonly modality: Modality;
  readonly access: Access;
  readonly owner: { readonly address: Hex };
  readonly block: Moment;
  readonly tx: Hex;
}
export interface ExportVersion {
  readonly version: number;
  readonly count: number;
  readonly root: Hex;
  readonly block: Moment;
  readonly tx: Hex;
}
export interface ExportContribution {
  readonly id: string;
  readonly leafIndex: number | null;
  readonly contentRoot: Hex;
  readonly uri: string;
  readonly size: string;
  readonly licence: string;
  readonly consent: boolean;
  readonly score: number | null;
  readonly contributor: { readonly address: Hex };
  readonly block: Moment;
  readonly tx: Hex;
}
export interface ExportOutputAnswer {
  readonly lineage: {
    readonly root:
      | (ExportRoot & {
          readonly attributions: readonly {
            readonly contribution: { readonly id: string };
            readonly weight: string;
            readonly weightPpm: number;
            readonly paid: string;
          }[];
        })
      | null;
    readonly nodes: readonly ExportNode[];
    readonly edges: readonly ExportEdge[];
    readonly truncated: boolean;
    readonly asOf: Moment;
  } | null;
}
export interface ExportModelByIdAnswer {
  readonly model: ExportModel | null;
}
export interface ExportDatanetByIdAnswer {
  readonly datanet: ExportDatanet | null;
}
export interface ExportVersionsAnswer {
  readonly datanet: {
    readonly versions: {
      readonly nodes: readonly ExportVersion[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
    };
  } | null;
}
export interface ExportContributionsAnswer {
  readonly contributions: {
    readonly nodes: readonly ExportContribution[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  };
}
