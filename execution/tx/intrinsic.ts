/** Gas that a transaction costs before anything runs. */
import { bigIntMax } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";

type Priced = Pick<Transaction, "to" | "data" | "accessList" | "authorizationList">;

const TRANSACTION = 21_000;
const CREATION = 32_000;
/** EIP-2028 in tokens of EIP-7623: a zero byte is one token, another four; a token costs 4, in the floor 10. */
const TOKEN = 4;
const FLOOR_TOKEN = 10;
/** EIP-3860, a 32-byte word of init code. */
const INIT_CODE_WORD = 2;
/** EIP-2930. */
const LISTED_ADDRESS = 2_400;
const LISTED_KEY = 1_900;
/** EIP-7702; part of it comes back when the authority exists. */
export const AUTHORIZATION_GAS = 25_000;
export const AUTHORIZATION_REFUND = 12_500n;

/** EIP-3860. */
export const MAX_INIT_CODE_BYTES = 49_152;

export interface GasRequirement {
  /** Charged before execution. */
  readonly intrinsic: bigint;
  /** EIP-7623: the least that the transaction pays in the end. */
  readonly floor: bigint;
}

const PLAIN: GasRequirement = { intrinsic: BigInt(TRANSACTION), floor: BigInt(TRANSACTION) };

export function gasRequirement(tx: Priced): GasRequirement {
  const { to, data, accessList, authorizationList } = tx;
  if (to !== undefined && data.length + accessList.length + authorizationList.length === 0) return PLAIN;
  let tokens = 0;
  for (let i = 0; i < data.length; i++) tokens += data[i] === 0 ? 1 : 4;
  let gas = TRANSACTION + tokens * TOKEN + authorizationList.length * AUTHORIZATION_GAS;
  if (to === undefined) gas += CREATION + INIT_CODE_WORD * Math.ceil(data.length / 32);
  for (const { storageKeys } of accessList) gas += LISTED_ADDRESS + storageKeys.length * LISTED_KEY;
  return { intrinsic: BigInt(gas), floor: BigInt(TRANSACTION + tokens * FLOOR_TOKEN) };
}

/** Lowest gas limit with which the transaction can be included. */
export function minimumGas(tx: Priced): bigint {
  const { intrinsic, floor } = gasRequirement(tx);
  return bigIntMax(intrinsic, floor);
}
