/** What a fork makes of a message besides the code that it runs: what it may say, what it costs, what it leaves behind. */
import { type Common, Hardfork } from "@ethereumjs/common";
import type { Transaction } from "../../core/chain.ts";

export interface MessageRules {
  /** Why messages cannot be run by them, in words for the caller. */
  readonly refusal?: string;
  /** Types that a message may have by its fields. */
  readonly types: ReadonlySet<Transaction["type"]>;
  /** EIP-1559; before, there is a gas price only. */
  readonly hasBaseFee: boolean;
  /** EIP-4844; the price may be named without blobs. */
  readonly hasBlobFee: boolean;
  /** EIP-2: a creation costs 32,000 gas on top. */
  readonly chargesCreation: boolean;
  /** Gas of a byte of calldata that is not zero: 68, since EIP-2028 16. */
  readonly dataByteGas: number;
  /** EIP-3860: init code has a price and a largest size. */
  readonly boundsInitCode: boolean;
  /** EIP-7623. */
  readonly hasFloor: boolean;
  /** Of the gas used comes back at most one part in so many: 2, since EIP-3529 5. */
  readonly maxRefundQuotient: bigint;
  /** EIP-3651. */
  readonly warmsCoinbase: boolean;
  /** EIP-6780: only what the same transaction created is destroyed. */
  readonly destroysOnlyCreated: boolean;
  /** EIP-161: what is empty is not made; before, the coinbase exists once it has been credited nothing. */
  readonly deletesEmpty: boolean;
  /** EIP-658; before, a receipt has the state's root. */
  readonly hasStatus: boolean;
}

/** Prague's and Osaka's, on a chain without blobs. */
export const NEWEST_MESSAGES: MessageRules = {
  types: new Set([0, 1, 2, 4]),
  hasBaseFee: true,
  hasBlobFee: true,
  chargesCreation: true,
  dataByteGas: 16,
  boundsInitCode: true,
  hasFloor: true,
  maxRefundQuotient: 5n,
  warmsCoinbase: true,
  destroysOnlyCreated: true,
  deletesEmpty: true,
  hasStatus: true,
};

/** Of a fork of Ethereum, Frontier to Osaka. Amsterdam's messages have gas of two dimensions (EIP-8037), others refunds. */
export function messageRulesOf(common: Common): MessageRules {
  const has = (eip: number) => common.isActivatedEIP(eip);
  const isAfter = (fork: Hardfork) => common.gteHardfork(fork);
  const types: Transaction["type"][] = [0];
  if (has(2930)) types.push(1);
  if (has(1559)) types.push(2);
  if (has(4844)) types.push(3);
  if (has(7702)) types.push(4);
  return {
    ...(isAfter(Hardfork.Amsterdam) && { refusal: "nothing is run by Amsterdam's rules here but imported blocks" }),
    types: new Set(types),
    hasBaseFee: has(1559),
    hasBlobFee: has(4844),
    chargesCreation: isAfter(Hardfork.Homestead),
    dataByteGas: isAfter(Hardfork.Istanbul) ? 16 : 68,
    boundsInitCode: has(3860),
    hasFloor: has(7623),
    maxRefundQuotient: has(3529) ? 5n : 2n,
    warmsCoinbase: has(3651),
    destroysOnlyCreated: has(6780),
    deletesEmpty: isAfter(Hardfork.SpuriousDragon),
    hasStatus: isAfter(Hardfork.Byzantium),
  };
}
