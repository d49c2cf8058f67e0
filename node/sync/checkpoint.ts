/**
 * Begins a chain with the state of a certified block instead of executing everything since genesis: verifies how each
 * epoch ended and which validators it handed over to, takes the last block of the newest epoch that is over, downloads
 * its state and the 256 blocks that BLOCKHASH may ask for, and writes all that in place of a genesis state. Nothing is
 * believed but the genesis validators and what two thirds of the stake signed, epoch by epoch.
 *
 * Nothing counts until the last, atomic write: until then the store says that it is unfinished, and a restart goes on.
 */
import { encodeCertificate } from "../../consensus/codec.ts";
import type { Domain, Scheme } from "../../consensus/scheme.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { decodeBlock, encodeBlock } from "../../execution/block/block-codec.ts";
import { encodeHeader } from "../../execution/block/header.ts";
import { FLAT_TABLES } from "../../execution/state/flat-state.ts";
import { Batch, type KeyRange, type LevelStore } from "../../execution/state/level-store.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import type { Genesis } from "../../genesis/schema.ts";
import { readHead, stageBlock, stageHead, stageSchema } from "../chain-store.ts";
import {
  type Checkpoint,
  lastEpochEnd,
  readCheckpoint,
  readEpochEnd,
  stageCheckpoint,
  stageEpochEnd,
} from "../checkpoint-store.ts";
import { stageCertificate, stageValidatorSet } from "../finality-store.ts";
import { buildGenesisBlock } from "../genesis-block.ts";
import type { Logger } from "../log.ts";
import type { Network } from "../p2p/types.ts";
import type { Clock } from "../ports.ts";
import { Download } from "./download.ts";
import {
  decodeEpochEnd,
  type EpochEnd,
  encodeEpochEnd,
  encodeHashRequest,
  type HashedHeader,
  MAX_ANSWER_BYTES,
  MAX_EPOCHS,
} from "./messages.ts";
import { onlyChunk, Peers } from "./peers.ts";
import { decodeReceipts } from "./receipts.ts";
import { type ImportProgress, StateImport } from "./state-import.ts";
import { SyncHalt } from "./types.ts";
import { fetchEpochEnds, hashesBelow, type Insist, type Rules } from "./walk.ts";

/** Blocks that are kept with the state: what BLOCKHASH reaches back. */
const KEPT_BLOCKS = 256;
const RETRY_MS = 1_000;
/** Attempts to learn of one more epoch before the last one known is taken for the newest. */
const EPOCH_ATTEMPTS = 3;
/** Without a peer for so long, sync begins at genesis. */
const PEER_PATIENCE_MS = 30_000;
const BLOCK_PATIENCE_MS = 60_000;
const WINDOW_BLOCKS = 16;
const WINDOW_BYTES = 4 * 1024 * 1024;
const LOG_EVERY_MS = 5_000;
const DELETED_AT_ONCE = 10_000;

export interface CheckpointParts {
  /** Nobody else uses it. */
  readonly store: LevelStore;
  readonly genesis: Genesis;
  readonly network: Network;
  readonly clock: Clock;
  readonly log: Logger;
  readonly domain: Domain;
  readonly scheme: Scheme;
}

/** Whether a chain could begin here with a checkpoint, or did and did not finish. Throws DataError. */
export const canBeginWithCheckpoint = ({ reader }: LevelStore): boolean =>
  readCheckpoint(reader)?.isComplete === false || readHead(reader) === undefined;

/** Nobody helps, or it was stopped. */
class Stalled extends Error {}

export class CheckpointSync {
  readonly #parts: CheckpointParts;
  readonly #rules: Rules;
  readonly #peers: Peers;
  readonly #genesisHash: Uint8Array;
  #import: StateImport | undefined;
  #download: Download | undefined;
  #cancelWait: () => void = () => {};
  #isStopped = false;
  #loggedAtMs = 0;

  constructor(parts: CheckpointParts) {
    const { genesis, network, clock, log, domain, scheme } = parts;
    const { epochBlocks } = genesis.consensus;
    this.#parts = parts;
    this.#rules = { domain, scheme, epochBlocks };
    this.#genesisHash = buildGenesisBlock(genesis, memoryStore()).block.hash;
    this.#peers = new Peers({ network, clock, log, genesisHash: this.#genesisHash, epochBlocks });
  }

  stop(): void {
    this.#isStopped = true;
    this.#peers.stop();
    this.#import?.stop();
    this.#download?.stop();
    this.#cancelWait();
  }

