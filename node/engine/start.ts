/** Where consensus resumes: what the chain committed, and what the log promised since. */
import { decodeCertificate } from "../../consensus/codec.ts";
import type { SimplexStart } from "../../consensus/simplex.ts";
import { baseView, epochOfHeight, isLastOfEpoch, type Tip } from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import type { WalRecord } from "../../consensus/wal.ts";
import type { Chain } from "../chain.ts";
import { DataError, START_ANEW } from "../errors.ts";

/** Throws DataError when what must be stored is not. */
export function simplexStart(chain: Chain, epochBlocks: number, records: readonly WalRecord[]): SimplexStart {
  const { epoch, base, tip } = tips(chain, epochBlocks);
  return {
    epoch,
    base,
    tip,
    set: setOf(chain, epoch),
    votes: records.flatMap((record) => (record.type === "vote" ? [record.subject] : [])),
    certificates: records.flatMap((record) => (record.type === "certificate" ? [record.certificate] : [])),
    blocks: records.flatMap((record) => (record.type === "block" ? [{ block: record.id, height: record.height }] : [])),
  };
}

/** Epoch, its base and the last committed block, in consensus' terms. */
export function tips(
  chain: Chain,
  epochBlocks: number,
): { readonly epoch: number; readonly base: Tip; readonly tip: Tip } {
  const height = Number(chain.head.number);
  const block = chain.head.hash;
  if (height > 0 && isLastOfEpoch(height, epochBlocks)) {
    const epoch = epochOfHeight(height, epochBlocks) + 1;
    const base = { view: baseView(epoch), height, block };
    return { epoch, base, tip: base };
  }
  const epoch = epochOfHeight(height, epochBlocks);
  const baseHeight = Math.max(0, epoch * epochBlocks - 1);
  const baseBlock = chain.hashAt(BigInt(baseHeight));
  if (baseBlock === undefined) throw damaged(`block ${baseHeight} is missing`);
  const base: Tip = { view: baseView(epoch), height: baseHeight, block: baseBlock };
  return { epoch, base, tip: height === baseHeight ? base : { view: viewOfHead(chain, base.view), height, block } };
}

/**
 * Sync commits blocks that are final through a later one, of which no view is known. As if they had been final from the
 * epoch's base on: nothing can be certified beside them, and sync brings the view with the next certificate.
 */
function viewOfHead(chain: Chain, base: number): number {
  const bytes = chain.certificate(chain.head.number);
  return bytes === undefined ? base : decodeCertificate(bytes).view;
}

/** The validators of an epoch that has begun. Throws DataError. */
export function setOf(chain: Chain, epoch: number): ValidatorSet {
  const set = chain.validatorSet(epoch);
  if (set === undefined) throw damaged(`the validators of epoch ${epoch} are missing`);
  return set;
}

const damaged = (what: string): DataError =>
  new DataError(`the data directory is damaged: ${what}; restore a backup or ${START_ANEW}`);
