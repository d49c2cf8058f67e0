/** Who was paid: computed from what the request fixed, and compared with the events and with the record to the wei. */
import { STAKERS_ESCROW_ADDRESS, TREASURY_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { type Settlement, settlement } from "../../core/settlement.ts";
import { REWARD_KIND } from "../../indexer/codes.ts";
import { REWARD, STATE } from "../../precompiles/attribution-interface.ts";
import { feeOf } from "../../precompiles/attribution-state.ts";
import { contributionSlot, loadOrigin } from "../../precompiles/datanet-state.ts";
import { loadAncestors, loadModelHead, modelSlot } from "../../precompiles/models-state.ts";
import { type Comparison, NotProven, requireSame } from "./checks.ts";
import { eventsIn } from "./events.ts";
import type { RewardRecord } from "./record.ts";
import type { Audit } from "./verify.ts";
import type { ProvenAnswer } from "./verify-answer.ts";
import type { ProvenInference } from "./verify-inference.ts";

export function checkFee({ lineage }: Audit, { served, terms }: ProvenInference, answer: ProvenAnswer): [string, true] {
  const fee = feeOf(terms, served.requestBytes, answer.outputBytes);
  if (fee !== answer.fee) throw new NotProven(`the commitment says ${answer.fee} wei, its terms give ${fee}`);
  requireSame([["fee", lineage.root.fee, fee]]);
  return [
    `${fee} wei = ${terms.platformFee} + (${served.requestBytes} × ${terms.requestPrice} + ${answer.outputBytes} × ${terms.outputPrice}) / 1000`,
    true,
  ];
}

interface Payment {
  readonly kind: number;
  readonly account: Hex;
  /** What it is paid for, as in "contribution 3"; empty for none. */
  readonly source: string;
  readonly weight: bigint;
  readonly amount: bigint;
}

/** Of a settlement. */
const PARTS = ["contributorsPaid", "modelPaid", "stakersPaid", "treasuryPaid"] as const;

/** Nothing is paid before it ends. */
export async function checkPayments(
  audit: Audit,
  inference: ProvenInference,
  answer: ProvenAnswer | undefined,
): Promise<[string, true]> {
  const { root } = audit.lineage;
  const paid = await paymentsOf(audit, inference.inferenceId);
  if (inference.state === STATE.settled && answer !== undefined) {
    const { shares, due } = await settlementOf(audit, inference, answer);
    requireSamePayments("the settlement rule gives", due, paid);
    requireSame([
      ["refund", root.refund, inference.escrow.escrow - answer.fee],
      ["contributors' part", root.contributorsPaid, shares.contributorsWei],
      ["model's part", root.modelPaid, shares.modelWei],
      ["stakers' part", root.stakersPaid, shares.stakersWei],
      ["treasury's part", root.treasuryPaid, shares.treasuryWei],
      ...shares.contributors.map(({ contribution, amountWei }): Comparison => {
        const attribution = audit.lineage.attributions.find((one) => one.contribution.id === String(contribution));
        return [`payment of contribution ${contribution}`, attribution?.paid, amountWei];
      }),
    ]);
  } else {
    requireSame([
      ...PARTS.map((field): Comparison => [field, root[field], null]),
      ...audit.lineage.attributions.map(
        ({ paid: claimed, contribution }): Comparison => [`payment of contribution ${contribution.id}`, claimed, 0],
      ),
    ]);
  }
  requireSamePayments("GraphQL says", root.rewards.map(claimedPayment), paid);
  const sum = paid.reduce((total, { amount }) => total + amount, 0n);
  if (inference.state === STATE.settled && sum !== answer?.fee)
    throw new NotProven(`${sum} wei were paid of ${answer?.fee}`);
  if (inference.state === STATE.void) {
    requireSame([["slashed", root.slashed, sum]]);
    return [`${paid.length} shares of the ${sum} wei that were slashed; the payer has the escrow back`, true];
  }
  return [paid.length === 0 ? "none yet" : `${paid.length} shares, to the wei, are all of the fee of ${sum}`, true];
}

/** Events of the block in which it ended. */
async function paymentsOf({ lineage, chain }: Audit, inferenceId: bigint): Promise<Payment[]> {
  const { closed } = lineage.root;
  if (closed === null) return [];
  const block = await chain.block(BigInt(closed.block.number));
  return eventsIn(block, "attribution", "RewardAccrued")
    .filter(({ args }) => args.inferenceId === inferenceId)
    .map(({ args: { kind, account, source, weight, amount } }) => ({
      kind,
      account,
      source: sourceOf(kind, source),
      weight,
      amount,
    }));
}

const OF_CONTRIBUTIONS: ReadonlySet<number> = new Set([REWARD.contributor, REWARD.leftOut]);

function sourceOf(kind: number, source: bigint): string {
  if (source === 0n) return "";
  return `${OF_CONTRIBUTIONS.has(kind) ? "contribution" : "model"} ${source}`;
}

/** What has to be paid, in the order in which the precompile accrues it. */
async function settlementOf(
  { state }: Audit,
  { head, served, terms }: ProvenInference,
  { outputBytes, spans, fee }: ProvenAnswer,
): Promise<{ readonly shares: Settlement; readonly due: Payment[] }> {
  const { model, ancestors } = await state.read((context) => {
    const slot = modelSlot(context, head.modelId);
    const found = loadModelHead(context, slot)!;
    return { model: found, ancestors: loadAncestors(context, slot, found.depth) };
  });
  const shares = settlement({
    feeWei: fee,
    platformFeeWei: terms.platformFee,
    modelPpm: BigInt(terms.modelPpm),
    stakersPpm: BigInt(terms.stakersPpm),
    contributorsPpm: BigInt(terms.contributorsPpm),
    outputBytes,
    spans,
    hostPpm: BigInt(model.hostPpm),
    royaltyPpm: ancestors.map((ancestor) => BigInt(ancestor.head.royaltyPpm)),
  });
  const contributors = await state.read((context) =>
    shares.contributors.map(
      ({ contribution }) => loadOrigin(context, contributionSlot(context, contribution)).contributor,
    ),
  );
  const payment = (kind: number, account: Uint8Array, source: bigint, amount: bigint, weight = 0n): Payment => ({
    kind,
    account: bytesToHex(account),
    source: sourceOf(kind, source),
    weight,
    amount,
  });
  const { modelId } = head;
  const due = [
    ...shares.contributors.map(({ contribution, weight, amountWei }, i) =>
      payment(REWARD.contributor, contributors[i]!, contribution, amountWei, weight),
    ),
    payment(REWARD.modelOwner, model.owner, modelId, shares.modelOwnerWei),
    ...ancestors.map((ancestor, i) =>
      payment(REWARD.royalty, ancestor.head.owner, ancestor.modelId, shares.royaltiesWei[i]!),
    ),
    payment(REWARD.host, served.host, modelId, shares.hostWei),
    payment(REWARD.stakers, STAKERS_ESCROW_ADDRESS, 0n, shares.stakersWei),
    payment(REWARD.treasury, TREASURY_ADDRESS, 0n, shares.treasuryWei),
  ];
  return { shares, due: due.filter(({ amount }) => amount > 0n) };
}

const claimedPayment = ({ kind, account, contribution, model, weight, amount }: RewardRecord): Payment => ({
  kind: REWARD_KIND[kind as keyof typeof REWARD_KIND],
  account: account.address,
  source: [contribution && `contribution ${contribution.id}`, model && `model ${model.id}`].filter(Boolean).join(" "),
  weight: BigInt(weight),
  amount: BigInt(amount),
});

/** As multisets: a list may be in any order. */
function requireSamePayments(who: string, claimed: readonly Payment[], paid: readonly Payment[]): void {
  const proven = paid.map(describe);
  const wrong = claimed.map(describe).filter((line) => {
    const at = proven.indexOf(line);
    if (at >= 0) proven.splice(at, 1);
    return at < 0;
  });
  if (wrong.length === 0 && proven.length === 0) return;
  throw new NotProven(`${who} ${wrong[0] ?? "nothing more"}, the chain accrued ${proven[0] ?? "nothing of the kind"}`);
}

const KIND_NAMES = Object.fromEntries(Object.entries(REWARD_KIND).map(([name, code]) => [code, name]));

const describe = ({ kind, account, source, weight, amount }: Payment): string =>
  `${KIND_NAMES[kind]} ${amount} wei to ${account.toLowerCase()} for ${source || "nothing"}, weight ${weight}`;
