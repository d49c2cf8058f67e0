/** A finished chain to sync from, without an EVM: real encodings, made-up execution, a validator set of each epoch. */
import { bitmapOf } from "../../../consensus/certificates.ts";
import { encodeCertificate } from "../../../consensus/codec.ts";
import { type Domain, type Scheme, voteDigest } from "../../../consensus/scheme.ts";
import {
  baseView,
  type Certificate,
  epochOfHeight,
  isLastOfEpoch,
  KIND,
  type Subject,
} from "../../../consensus/types.ts";
import { type ValidatorSet, validatorSet } from "../../../consensus/validators.ts";
import { bigIntToFixed, bytesToHex, concatBytes, EMPTY_BYTES, equalsBytes, ZERO_32 } from "../../../core/bytes.ts";
import type { Header } from "../../../core/chain.ts";
import { keccak256 } from "../../../core/crypto.ts";
import { rlpEncode, rlpListOf, rlpWhole } from "../../../core/rlp.ts";
import { EMPTY_BLOOM } from "../../../execution/block/bloom.ts";
import { encodeHeader, protocolFields } from "../../../execution/block/header.ts";
import { orderedRoot } from "../../../execution/block/ordered-root.ts";
import type { Verification } from "../../chain-above.ts";
import { hashedHeader, headerOf } from "../messages.ts";
import type { SyncChain } from "../types.ts";

export const DOMAIN: Domain = { chainId: 7n, l1Contract: new Uint8Array(20) };

/** Of one key: its hash with the digest, thrice. Of several: the exclusive or, so order does not matter. */
function signature(publicKeys: readonly Uint8Array[], digest: Uint8Array): Uint8Array {
  const sum = new Uint8Array(96);
  for (const key of publicKeys) {
    const part = keccak256(key, digest);
    for (let i = 0; i < 96; i++) sum[i] = sum[i]! ^ part[i % 32]!;
  }
  return sum;
}

/** Anybody can forge it; tests tell apart what was signed for by what they sign. */
export const SCHEME: Scheme = {
  verify: (publicKeys, digest, given) => publicKeys.length > 0 && equalsBytes(given, signature(publicKeys, digest)),
  aggregate: () => undefined,
};

/** Four validators of equal stake whose keys depend on the epoch. */
export function setOf(epoch: number): ValidatorSet {
  return validatorSet(
    Array.from({ length: 4 }, (_, i) => {
      const seed = keccak256(Uint8Array.of(epoch >> 8, epoch, i));
      return { address: seed.slice(0, 20), publicKey: concatBytes(seed, seed, seed), stake: 1n };
    }),
  );
}

export function certify(subject: Omit<Subject, "kind">, set: ValidatorSet, signers = [0, 1, 2]): Certificate {
  const finalize: Subject = { ...subject, kind: KIND.finalize };
  const keys = signers.map((index) => set.validators[index]!.publicKey);
  const digest = voteDigest(DOMAIN, set.hash, finalize);
  return { ...finalize, bitmap: bitmapOf(signers, set.validators.length), signature: signature(keys, digest) };
}

export interface LedgerOptions {
  readonly blocks: number;
  readonly epochBlocks: number;
  /** Bytes of each block's transactions, about. */
  readonly blockBytes?: number;
  /** Besides the last of each epoch and the newest. */
  readonly isCertified?: (number: number) => boolean;
  /** Does not execute. */
  readonly invalid?: number;
  /** Another chain with the same genesis. */
  readonly salt?: number;
  /** Who finalizes; `setOf` when absent. */
  readonly sets?: (epoch: number) => ValidatorSet;
}

/** Blocks 0 to `blocks`, by number. */
export class Ledger {
  readonly epochBlocks: number;
  readonly raws: Uint8Array[] = [];
  readonly hashes: Uint8Array[] = [];
  readonly certificates = new Map<number, Certificate>();
  readonly invalid: number | undefined;
  readonly sets: (epoch: number) => ValidatorSet;
  readonly #numbers = new Map<string, number>();

