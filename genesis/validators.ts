/** Validators in a network's file: parsed, and checked as far as a set can be checked by itself. */
import { compressBlsPublicKey, expandBlsPublicKey, isPossessionProven } from "../core/bls.ts";
import { bytesToHex } from "../core/bytes.ts";
import { MAX_VALIDATORS, type Validator, type ValidatorSet, validatorSet } from "../core/validators.ts";
import type { Json, Reader } from "./reader.ts";

/** As it stands in the file. */
export interface ValidatorJson {
  /** 20 bytes, hex. */
  readonly address: string;
  /** 48 bytes, hex: the compressed G1 point. */
  readonly publicKey: string;
  /** 96 bytes, hex: core/bls.ts `provePossession`. */
  readonly proofOfPossession: string;
  /** Wei, decimal. */
  readonly stake: string;
}

/** From `block` on the ValidatorSet predeploy holds the set as its pending one: it takes over with the next epoch. */
export interface ValidatorChange {
  readonly block: bigint;
  readonly set: ValidatorSet;
}

/** Proofs take a millisecond each to check. */
const MAX_CHANGES = 64;

const NO_SET: ValidatorSet = { validators: [], totalStake: 0n, hash: new Uint8Array(32) };

export class ValidatorParser {
  readonly #reader: Reader;
  /** Keys and proofs that have been checked, because the sets of a file have most members in common. */
  readonly #proven = new Set<string>();

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Adds every problem to the reader's; the result is of use only when there are none. */
  set(value: Json, path: string): ValidatorSet {
    const items = this.#reader.list(value, path);
    if (items.length === 0 || items.length > MAX_VALIDATORS) {
      this.#reader.problems.push(`${path} must have 1 to ${MAX_VALIDATORS} members`);
      return NO_SET;
    }
    const before = this.#reader.problems.length;
    const validators = items.map((item, index) => this.#validator(item, `${path}.${index}`));
    this.#findDuplicates(validators, path);
    return this.#reader.problems.length === before ? validatorSet(validators) : NO_SET;
  }

  changes(value: Json): ValidatorChange[] {
    const items = this.#reader.list(value, "validatorChanges");
    if (items.length > MAX_CHANGES) {
      this.#reader.problems.push(`validatorChanges must have at most ${MAX_CHANGES} members`);
      return [];
    }
    let last = 0n;
    return items.map((item, index) => {
      const path = `validatorChanges.${index}`;
      const fields = this.#reader.object(item, path, ["block", "validators"]);
      const block = this.#reader.integer(fields.block, `${path}.block`);
      if (block <= last) this.#reader.problems.push(`${path}.block must be above ${last}`);
      last = block;
      return { block, set: this.set(fields.validators, `${path}.validators`) };
    });
  }

  #validator(value: Json, path: string): Validator {
    const reader = this.#reader;
    const fields = reader.object(value, path, ["address", "publicKey", "proofOfPossession", "stake"]);
    const before = reader.problems.length;
    const address = reader.bytes(fields.address, `${path}.address`, 20);
    const compressed = reader.bytes(fields.publicKey, `${path}.publicKey`, 48);
    const proof = reader.bytes(fields.proofOfPossession, `${path}.proofOfPossession`, 96);
    const stake = reader.integer(fields.stake, `${path}.stake`);
    const isWellFormed = reader.problems.length === before;
    if (stake <= 0n || stake >= 1n << 128n) reader.problems.push(`${path}.stake must be above 0 and below 2^128`);
    const publicKey = isWellFormed ? this.#key(compressed, proof, path) : new Uint8Array(96);
    return { address, publicKey, stake };
  }

  #key(compressed: Uint8Array, proof: Uint8Array, path: string): Uint8Array {
    let publicKey: Uint8Array;
    try {
      publicKey = expandBlsPublicKey(compressed);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#reader.problems.push(`${path}.publicKey is no point of BLS12-381's G1`);
      return new Uint8Array(96);
    }
    const pair = bytesToHex(compressed) + bytesToHex(proof);
    if (!this.#proven.has(pair)) {
      if (isPossessionProven(publicKey, proof)) this.#proven.add(pair);
      else this.#reader.problems.push(`${path}.proofOfPossession does not prove possession of the key`);
    }
    return publicKey;
  }

  #findDuplicates(validators: readonly Validator[], path: string): void {
    for (const field of ["address", "publicKey"] as const) {
      const seen = new Map<string, number>();
      for (const [index, validator] of validators.entries()) {
        // What could not be read has been named already.
        if (validator[field].every((byte) => byte === 0)) continue;
        const text = bytesToHex(validator[field]);
        const other = seen.get(text);
        if (other === undefined) seen.set(text, index);
        else this.#reader.problems.push(`${path}.${index}.${field} is that of ${path}.${other}`);
      }
    }
  }
}

/** A validator as it is declared: what of it a set does not hold is the proof. */
export interface DeclaredValidator extends Validator {
  /** 96 bytes: core/bls.ts `provePossession`. */
  readonly proofOfPossession: Uint8Array;
}

/** The same network with other validators, for devnets and tests. `genesis` is the JSON of a network's file. */
export function withValidators<T extends object>(
  genesis: T,
  validators: readonly DeclaredValidator[],
): T & { readonly validators: readonly ValidatorJson[] } {
  return { ...genesis, validators: validators.map(validatorJson) };
}

export const validatorJson = (validator: DeclaredValidator): ValidatorJson => ({
  address: bytesToHex(validator.address),
  publicKey: bytesToHex(compressBlsPublicKey(validator.publicKey)),
  proofOfPossession: bytesToHex(validator.proofOfPossession),
  stake: String(validator.stake),
});
