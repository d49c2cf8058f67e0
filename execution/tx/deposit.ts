/** Transactions that L1 demands (type 0x7e), and their bytes: OP Stack, specs/protocol/deposits.md. run-deposit.ts runs them. */
import { DEPOSIT_TYPE, type Deposit, decodeDeposit } from "../../bridge/deposit.ts";
import type { Transaction } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import { RlpError } from "../../core/rlp.ts";
import type { DecodedTransaction } from "./decode.ts";

/** Strict; the result shares memory with `raw`. Never throws on any bytes. */
export function decodeDepositTransaction(raw: Uint8Array): DecodedTransaction {
  try {
    return { ok: true, tx: depositTransaction(decodeDeposit(raw), raw) };
  } catch (error) {
    if (error instanceof RlpError) return { ok: false, code: "malformed", message: error.message };
    throw error;
  }
}

function depositTransaction(decoded: Deposit, raw: Uint8Array): Transaction {
  const { sourceHash, from, to, mintWei, valueWei, gasLimit, isSystem, data } = decoded;
  return {
    type: DEPOSIT_TYPE,
    raw,
    hash: keccak256(raw),
    from,
    to,
    nonce: 0n,
    gasLimit,
    maxFeePerGas: 0n,
    maxPriorityFeePerGas: 0n,
    value: valueWei,
    data,
    chainId: undefined,
    accessList: [],
    authorizationList: [],
    v: 0n,
    r: 0n,
    s: 0n,
    deposit: { sourceHash, mintWei, isSystem },
  };
}

/** Precondition: the transaction is of type 0x7e. */
export function depositOf({ from, to, value, gasLimit, data, deposit }: Transaction): Deposit {
  return { ...deposit!, from, to, valueWei: value, gasLimit, data };
}
