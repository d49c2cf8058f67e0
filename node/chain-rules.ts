import { encodeValidators } from "../core/validators.ts";
import { type ChainRules, DEFAULT_RULES } from "../execution/rules.ts";
import type { Genesis } from "../genesis/schema.ts";
import { submitCall } from "../genesis/validator-set.ts";

/** What a network's genesis says about executing its blocks. */
export function chainRules(genesis: Genesis): ChainRules {
  const { chainId, gasLimit, blockBytes, consensus, validatorChanges, l1 } = genesis;
  const changes = validatorChanges.map(
    ({ block, set }, index) => [block, submitCall(BigInt(index + 1), encodeValidators(set.validators))] as const,
  );
  return {
    ...DEFAULT_RULES,
    chainId,
    gasLimit,
    blockBytes,
    epochBlocks: BigInt(consensus.epochBlocks),
    validatorChanges: new Map(changes),
    ...(l1 !== undefined && { l1: { maxDriftSeconds: l1.maxDriftSeconds } }),
  };
}
