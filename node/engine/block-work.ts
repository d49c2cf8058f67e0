/** Making and checking blocks for consensus. Everything happens beside the event loop; results are posted to it. */
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import type { ExecutedBlock } from "../../core/chain.ts";
import type { RejectedTransaction } from "../../execution/block/assemble.ts";
import type { Mempool } from "../../execution/mempool.ts";
import { StoreError } from "../../execution/state/errors.ts";
import type { Chain } from "../chain.ts";
import { DataError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";
import type { Bodies } from "./bodies.ts";
import { placeOf } from "./messages.ts";
import type { Origins } from "./origins.ts";

/** Unfinalized ancestors that one block may need before it can be executed. */
const MOST_ANCESTORS = 64;
/** A block's time may be this far ahead of the local clock. Checked before voting only: what is final is final. */
const CLOCK_AHEAD_MS = 1_000;

/**
 * What the pool does with a transaction that was refused at its turn in a block.
 *
 * `look-again`: the sender's account decides, and it is not what the pool believed: transactions of others moved the
 * balance or, through a delegation, the nonce. After the commit the pool looks at the account as it is then, drops what
 * cannot be paid or is used, and keeps the rest in the right place; dropping at once would lose a transaction that is
 * valid again and leave those behind it in the queue. `keep`: a later base fee or a block with more room decides, and
 * the pool offers it only then. `drop`: never valid again.
 */
const AFTER_REJECTION: Readonly<Record<RejectedTransaction["code"], "look-again" | "keep" | "drop">> = {
  "nonce-too-low": "look-again",
  "nonce-too-high": "look-again",
  "insufficient-funds": "look-again",
  "fee-cap-too-low": "keep",
  "gas-limit-reached": "keep",
  "nonce-max": "drop",
  "sender-has-code": "drop",
  "gas-limit-too-high": "drop",
  "tip-above-fee-cap": "drop",
  "intrinsic-gas": "drop",
  "floor-gas": "drop",
  "init-code-too-large": "drop",
  faulty: "drop",
};

export interface BlockWorkParts {
  readonly chain: Chain;
  readonly mempool: Mempool;
  readonly clock: Clock;
  readonly log: Logger;
  readonly feeAddress: Uint8Array;
  /** A block that takes longer to make would also take longer to check. */
  readonly buildMs: number;
  readonly bodies: Bodies;
  /** Undefined without an L1, or where L1 is not watched and nothing is voted for. */
  readonly origins: Origins | undefined;
  /** Blocks by their hashes from peers; each hashes to its hash. */
  readonly fetch: (hashes: readonly Uint8Array[]) => Promise<readonly Uint8Array[]>;
}

export type Execution = "ok" | "missing" | { readonly invalid: string };

export class BlockWork {
  readonly #parts: BlockWorkParts;
  /** Left out of the last own block although the pool offered it: looked at again after the next commit. */
  #refused: { readonly block: Uint8Array; readonly rejected: readonly RejectedTransaction[] } | undefined;

  constructor(parts: BlockWorkParts) {
    this.#parts = parts;
  }

  /** The new block's id; undefined when it could not be made. Rejects on a damaged store. */
  async build(parent: Uint8Array): Promise<Uint8Array | undefined> {
    const { chain, mempool, clock, log, feeAddress, buildMs, origins } = this.#parts;
    const startedMs = clock.nowMs();
    try {
      if ((await this.execute(parent)) !== "ok") return undefined;
      const now = BigInt(Math.floor(startedMs / 1_000));
      const earliest = chain.header(parent)?.timestamp ?? 0n;
      const timestamp = now > earliest ? now : earliest;
      const l1 = origins?.next(parent, timestamp);
      if (origins !== undefined && l1 === undefined) {
        log.warn("no block can be made: L1 is not known here as far as the chain is");
        return undefined;
      }
      const isClosed = l1?.mayCarryTransactions === false || origins?.isThrottled === true;
      const { block, rejected } = await chain.proposeOn(parent, {
        candidates: isClosed ? [] : mempool.candidates(chain.nextBaseFee(parent)),
        timestamp,
        feeAddress,
        isOutOfTime: () => clock.nowMs() - startedMs > buildMs,
        l1,
      });
      for (const { transaction, code, message } of rejected) {
        const fields = { hash: bytesToHex(transaction.hash), code, reason: message };
        if (code === "faulty") log.error(fields, "transaction dropped: executing it failed");
        else log.debug(fields, "transaction left out");
        if (AFTER_REJECTION[code] === "drop") mempool.drop(transaction.hash, clock.nowMs());
      }
      this.#refused = { block: block.hash, rejected };
      return block.hash;
    } catch (error) {
      // No later attempt reads a damaged store better.
      if (error instanceof StoreError || error instanceof DataError) throw error;
      log.error({ err: error }, "block assembly failed");
      return undefined;
    }
  }

  /** Whether a proposed block may be voted for. */
  async validate(block: Uint8Array): Promise<boolean> {
    const { chain, clock, log, origins } = this.#parts;
    const outcome = await this.execute(block);
    if (outcome !== "ok") {
      const reason = outcome === "missing" ? "its bytes or an ancestor's are missing" : outcome.invalid;
      log.warn({ hash: bytesToHex(block), reason }, "proposal refused");
      return false;
    }
    const aheadMs = Number(chain.header(block)?.timestamp ?? 0n) * 1_000 - clock.nowMs();
    if (aheadMs > CLOCK_AHEAD_MS) {
      log.warn({ hash: bytesToHex(block), aheadMs }, "proposal refused: its time is in the future");
      return false;
    }
    // What is final before the vote can be cast needs none.
    const reason = chain.isCommitted(block) ? undefined : await origins?.problem(block);
    if (reason !== undefined)
      log.warn({ hash: bytesToHex(block), reason }, "proposal refused: it takes from L1 what it must not");
    return reason === undefined;
  }

  /** Whether a block that is made now would carry anything of use. */
  get isWorthwhile(): boolean {
    const { mempool, origins } = this.#parts;
    if (origins === undefined) return mempool.includableSinceMs !== undefined;
    return (mempool.includableSinceMs !== undefined && !origins.isThrottled) || origins.hasDeposits;
  }

  /** Executes the block and those between it and the head, fetching what is missing. */
  async execute(block: Uint8Array): Promise<Execution> {
    const { chain, bodies, fetch } = this.#parts;
    const path: { readonly raw: Uint8Array; readonly parent: Uint8Array }[] = [];
    for (let hash = block; !chain.has(hash); ) {
      const raw = bodies.get(hash) ?? (await fetch([hash]))[0];
      if (raw === undefined || path.length === MOST_ANCESTORS) return "missing";
      bodies.add(hash, raw);
      const { number, parentHash } = placeOf(raw);
      if (number <= chain.head.number) return { invalid: "it does not descend from the last final block" };
      path.push({ raw, parent: parentHash });
      hash = parentHash;
    }
    for (const { raw, parent } of path.reverse()) {
      const result = await chain.verify(raw, parent);
      if (!result.ok) return result.fault === "invalid" ? { invalid: result.reason } : "missing";
    }
    return "ok";
  }

  /** After a commit: the pool takes note of the block, and looks again at what it left out if it was made here. */
  committed(block: ExecutedBlock): void {
    const { chain, mempool, clock } = this.#parts;
    const nowMs = clock.nowMs();
    mempool.removeMined(block, chain.headState, chain.nextBlock, nowMs);
    const refused = this.#refused;
    if (refused === undefined || !equalsBytes(block.hash, refused.block)) return;
    this.#refused = undefined;
    const again = refused.rejected.filter(({ code }) => AFTER_REJECTION[code] === "look-again");
    const senders = again.map(({ transaction }) => transaction.from);
    if (senders.length > 0) mempool.revalidate(senders, chain.headState, nowMs);
    if (block.transactions.some(({ deposit }) => deposit === undefined)) return;
    // Nothing else was in the block, so the next one would refuse the same: pool and execution disagree. Without this
    // a proposer would make an empty block each interval.
    for (const { transaction } of refused.rejected) mempool.drop(transaction.hash, nowMs);
  }
}
