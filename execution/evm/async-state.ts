/**
 * Runs a synchronous precompile over an asynchronous state manager: the call is tried on what has been fetched so far;
 * a value that is missing ends the attempt, is fetched, and the call starts again. Nothing is written before an
 * attempt succeeds. For comparison with the stock state managers of ethereumjs; the node runs on layers.
 */
import type { StateManagerInterface } from "@ethereumjs/common";
import type { ExecResult } from "@ethereumjs/evm";
import { Account, Address } from "@ethereumjs/util";
import { trimLeadingZeros } from "../../core/bytes.ts";
import { bytesKey } from "../state/keys.ts";
import type { AccountState } from "../state/types.ts";
import type { FrameState, WarmSets } from "./frame.ts";

/** Control flow, not an error (a stack trace a time would cost more than the attempt): the attempt lacks a value. */
class Missing {
  readonly fetch: () => Promise<void>;
  constructor(fetch: () => Promise<void>) {
    this.fetch = fetch;
  }
}

export async function runOverAsyncState(
  stateManager: StateManagerInterface,
  journal: WarmSets,
  call: (state: FrameState, warm: WarmSets) => ExecResult,
): Promise<ExecResult> {
  const fetched: Fetched = { accounts: new Map(), slots: new Map(), originals: new Map() };
  // Bounded: every round fetches one more of the values that the call pays to read.
  for (;;) {
    const attempt = new Attempt(stateManager, journal, fetched);
    let result: ExecResult;
    try {
      result = call(attempt, attempt);
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      await error.fetch();
      continue;
    }
    if (result.exceptionError === undefined) await attempt.write();
    return result;
  }
}

interface Fetched {
  readonly accounts: Map<string, AccountState | undefined>;
  readonly slots: Map<string, Uint8Array>;
  readonly originals: Map<string, Uint8Array>;
}

class Attempt implements FrameState, WarmSets {
  readonly #stateManager: StateManagerInterface;
  readonly #journal: WarmSets;
  readonly #fetched: Fetched;
  readonly #accounts = new Map<string, { address: Uint8Array; account: AccountState | undefined }>();
  readonly #slots = new Map<string, { address: Uint8Array; slot: Uint8Array; value: Uint8Array }>();
  readonly #warmAddresses = new Map<string, Uint8Array>();
  readonly #warmSlots = new Map<string, { address: Uint8Array; slot: Uint8Array }>();

  constructor(stateManager: StateManagerInterface, journal: WarmSets, fetched: Fetched) {
    this.#stateManager = stateManager;
    this.#journal = journal;
    this.#fetched = fetched;
  }

  account(address: Uint8Array): AccountState | undefined {
    const key = bytesKey(address);
    const written = this.#accounts.get(key);
    if (written !== undefined) return written.account;
    if (this.#fetched.accounts.has(key)) return this.#fetched.accounts.get(key);
    throw new Missing(async () => {
      this.#fetched.accounts.set(key, await this.#stateManager.getAccount(new Address(address)));
    });
  }

  setAccount(address: Uint8Array, account: AccountState | undefined): void {
    this.#accounts.set(bytesKey(address), { address, account });
  }

  storage(address: Uint8Array, slot: Uint8Array): Uint8Array {
    const key = slotKey(address, slot);
    const known = this.#slots.get(key)?.value ?? this.#fetched.slots.get(key);
    if (known !== undefined) return known;
    throw new Missing(() => this.#fetchSlot(key, new Address(address), slot));
  }

  originalStorage(address: Uint8Array, slot: Uint8Array): Uint8Array {
    const key = slotKey(address, slot);
    const known = this.#fetched.originals.get(key);
    if (known !== undefined) return known;
    throw new Missing(() => this.#fetchSlot(key, new Address(address), slot));
  }

  /** Both values at once: a second attempt only for the original would be time lost. */
  async #fetchSlot(key: string, address: Address, slot: Uint8Array): Promise<void> {
    this.#fetched.slots.set(key, trimLeadingZeros(await this.#stateManager.getStorage(address, slot)));
    const original = await this.#stateManager.originalStorageCache.get(address, slot);
    this.#fetched.originals.set(key, trimLeadingZeros(original));
  }

  setStorage(address: Uint8Array, slot: Uint8Array, value: Uint8Array): void {
    this.#slots.set(slotKey(address, slot), { address, slot, value: trimLeadingZeros(value) });
  }

  isWarmedAddress(address: Uint8Array): boolean {
    return this.#warmAddresses.has(bytesKey(address)) || this.#journal.isWarmedAddress(address);
  }

  addWarmedAddress(address: Uint8Array): void {
    this.#warmAddresses.set(bytesKey(address), address);
  }

  isWarmedStorage(address: Uint8Array, slot: Uint8Array): boolean {
    return this.#warmSlots.has(slotKey(address, slot)) || this.#journal.isWarmedStorage(address, slot);
  }

  addWarmedStorage(address: Uint8Array, slot: Uint8Array): void {
    this.#warmSlots.set(slotKey(address, slot), { address, slot });
  }

  async write(): Promise<void> {
    for (const address of this.#warmAddresses.values()) this.#journal.addWarmedAddress(address);
    for (const { address, slot } of this.#warmSlots.values()) this.#journal.addWarmedStorage(address, slot);
    for (const { address, slot, value } of this.#slots.values()) {
      await this.#stateManager.putStorage(new Address(address), slot, value);
    }
    for (const { address, account } of this.#accounts.values()) {
      // Storage first: the trie's root may have changed just now, so only the balance is taken over.
      const current = (await this.#stateManager.getAccount(new Address(address))) ?? new Account();
      if (account !== undefined) current.balance = account.balance;
      await this.#stateManager.putAccount(new Address(address), current);
    }
  }
}

const slotKey = (address: Uint8Array, slot: Uint8Array): string => bytesKey(address) + bytesKey(slot);
