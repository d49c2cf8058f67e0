/** The Solidity interface of the attribution precompile, compiled, and its enums. */
import { defineInterface, type Handlers } from "./interface.ts";
import { attributionAbi } from "./interfaces/attribution.abi.ts";

export const { emit, error, precompile } = defineInterface(attributionAbi, {
  "IAttribution.Audience": 2,
  "IAttribution.State": 6,
  "IAttribution.Fault": 6,
  "IAttribution.RewardKind": 8,
});

/** Arguments of a function, decoded. */
export type Inputs<Name extends keyof Handlers<typeof attributionAbi>> = Parameters<
  Handlers<typeof attributionAbi>[Name]
>[1];
export type Handler<Name extends keyof Handlers<typeof attributionAbi>> = Handlers<typeof attributionAbi>[Name];

export const AUDIENCE = { public: 0, private: 1 } as const;
export const STATE = { none: 0, requested: 1, committed: 2, settled: 3, expired: 4, void: 5 } as const;
export const FAULT = {
  mismatch: 0,
  boundary: 1,
  omission: 2,
  earlierHolder: 3,
  contradiction: 4,
  unavailable: 5,
} as const;
export const REWARD = {
  contributor: 0,
  modelOwner: 1,
  royalty: 2,
  host: 3,
  stakers: 4,
  treasury: 5,
  challenger: 6,
  leftOut: 7,
} as const;
