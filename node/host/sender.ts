/**
 * Sends a host's transactions from one key: several under way at a time, with nonces that follow each other. One that is
 * not mined is sent again dearer, with the same nonce.
 *
 * Nothing of it is on disk. What a host sends has no effect the second time, by the precompile's rules, and whoever
 * asked looks at the chain again before it asks for the next: so after a crash the worst is gas for nothing. The key may
 * be used by others; then a transaction can be "lost".
 */
import {
  BaseError,
  ContractFunctionRevertedError,
  type Hex,
  keccak256,
  type LocalAccount,
  type PublicClient,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
} from "viem";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";
import type { Logger } from "../log.ts";
import type { Clock } from "../ports.ts";

export type SendClient = Pick<
  PublicClient,
  "estimateGas" | "getBlock" | "getChainId" | "getTransactionCount" | "getTransactionReceipt" | "sendRawTransaction"
>;

export interface SenderParts {
  readonly client: SendClient;
  readonly account: LocalAccount;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pollMs?: number;
  /** After which time without being mined a transaction is sent again dearer. */
  readonly bumpAfterMs?: number;
  readonly maxUnderWay?: number;
  /** Never paid for a unit of gas, wei. */
  readonly maxFeePerGas?: bigint;
}

export interface Call {
  /** For the log. */
  readonly label: string;
  readonly to: Hex;
  readonly data: Hex;
  readonly valueWei?: bigint;
}

/** "lost": its nonce was used for something else. */
export type Outcome = { readonly type: "mined" | "reverted"; readonly blockNumber: bigint } | { readonly type: "lost" };

/** The call would revert now: nothing was sent. */
export class RevertError extends Error {
  /** Of the precompile's errors; undefined when it ran out of gas or is none of them. */
  readonly errorName: string | undefined;
  constructor(errorName: string | undefined, message: string) {
    super(message);
    this.name = "RevertError";
    this.errorName = errorName;
  }
}

interface UnderWay {
  readonly call: Call;
  readonly nonce: number;
  readonly gas: bigint;
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
  sentAtMs: number;
  readonly hashes: Hex[];
  readonly done: (outcome: Outcome) => void;
}

const GWEI = 1_000_000_000n;
const TIP = GWEI;
/** Nodes ask for 10 % more. */
const BUMP = { numerator: 9n, denominator: 8n };
/** Estimates are of now; what is sent is executed later, beside others. */
const GAS_MARGIN = { numerator: 3n, denominator: 2n };
/** EIP-7825. */
const MAX_GAS = 16_777_216n;

export class Sender {
  readonly #parts: Required<SenderParts>;
  /** Nonces rise. */
  readonly #underWay: UnderWay[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #cancelPoll: (() => void) | undefined;
  #isStopped = false;

  constructor(parts: SenderParts) {
    this.#parts = { pollMs: 500, bumpAfterMs: 20_000, maxUnderWay: 16, maxFeePerGas: 500n * GWEI, ...parts };
  }

  get address(): Hex {
    return this.#parts.account.address;
  }

  /** Whether another one may be sent now. */
  get hasRoom(): boolean {
    return this.#underWay.length < this.#parts.maxUnderWay;
  }

