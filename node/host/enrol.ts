/** Stake and membership of a host, as it starts. Each looks first: a repeat sends nothing twice. */
import { encodeFunctionData, formatEther } from "viem";
import type { ChainReader } from "../../attribution/chain-reader.ts";
import { ATTRIBUTION_ADDRESS, MODELS_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";
import { OperationError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type Call, RevertError, type Sender } from "./sender.ts";

export interface EnrolParts {
  readonly chain: ChainReader;
  readonly sender: Sender;
  readonly log: Logger;
}

/** Deposits what the stake lacks to `wantedWei`. Throws OperationError. */
export async function depositStake({ chain, sender, log }: EnrolParts, wantedWei: bigint): Promise<void> {
  const { totalWei } = await chain.stakeOf(sender.address);
  if (totalWei >= wantedWei) return;
  const valueWei = wantedWei - totalWei;
  const data = encodeFunctionData({ abi: attributionAbi, functionName: "depositStake" });
  await succeed(sender, { label: "deposit stake", to: bytesToHex(ATTRIBUTION_ADDRESS), data, valueWei });
  log.info({ deposited: formatEther(valueWei), stake: formatEther(wantedWei) }, "stake deposited");
}

/** Joins those models that the account has not joined. Throws OperationError. */
export async function joinModels(
  { chain, sender, log }: EnrolParts,
  models: readonly bigint[],
  url: string,
): Promise<void> {
  if (models.length === 0) return;
  const joined = new Set(await chain.modelsOf(sender.address.toLowerCase() as Hex));
  for (const modelId of models) {
    if (joined.has(modelId)) continue;
    const data = encodeFunctionData({ abi: modelsAbi, functionName: "joinAsHost", args: [modelId, url] });
    await succeed(sender, { label: `join model ${modelId}`, to: bytesToHex(MODELS_ADDRESS), data });
    log.info({ model: Number(modelId), url }, "joined");
  }
}

async function succeed(sender: Sender, call: Call): Promise<void> {
  const refused = (why: string) => new OperationError(`cannot ${call.label}: ${why}`);
  try {
    const outcome = await sender.send(call);
    if (outcome.type !== "mined") throw refused(`the transaction is ${outcome.type}`);
  } catch (error) {
    if (error instanceof OperationError) throw error;
    throw refused(error instanceof RevertError ? `the chain refuses it, ${error.message}` : firstLine(error));
  }
}

const firstLine = (error: unknown): string => (error as Error).message.split("\n")[0] ?? "";
