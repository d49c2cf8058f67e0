/**
 * What a header must say by its parent's: gas limit, base fee (EIP-1559) and blob gas (EIP-4844, 7691, 7840, 7918), as
 * geth checks them whoever made the block.
 */
import type { Common } from "@ethereumjs/common";
import type { ForeignParts, Header } from "../../core/chain.ts";
import { nextBaseFee } from "../block/base-fee.ts";

type GasFields = Pick<
  Header,
  "gasLimit" | "gasUsed" | "baseFeePerGas" | "blobGasUsed" | "excessBlobGas" | "fieldCount"
>;

const INITIAL_BASE_FEE = 1_000_000_000n;
const MIN_GAS_LIMIT = 5_000n;
/** A block's gas limit is less than a part of this size of its parent's away from it. */
const GAS_LIMIT_DIVISOR = 1_024n;
/** What every chain has: a block's target is half its limit, and a whole block moves the base fee by an eighth. */
export const BASE_FEE_RULES = { baseFee: { elasticityMultiplier: 2n, maxChangeDenominator: 8n } } as const;

/** Headers from before London have 15 fields. */
const hasBaseFee = ({ fieldCount }: Pick<Header, "fieldCount">): boolean => fieldCount !== 15;

/** Wei a unit of gas, in a block after `parent` that London's rules hold for. */
export const baseFeeAfter = (parent: GasFields): bigint =>
  hasBaseFee(parent) ? nextBaseFee(parent, BASE_FEE_RULES) : INITIAL_BASE_FEE;

/** `common`: the rules of the block itself, Cancun or later. What EIP-4844 lacks is 0 in `parent`. */
export function excessBlobGasAfter(parent: GasFields, common: Common): bigint {
  const { targetBlobGasPerBlock: target, maxBlobGasPerBlock: max } = common.getBlobGasSchedule();
  const sum = parent.excessBlobGas + parent.blobGasUsed;
  if (sum < target) return 0n;
  // EIP-7918: while blobs cost less than what they are worth in gas, they become cheaper no further.
  if (common.isActivatedEIP(7918)) {
    const worth = common.param("blobBaseCost") * parent.baseFeePerGas;
    const price = common.param("blobGasPerBlob") * blobBaseFee(parent.excessBlobGas, common);
    if (worth > price) return parent.excessBlobGas + (parent.blobGasUsed * (max - target)) / max;
  }
  return sum - target;
}

/** Wei a unit of blob gas: EIP-4844's Taylor series of e to the excess. */
function blobBaseFee(excessBlobGas: bigint, common: Common): bigint {
  const { blobGasPriceUpdateFraction: fraction } = common.getBlobGasSchedule();
  let sum = 0n;
  let term = common.param("minBlobGas") * fraction;
  for (let i = 1n; term > 0n; i++) {
    sum += term;
    term = (term * excessBlobGas) / (fraction * i);
  }
  return sum / fraction;
}

/** What blobs cost in a block by these rules, and how many fit. */
export function blobTerms(
  { excessBlobGas }: Pick<Header, "excessBlobGas">,
  common: Common,
): Pick<ForeignParts, "blobBaseFee" | "maxBlobGas"> {
  if (!common.isActivatedEIP(4844)) return { blobBaseFee: 0n, maxBlobGas: 0n };
  return {
    blobBaseFee: blobBaseFee(excessBlobGas, common),
    maxBlobGas: common.getBlobGasSchedule().maxBlobGasPerBlock,
  };
}

/** What is wrong with the header of a block with so many blobs, after `parent`; undefined when nothing is. */
export function gasProblem(header: GasFields, blobs: number, parent: GasFields, common: Common): string | undefined {
  const isLondon = common.isActivatedEIP(1559);
  // London counts the target as the limit was before.
  const { elasticityMultiplier } = BASE_FEE_RULES.baseFee;
  const before = isLondon && !hasBaseFee(parent) ? parent.gasLimit * elasticityMultiplier : parent.gasLimit;
  const bound = before / GAS_LIMIT_DIVISOR;
  const { gasLimit } = header;
  if (gasLimit <= before - bound || gasLimit >= before + bound || gasLimit < MIN_GAS_LIMIT) {
    return `its gas limit is ${gasLimit}, it must be at least ${MIN_GAS_LIMIT} and less than ${bound} away from ${before}`;
  }
  if (isLondon) {
    const baseFee = baseFeeAfter(parent);
    if (header.baseFeePerGas !== baseFee) return `its base fee is ${header.baseFeePerGas} instead of ${baseFee}`;
  }
  if (!common.isActivatedEIP(4844)) return undefined;
  const excess = excessBlobGasAfter(parent, common);
  if (header.excessBlobGas !== excess) return `its excess blob gas is ${header.excessBlobGas} instead of ${excess}`;
  const used = BigInt(blobs) * common.param("blobGasPerBlob");
  if (header.blobGasUsed !== used) return `its blob gas is ${header.blobGasUsed} instead of ${used}`;
  const { maxBlobGasPerBlock: max } = common.getBlobGasSchedule();
  return used > max ? `its blob gas is ${used}, at most ${max} is allowed` : undefined;
}
