/**
 * A node's blocks: the committed chain, which is durable, and above it what its log or only its memory has. Blocks are
 * found here as a node finds them, not as the world knows them.
 */
import { baseView, type Certificate, type Tip } from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import type { Ledger, SimBlock } from "./ledger.ts";
import type { Range } from "./network.ts";

/** A range that answers a status has at most so many blocks. */
const RANGE_BLOCKS = 64;

/** Where the committed chain ends, as the state machine counts it. */
export interface Position {
  readonly epoch: number;
  readonly set: ValidatorSet;
  readonly base: Tip;
  readonly tip: Tip;
}

export class SimChain {
  readonly #ledger: Ledger;
  readonly #committed: SimBlock[];
  /** Of each committed block that has its own. */
  readonly #certificates = new Map<number, Certificate>();
  /** By epoch, as far as the committed chain names them. */
  readonly #sets: ValidatorSet[];
  /** Above the committed chain. */
  readonly #loose = new Map<string, SimBlock>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.#committed = [ledger.genesis];
    this.#sets = [ledger.genesisSet];
  }

  get head(): SimBlock {
    return this.#committed.at(-1) as SimBlock;
  }

  get height(): number {
    return this.#committed.length - 1;
  }

  get position(): Position {
    const { height } = this;
    const epoch = this.#ledger.epochOf(height + 1);
    const baseHeight = this.#ledger.baseHeight(epoch);
    const base = { view: baseView(epoch), height: baseHeight, block: this.#committed[baseHeight]!.id };
    const certificate = this.#certificates.get(height);
    const isAtBase = height === baseHeight || certificate === undefined;
    const tip = isAtBase ? base : { view: certificate.view, height, block: this.head.id };
    return { epoch, set: this.#sets[epoch]!, base, tip };
  }

  /** Undefined for what this node has not got. */
  find(key: string): SimBlock | undefined {
    const block = this.#loose.get(key);
    if (block !== undefined) return block;
    const known = this.#ledger.find(key);
    return known !== undefined && this.#committed[known.height] === known ? known : undefined;
  }

  /** False when it was known, or is too late. */
  learn(block: SimBlock): boolean {
    if (this.#loose.has(block.key) || block.height <= this.height) return false;
    this.#loose.set(block.key, block);
    return true;
  }

  get loose(): SimBlock[] {
    return [...this.#loose.values()];
  }

  /** The process ends, and with it what it only remembered. */
  forgetLoose(): void {
    this.#loose.clear();
  }

  /** The first block missing between this one and the committed chain; true when none is; false when it forks off. */
  missing(key: string): string | boolean {
    for (let at = key; ; ) {
      const block = this.find(at);
      if (block === undefined) return at;
      if (block.height <= this.height) return this.#committed[block.height] === block;
      at = block.parentKey;
    }
  }

  /** From above the head up to this block, the lowest first. Precondition: none is missing. */
  pathTo(key: string): SimBlock[] {
    const path: SimBlock[] = [];
    for (let at = this.find(key); at !== undefined && at.height > this.height; at = this.find(at.parentKey)) {
      path.push(at);
    }
    return path.reverse();
  }

  /** Precondition: stands on the head. */
  commit(block: SimBlock, certificate: Certificate | undefined): void {
    this.#committed.push(block);
    if (certificate !== undefined) this.#certificates.set(block.height, certificate);
    if (this.#ledger.isLast(block.height)) {
      this.#sets[this.#ledger.epochOf(block.height) + 1] = this.#ledger.setAfter(block);
    }
    for (const { key, height } of this.loose) if (height <= block.height) this.#loose.delete(key);
  }

  /** What one who is at `height` lacks, up to a block with a certificate; undefined when that is nothing. */
  rangeAfter(height: number): Range | undefined {
    let end = Math.min(this.height, height + RANGE_BLOCKS);
    while (end > height && !this.#certificates.has(end)) end--;
    if (end <= height) return undefined;
    const heights = Array.from({ length: end - height }, (_, i) => height + 1 + i);
    return {
      blocks: heights.map((at) => this.#committed[at] as SimBlock),
      certificates: heights.map((at) => this.#certificates.get(at)),
    };
  }

  /**
   * What a range adds to the head, verified as sync does: parent by parent, the end and each epoch's last block by a
   * certificate of their epoch's set. Undefined when it adds nothing or lies.
   */
  verified(
    { blocks, certificates }: Range,
    isFinalization: (certificate: Certificate, block: SimBlock, set: ValidatorSet) => boolean,
  ): { readonly path: readonly SimBlock[]; readonly certificates: ReadonlyMap<number, Certificate> } | undefined {
    const skip = this.height + 1 - (blocks[0]?.height ?? Number.POSITIVE_INFINITY);
    if (skip < 0 || skip >= blocks.length) return undefined;
    const path = blocks.slice(skip);
    const kept = new Map<number, Certificate>();
    let parent = this.head;
    let { set } = this.position;
    for (const [i, block] of path.entries()) {
      const isNext = block.parentKey === parent.key && block.height === parent.height + 1;
      if (!isNext || !this.#ledger.isValid(block)) return undefined;
      if (i === path.length - 1 || this.#ledger.isLast(block.height)) {
        const certificate = certificates[skip + i];
        if (certificate === undefined || !isFinalization(certificate, block, set)) return undefined;
        kept.set(block.height, certificate);
      }
      if (this.#ledger.isLast(block.height)) set = this.#ledger.setAfter(block);
      parent = block;
    }
    return { path, certificates: kept };
  }
}
