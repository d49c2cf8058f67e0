/** Fee suggestions and history, from what blocks paid. */
import type { ExecutedBlock } from "../../core/chain.ts";
import { effectiveTip } from "../../execution/tx/derive.ts";
import type { ChainApi } from "../chain-api.ts";

const SAMPLED_BLOCKS = 20;
const SAMPLES_PER_BLOCK = 3;
const PERCENTILE = 60;
/** A run of expensive blocks must not make wallets propose absurd fees. */
const MAX_TIP_WEI = 500n * 10n ** 9n;

/** geth's oracle: the 60th percentile of the three lowest tips of each of the last 20 blocks. */
export function suggestTip(chain: ChainApi, minTipWei: bigint): bigint {
  const tips: bigint[] = [];
  for (let back = 0n; back < SAMPLED_BLOCKS && back <= chain.head.number; back++) {
    const block = chain.block(chain.head.number - back);
    if (block === undefined) break;
    tips.push(...lowestTips(block));
  }
  tips.sort(ascending);
  const tip = tips[Math.floor(((tips.length - 1) * PERCENTILE) / 100)] ?? minTipWei;
  return tip < minTipWei ? minTipWei : tip > MAX_TIP_WEI ? MAX_TIP_WEI : tip;
}

/** The last blocks are asked for again with each suggestion. */
const knownTips = new WeakMap<ExecutedBlock, readonly bigint[]>();

function lowestTips(block: ExecutedBlock): readonly bigint[] {
  const known = knownTips.get(block);
  if (known !== undefined) return known;
  const lowest = tipsOf(block)
    .slice(0, SAMPLES_PER_BLOCK)
    .map(({ tip }) => tip);
  knownTips.set(block, lowest);
  return lowest;
}

/** Priority fees at which the given percentiles of the block's gas were bought (rising percentiles). */
export function rewardPercentiles(block: ExecutedBlock, percentiles: readonly number[]): bigint[] {
  const tips = tipsOf(block);
  if (tips.length === 0) return percentiles.map(() => 0n);
  let index = 0;
  let gas = tips[0]!.gasUsed;
  return percentiles.map((percentile) => {
    const threshold = BigInt(Math.floor((Number(block.header.gasUsed) * percentile) / 100));
    while (gas < threshold && index < tips.length - 1) gas += tips[++index]!.gasUsed;
    return tips[index]!.tip;
  });
}

function tipsOf(block: ExecutedBlock): { readonly tip: bigint; readonly gasUsed: bigint }[] {
  const { baseFeePerGas } = block.header;
  return block.transactions
    .map((tx, i) => ({ tx, gasUsed: block.receipts[i]!.gasUsed }))
    .filter(({ tx }) => tx.deposit === undefined) // bought their gas on L1
    .map(({ tx, gasUsed }) => ({ tip: effectiveTip(tx, baseFeePerGas), gasUsed }))
    .sort((a, b) => ascending(a.tip, b.tip));
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
