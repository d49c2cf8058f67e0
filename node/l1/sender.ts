/**
 * Sends transactions to L1 from a key of the node's own, one at a time. What is signed is on disk, synced, before it is
 * sent, and stays until it is in a block that this node has read: whenever the process ends, the next one finds out what
 * became of it instead of sending another. A transaction that is not mined is sent again dearer, with the same nonce, so
 * that at most one of them is ever executed.
 *
 * The key is for nothing else: a nonce that somebody else uses up makes what was under way "lost".
 */
import type { TransactionSerializable } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { Batch, type LevelStore } from "../../execution/state/level-store.ts";
import { OperationError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";
import { type L1Client, L1UnavailableError } from "./client.ts";
import { L1RequestError } from "./endpoint.ts";
import { fieldsOf, quantityOf } from "./json.ts";
import { readSending, type Sending, stageSending } from "./posting-store.ts";
import { transactionHash } from "./transactions.ts";

export interface SenderParts {
  readonly client: L1Client;
  readonly store: LevelStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** 32 bytes. */
  readonly privateKey: Uint8Array;
  /** Never paid for a unit of gas, wei. */
  readonly maxFeePerGas: bigint;
  /** After which time without being mined a transaction is sent again dearer. */
  readonly bumpAfterMs: number;
  /** Newest L1 block that was read here. */
  readonly readTo: () => bigint;
  /** What blobs need to be signed with a transaction; undefined: this node posts none. */
  readonly blobs?: BlobSigner | undefined;
}

export interface BlobSigner {
  /** The network form of the transaction (EIP-4844) that carries the blobs. */
  sign(
    account: PrivateKeyAccount,
    transaction: TransactionSerializable,
    blobs: readonly Uint8Array[],
  ): Promise<Uint8Array>;
}

export interface Request {
  /** Of at most 100 bytes. */
  readonly label: string;
  readonly to: Uint8Array;
  readonly data: Uint8Array;
  readonly blobs?: readonly Uint8Array[];
}

export interface Settled {
  readonly label: string;
  /** "reverted" cost its gas; "lost": the nonce was used for something else. */
  readonly outcome: "mined" | "reverted" | "lost";
  readonly l1Number: bigint;
}

/** EIP-1559 nodes ask for 10 % more, for blobs for 100 %. */
const BUMP = { numerator: 9n, denominator: 8n };
const BLOB_BUMP = 2n;
/** Estimates are of now; what is sent is executed later. */
const GAS_MARGIN = { numerator: 6n, denominator: 5n };
const GWEI = 1_000_000_000n;
/** More of one nonce are not kept: the dearest is the one to wait for. */
const MAX_RAWS = 64;
const BLOB_GAS_MIN_FEE = GWEI;

export class L1Sender {
  readonly #parts: SenderParts;
  readonly #account: PrivateKeyAccount;
  #sending: Sending | undefined;

  /** Throws DataError. */
  constructor(parts: SenderParts) {
    this.#parts = parts;
    this.#account = privateKeyToAccount(bytesToHex(parts.privateKey));
    this.#sending = readSending(parts.store.reader);
  }

  /** 0x-address that pays. */
  get address(): string {
    return this.#account.address;
  }

  /** What is under way. */
  get label(): string | undefined {
    return this.#sending?.label;
  }

  /**
   * Sends, and remembers; `also` becomes durable together with it. Rejects with L1RequestError when L1 would refuse or
   * revert it, with OperationError when it is too dear, with L1UnavailableError; then nothing was sent.
   */
  async send({ label, to, data, blobs = [] }: Request, also: (batch: Batch) => void = () => {}): Promise<void> {
    if (this.#sending !== undefined) throw new Error(`${this.#sending.label} is under way`);
    const { client, clock } = this.#parts;
    const nonce = await this.#count("latest");
    const fees = await this.#fees(blobs.length > 0);
    const call = { from: this.address, to: bytesToHex(to), data: bytesToHex(data) };
    // Without its blobs a call for them reverts: what it costs is the caller's to know.
    const gas = blobs.length > 0 ? BLOB_POST_GAS : await client.ask("eth_estimateGas", [call, "latest"], quantity);
    const gasLimit = (gas * GAS_MARGIN.numerator) / GAS_MARGIN.denominator;
    const unsigned = { label, nonce, to, data, gasLimit, ...fees, blobs, sentAtMs: clock.nowMs(), raws: [] };
    await this.#signAndSend(unsigned, also);
  }

  /**
   * What became of what is under way, once that is known and the block was read here; undefined until then. It is
   * forgotten when `also` is durable with that. Rejects when L1 cannot be reached.
   */
  async settle(also: (batch: Batch, settled: Settled) => void = () => {}): Promise<Settled | undefined> {
    const sending = this.#sending;
    if (sending === undefined) return undefined;
    const settled = await this.#outcome(sending);
    if (settled === undefined) {
      await this.#pushOn(sending);
      return undefined;
    }
    if (settled.l1Number > this.#parts.readTo()) return undefined;
    const batch = new Batch();
    stageSending(batch, undefined);
    also(batch, settled);
    await this.#parts.store.write(batch, { sync: true });
    this.#sending = undefined;
    return settled;
  }

  async #outcome({ label, nonce, raws }: Sending): Promise<Settled | undefined> {
    // The count first: what is mined between the two answers has a receipt.
    const isUsed = (await this.#count("latest")) > nonce;
    for (const raw of raws.toReversed()) {
      const hash = bytesToHex(transactionHash(raw));
      const receipt = await this.#parts.client.ask("eth_getTransactionReceipt", [hash], (result) => {
        if (result === null) return undefined;
        const { status, blockNumber } = fieldsOf(result, "receipt");
        return { isGood: quantity(status) === 1n, l1Number: quantity(blockNumber) };
      });
      if (receipt !== undefined) {
        return { label, outcome: receipt.isGood ? "mined" : "reverted", l1Number: receipt.l1Number };
      }
    }
    return isUsed ? { label, outcome: "lost", l1Number: 0n } : undefined;
  }

  /** Sends it again, dearer when it has waited for long. */
  async #pushOn(sending: Sending): Promise<void> {
    const { clock, bumpAfterMs, log } = this.#parts;
    if (clock.nowMs() - sending.sentAtMs < bumpAfterMs || sending.raws.length >= MAX_RAWS) {
      return this.#broadcast(sending.raws.at(-1)!);
    }
    const bumped = await this.#bumped(sending);
    if (bumped === undefined) {
      log.warn({ for: sending.label }, "a transaction to L1 waits, and may not be paid more for");
      return this.#broadcast(sending.raws.at(-1)!);
    }
    log.info({ for: sending.label, nonce: Number(sending.nonce) }, "a transaction to L1 is sent again, dearer");
    await this.#signAndSend({ ...sending, ...bumped, sentAtMs: clock.nowMs() }, () => {});
  }

  async #bumped(old: Sending): Promise<Fees | undefined> {
    const { maxFeePerGas: most } = this.#parts;
    const hasBlobs = old.blobs.length > 0;
    const raise = (fee: bigint): bigint =>
      hasBlobs ? fee * BLOB_BUMP : (fee * BUMP.numerator) / BUMP.denominator + 1n;
    let now: Fees;
    try {
      now = await this.#fees(hasBlobs);
    } catch (error) {
      if (error instanceof OperationError) return undefined;
      throw error;
    }
    const maxFeePerGas = max(now.maxFeePerGas, raise(old.maxFeePerGas));
    if (maxFeePerGas > most) return undefined;
    return {
      maxFeePerGas,
      maxPriorityFeePerGas: max(now.maxPriorityFeePerGas, raise(old.maxPriorityFeePerGas)),
      maxFeePerBlobGas: hasBlobs ? max(now.maxFeePerBlobGas, raise(old.maxFeePerBlobGas)) : 0n,
    };
  }

  /** Twice the base fee leaves room for six full blocks in a row. Throws OperationError where that is too dear. */
  async #fees(hasBlobs: boolean): Promise<Fees> {
    const { client, maxFeePerGas: most } = this.#parts;
    const head = await client.header("latest");
    if (head === undefined) throw new L1UnavailableError("its newest block", new Error("nobody has one"));
    const base = head.header.baseFeePerGas ?? 0n;
    const tip = await this.#tip();
    if (base + tip > most) {
      throw new OperationError(`L1's gas costs ${base + tip} wei, more than the ${most} that may be paid`);
    }
    const maxFeePerGas = min(2n * base + tip, most);
    return {
      maxFeePerGas,
      maxPriorityFeePerGas: min(tip, maxFeePerGas),
      maxFeePerBlobGas: hasBlobs ? max(2n * (await client.ask("eth_blobBaseFee", [], quantity)), BLOB_GAS_MIN_FEE) : 0n,
    };
  }

  async #tip(): Promise<bigint> {
    try {
      return await this.#parts.client.ask("eth_maxPriorityFeePerGas", [], quantity);
    } catch (error) {
      if (error instanceof L1RequestError || error instanceof L1UnavailableError) return GWEI;
      throw error;
    }
  }

  async #signAndSend(sending: Sending, also: (batch: Batch) => void): Promise<void> {
    const raw = await this.#sign(sending);
    const next = { ...sending, raws: [...sending.raws, raw] };
    const batch = new Batch();
    stageSending(batch, next);
    also(batch);
    await this.#parts.store.write(batch, { sync: true });
    this.#sending = next;
    await this.#broadcast(raw);
  }

  async #sign(sending: Sending): Promise<Uint8Array> {
    const { client, blobs } = this.#parts;
    const transaction = {
      chainId: Number(client.chainId),
      nonce: Number(sending.nonce),
      to: bytesToHex(sending.to),
      data: bytesToHex(sending.data),
      gas: sending.gasLimit,
      maxFeePerGas: sending.maxFeePerGas,
      maxPriorityFeePerGas: sending.maxPriorityFeePerGas,
    };
    if (sending.blobs.length === 0) {
      return hexToBytes(await this.#account.signTransaction({ ...transaction, type: "eip1559" }));
    }
    if (blobs === undefined) throw new Error("blobs are under way, and this node is not set up for them");
    const { maxFeePerBlobGas } = sending;
    return blobs.sign(this.#account, { ...transaction, type: "eip4844", maxFeePerBlobGas } as never, sending.blobs);
  }

  /** What L1 says against it is noted only: it is looked up again, and sent again dearer. */
  async #broadcast(raw: Uint8Array): Promise<void> {
    try {
      await this.#parts.client.broadcast(raw);
    } catch (error) {
      if (!(error instanceof L1RequestError) && !(error instanceof L1UnavailableError)) throw error;
      this.#parts.log.debug({ for: this.label, problem: error.message }, "a transaction was not taken by L1");
    }
  }

  #count(tag: string): Promise<bigint> {
    return this.#parts.client.ask("eth_getTransactionCount", [this.address, tag], quantity);
  }
}

type Fees = Pick<Sending, "maxFeePerGas" | "maxPriorityFeePerGas" | "maxFeePerBlobGas">;

/** What BatchInbox.postBlobs takes, and then some. */
const BLOB_POST_GAS = 150_000n;
const quantity = (result: unknown): bigint => quantityOf(result, "answer");
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