  /**
   * Resolves once it is known what became of it. Rejects with RevertError when it would revert, and with viem's errors
   * when the node cannot be asked; then nothing was sent. Precondition: hasRoom.
   */
  async send(call: Call): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    // One after the other up to the point where the nonce is taken.
    const sent = this.#turn.then(() => this.#sign(call, resolve));
    this.#turn = sent.catch(() => {});
    await sent;
    return promise;
  }

  /** What is under way stays: it may still be mined, and nobody here learns of it. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelPoll?.();
    for (const { done } of this.#underWay.splice(0)) done({ type: "lost" });
  }

  async #sign(call: Call, done: (outcome: Outcome) => void): Promise<void> {
    if (this.#isStopped) throw new Error("the sender has stopped");
    const { clock } = this.#parts;
    const gas = await this.#gas(call);
    const last = this.#underWay.at(-1);
    const nonce = last === undefined ? await this.#count() : last.nonce + 1;
    const fees = await this.#fees();
    const item: UnderWay = { call, nonce, gas, ...fees, sentAtMs: clock.nowMs(), hashes: [], done };
    await this.#broadcast(item, true);
    if (this.#isStopped) return done({ type: "lost" });
    this.#underWay.push(item);
    this.#parts.log.debug({ for: call.label, nonce, gas: Number(gas) }, "transaction sent");
    this.#poll(this.#parts.pollMs);
  }

  async #gas({ to, data, valueWei = 0n }: Call): Promise<bigint> {
    const { client, account } = this.#parts;
    try {
      const gas = await client.estimateGas({ account: account.address, to, data, value: valueWei });
      const padded = (gas * GAS_MARGIN.numerator) / GAS_MARGIN.denominator;
      if (gas > MAX_GAS) throw new RevertError(undefined, `it needs ${gas} gas, more than a transaction may use`);
      return padded < MAX_GAS ? padded : MAX_GAS;
    } catch (error) {
      throw revertOf(error) ?? error;
    }
  }

  /** Twice the base fee leaves room for six full blocks in a row. */
  async #fees(): Promise<{ readonly maxFeePerGas: bigint; readonly maxPriorityFeePerGas: bigint }> {
    const { baseFeePerGas } = await this.#parts.client.getBlock();
    const wanted = 2n * (baseFeePerGas ?? 0n) + TIP;
    const most = this.#parts.maxFeePerGas;
    return { maxFeePerGas: wanted < most ? wanted : most, maxPriorityFeePerGas: TIP < most ? TIP : most };
  }

  #count(): Promise<number> {
    return this.#parts.client.getTransactionCount({ address: this.#parts.account.address, blockTag: "latest" });
  }

  /** What a node says against it matters only the first time: afterwards one of its kind may be mined already. */
  async #broadcast(item: UnderWay, isFirst: boolean): Promise<void> {
    const { client, account } = this.#parts;
    const chainId = await client.getChainId();
    for (;;) {
      const { call, nonce, gas, maxFeePerGas, maxPriorityFeePerGas } = item;
      const { to, data, valueWei: value = 0n } = call;
      const fields = {
        chainId,
        nonce,
        to,
        data,
        value,
        gas,
        maxFeePerGas,
        maxPriorityFeePerGas,
        type: "eip1559",
      } as const;
      const raw = await account.signTransaction(fields);
      const hash = keccak256(raw);
      try {
        await client.sendRawTransaction({ serializedTransaction: raw });
        item.hashes.push(hash);
        return;
      } catch (error) {
        if (!(error instanceof BaseError)) throw error;
        const text = error.details ?? error.message;
        if (/already known|known transaction/i.test(text)) {
          item.hashes.push(hash);
          return;
        }
        // An earlier run's, or somebody else's, is in the way with this nonce.
        if (isFirst && /underpriced|replacement/i.test(text) && this.#raise(item)) continue;
        if (isFirst) throw error;
        this.#parts.log.debug({ for: call.label, problem: text }, "transaction not taken");
        return;
      }
    }
  }

  #raise(item: UnderWay): boolean {
    const raised = (fee: bigint): bigint => (fee * BUMP.numerator) / BUMP.denominator + 1n;
    if (raised(item.maxFeePerGas) > this.#parts.maxFeePerGas) return false;
    item.maxFeePerGas = raised(item.maxFeePerGas);
    item.maxPriorityFeePerGas = raised(item.maxPriorityFeePerGas);
    return true;
  }

  #poll(afterMs: number): void {
    if (this.#cancelPoll !== undefined || this.#isStopped) return;
    const { clock, log } = this.#parts;
    this.#cancelPoll = clock.at(clock.nowMs() + afterMs, () => {
      this.#look()
        .catch((err: unknown) => log.warn({ err }, "transactions cannot be looked up"))
        .finally(() => {
          this.#cancelPoll = undefined;
          if (this.#underWay.length > 0) this.#poll(this.#parts.pollMs);
        });
    });
  }

  async #look(): Promise<void> {
    // The count first: what is mined between the two answers has a receipt.
    const count = await this.#count();
    for (const item of [...this.#underWay]) {
      if (item.nonce >= count) break;
      const receipt = await this.#receipt(item);
      this.#underWay.splice(this.#underWay.indexOf(item), 1);
      if (receipt === undefined) item.done({ type: "lost" });
      else item.done({ type: receipt.status === "success" ? "mined" : "reverted", blockNumber: receipt.blockNumber });
    }
    const { clock, bumpAfterMs, log } = this.#parts;
    for (const item of [...this.#underWay]) {
      if (clock.nowMs() - item.sentAtMs < bumpAfterMs) continue;
      item.sentAtMs = clock.nowMs();
      const { call, nonce } = item;
      if (this.#raise(item)) log.info({ for: call.label, nonce }, "a transaction is sent again, dearer");
      else log.warn({ for: call.label, nonce }, "a transaction waits, and may not be paid more for");
      await this.#broadcast(item, false);
    }
  }

  async #receipt({ hashes }: UnderWay): Promise<TransactionReceipt | undefined> {
    for (const hash of hashes.toReversed()) {
      try {
        return await this.#parts.client.getTransactionReceipt({ hash });
      } catch (error) {
        if (!(error instanceof TransactionReceiptNotFoundError)) throw error;
      }
    }
    return undefined;
  }
}

const ERRORS = [...attributionAbi, ...modelsAbi].filter(({ type }) => type === "error");

function revertOf(error: unknown): RevertError | undefined {
  if (!(error instanceof BaseError)) return undefined;
  const data = revertData(error);
  if (data !== undefined) {
    const revert = new ContractFunctionRevertedError({ abi: ERRORS, data, functionName: "" });
    const { errorName, args = [] } = revert.data ?? {};
    if (errorName !== undefined) return new RevertError(errorName, `${errorName}(${args.join(", ")})`);
  }
  const text = error.details ?? error.shortMessage;
  return /revert|out of gas|gas required exceeds|exceeds (block )?gas/i.test(text)
    ? new RevertError(undefined, text)
    : undefined;
}

/** JSON-RPC's error data, wherever viem put it. */
function revertData(error: BaseError): Hex | undefined {
  const holder = error.walk((cause) => typeof (cause as { data?: unknown }).data === "string");
  const data = (holder as { data?: unknown } | null)?.data;
  return typeof data === "string" && /^0x[0-9a-f]{8,}$/i.test(data) ? (data as Hex) : undefined;
}
