/** The committed blocks: the newest in memory, the others on disk, and what their indexes say. */
import { bytesToHex, equalsBytes } from "../core/bytes.ts";
import type { ExecutedBlock } from "../core/chain.ts";
import { SizedMap } from "../core/recent-map.ts";
import type { ValidatorSet } from "../core/validators.ts";
import { GenerationCache } from "../execution/state/cache.ts";
import type { KeyValueReader } from "../execution/state/types.ts";
import { type BlockLogs, logsOf, readBlockLogs } from "./block-logs.ts";
import type { BlockSelector, ChainApi, TransactionLocation } from "./chain-api.ts";
import {
  type BlockDecoder,
  damagedBlock,
  readBlock,
  readBlockHash,
  readNumber,
  readRaw,
  readTransactionPlace,
} from "./chain-store.ts";
import { sizeOf } from "./chain-tree.ts";
import { readEpochValidators } from "./finality-store.ts";

/** Executed blocks kept in memory, until their number or their size is reached; older ones are read from disk. */
const RECENT_BLOCKS = 128;
const RECENT_BYTES = 64 * 1024 * 1024;
const LOGS_BYTES = 64 * 1024 * 1024;
/** Block hashes kept for BLOCKHASH, which costs 20 gas and may not cost a read each time. */
const HASHES_KEPT = 4_096;
/** Validator sets kept, so that a set's keys are the same objects each time: core/bls.ts remembers them parsed. */
const SETS_KEPT = 32;

export class CommittedBlocks {
  readonly #reader: KeyValueReader;
  readonly #decode: BlockDecoder;
  readonly #first: bigint;
  readonly #recent = new SizedMap<bigint, ExecutedBlock>(RECENT_BLOCKS, RECENT_BYTES);
  /** Of blocks that are not decoded, where somebody looked through them. */
  readonly #logs = new SizedMap<bigint, BlockLogs>(Number.POSITIVE_INFINITY, LOGS_BYTES);
  readonly #hashes = new GenerationCache<Uint8Array>(HASHES_KEPT);
  readonly #sets = new GenerationCache<ValidatorSet>(SETS_KEPT);
  readonly #remembersReads: boolean;
  #headNumber: bigint;

  /**
   * All blocks from `first` to the head are here, and the genesis block. `remembersReads`: where nobody adds blocks, the
   * newest are kept when they are read.
   */
  constructor(reader: KeyValueReader, decode: BlockDecoder, first: bigint, headNumber: bigint, remembersReads = false) {
    this.#reader = reader;
    this.#decode = decode;
    this.#first = first;
    this.#headNumber = headNumber;
    this.#remembersReads = remembersReads;
  }

  get head(): ExecutedBlock {
    return this.block(this.#headNumber)!;
  }

  /** `blocks` are in the store and follow the head. */
  extend(blocks: readonly ExecutedBlock[]): void {
    for (const block of blocks) {
      this.#headNumber = block.header.number;
      this.#remember(block);
    }
  }

  /** The blocks up to this one are in the store. */
  advanceTo(headNumber: bigint): void {
    this.#headNumber = headNumber;
  }

  /** Undefined above the head and below the first, whatever the store holds there. The readers throw DataError. */
  block(number: bigint): ExecutedBlock | undefined {
    if (!this.#isHere(number)) return undefined;
    const known = this.#recent.get(number);
    if (known !== undefined) return known;
    const block = readBlock(this.#reader, number, this.#decode);
    if (block === undefined) throw damagedBlock(number, "is missing");
    if (this.#remembersReads && number > this.#headNumber - BigInt(RECENT_BLOCKS)) this.#remember(block);
    return block;
  }

  logs(number: bigint): BlockLogs | undefined {
    if (!this.#isHere(number)) return undefined;
    const known = this.#recent.get(number);
    if (known !== undefined) return logsOf(known);
    const read = this.#logs.get(number);
    if (read !== undefined) return read;
    const logs = readBlockLogs(this.#reader, number, (made, bytes) => this.#logs.set(number, made, bytes));
    if (logs === undefined) throw damagedBlock(number, "is missing");
    return logs;
  }

  /** `tags`: how far the chain is on L1; without it, what is here is final. */
  find(selector: BlockSelector, tags: ChainApi["tags"]): ExecutedBlock | undefined {
    if ("number" in selector) return this.block(selector.number);
    if ("hash" in selector) return this.blockOf(selector.hash);
    const { tag } = selector;
    if (tag === "earliest") return this.block(0n);
    return tags !== undefined && (tag === "safe" || tag === "finalized") ? this.block(tags[tag]) : this.head;
  }

  blockOf(hash: Uint8Array): ExecutedBlock | undefined {
    const number = this.numberOf(hash);
    const block = number === undefined ? undefined : this.block(number);
    if (block !== undefined && !equalsBytes(block.hash, hash)) {
      throw damagedBlock(block.header.number, `is listed as ${bytesToHex(hash)}`);
    }
    return block;
  }

  numberOf(hash: Uint8Array): bigint | undefined {
    const number = readNumber(this.#reader, hash);
    return number !== undefined && this.#isHere(number) ? number : undefined;
  }

  rawAt(number: bigint): Uint8Array | undefined {
    if (!this.#isHere(number)) return undefined;
    const raw = readRaw(this.#reader, number);
    if (raw === undefined) throw damagedBlock(number, "is missing");
    return raw;
  }

  hashAt(number: bigint): Uint8Array | undefined {
    if (!this.#isHere(number)) return undefined;
    const key = String(number);
    const known = this.#hashes.get(key);
    if (known !== undefined) return known;
    const hash = this.#recent.get(number)?.hash ?? readBlockHash(this.#reader, number);
    if (hash === undefined) throw damagedBlock(number, "is missing");
    this.#hashes.set(key, hash);
    return hash;
  }

  transaction(hash: Uint8Array): TransactionLocation | undefined {
    const place = readTransactionPlace(this.#reader, hash);
    const block = place === undefined ? undefined : this.block(place.number);
    if (place === undefined || block === undefined) return undefined;
    const transaction = block.transactions[place.index];
    const receipt = block.receipts[place.index];
    if (transaction === undefined || receipt === undefined || !equalsBytes(transaction.hash, hash)) {
      throw damagedBlock(place.number, `lacks transaction ${bytesToHex(hash)}`);
    }
    return { block, index: place.index, transaction, receipt };
  }

  validatorSet(epoch: number): ValidatorSet | undefined {
    const key = String(epoch);
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    const set = readEpochValidators(this.#reader, BigInt(epoch));
    if (set !== undefined) this.#sets.set(key, set);
    return set;
  }

  #isHere(number: bigint): boolean {
    return number === 0n || (number > 0n && number >= this.#first && number <= this.#headNumber);
  }

  #remember(block: ExecutedBlock): void {
    this.#recent.set(block.header.number, block, sizeOf(block));
  }
}
