/** One call of a stateful precompile: gas, storage, balances and logs under the rules of the EVM frame it stands for. */
import { KECCAK256_RLP } from "@ethereumjs/util";
import { EMPTY_BYTES, equalsBytes, padTo32, trimLeadingZeros } from "../../core/bytes.ts";
import type { Log } from "../../core/chain.ts";
import { KECCAK_EMPTY, keccak256, recoverAddress } from "../../core/crypto.ts";
import type { PrecompileContext } from "../../core/precompile.ts";
import { wordOf, wordToInteger } from "../../precompiles/storage.ts";
import type { AccountState, StateLayer } from "../state/types.ts";
import { GAS } from "./gas.ts";

/** What a frame needs of the state. */
export type FrameState = Pick<StateLayer, "account" | "setAccount" | "storage" | "setStorage" | "originalStorage">;

/** The transaction's EIP-2929 sets. ethereumjs's Journal is one. */
export interface WarmSets {
  isWarmedAddress(address: Uint8Array): boolean;
  addWarmedAddress(address: Uint8Array): void;
  isWarmedStorage(address: Uint8Array, slot: Uint8Array): boolean;
  addWarmedStorage(address: Uint8Array, slot: Uint8Array): void;
}

/** What the frame knows of the call and the block around it. */
export type FrameEnvironment = Pick<
  PrecompileContext,
  "self" | "caller" | "value" | "isStatic" | "isTopLevel" | "chainId" | "blockNumber" | "timestamp"
>;

/** Ends the frame as an exceptional halt does: all gas is gone, nothing happened, no return data. */
export class FrameHalt extends Error {
  readonly reason: "out of gas" | "static state change";
  constructor(reason: FrameHalt["reason"]) {
    super(reason);
    this.name = "FrameHalt";
    this.reason = reason;
  }
}

export class PrecompileFrame implements PrecompileContext {
  readonly self: Uint8Array;
  readonly caller: Uint8Array;
  readonly value: bigint;
  readonly isStatic: boolean;
  readonly isTopLevel: boolean;
  readonly chainId: bigint;
  readonly blockNumber: bigint;
  readonly timestamp: bigint;
  readonly logs: Log[] = [];
  readonly #state: FrameState;
  readonly #warm: WarmSets;
  #gasLeft: bigint;
  #refund = 0n;

  constructor(environment: FrameEnvironment, gasLimit: bigint, state: FrameState, warm: WarmSets) {
    this.self = environment.self;
    this.caller = environment.caller;
    this.value = environment.value;
    this.isStatic = environment.isStatic;
    this.isTopLevel = environment.isTopLevel;
    this.chainId = environment.chainId;
    this.blockNumber = environment.blockNumber;
    this.timestamp = environment.timestamp;
    this.#gasLeft = gasLimit;
    this.#state = state;
    this.#warm = warm;
  }

  get gasLeft(): bigint {
    return this.#gasLeft;
  }

  /** EIP-3529 refund of this frame; negative when it took back what an earlier frame of the transaction earned. */
  get refund(): bigint {
    return this.#refund;
  }

