/**
 * Fee and settlement of an inference (docs/spec.md "Fee and settlement") as pure arithmetic. All divisions round down;
 * whatever rounding leaves goes to the treasury, so the shares sum to the fee exactly.
 */
import { PPM } from "./parameters.ts";
import { type Span, spanWeights } from "./span-rule.ts";

export interface FeeTerms {
  readonly platformFeeWei: bigint;
  /** Wei per 1,000 bytes. */
  readonly requestPrice: bigint;
  readonly outputPrice: bigint;
}

export const feeWei = (terms: FeeTerms, requestBytes: number, outputBytes: number): bigint =>
  terms.platformFeeWei + (BigInt(requestBytes) * terms.requestPrice + BigInt(outputBytes) * terms.outputPrice) / 1000n;

/** Parts per million of the fee less the platform fee. Precondition: their sum is at most 1,000,000. */
export interface SplitTerms {
  readonly modelPpm: bigint;
  readonly stakersPpm: bigint;
  readonly contributorsPpm: bigint;
}

export interface SettlementTerms extends SplitTerms {
  readonly feeWei: bigint;
  readonly platformFeeWei: bigint;
  readonly outputBytes: number;
  readonly spans: readonly Span[];
  readonly hostPpm: bigint;
  /** Of the ancestors, nearest parent first. */
  readonly royaltyPpm: readonly bigint[];
}

export interface ContributorShare {
  readonly contribution: bigint;
  readonly weight: bigint;
  readonly amountWei: bigint;
}

export interface Settlement {
  /** One a contribution, in the order in which the spans first name them. */
  readonly contributors: readonly ContributorShare[];
  readonly modelOwnerWei: bigint;
  readonly hostWei: bigint;
  /** What each ancestor keeps, nearest parent first. */
  readonly royaltiesWei: readonly bigint[];
  readonly stakersWei: bigint;
  /** Platform fee, treasury's part, the uncovered part and every remainder. */
  readonly treasuryWei: bigint;
  readonly contributorsWei: bigint;
  /** Owner, host and royalties together. */
  readonly modelWei: bigint;
}

export function settlement(terms: SettlementTerms): Settlement {
  const net = terms.feeWei - terms.platformFeeWei;
  if (net < 0n) throw new RangeError("fee below the platform fee");
  const modelWei = (net * terms.modelPpm) / PPM;
  const stakersWei = (net * terms.stakersPpm) / PPM;
  const dataWei = (net * terms.contributorsPpm) / PPM;

  const contributors = contributorShares(dataWei, terms.outputBytes, terms.spans);
  const contributorsWei = contributors.reduce((sum, share) => sum + share.amountWei, 0n);
  const { keeps, own } = royalties(modelWei, terms.royaltyPpm);
  const hostWei = (own * terms.hostPpm) / PPM;
  return {
    contributors,
    contributorsWei,
    modelOwnerWei: own - hostWei,
    hostWei,
    royaltiesWei: keeps,
    stakersWei,
    modelWei,
    treasuryWei: terms.feeWei - modelWei - stakersWei - contributorsWei,
  };
}

/** dataWei × weight / outputBytes, one division a contribution. */
export function contributorShares(
  dataWei: bigint,
  outputBytes: number,
  spans: readonly Span[],
): readonly ContributorShare[] {
  const weights = new Map<bigint, number>();
  for (const [i, weight] of spanWeights(spans).entries()) {
    const { contribution } = spans[i]!;
    weights.set(contribution, (weights.get(contribution) ?? 0) + weight);
  }
  return [...weights].map(([contribution, weight]) => ({
    contribution,
    weight: BigInt(weight),
    amountWei: (dataWei * BigInt(weight)) / BigInt(outputBytes),
  }));
}

/** `own` is what the model itself keeps, `keeps[i]` what the i-th ancestor keeps; together they are modelWei. */
export function royalties(
  modelWei: bigint,
  royaltyPpm: readonly bigint[],
): { readonly own: bigint; readonly keeps: readonly bigint[] } {
  const keeps: bigint[] = [];
  let own = modelWei;
  let incoming = modelWei;
  for (let i = 0; i < royaltyPpm.length; i++) {
    const up = (incoming * royaltyPpm[i]!) / PPM;
    if (i === 0) own = incoming - up;
    else keeps.push(incoming - up);
    incoming = up;
  }
  if (royaltyPpm.length > 0) keeps.push(incoming);
  return { own, keeps };
}
