/**
 * Brings the chain to one certified block: from epoch to epoch by verified certificates, inside an epoch backwards by
 * parent hash from the certified block to the own head, and only then forwards, executing. No peer is believed: what
 * one sends is checked against a certificate or a hash before anything depends on it.
 */
import { verifyCertificate } from "../../consensus/certificates.ts";
import { encodeCertificate } from "../../consensus/codec.ts";
import { baseView, type Certificate, epochOfHeight, isLastOfEpoch, type Tip } from "../../consensus/types.ts";
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { rlpWhole } from "../../core/rlp.ts";
import type { PeerId } from "../p2p/types.ts";
import type { Clock } from "../ports.ts";
import { Download } from "./download.ts";
import { type EpochEnd, type HashedHeader, hashedHeader, headerOf } from "./messages.ts";
import type { Peers } from "./peers.ts";
import { type SyncChain, type Synced, SyncHalt } from "./types.ts";
import { fetchEpochEnds, fetchHeader, hashesAbove, type Insist, type Rules, sectionsAbove } from "./walk.ts";

/** Blocks that are executed before they are committed and others may use the chain: small, so that nobody waits long. */
const EXECUTED_BLOCKS = 16;
const EXECUTED_BYTES = 4 * 1024 * 1024;
/** Time between attempts while no peer can help. */
const RETRY_MS = 500;
/** So long without help, and the target is given up: that of a certificate, that of what a peer merely says. */
const PATIENCE_MS = 60_000;
const CLAIM_PATIENCE_MS = 10_000;

export interface Target {
  /** Of kind finalize. */
  readonly certificate: Certificate;
  readonly isVerified: boolean;
  /** Who says so, and which number it says that the block has. */
  readonly claim?: { readonly peer: PeerId; readonly number: bigint };
}

export interface CatchUpParts {
  readonly chain: SyncChain;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly rules: Rules;
  /** One at a time with everything else that commits. */
  readonly exclusive: <T>(work: () => Promise<T>) => Promise<T>;
  readonly onProgress: () => void;
}

/** Nobody helps, or sync was stopped. */
class Stalled extends Error {}

export class CatchUp {
  readonly #parts: CatchUpParts;
  /** Verified ends of epochs to come, the next one first; bounded by one answer. */
  #ends: EpochEnd[] = [];
  #running: Download | undefined;
  #cancelWait: () => void = () => {};
  #isStopped = false;
  /** The last certified block that was reached. */
  reached: Synced | undefined;

  constructor(parts: CatchUpParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#isStopped = true;
    this.#running?.stop();
    this.#cancelWait();
  }

  /** Whether the target's block is committed now. Throws SyncHalt, and what a damaged store throws. */
  async bring(target: Target): Promise<boolean> {
    try {
      while (target.certificate.epoch > this.#epoch) {
        const end = await this.#nextEnd(target);
        await this.#advance(end.last, end.certificate);
      }
      return await this.#finish(target);
    } catch (error) {
      if (error instanceof Stalled) return false;
      throw error;
    }
  }

  /** Of the next block. */
  get #epoch(): number {
    return epochOfHeight(Number(this.#parts.chain.head.number) + 1, this.#parts.rules.epochBlocks);
  }

  async #nextEnd(target: Target): Promise<EpochEnd> {
    const { chain, peers, rules } = this.#parts;
    const epoch = this.#epoch;
    while (this.#ends.length > 0 && this.#ends[0]!.certificate.epoch < epoch) this.#ends.shift();
    const known = this.#ends[0];
    if (known !== undefined) return known;
    const set = this.#set(epoch);
    const count = target.certificate.epoch - epoch;
    this.#ends = await this.#insist(
      () => fetchEpochEnds(peers, rules, epoch, set, count, target.claim?.peer),
      target.isVerified ? PATIENCE_MS : CLAIM_PATIENCE_MS,
    );
    if (chain.head.number >= this.#ends[0]!.last.header.number) return this.#nextEnd(target); // others got there first
    return this.#ends[0]!;
  }

  #set(epoch: number) {
    const set = this.#parts.chain.validatorSet(epoch);
    if (set === undefined) throw new Error(`the chain does not know the validators of its own epoch ${epoch}`);
    return set;
  }

  async #finish({ certificate, isVerified, claim }: Target): Promise<boolean> {
    const { chain, peers, rules } = this.#parts;
    const known = chain.raw(certificate.block);
    if (certificate.epoch < this.#epoch) return known !== undefined && this.#isCommitted(headerIn(known));
    if (!isVerified) {
      const problem = verifyCertificate(certificate, this.#set(certificate.epoch), rules.domain, rules.scheme);
      if (problem !== undefined) {
        if (claim !== undefined) peers.accuse(claim.peer, `status: its certificate: ${problem}`);
        return false;
      }
    }
    const header =
      known === undefined
        ? await this.#insist(() => fetchHeader(peers, certificate.block, claim?.peer), PATIENCE_MS)
        : headerIn(known);
    const { number } = header.header;
    if (epochOfHeight(Number(number), rules.epochBlocks) !== certificate.epoch) {
      throw new SyncHalt(`block ${number} is certified in epoch ${certificate.epoch}, to which it does not belong`);
    }
    if (claim !== undefined && claim.number !== number) {
      peers.accuse(claim.peer, `status: the certified block is ${number}, not ${claim.number}`);
    }
    if (known !== undefined && number > chain.head.number) await this.#commitKnown(certificate);
    await this.#advance(header, certificate);
    return this.#isCommitted(header);
  }

  /** The block was executed before, as a proposal. */
  #commitKnown(certificate: Certificate): Promise<void> {
    const { chain, exclusive } = this.#parts;
    return exclusive(async () => {
      if (chain.raw(certificate.block) === undefined) return;
      await chain.commitThrough(certificate.block, encodeCertificate(certificate));
    });
  }

