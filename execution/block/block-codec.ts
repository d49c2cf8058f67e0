/**
 * Blocks as they travel and are stored: rlp([header, transactions, [], []]), as Ethereum's since Shanghai. A type 0
 * transaction is a list in there, any other a byte string that holds its envelope. Uncles and withdrawals are empty but
 * on foreign chains, whose blocks are decoded elsewhere (foreign/).
 */
import { DEPOSIT_TYPE } from "../../bridge/deposit.ts";
import type { ForeignParts, Header, Transaction, Withdrawal } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import { RlpError, rlpChildren, rlpEncode, rlpListOf, rlpValue, rlpWhole } from "../../core/rlp.ts";
import { decodeTransaction } from "../tx/decode.ts";
import { decodeDepositTransaction } from "../tx/deposit.ts";
import { encodeHeader, headerFromRlp } from "./header.ts";

export interface DecodedBlock {
  readonly hash: Uint8Array;
  readonly header: Header;
  readonly transactions: readonly Transaction[];
  readonly foreign?: ForeignParts;
}

export type BlockDecoding =
  | { readonly ok: true; readonly block: DecodedBlock }
  | { readonly ok: false; readonly reason: string };

const EMPTY_LIST = rlpEncode([]);

export function encodeBlock({ header, transactions, foreign }: Omit<DecodedBlock, "hash">): Uint8Array {
  const uncles = foreign === undefined ? EMPTY_LIST : rlpListOf(foreign.uncles.map(encodeHeader));
  const parts = [encodeHeader(header), rlpListOf(transactions.map(encodeTransactionItem)), uncles];
  return rlpListOf(hasWithdrawals(header) ? [...parts, encodeWithdrawals(foreign?.withdrawals ?? [])] : parts);
}

/** Whether a block with this header has a list of withdrawals: since Shanghai. */
export const hasWithdrawals = ({ fieldCount }: Header): boolean => fieldCount === undefined || fieldCount >= 17;

const encodeWithdrawals = (withdrawals: readonly Withdrawal[]): Uint8Array =>
  rlpEncode(
    withdrawals.map(({ index, validatorIndex, address, amountGwei }) => [index, validatorIndex, address, amountGwei]),
  );

/** How a block's list holds a transaction. */
export function encodeTransactionItem({ type, raw }: Pick<Transaction, "type" | "raw">): Uint8Array {
  return type === 0 ? raw : rlpEncode(raw);
}

/**
 * Strict; checks no rule of the chain besides its id and each transaction's form: whether it has deposits, for one. The result shares memory with `raw`.
 * `senderAt` saves the recovery of senders where a trusted store remembers them. Never throws on any bytes.
 */
export function decodeBlock(raw: Uint8Array, chainId: bigint, senderAt?: (index: number) => Uint8Array): BlockDecoding {
  try {
    const parts = rlpChildren(raw, rlpWhole(raw));
    const [headerSpan, transactionsSpan, uncles, withdrawals] = parts;
    if (parts.length !== 4) throw new RlpError(`block has ${parts.length} parts instead of 4`);
    if (!isEmptyList(uncles!)) throw new RlpError("block has uncles");
    if (!isEmptyList(withdrawals!)) throw new RlpError("block has withdrawals");
    const header = headerFromRlp(rlpValue(raw, headerSpan!));
    const transactions: Transaction[] = [];
    for (const span of rlpChildren(raw, transactionsSpan!)) {
      const index = transactions.length;
      const envelope = raw.subarray(span.isList ? span.start : span.payload, span.end);
      // A list is type 0 and nothing else is: the envelope's first byte must agree, or two encodings would exist.
      if (span.isList !== envelope[0]! >= 0xc0) return refuse(index, "legacy transaction inside a byte string");
      const decoded =
        envelope[0] === DEPOSIT_TYPE
          ? decodeDepositTransaction(envelope)
          : decodeTransaction(envelope, chainId, senderAt?.(index));
      if (!decoded.ok) return refuse(index, decoded.message);
      transactions.push(decoded.tx);
    }
    return {
      ok: true,
      block: { hash: keccak256(raw.subarray(headerSpan!.start, headerSpan!.end)), header, transactions },
    };
  } catch (error) {
    if (error instanceof RlpError) return { ok: false, reason: error.message };
    throw error;
  }
}

const isEmptyList = (span: { isList: boolean; payload: number; end: number }): boolean =>
  span.isList && span.payload === span.end;

function refuse(index: number, message: string): BlockDecoding {
  return { ok: false, reason: `transaction ${index}: ${message}` };
}
