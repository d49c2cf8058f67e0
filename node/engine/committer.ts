/** Commits what consensus finalized, one path after another, and tells everybody what follows from a new head. */

import { encodeCertificate } from "../../consensus/codec.ts";
import type { ConsensusEvent } from "../../consensus/events.ts";
import { type Certificate, isLastOfEpoch, type Tip } from "../../consensus/types.ts";
import { equalsBytes } from "../../core/bytes.ts";
import type { BlockWork } from "./block-work.ts";
import { setOf, tips } from "./start.ts";
import type { Statistics } from "./status.ts";
import type { EngineParts } from "./types.ts";

/** Transactions wait this long in the queue at most; looked at once a minute. */
const EXPIRY_EVERY_MS = 60_000;
/** Older blocks come from sync, which has a log line of its own. */
const RECENT_MS = 30_000;

export interface CommitterParts {
  readonly parts: EngineParts;
  readonly work: BlockWork;
  /** Brings the chain to a verified certificate's block by asking peers. */
  readonly ensure: (certificate: Certificate) => Promise<boolean>;
  readonly post: (event: ConsensusEvent) => void;
  readonly statistics: Statistics;
}

export class Committer {
  readonly #parts: CommitterParts;
  #last: Promise<unknown> = Promise.resolve();
  #expireAtMs = 0;

  constructor(parts: CommitterParts) {
    this.#parts = parts;
  }

  /** Whatever commits blocks does it in here. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Resolves when nothing is being committed. */
  async idle(): Promise<void> {
    for (let last: unknown; last !== this.#last; ) {
      last = this.#last;
      await last;
    }
  }

  /** Rejects when the store fails: then nothing can be committed any more. */
  async finalize(certificate: Certificate, tip: Tip | undefined): Promise<void> {
    const { parts, ensure, post } = this.#parts;
    const isCommitted = await this.exclusive(() => this.#commit(certificate));
    if (!isCommitted) await ensure(certificate);
    // Consensus knew the certificate only: now the height is known too.
    if (tip !== undefined || !equalsBytes(parts.chain.head.hash, certificate.block)) return;
    const { epoch, base, tip: known } = tips(parts.chain, parts.epochBlocks);
    if (epoch === certificate.epoch) post({ type: "synced", epoch, set: setOf(parts.chain, epoch), base, tip: known });
  }

  /** False when blocks are missing. */
  async #commit(certificate: Certificate): Promise<boolean> {
    const { work, parts } = this.#parts;
    if (parts.chain.isCommitted(certificate.block)) return true;
    const outcome = await work.execute(certificate.block);
    if (outcome === "missing") return false;
    if (outcome !== "ok") throw new Error(`a final block is invalid: ${outcome.invalid}`);
    await parts.chain.commitThrough(certificate.block, encodeCertificate(certificate));
    return true;
  }

  /** Called for each committed block, whoever committed it. */
  committed(number: bigint): void {
    const { parts, work, post, statistics } = this.#parts;
    const { chain, mempool, clock, log, epochBlocks } = parts;
    const block = chain.block(number);
    if (block === undefined) return;
    const { header, transactions, hash } = block;
    const nowMs = clock.nowMs();
    work.committed(block);
    if (nowMs >= this.#expireAtMs) {
      mempool.expire(nowMs);
      this.#expireAtMs = nowMs + EXPIRY_EVERY_MS;
    }
    statistics.committed(hash, transactions.length);
    const isShown = parts.logBlocks && nowMs - Number(header.timestamp) * 1_000 < RECENT_MS;
    const signed = transactions.filter(({ deposit }) => deposit === undefined).length;
    // The first deposit of a block says where L1 is.
    const deposits = Math.max(0, transactions.length - signed - 1);
    log[isShown ? "info" : "debug"](
      {
        height: Number(number),
        txs: signed,
        ...(deposits > 0 && { deposits }),
        gas: Number(header.gasUsed),
        hash: shortHash(hash),
      },
      "block committed",
    );
    post({ type: "includable", value: work.isWorthwhile });
    if (isLastOfEpoch(Number(number), epochBlocks) && number === chain.head.number) {
      const { epoch, base } = tips(chain, epochBlocks);
      const set = setOf(chain, epoch);
      log.info({ epoch, validators: set.validators.length }, "epoch begins");
      post({ type: "epoch", epoch, set, base });
    }
  }
}

const shortHash = (hash: Uint8Array): string =>
  `${Array.from(hash.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join("")}…`;
