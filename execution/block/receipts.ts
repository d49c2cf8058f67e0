/** Receipts of a block whose execution is known: what is stored and travels, and what follows from the block. */
import { decodeAttributes, type L1Attributes } from "../../bridge/l1-attributes.ts";
import type { Header, Receipt, Transaction } from "../../core/chain.ts";
import { depositOf } from "../tx/deposit.ts";
import { createdAddress, effectiveGasPrice } from "../tx/derive.ts";
import { l1DataFee, l1FeePrice } from "../tx/l1-fee.ts";

/** What only execution tells. */
export type ExecutedReceipt = Pick<
  Receipt,
  "status" | "cumulativeGasUsed" | "logsBloom" | "logs" | "depositNonce" | "postState"
>;

/** Precondition: `executed[i]` belongs to `transactions[i]` of a valid block. */
export function completeReceipts(
  { baseFeePerGas }: Pick<Header, "baseFeePerGas">,
  transactions: readonly Transaction[],
  executed: readonly ExecutedReceipt[],
): Receipt[] {
  const l1 = l1AttributesOf(transactions);
  const price = l1 && l1FeePrice(l1);
  let gasBefore = 0n;
  return executed.map((known, index) => {
    const tx = transactions[index]!;
    const gasUsed = known.cumulativeGasUsed - gasBefore;
    gasBefore = known.cumulativeGasUsed;
    return {
      ...known,
      type: tx.type,
      gasUsed,
      effectiveGasPrice: effectiveGasPrice(tx, baseFeePerGas),
      contractAddress: tx.to === undefined ? createdAddress(tx.from, known.depositNonce ?? tx.nonce) : undefined,
      ...(price !== undefined && tx.deposit === undefined && { l1Fee: l1DataFee(tx.raw, price) }),
    };
  });
}

/** What a valid block says of its L1 origin; undefined on a chain without an L1, and of the genesis block. */
export function l1AttributesOf([first]: readonly Transaction[]): L1Attributes | undefined {
  if (first?.deposit === undefined) return undefined;
  const decoded = decodeAttributes(depositOf(first));
  return decoded.ok ? decoded.attributes : undefined;
}