  constructor(options: LedgerOptions) {
    const {
      blocks,
      epochBlocks,
      blockBytes = 200,
      isCertified = () => true,
      invalid,
      salt = 0,
      sets = setOf,
    } = options;
    this.sets = sets;
    this.epochBlocks = epochBlocks;
    this.invalid = invalid;
    for (let number = 0; number <= blocks; number++) {
      const transactions = number === 0 ? [] : transactionsOf(number, blockBytes, salt);
      const isLast = isLastOfEpoch(number, epochBlocks);
      const header: Header = {
        ...protocolFields,
        parentHash: this.hashes[number - 1] ?? ZERO_32,
        coinbase: new Uint8Array(20),
        stateRoot: keccak256(bigIntToFixed(BigInt(number), 8)),
        transactionsRoot: orderedRoot(transactions),
        receiptsRoot: ZERO_32,
        withdrawalsRoot: ZERO_32,
        logsBloom: EMPTY_BLOOM,
        number: BigInt(number),
        gasLimit: 30_000_000n,
        gasUsed: 0n,
        timestamp: BigInt(1_700_000_000 + number),
        extraData: isLast ? sets(epochOfHeight(number, epochBlocks) + 1).hash : EMPTY_BYTES,
        baseFeePerGas: 7n,
        prevRandao: ZERO_32,
        parentBeaconBlockRoot: ZERO_32,
      };
      const raw = rlpListOf([encodeHeader(header), rlpEncode(transactions), rlpEncode([]), rlpEncode([])]);
      const hash = keccak256(encodeHeader(header));
      this.raws.push(raw);
      this.hashes.push(hash);
      this.#numbers.set(bytesToHex(hash), number);
      if (number > 0 && (isLast || number === blocks || isCertified(number))) {
        this.certificates.set(number, this.certificateOf(number, hash));
      }
    }
  }

  get height(): number {
    return this.raws.length - 1;
  }

  /** Some views are skipped, as in life. */
  certificateOf(number: number, block = this.hashes[number]!, signer?: ValidatorSet): Certificate {
    const epoch = epochOfHeight(number, this.epochBlocks);
    const view = baseView(epoch) + 1 + 2 * (number % this.epochBlocks);
    return certify({ epoch, view, parentView: view - 1, block }, signer ?? this.sets(epoch));
  }

  numberOf(hash: Uint8Array): number | undefined {
    return this.#numbers.get(bytesToHex(hash));
  }

  get tip(): Certificate {
    return this.certificates.get(this.height)!;
  }
}

function transactionsOf(number: number, bytes: number, salt: number): Uint8Array[] {
  const seed = keccak256(bigIntToFixed(BigInt(number), 8), Uint8Array.of(salt));
  const size = Math.max(32, bytes >> 1);
  const body = new Uint8Array(size);
  for (let at = 0; at + 32 <= size; at += 32) body.set(seed, at);
  return [concatBytes(Uint8Array.of(2), body), concatBytes(Uint8Array.of(1), body)];
}

/** A node's part of a ledger. Execution is believing the ledger's word. */
export class LedgerChain implements SyncChain {
  readonly genesisHash: Uint8Array;
  readonly firstBlock = 0n;
  readonly #ledger: Ledger;
  readonly #tree = new Map<string, Uint8Array>();
  readonly #certified = new Map<bigint, Uint8Array>();
  #height: number;
  /** In the order in which they were committed. */
  readonly commits: { readonly number: number; readonly isCertified: boolean }[] = [];
  executed = 0;
  /** Numbers of blocks that were announced before they were executed. */
  readonly announced: number[] = [];
  #expected: Uint8Array | undefined;
  /** Called before each execution. */
  beforeVerify: (number: number) => void = () => {};
  /** Blocks for which there is no room now. */
  refuses: (number: number) => boolean = () => false;

  constructor(ledger: Ledger, height = 0) {
    this.#ledger = ledger;
    this.#height = height;
    this.genesisHash = ledger.hashes[0]!;
    for (const [number, certificate] of ledger.certificates) {
      if (number <= height) this.#certified.set(BigInt(number), encodeCertificate(certificate));
    }
  }

