/**
 * What makes a block final, and its bytes as the header's roots cover them: for programs that believe no server
 * (docs/lineage.md). Answers are bounded like those between nodes, and have their encodings.
 */
import { bytesToHex } from "../../../core/bytes.ts";
import type { NumberedCertificate } from "../../finality-store.ts";
import { headerOf, MAX_ANSWER_BYTES, MAX_EPOCHS } from "../../sync/messages.ts";
import { encodeReceipts } from "../../sync/receipts.ts";
import { type EpochEnds, epochEnd } from "../../sync/server.ts";
import { type Methods, method } from "../context.ts";
import { blockAt, blockSelector, LATEST } from "../selectors.ts";
import { type Decoder, InvalidValue, optional, required, show } from "../values.ts";

export interface CertifiedParts extends EpochEnds {
  /** Of the lowest block at or above the number that has one. */
  readonly certificateFrom: (number: bigint) => Promise<NumberedCertificate | undefined>;
}

/** A JSON integer: these methods count epochs, not blocks. */
const integer =
  (least: number, most: number): Decoder<number> =>
  (value) => {
    if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
    throw new InvalidValue(`want an integer from ${least} to ${most}, have ${show(value)}`);
  };

export function openledger(parts: CertifiedParts): Methods {
  const { chain } = parts;
  return {
    /** How epochs ended, from one on: each as nodes send it. Fewer than asked for where the rest is not over, or too long. */
    openledger_getEpochEnds: method(
      [required(integer(0, Number.MAX_SAFE_INTEGER)), required(integer(1, MAX_EPOCHS))],
      (_context, [from, count]) => {
        const ends: string[] = [];
        let bytes = 0;
        for (let epoch = from; epoch < from + count; epoch++) {
          const end = epochEnd(parts, epoch);
          bytes += end?.length ?? 0;
          if (end === undefined || bytes > MAX_ANSWER_BYTES) break;
          ends.push(bytesToHex(end));
        }
        return ends;
      },
    ),
    /** Of the lowest block at or above the one that is asked for that has one; null where none has yet. */
    openledger_getCertificate: method([optional(blockSelector, LATEST)], async (context, [selector]) => {
      const { header } = blockAt(context.chain, selector);
      const found = await parts.certificateFrom(header.number);
      const raw = found && chain.rawAt(found.number);
      if (found === undefined || raw === undefined) return null;
      return { header: bytesToHex(headerOf(raw)), certificate: bytesToHex(found.certificate) };
    }),
    /** The block and its receipts in RLP; null where it is not here. */
    openledger_getRawBlock: method([required(blockSelector)], (context, [selector]) => {
      const found = context.chain.find(selector);
      const raw = found && chain.rawAt(found.header.number);
      if (found === undefined || raw === undefined) return null;
      return { block: bytesToHex(raw), receipts: bytesToHex(encodeReceipts(found.receipts)) };
    }),
  };
}
