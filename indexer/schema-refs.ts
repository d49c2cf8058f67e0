/** The types that refer to each other, named before they are described. Each holds a row of its table. */
import { builder, connectionOf } from "./schema-builder.ts";
import type { Stored } from "./tables.ts";

/** An account exists for every address; its row only once it has been paid. */
export interface AccountShape {
  readonly address: Uint8Array;
}

export const Account = builder.objectRef<AccountShape>("Account");
export const Datanet = builder.objectRef<Stored<"datanets">>("Datanet");
export const DatanetVersion = builder.objectRef<Stored<"versions">>("DatanetVersion");
export const Grant = builder.objectRef<Stored<"grants">>("Grant");
export const Contribution = builder.objectRef<Stored<"contributions">>("Contribution");
export const Model = builder.objectRef<Stored<"models">>("Model");
export const Host = builder.objectRef<Stored<"hosts">>("Host");
export const Inference = builder.objectRef<Stored<"inferences">>("Inference");
export const Reward = builder.objectRef<Stored<"rewards">>("Reward");
export const RewardClaim = builder.objectRef<Stored<"claims">>("RewardClaim");

export const DatanetConnection = connectionOf("Datanet", "datanets", Datanet);
export const VersionConnection = connectionOf("DatanetVersion", "versions", DatanetVersion);
export const GrantConnection = connectionOf("Grant", "grants", Grant);
export const ContributionConnection = connectionOf("Contribution", "contributions", Contribution);
export const ModelConnection = connectionOf("Model", "models", Model);
export const HostConnection = connectionOf("Host", "hosts", Host);
export const InferenceConnection = connectionOf("Inference", "inferences", Inference);
export const RewardConnection = connectionOf("Reward", "rewards", Reward);
export const ClaimConnection = connectionOf("RewardClaim", "claims", RewardClaim);
