/** Codes that rows carry. The first four are the interfaces' own enums, in their order. */
export const STATUS = { PENDING: 1, ACCEPTED: 2, REJECTED: 3, DUPLICATE: 4, WITHDRAWN: 5 } as const;
export const INFERENCE_STATE = { REQUESTED: 1, COMMITTED: 2, SETTLED: 3, EXPIRED: 4, VOID: 5 } as const;
export const FAULT = {
  MISMATCH: 0,
  BOUNDARY: 1,
  OMISSION: 2,
  EARLIER_HOLDER: 3,
  CONTRADICTION: 4,
  UNAVAILABLE: 5,
} as const;
export const REWARD_KIND = {
  CONTRIBUTOR: 0,
  MODEL_OWNER: 1,
  ROYALTY: 2,
  HOST: 3,
  STAKERS: 4,
  TREASURY: 5,
  CHALLENGER: 6,
  LEFT_OUT: 7,
} as const;
export const MODEL_KIND = { BASE: 0, FINE_TUNE: 1, ADAPTER: 2 } as const;

export const STAKE_KIND = { WITHDRAWN: 0, DEPOSITED: 1, SLASHED: 2 } as const;
export const DEMAND_STATE = { OPEN: 0, SHOWN: 1, RETURNED: 2 } as const;

export const ROLE = { CURATOR: 0, CONTRIBUTOR: 1, BUILDER: 2 } as const;

export const NODE_KIND = { OUTPUT: 1, CONTRIBUTION: 2, MODEL: 3, DATANET: 4 } as const;
export type NodeKind = (typeof NODE_KIND)[keyof typeof NODE_KIND];

/** Edges point upstream: from what was made to what it was made of. */
export const EDGE_KIND = {
  /** Output to contribution; weight = merged weight of its spans. */
  ATTRIBUTED_TO: 1,
  /** Output to model. */
  GENERATED_BY: 2,
  /** Model to parent model, contribution to parent contribution. */
  DERIVED_FROM: 3,
  /** Model to Datanet; detail = version. */
  TRAINED_ON: 4,
  /** Contribution to Datanet. */
  PART_OF: 5,
} as const;
