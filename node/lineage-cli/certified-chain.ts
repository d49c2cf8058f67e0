/**
 * Blocks that two thirds of the stake signed, whoever brings them. What is trusted is the genesis (or a later block's
 * hash); from there each epoch's end shows the next epoch's validators, a certificate shows a block, and a block's state
 * shows the hashes of the 8,191 blocks before it (EIP-2935).
 */
import { verifyCertificate } from "../../consensus/certificates.ts";
import { CodecError, decodeCertificate } from "../../consensus/codec.ts";
import { epochOfHeight, isLastOfEpoch, KIND } from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import { blsAggregate, blsVerify } from "../../core/bls.ts";
import { bigIntToFixed, bytesToHex, equalsBytes, type Hex, hexToBytes } from "../../core/bytes.ts";
import type { Receipt, Transaction } from "../../core/chain.ts";
import { RlpError, rlpWhole } from "../../core/rlp.ts";
import { decodeBlock } from "../../execution/block/block-codec.ts";
import { HISTORY_ADDRESS, HISTORY_WINDOW } from "../../execution/block/system-writes.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import type { Genesis } from "../../genesis/schema.ts";
import { buildGenesisBlock } from "../genesis-block.ts";
import { checkBlock } from "../sync/block-check.ts";
import {
  decodeEpochEnd,
  type HashedHeader,
  hashedHeader,
  MAX_EPOCHS,
  MessageError,
  strictly,
} from "../sync/messages.ts";
import { decodeReceipts } from "../sync/receipts.ts";
import { type Rules, wrongEnd } from "../sync/walk.ts";
import { NotProven } from "./checks.ts";
import type { Ask } from "./endpoints.ts";
import { proveStorage } from "./state-proof.ts";

/** What the auditor believes to begin with. */
export interface Trust {
  readonly genesis: Genesis;
  /** Hash of the last block of an epoch: epochs before it are not followed. */
  readonly checkpoint: Hex | undefined;
}

export interface ProvenBlock extends HashedHeader {
  readonly transactions: readonly Transaction[];
  readonly receipts: readonly Receipt[];
}

interface Epoch {
  readonly number: number;
  readonly set: ValidatorSet;
}

export class CertifiedChain {
  readonly genesisHash: Hex;
  readonly #ask: Ask;
  readonly #trust: Trust;
  readonly #rules: Rules;
  /** Proven headers by number. */
  readonly #proven = new Map<bigint, HashedHeader>();
  readonly #blocks = new Map<bigint, Promise<ProvenBlock>>();
  #epoch: Epoch;