  /**
   * Precondition: `canBeginWithCheckpoint`. `complete`: a chain can be opened on the store. `young`: the store is empty,
   * and so short a chain is better executed; also when no peer was found in half a minute. `stopped`: what is there is
   * not to be used, the next run goes on. Throws SyncHalt, DataError, and what the store throws.
   */
  async run(): Promise<"complete" | "young" | "stopped"> {
    const { store, log } = this.#parts;
    while (!this.#isStopped) {
      const begun = readCheckpoint(store.reader);
      const hasPeers = await this.#findPeers();
      const end = hasPeers ? await this.#newestEnd() : undefined;
      if (this.#isStopped) break;
      if (end !== undefined && end.last.header.number > BigInt(KEPT_BLOCKS)) {
        if (await this.#take(end)) return "complete";
      } else if (begun === undefined) {
        log.info({ peers: this.#peers.statuses.length }, "no checkpoint to begin with: executing from genesis");
        return "young";
      }
      await this.#wait(RETRY_MS);
    }
    return "stopped";
  }

  /** False when nobody is there for too long. */
  async #findPeers(): Promise<boolean> {
    const { clock } = this.#parts;
    const untilMs = clock.nowMs() + PEER_PATIENCE_MS;
    while (!this.#isStopped && clock.nowMs() < untilMs) {
      await this.#peers.refresh();
      if (this.#peers.statuses.length > 0) return true;
      await this.#wait(RETRY_MS);
    }
    return false;
  }

  /** Verifies epoch after epoch, and remembers what it verified. Undefined when not even the first one is over. */
  async #newestEnd(): Promise<EpochEnd | undefined> {
    const { store, genesis, log } = this.#parts;
    const known = await lastEpochEnd(store);
    let end = known === undefined ? undefined : decodeEpochEnd(readEpochEnd(store.reader, known)!);
    for (let failures = 0; failures < EPOCH_ATTEMPTS && !this.#isStopped; ) {
      const epoch = end === undefined ? 0 : end.certificate.epoch + 1;
      const set: ValidatorSet = end?.nextSet ?? genesis.validators;
      const claimed = Math.max(0, ...this.#peers.statuses.map(({ status }) => status.epoch));
      if (epoch >= claimed) break;
      const ends = await fetchEpochEnds(this.#peers, this.#rules, epoch, set, MAX_EPOCHS);
      if (ends === undefined) {
        failures++;
        await this.#wait(RETRY_MS);
        await this.#peers.refresh();
        continue;
      }
      failures = 0;
      end = ends.at(-1)!;
      await this.#remember(ends);
      log.info({ epoch: end.certificate.epoch, height: Number(end.last.header.number) }, "epochs verified");
    }
    return end;
  }

  async #remember(ends: readonly EpochEnd[]): Promise<void> {
    const batch = new Batch();
    for (const { last, certificate, nextSet } of ends) {
      const encoded = encodeEpochEnd(encodeHeader(last.header), encodeCertificate(certificate), nextSet);
      stageEpochEnd(batch, certificate.epoch, encoded);
    }
    await this.#parts.store.write(batch, { sync: true });
  }

  /** False when nobody had all of it. */
  async #take(end: EpochEnd): Promise<boolean> {
    const { store, clock, log } = this.#parts;
    const { header, hash } = end.last;
    const first = header.number - BigInt(KEPT_BLOCKS - 1);
    const checkpoint: Checkpoint = { isComplete: false, first, number: header.number, hash };
    await this.#begin(checkpoint);
    log.info({ height: Number(header.number), hash: bytesToHex(hash) }, "taking the state of a checkpoint");
    try {
      await this.#takeBlocks(end.last, first);
    } catch (error) {
      if (error instanceof Stalled) return false;
      throw error;
    }
    const onProgress = (progress: ImportProgress) => this.#progressed(progress);
    this.#import = new StateImport({ peers: this.#peers, clock, store, block: header.number, onProgress });
    if (this.#isStopped || !(await this.#import.run(header.stateRoot))) return false;
    await this.#finish(end, checkpoint);
    log.info({ height: Number(header.number) }, "the state of the checkpoint is complete");
    return true;
  }

  /** What was written for another checkpoint goes, except what is true of any: items by their hashes. */
  async #begin(checkpoint: Checkpoint): Promise<void> {
    const { store } = this.#parts;
    const begun = readCheckpoint(store.reader);
    if (begun !== undefined && equalsBytes(begun.hash, checkpoint.hash)) return;
    const batch = new Batch();
    stageCheckpoint(batch, checkpoint);
    if (begun !== undefined) {
      await this.#delete(FLAT_TABLES);
      await this.#delete({ start: Uint8Array.of(0x10), end: Uint8Array.of(0x18) });
    }
    await store.write(batch, { sync: true });
  }

  async #delete(range: KeyRange): Promise<void> {
    const { store } = this.#parts;
    for (;;) {
      const batch = new Batch();
      for await (const [key] of store.iterate({ ...range, limit: DELETED_AT_ONCE })) batch.del(key);
      if (batch.operations.length === 0) return;
      await store.write(batch, { sync: true });
    }
  }

  /** The blocks from `first` to the checkpoint's, with their receipts. */
  async #takeBlocks(last: HashedHeader, first: bigint): Promise<void> {
    const { store, clock } = this.#parts;
    const hashes = await hashesBelow(this.#peers, last, KEPT_BLOCKS, this.#insist);
    const download = new Download(this.#peers, clock, first, hashes);
    this.#download = download;
    try {
      for (let done = 0; done < hashes.length; ) {
        const raws = this.#isStopped ? undefined : await download.take(WINDOW_BLOCKS, WINDOW_BYTES);
        if (raws === undefined) throw new Stalled();
        const batch = new Batch();
        for (const raw of raws) await this.#stageBlock(batch, raw, hashes[done++]!);
        await store.write(batch, { sync: true });
      }
    } finally {
      download.stop();
    }
  }

  /** `raw` is the block of this hash. */
  async #stageBlock(batch: Batch, raw: Uint8Array, hash: Uint8Array): Promise<void> {
    const decoding = decodeBlock(raw, this.#parts.genesis.chainId);
    if (!decoding.ok) throw new SyncHalt(`certified block ${bytesToHex(hash)} is no block: ${decoding.reason}`);
    const { block } = decoding;
    const receipts = await this.#insist(() =>
      this.#peers.askAny(
        { from: block.header.number, to: block.header.number },
        {
          protocol: "blocks-by-hash",
          payload: encodeHashRequest({ part: "receipts", hashes: [hash] }),
          limits: { chunks: 1, bytes: MAX_ANSWER_BYTES },
          async read(chunks) {
            const chunk = await onlyChunk(chunks);
            return chunk && decodeReceipts(chunk, block);
          },
        },
      ),
    );
    stageBlock(batch, { ...block, receipts }, raw);
  }

  /** Everything that the checkpoint needs is in the store: from here on it is a chain. */
  async #finish({ last, certificate, nextSet }: EpochEnd, checkpoint: Checkpoint): Promise<void> {
    const { store, genesis } = this.#parts;
    const batch = new Batch();
    const { block } = buildGenesisBlock(genesis, memoryStore());
    stageBlock(batch, block, encodeBlock(block));
    stageValidatorSet(batch, 0n, genesis.validators);
    stageHead(batch, { number: last.header.number, hash: last.hash });
    stageCertificate(batch, last.header.number, encodeCertificate(certificate));
    stageValidatorSet(batch, BigInt(certificate.epoch + 1), nextSet);
    stageSchema(batch, this.#genesisHash);
    stageCheckpoint(batch, { ...checkpoint, isComplete: true });
    await store.write(batch, { sync: true });
  }

  #progressed({ accounts, items, bytes, fraction }: ImportProgress): void {
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs >= this.#loggedAtMs && nowMs - this.#loggedAtMs < LOG_EVERY_MS) return;
    this.#loggedAtMs = nowMs;
    const percent = Math.floor(fraction * 100);
    this.#parts.log.info({ accounts, items, mib: Math.round(bytes / 1024 / 1024), percent }, "downloading state");
  }

