/**
 * What a transaction's data costs on L1 (OP Stack, Ecotone): paid by its sender on top of gas. Deposits pay none.
 *
 *   gas of the data = 4 a zero byte, 16 another, of the signed transaction
 *   fee = gas × (16 × L1 base fee × its scalar + L1 blob base fee × its scalar) / 16,000,000, rounded down
 */
import type { L1Attributes } from "../../bridge/l1-attributes.ts";

const BASE_FEE_WEIGHT = 16n;
/** Scalars are parts per million. */
const DIVISOR = BASE_FEE_WEIGHT * 1_000_000n;

/** Of a unit of a transaction's data gas, in 16,000,000ths of a wei: the same for all transactions of a block. */
export function l1FeePrice(
  attributes: Pick<L1Attributes, "baseFeeWei" | "baseFeeScalar" | "blobBaseFeeWei" | "blobBaseFeeScalar">,
): bigint {
  const { baseFeeWei, baseFeeScalar, blobBaseFeeWei, blobBaseFeeScalar } = attributes;
  return BASE_FEE_WEIGHT * baseFeeWei * baseFeeScalar + blobBaseFeeWei * blobBaseFeeScalar;
}

/** `raw`: the signed transaction. */
export function dataGas(raw: Uint8Array): bigint {
  let gas = 0;
  for (let i = 0; i < raw.length; i++) gas += raw[i] === 0 ? 4 : 16;
  return BigInt(gas);
}

/** Wei. */
export function l1FeeOf(gas: bigint, price: bigint): bigint {
  return (gas * price) / DIVISOR;
}

/** Wei. The bytes are not looked at where L1 data is free. */
export function l1DataFee(raw: Uint8Array, price: bigint): bigint {
  return price === 0n ? 0n : l1FeeOf(dataGas(raw), price);
}