  useGas(amount: bigint): void {
    if (amount < 0n) throw new RangeError(`negative gas ${amount}`);
    if (amount > this.#gasLeft) throw new FrameHalt("out of gas");
    this.#gasLeft -= amount;
  }

  load(slot: Uint8Array): bigint {
    return this.loadFrom(this.self, slot);
  }

  loadFrom(account: Uint8Array, slot: Uint8Array): bigint {
    if (this.#warm.isWarmedStorage(account, slot)) {
      this.useGas(GAS.warmAccess);
    } else {
      this.useGas(GAS.coldSlot);
      this.#warm.addWarmedStorage(account, slot);
    }
    return toInteger(this.#state.storage(account, slot));
  }

  /** EIP-2200 as amended by EIP-2929 and EIP-3529. */
  store(slot: Uint8Array, value: bigint): void {
    this.#requireWritable();
    if (this.#gasLeft <= GAS.storeSentry) throw new FrameHalt("out of gas");
    if (!this.#warm.isWarmedStorage(this.self, slot)) {
      this.useGas(GAS.coldSlot);
      this.#warm.addWarmedStorage(this.self, slot);
    }
    const current = this.#state.storage(this.self, slot);
    const next = value === 0n ? EMPTY_BYTES : trimLeadingZeros(wordOf(value));
    if (equalsBytes(current, next)) {
      this.useGas(GAS.warmAccess);
      return;
    }
    const original = this.#state.originalStorage(this.self, slot);
    if (equalsBytes(original, current)) {
      this.useGas(original.length === 0 ? GAS.storeSet : GAS.storeReset);
      if (original.length > 0 && next.length === 0) this.#refund += GAS.refundClear;
    } else {
      this.useGas(GAS.storeDirty);
      if (original.length > 0) {
        if (current.length === 0) this.#refund -= GAS.refundClear;
        else if (next.length === 0) this.#refund += GAS.refundClear;
      }
      if (equalsBytes(original, next)) {
        this.#refund += original.length === 0 ? GAS.refundSetUndone : GAS.refundResetUndone;
      }
    }
    this.#state.setStorage(this.self, slot, next);
  }

  /**
   * Charges as a CALL with value does, less the stipend: account access (2,600 cold, 100 warm), 6,700, and 25,000 when
   * the recipient does not exist, or is empty because the transaction called it before. Nothing is charged for nothing.
   */
  credit(to: Uint8Array, amountWei: bigint): void {
    this.#requireWritable();
    if (amountWei < 0n) throw new RangeError(`negative amount ${amountWei}`);
    if (amountWei === 0n) return;
    if (this.#warm.isWarmedAddress(to)) {
      this.useGas(GAS.warmAccess);
    } else {
      this.useGas(GAS.coldAccount);
      this.#warm.addWarmedAddress(to);
    }
    this.useGas(GAS.credit);
    const own = this.#state.account(this.self);
    if (own === undefined || own.balance < amountWei) {
      throw new Error(`precompile balance ${own?.balance ?? 0n} does not cover ${amountWei}: its accounting is broken`);
    }
    const recipient = this.#state.account(to);
    if (recipient === undefined || isEmpty(recipient)) this.useGas(GAS.newAccount);
    if (equalsBytes(to, this.self)) return;
    this.#state.setAccount(this.self, { ...own, balance: own.balance - amountWei });
    this.#state.setAccount(
      to,
      recipient === undefined ? newAccount(amountWei) : { ...recipient, balance: recipient.balance + amountWei },
    );
  }

  log(topics: readonly Uint8Array[], data: Uint8Array): void {
    this.#requireWritable();
    this.useGas(GAS.log + GAS.logTopic * BigInt(topics.length) + GAS.logByte * BigInt(data.length));
    this.logs.push({ address: this.self, topics, data });
  }

  keccak(...parts: readonly Uint8Array[]): Uint8Array {
    let length = 0;
    for (const part of parts) length += part.length;
    this.useGas(GAS.keccak + GAS.keccakWord * BigInt(Math.ceil(length / 32)));
    return keccak256(...parts);
  }

  recover(digest: Uint8Array, v: number, r: Uint8Array, s: Uint8Array): Uint8Array | undefined {
    this.useGas(GAS.recover);
    return recoverAddress(digest, r, s, v);
  }

  #requireWritable(): void {
    if (this.isStatic) throw new FrameHalt("static state change");
  }
}

/** At most 32 bytes, big-endian, without leading zeros. */
function toInteger(bytes: Uint8Array): bigint {
  const { length } = bytes;
  if (length > 6) return wordToInteger(padTo32(bytes));
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + bytes[i]!;
  return BigInt(value);
}

/** EIP-161. */
const isEmpty = ({ nonce, balance, codeHash }: AccountState): boolean =>
  nonce === 0n && balance === 0n && equalsBytes(codeHash, KECCAK_EMPTY);

const newAccount = (balance: bigint): AccountState => ({
  nonce: 0n,
  balance,
  codeHash: KECCAK_EMPTY,
  storageRoot: KECCAK256_RLP,
});
