/** What a batch must be, besides its form: what its certificate shows, and how it stands to the chain. */
import { type BatchBlock, BatchError, type BatchPayload } from "../../bridge/batch.ts";
import { DEPOSIT_TYPE, decodeDeposit } from "../../bridge/deposit.ts";
import { decodeAttributes, type L1Attributes } from "../../bridge/l1-attributes.ts";
import { verifyCertificate } from "../../consensus/certificates.ts";
import { CodecError, decodeCertificate } from "../../consensus/codec.ts";
import type { Domain, Scheme } from "../../consensus/scheme.ts";
import { type Certificate, KIND } from "../../consensus/types.ts";
import { equalsBytes } from "../../core/bytes.ts";
import type { ExecutedBlock } from "../../core/chain.ts";
import type { ValidatorSet } from "../../core/validators.ts";

export interface BatchRules {
  readonly epochBlocks: bigint;
  readonly domain: Domain;
  readonly scheme: Scheme;
  /** Undefined while the epoch before has not ended here. */
  readonly setOf: (epoch: number) => ValidatorSet | undefined;
}

/**
 * The certificate, when it finalizes the last block by the set of that block's epoch. Undefined while that set is not
 * known here. Throws BatchError when it does not.
 */
export function finalizing(
  payload: Pick<BatchPayload, "certificate">,
  lastNumber: bigint,
  lastHash: Uint8Array,
  { epochBlocks, domain, scheme, setOf }: BatchRules,
): Certificate | undefined {
  const certificate = decode(payload.certificate);
  const epoch = Number(lastNumber / epochBlocks);
  if (certificate.kind !== KIND.finalize || certificate.epoch !== epoch || !equalsBytes(certificate.block, lastHash)) {
    throw new BatchError("its certificate does not finalize its last block");
  }
  const set = setOf(epoch);
  if (set === undefined) return undefined;
  const problem = verifyCertificate(certificate, set, domain, scheme);
  if (problem !== undefined) throw new BatchError(`its certificate is not valid: ${problem}`);
  return certificate;
}

function decode(bytes: Uint8Array): Certificate {
  try {
    return decodeCertificate(bytes);
  } catch (error) {
    if (error instanceof CodecError) throw new BatchError(`its certificate: ${error.message}`, { cause: error });
    throw error;
  }
}

/** What a batch says of a block of a chain with an L1. Precondition: the block is not genesis. */
export function batchBlockOf({ header, transactions }: Pick<ExecutedBlock, "header" | "transactions">): BatchBlock {
  const { number, hash } = originOf(transactions[0]!.raw);
  return {
    timestamp: header.timestamp,
    coinbase: header.coinbase,
    originNumber: number,
    originHash: hash,
    transactions: transactions.filter(({ type }) => type !== DEPOSIT_TYPE).map(({ raw }) => raw),
  };
}

/** What the first transaction of a block of such a chain says of its origin. */
export function originOf(raw: Uint8Array): L1Attributes {
  const decoded = decodeAttributes(decodeDeposit(raw));
  if (!decoded.ok) throw new Error(`a committed block begins otherwise: ${decoded.reason}`);
  return decoded.attributes;
}

export function isSameBatchBlock(a: BatchBlock, b: BatchBlock): boolean {
  return (
    a.timestamp === b.timestamp &&
    a.originNumber === b.originNumber &&
    equalsBytes(a.coinbase, b.coinbase) &&
    equalsBytes(a.originHash, b.originHash) &&
    a.transactions.length === b.transactions.length &&
    a.transactions.every((raw, index) => equalsBytes(raw, b.transactions[index]!))
  );
}
