/**
 * What the simulated world knows of blocks and of validator sets. A block is a handful of fields whose hash is its id;
 * whether it is valid and which set takes over after it follow from its content, as they follow from execution in a
 * real chain.
 */

import { type BlockId, epochOfHeight, isLastOfEpoch } from "../../consensus/types.ts";
import { type ValidatorSet, validatorSet } from "../../consensus/validators.ts";
import { keccak256 } from "../../core/crypto.ts";
import { Random } from "./random.ts";
import type { SimKey } from "./scheme.ts";

export interface SimBlock {
  readonly id: BlockId;
  /** The id as a map's key. */
  readonly key: string;
  readonly height: number;
  readonly parent: BlockId;
  readonly parentKey: string;
  /** An unsound block is one that execution refuses. */
  readonly isSound: boolean;
}

/** One character a byte. */
export const keyOf = (id: Uint8Array): string =>
  Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1");

/** Whoever may ever be a validator of this world. */
export interface Member {
  readonly index: number;
  readonly key: SimKey;
  /** 20 bytes. */
  readonly address: Uint8Array;
  readonly isByzantine: boolean;
}

export interface LedgerRules {
  readonly members: readonly Member[];
  /** Validators of an epoch; a set is drawn anew for each when `rotates`. */
  readonly active: number;
  readonly epochBlocks: number;
  readonly rotates: boolean;
  readonly maxStake: number;
}

export class Ledger {
  readonly #rules: LedgerRules;
  readonly #validity = new Map<string, boolean>();
  readonly #blocks = new Map<string, SimBlock>();
  readonly #sets = new Map<string, ValidatorSet>();
  readonly genesis: SimBlock;
  readonly genesisSet: ValidatorSet;

  /** Precondition: a set with less than a third of Byzantine stake can be drawn. */
  constructor(rules: LedgerRules, random: Random) {
    this.#rules = rules;
    this.genesis = createBlock(new Uint8Array(32), 0, 0, true);
    this.#blocks.set(this.genesis.key, this.genesis);
    this.#validity.set(this.genesis.key, true);
    let set: ValidatorSet | undefined;
    while (set === undefined) set = this.#drawSet(random);
    this.genesisSet = set;
  }

  /** Blocks that differ in `salt` alone are different blocks. */
  create(parent: BlockId, height: number, salt: number, isSound: boolean): SimBlock {
    const block = createBlock(parent, height, salt, isSound);
    this.#blocks.set(block.key, block);
    return block;
  }

  /** Every block that was ever made, whether or not the one who asks could know it. */
  find(key: string): SimBlock | undefined {
    return this.#blocks.get(key);
  }

  isValid(block: SimBlock): boolean {
    let valid = this.#validity.get(block.key);
    if (valid === undefined) {
      const parent = this.#blocks.get(block.parentKey);
      valid = block.isSound && parent !== undefined && block.height === parent.height + 1 && this.isValid(parent);
      this.#validity.set(block.key, valid);
    }
    return valid;
  }

  epochOf(height: number): number {
    return epochOfHeight(height, this.#rules.epochBlocks);
  }

  /** Height of the block that the epoch stands on: the last one of the epoch before, or genesis. */
  baseHeight(epoch: number): number {
    return Math.max(0, epoch * this.#rules.epochBlocks - 1);
  }

  isLast(height: number): boolean {
    return isLastOfEpoch(height, this.#rules.epochBlocks);
  }

  /** The set of the epoch after the one that `block` ends. */
  setAfter(block: SimBlock): ValidatorSet {
    if (!this.#rules.rotates) return this.genesisSet;
    let set = this.#sets.get(block.key);
    if (set === undefined) {
      const random = new Random(new DataView(block.id.buffer, block.id.byteOffset).getUint32(0));
      set = this.#drawSet(random) ?? this.genesisSet;
      this.#sets.set(block.key, set);
    }
    return set;
  }

  /** Undefined when the draws gave Byzantine members a third of the stake or more. */
  #drawSet(random: Random): ValidatorSet | undefined {
    const { members, active, maxStake } = this.#rules;
    for (let attempt = 0; attempt < 20; attempt++) {
      const chosen = random.shuffled(members).slice(0, active);
      const stakes = chosen.map(() => BigInt(random.between(1, maxStake)));
      const total = stakes.reduce((sum, stake) => sum + stake, 0n);
      const byzantine = chosen.reduce(
        (sum, { isByzantine }, i) => (isByzantine ? sum + (stakes[i] as bigint) : sum),
        0n,
      );
      if (3n * byzantine >= total) continue;
      return validatorSet(
        chosen.map(({ address, key }, i) => ({ address, publicKey: key.publicKey, stake: stakes[i] as bigint })),
      );
    }
    return undefined;
  }
}

function createBlock(parent: BlockId, height: number, salt: number, isSound: boolean): SimBlock {
  const fields = new Uint8Array(49);
  const view = new DataView(fields.buffer);
  fields.set(parent);
  view.setBigUint64(32, BigInt(height));
  view.setBigUint64(40, BigInt(salt));
  fields[48] = isSound ? 1 : 0;
  const id = keccak256(fields);
  return { id, key: keyOf(id), height, parent, parentKey: keyOf(parent), isSound };
}
