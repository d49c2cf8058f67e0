/** Gas that a transaction costs before anything runs. */
import { bigIntMax } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { type MessageRules, NEWEST_MESSAGES } from "./message-rules.ts";

type Priced = Pick<Transaction, "to" | "data" | "accessList" | "authorizationList">;

const TRANSACTION = 21_000;
const CREATION = 32_000;
/** A zero byte of calldata. */
const ZERO_BYTE = 4;
/** EIP-7623: a zero byte is one token, another four. */
const FLOOR_TOKEN = 10;
/** EIP-3860, a 32-byte word of init code. */
const INIT_CODE_WORD = 2;
/** EIP-2930. */
const LISTED_ADDRESS = 2_400;
const LISTED_KEY = 1_900;
/** EIP-7702; part of it comes back when the authority exists. */
export const AUTHORIZATION_GAS = 25_000;
export const AUTHORIZATION_REFUND = 12_500n;

/** EIP-4844. */
export const GAS_PER_BLOB = 131_072n;

/** EIP-3860. */
export const MAX_INIT_CODE_BYTES = 49_152;

export interface GasRequirement {
  /** Charged before execution. */
  readonly intrinsic: bigint;
  /** EIP-7623: the least that the transaction pays in the end; 0 before. */
  readonly floor: bigint;
}

const PLAIN: GasRequirement = { intrinsic: BigInt(TRANSACTION), floor: BigInt(TRANSACTION) };
const PLAIN_BEFORE_PRAGUE: GasRequirement = { intrinsic: BigInt(TRANSACTION), floor: 0n };

export function gasRequirement(tx: Priced, rules: MessageRules = NEWEST_MESSAGES): GasRequirement {
  const { to, data, accessList, authorizationList } = tx;
  if (to !== undefined && data.length + accessList.length + authorizationList.length === 0) {
    return rules.hasFloor ? PLAIN : PLAIN_BEFORE_PRAGUE;
  }
  let zeros = 0;
  for (let i = 0; i < data.length; i++) if (data[i] === 0) zeros++;
  const others = data.length - zeros;
  let gas = TRANSACTION + zeros * ZERO_BYTE + others * rules.dataByteGas + authorizationList.length * AUTHORIZATION_GAS;
  if (to === undefined && rules.chargesCreation) gas += CREATION;
  if (to === undefined && rules.boundsInitCode) gas += INIT_CODE_WORD * Math.ceil(data.length / 32);
  for (const { storageKeys } of accessList) gas += LISTED_ADDRESS + storageKeys.length * LISTED_KEY;
  const floor = rules.hasFloor ? TRANSACTION + (zeros + 4 * others) * FLOOR_TOKEN : 0;
  return { intrinsic: BigInt(gas), floor: BigInt(floor) };
}

/** Lowest gas limit with which the transaction can be included. */
export function minimumGas(tx: Priced): bigint {
  const { intrinsic, floor } = gasRequirement(tx);
  return bigIntMax(intrinsic, floor);
}