  get head() {
    return { number: BigInt(this.#height), hash: this.#ledger.hashes[this.#height]! };
  }

  rawAt(number: bigint): Uint8Array | undefined {
    return number <= this.head.number ? this.#ledger.raws[Number(number)] : undefined;
  }

  raw(hash: Uint8Array): Uint8Array | undefined {
    const number = this.#ledger.numberOf(hash);
    if (number !== undefined && number <= this.#height) return this.#ledger.raws[number];
    return this.#tree.get(bytesToHex(hash));
  }

  hashAt(number: bigint): Uint8Array | undefined {
    return number <= this.head.number ? this.#ledger.hashes[Number(number)] : undefined;
  }

  find(): undefined {
    return undefined; // a ledger has no receipts
  }

  certificate(number: bigint): Uint8Array | undefined {
    return this.#certified.get(number);
  }

  get latestCertificate() {
    const number = [...this.#certified.keys()].reduce((a, b) => (a > b ? a : b), 0n);
    const certificate = this.#certified.get(number);
    return certificate === undefined ? undefined : { number, certificate };
  }

  validatorSet(epoch: number): ValidatorSet | undefined {
    return epoch <= epochOfHeight(this.#height + 1, this.#ledger.epochBlocks) ? this.#ledger.sets(epoch) : undefined;
  }

  expect(raw: Uint8Array): void {
    this.#expected = raw;
  }

  async verify(raw: Uint8Array, parentHash: Uint8Array): Promise<Verification> {
    const { header, hash } = hashedHeader(headerOf(raw), rlpWhole(headerOf(raw)));
    const number = Number(header.number);
    this.beforeVerify(number);
    this.executed++;
    if (raw === this.#expected) this.announced.push(number);
    if (this.refuses(number)) return { ok: false, fault: "unavailable", reason: "no room", hash };
    if (!equalsBytes(header.parentHash, parentHash)) throw new Error(`block ${number} is executed on another parent`);
    if (this.raw(parentHash) === undefined) throw new Error(`block ${number} is executed on an unknown parent`);
    if (!equalsBytes(raw, this.#ledger.raws[number]!)) throw new Error(`what is executed is not block ${number}`);
    if (number === this.#ledger.invalid) return { ok: false, fault: "invalid", reason: "as the test wants it", hash };
    this.#tree.set(bytesToHex(hash), raw);
    return { ok: true, hash };
  }

  async commitThrough(hash: Uint8Array, certificate: Uint8Array | undefined): Promise<void> {
    const number = this.#ledger.numberOf(hash);
    if (number === undefined) throw new Error("a block of another chain is committed");
    for (let below = this.#height + 1; below <= number; below++) {
      if (!this.#tree.delete(bytesToHex(this.#ledger.hashes[below]!)))
        throw new Error(`block ${below} was not executed`);
    }
    this.#height = number;
    if (certificate !== undefined) this.#certified.set(BigInt(number), certificate);
    this.commits.push({ number, isCertified: certificate !== undefined });
  }

  /** What consensus does: makes the blocks up to this one final, the last one of an epoch before the next begins. */
  async goTo(height: number): Promise<void> {
    for (let number = this.#height + 1; number <= height; number++) {
      const hash = this.#ledger.hashes[number]!;
      this.#tree.set(bytesToHex(hash), this.#ledger.raws[number]!);
      if (number !== height && !isLastOfEpoch(number, this.#ledger.epochBlocks)) continue;
      await this.commitThrough(hash, encodeCertificate(this.#ledger.certificateOf(number)));
    }
  }

  /** What a new process finds: what was committed, and nothing else. */
  restarted(): LedgerChain {
    const chain = new LedgerChain(this.#ledger);
    chain.#height = this.#height;
    for (const [number, certificate] of this.#certified) chain.#certified.set(number, certificate);
    return chain;
  }
}
