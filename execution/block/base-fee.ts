/** EIP-1559: the base fee moves towards the price at which blocks are half full. */
import { bigIntMax } from "../../core/bytes.ts";
import type { Header } from "../../core/chain.ts";
import type { ChainRules } from "../rules.ts";

/** Base fee a unit of gas, in wei, of the block after `parent`. */
export function nextBaseFee(
  parent: Pick<Header, "gasLimit" | "gasUsed" | "baseFeePerGas">,
  { baseFee: { elasticityMultiplier, maxChangeDenominator } }: Pick<ChainRules, "baseFee">,
): bigint {
  const { gasLimit, gasUsed, baseFeePerGas } = parent;
  const target = gasLimit / elasticityMultiplier;
  if (gasUsed === target) return baseFeePerGas;
  if (gasUsed > target) {
    const change = (baseFeePerGas * (gasUsed - target)) / target / maxChangeDenominator;
    return baseFeePerGas + bigIntMax(change, 1n);
  }
  const change = (baseFeePerGas * (target - gasUsed)) / target / maxChangeDenominator;
  return baseFeePerGas - change;
}