  #isCommitted({ header, hash }: HashedHeader): boolean {
    const committed = this.#parts.chain.hashAt(header.number);
    return committed !== undefined && equalsBytes(committed, hash);
  }

  /** Precondition: the certificate was verified and names this block, which is in the epoch of the next block. */
  async #advance(last: HashedHeader, certificate: Certificate): Promise<void> {
    const { chain, peers } = this.#parts;
    const insist: Insist = (attempt) => this.#insist(attempt, PATIENCE_MS);
    if (last.header.number > chain.head.number) {
      for (const section of await sectionsAbove(peers, chain.head, last, insist)) {
        const { head } = chain;
        if (section.header.number <= head.number) continue; // consensus was faster
        const hashes = await hashesAbove(peers, head, section, insist);
        await this.#download(head.number + 1n, hashes, certificate);
      }
    }
    this.#requireCommitted(last.header.number, last.hash);
    this.reached = this.#synced(last, certificate);
  }

  /** Fetches and executes the blocks from number `first` on. */
  async #download(first: bigint, hashes: readonly Uint8Array[], certificate: Certificate): Promise<void> {
    const download = new Download(this.#parts.peers, this.#parts.clock, first, hashes);
    this.#running = download;
    try {
      for (let done = 0; done < hashes.length; ) {
        const blocks = this.#isStopped ? undefined : await download.take(EXECUTED_BLOCKS, EXECUTED_BYTES);
        if (blocks === undefined) throw new Stalled();
        const next = done + blocks.length;
        await this.#execute(first + BigInt(done), blocks, hashes.slice(done, next), certificate);
        done = next;
      }
    } finally {
      download.stop();
      this.#running = undefined;
    }
  }

  /** Blocks from number `first` on, with their hashes; the last of them may be the certified one. */
  #execute(
    first: bigint,
    blocks: readonly Uint8Array[],
    hashes: readonly Uint8Array[],
    certificate: Certificate,
  ): Promise<void> {
    const { chain, exclusive, onProgress } = this.#parts;
    return exclusive(async () => {
      let parent: Uint8Array | undefined;
      let isBusy = false;
      for (const [index, raw] of blocks.entries()) {
        const number = first + BigInt(index);
        const hash = hashes[index]!;
        if (number <= chain.head.number) {
          this.#requireCommitted(number, hash); // consensus was faster
          continue;
        }
        parent ??= chain.head.hash;
        const next = blocks[index + 1];
        if (next !== undefined) chain.expect(next);
        const verdict = await chain.verify(raw, parent);
        if (!verdict.ok && verdict.fault === "invalid") {
          throw new SyncHalt(`certified block ${number} does not execute: ${verdict.reason}`);
        }
        isBusy = !verdict.ok;
        if (isBusy) break; // blocks of consensus take the room; those up to here make some
        parent = hash;
        await breathe();
        if (this.#isStopped) throw new Stalled();
      }
      if (parent !== undefined) {
        const isCertified = equalsBytes(parent, certificate.block);
        await chain.commitThrough(parent, isCertified ? encodeCertificate(certificate) : undefined);
        onProgress();
      }
      if (isBusy) throw new Stalled();
    });
  }

  #requireCommitted(number: bigint, hash: Uint8Array): void {
    const committed = this.#parts.chain.hashAt(number);
    if (committed !== undefined && equalsBytes(committed, hash)) return;
    throw new SyncHalt(
      `block ${number} ${bytesToHex(hash)} is certified, but ${committed === undefined ? "none" : bytesToHex(committed)} is committed there`,
    );
  }

  #synced({ header, hash }: HashedHeader, certificate: Certificate): Synced {
    const { chain, rules } = this.#parts;
    const height = Number(header.number);
    const isLast = isLastOfEpoch(height, rules.epochBlocks);
    const epoch = certificate.epoch + (isLast ? 1 : 0);
    const baseHeight = Math.max(0, epoch * rules.epochBlocks - 1);
    const base: Tip = { view: baseView(epoch), height: baseHeight, block: chain.hashAt(BigInt(baseHeight))! };
    const tip: Tip = isLast ? base : { view: certificate.view, height, block: hash };
    return { epoch, set: this.#set(epoch), base, tip, certificate };
  }

  /** Repeats until somebody helps. Throws Stalled after `patienceMs`. */
  async #insist<T>(attempt: () => Promise<T | undefined>, patienceMs: number): Promise<T> {
    const { clock } = this.#parts;
    const untilMs = clock.nowMs() + patienceMs;
    for (;;) {
      const value = this.#isStopped ? undefined : await attempt();
      if (value !== undefined) return value;
      if (this.#isStopped || clock.nowMs() >= untilMs) throw new Stalled();
      await new Promise<void>((resolve) => {
        const cancel = clock.at(clock.nowMs() + RETRY_MS, resolve);
        this.#cancelWait = () => {
          cancel();
          resolve();
        };
      });
    }
  }
}

/** Precondition: a well-formed block. */
function headerIn(raw: Uint8Array): HashedHeader {
  const rlp = headerOf(raw);
  return hashedHeader(rlp, rlpWhole(rlp));
}

/** Lets everything else have its turn: executing from memory would not by itself. */
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