  readonly #insist: Insist = async (attempt) => {
    const { clock } = this.#parts;
    const untilMs = clock.nowMs() + BLOCK_PATIENCE_MS;
    for (;;) {
      const value = this.#isStopped ? undefined : await attempt();
      if (value !== undefined) return value;
      if (this.#isStopped || clock.nowMs() >= untilMs) throw new Stalled();
      await this.#wait(RETRY_MS);
    }
  };

  async #wait(ms: number): Promise<void> {
    if (this.#isStopped) return;
    const { clock } = this.#parts;
    await new Promise<void>((resolve) => {
      const cancel = clock.at(clock.nowMs() + ms, resolve);
      this.#cancelWait = () => {
        cancel();
        resolve();
      };
    });
  }
}

/**
 * To be called before the chain is opened, where the operator asked for a checkpoint. True when the chain can be opened
 * then: it began long ago, or begins with a checkpoint or at genesis now. False when `stopping` resolved first.
 */
export async function beginWithCheckpoint(parts: CheckpointParts, stopping: Promise<unknown>): Promise<boolean> {
  if (!canBeginWithCheckpoint(parts.store)) return true;
  const checkpoint = new CheckpointSync(parts);
  void stopping.then(() => checkpoint.stop());
  try {
    return (await checkpoint.run()) !== "stopped";
  } finally {
    checkpoint.stop();
  }
}