  constructor(ask: Ask, trust: Trust) {
    const { chainId, l1, consensus, validators } = trust.genesis;
    this.#ask = ask;
    this.#trust = trust;
    this.#rules = {
      domain: { chainId, l1Contract: l1?.oracle ?? new Uint8Array(20) },
      scheme: { verify: blsVerify, aggregate: blsAggregate },
      epochBlocks: consensus.epochBlocks,
    };
    const { hash, header } = buildGenesisBlock(trust.genesis, memoryStore()).block;
    this.genesisHash = bytesToHex(hash);
    this.#proven.set(0n, { hash, header });
    this.#epoch = { number: 0, set: validators };
  }

  /**
   * Follows the validators to the epoch of block `until`, and keeps the ends of the epochs that `wanted` blocks are in,
   * from which those are reached. Resolves to what was followed. Rejects with NotProven, OperationError.
   */
  async followValidators(until: bigint, wanted: readonly bigint[]): Promise<string> {
    const { epochBlocks } = this.#rules;
    const chainStart = await this.#rawBlock("0x0");
    if (bytesToHex(chainStart.hash) !== this.genesisHash) {
      throw new NotProven(
        `the chain begins with ${bytesToHex(chainStart.hash)}, the trusted genesis is ${this.genesisHash}`,
      );
    }
    const epochOf = (number: bigint) => Math.floor(Number(number) / epochBlocks);
    const kept = new Set(wanted.map(epochOf));
    const last = epochOf(until);
    const from =
      this.#trust.checkpoint === undefined ? `genesis ${this.genesisHash}` : await this.#begin(this.#trust.checkpoint);
    while (this.#epoch.number < last) {
      const asked = Math.min(MAX_EPOCHS, last - this.#epoch.number);
      const ends = await this.#ask("openledger_getEpochEnds", [this.#epoch.number, asked]);
      if (!Array.isArray(ends) || ends.length === 0 || ends.length > asked) {
        throw new NotProven(
          `JSON-RPC does not show how epoch ${this.#epoch.number} ended, of which block ${until} comes later`,
        );
      }
      for (const encoded of ends) this.#follow(encoded, kept);
    }
    const { number, set } = this.#epoch;
    return `${set.validators.length} of epoch ${number}, set ${bytesToHex(set.hash)}, from ${from}`;
  }

  /** The epoch after a trusted block, which is the last of its own. */
  async #begin(checkpoint: Hex): Promise<string> {
    const { hash, header } = await this.#rawBlock(checkpoint);
    if (bytesToHex(hash) !== checkpoint)
      throw new NotProven(`JSON-RPC sent block ${bytesToHex(hash)} for the checkpoint`);
    const { epochBlocks } = this.#rules;
    const epoch = epochOfHeight(Number(header.number), epochBlocks);
    if (!isLastOfEpoch(Number(header.number), epochBlocks)) {
      throw new NotProven(
        `the checkpoint is block ${header.number}, not the last of an epoch: ${(epoch + 1) * epochBlocks - 1} is`,
      );
    }
    const [encoded] = (await this.#ask("openledger_getEpochEnds", [epoch, 1])) as unknown[];
    const { nextSet } = decoding("the end of an epoch", () => decodeEpochEnd(bytesOf(encoded)));
    if (!equalsBytes(nextSet.hash, header.extraData)) throw new NotProven("the checkpoint names other validators");
    this.#proven.set(header.number, { hash, header });
    this.#epoch = { number: epoch + 1, set: nextSet };
    return `the trusted block ${header.number} ${checkpoint}`;
  }

  #follow(encoded: unknown, kept: ReadonlySet<number>): void {
    const { number, set } = this.#epoch;
    const end = decoding(`the end of epoch ${number}`, () => decodeEpochEnd(bytesOf(encoded)));
    const problem = wrongEnd(end, number, set, this.#rules);
    if (problem !== undefined) throw new NotProven(`the end of epoch ${number}: ${problem}`);
    if (kept.has(number)) this.#proven.set(end.last.header.number, end.last);
    this.#epoch = { number: number + 1, set: end.nextSet };
  }

  /**
   * Proves a block at or above `number`, of the epoch that was followed to. Resolves to who signed which. Rejects with
   * NotProven, OperationError.
   */
  async certify(number: bigint): Promise<string> {
    const answer = await this.#ask("openledger_getCertificate", [`0x${number.toString(16)}`]);
    if (answer === null)
      throw new NotProven(`JSON-RPC has no certificate for block ${number} yet: ask again, or another node`);
    const { header: rlp, certificate: encoded } = answer as { readonly header: unknown; readonly certificate: unknown };
    const { header, hash } = decoding("the certified header", () => {
      const bytes = bytesOf(rlp);
      return hashedHeader(bytes, rlpWhole(bytes));
    });
    const certificate = decoding("the certificate", () => decodeCertificate(bytesOf(encoded)));
    const { number: epoch, set } = this.#epoch;
    if (certificate.kind !== KIND.finalize) throw new NotProven("the certificate finalizes nothing");
    if (!equalsBytes(certificate.block, hash)) throw new NotProven(`the certificate is not of block ${header.number}`);
    if (certificate.epoch !== epoch || header.number < number) {
      throw new NotProven(
        `the certificate is of block ${header.number} in epoch ${certificate.epoch}, not of epoch ${epoch}`,
      );
    }
    const problem = verifyCertificate(certificate, set, this.#rules.domain, this.#rules.scheme);
    if (problem !== undefined) throw new NotProven(`the certificate of block ${header.number}: ${problem}`);
    this.#proven.set(header.number, { hash, header });
    const signers = certificate.bitmap.reduce((count, byte) => count + bitsOf(byte), 0);
    return `block ${header.number} ${bytesToHex(hash)}, signed by ${signers} of ${set.validators.length} validators`;
  }

  /** Of a block at or below the certified one. Rejects with NotProven, OperationError. */
  async header(number: bigint): Promise<HashedHeader> {
    for (;;) {
      const known = this.#proven.get(number);
      if (known !== undefined) return known;
      let above: HashedHeader | undefined;
      for (const candidate of this.#proven.values()) {
        const isNearer = above === undefined || candidate.header.number < above.header.number;
        if (candidate.header.number > number && isNearer) above = candidate;
      }
      if (above === undefined) throw new NotProven(`block ${number} is after the certified one`);
      const lowest = above.header.number - HISTORY_WINDOW;
      await this.#proveAncestor(above, number > lowest ? number : lowest);
    }
  }

  /** With transactions and receipts, each all that its root covers. Rejects with NotProven, OperationError. */
  block(number: bigint): Promise<ProvenBlock> {
    let block = this.#blocks.get(number);
    if (block === undefined) {
      block = this.#proveBlock(number);
      this.#blocks.set(number, block);
    }
    return block;
  }

  async #proveAncestor(above: HashedHeader, number: bigint): Promise<void> {
    const slot = bigIntToFixed(number % HISTORY_WINDOW, 32);
    const [hash] = await proveStorage(this.#ask, above, HISTORY_ADDRESS, [slot]);
    const found = await this.#rawBlock(`0x${number.toString(16)}`);
    requireHash(found, bigIntToFixed(hash!, 32), number);
    this.#proven.set(number, { hash: found.hash, header: found.header });
  }

  async #proveBlock(number: bigint): Promise<ProvenBlock> {
    const { hash } = await this.header(number);
    const raw = await this.#rawBlock(`0x${number.toString(16)}`);
    requireHash(raw, hash, number);
    const decoded = decodeBlock(raw.block, this.#trust.genesis.chainId);
    if (!decoded.ok) throw new NotProven(`block ${number} does not decode: ${decoded.reason}`);
    const receipts = decoding(`the receipts of block ${number}`, () => decodeReceipts(raw.receipts, decoded.block));
    return { ...decoded.block, receipts };
  }

  /** Its hash is that of its bytes; whether it is the one that was asked for is not known. */
  async #rawBlock(
    selector: string,
  ): Promise<HashedHeader & { readonly block: Uint8Array; readonly receipts: Uint8Array }> {
    const answer = await this.#ask("openledger_getRawBlock", [selector]);
    if (answer === null) throw new NotProven(`JSON-RPC does not have block ${selector}`);
    return decoding(`block ${selector}`, () => {
      const { block, receipts } = answer as { readonly block: unknown; readonly receipts: unknown };
      const bytes = bytesOf(block);
      return { ...checkBlock(bytes), block: bytes, receipts: bytesOf(receipts) };
    });
  }
}

function requireHash({ hash }: HashedHeader, proven: Uint8Array, number: bigint): void {
  if (equalsBytes(hash, proven)) return;
  throw new NotProven(`JSON-RPC sent ${bytesToHex(hash)} as block ${number}, which is ${bytesToHex(proven)}`);
}

const bitsOf = (byte: number): number => byte.toString(2).replaceAll("0", "").length;

/** Throws RangeError when it is no hex of whole bytes. */
export function bytesOf(value: unknown): Uint8Array {
  if (typeof value === "string" && /^0x([0-9a-fA-F]{2})*$/.test(value)) return hexToBytes(value as Hex);
  throw new RangeError("it is not hex");
}

/** Runs a decoder; what it has against the bytes becomes a NotProven. */
function decoding<T>(what: string, decode: () => T): T {
  try {
    return strictly(decode);
  } catch (error) {
    if (error instanceof MessageError || error instanceof RlpError || error instanceof CodecError) {
      throw new NotProven(`${what}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}
