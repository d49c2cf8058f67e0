/**
 * What the frames of a transaction touch and make warm (EIP-161, EIP-2929, EIP-2930), undone with them: the journal of
 * @ethereumjs/evm over a layer, with keys of bytes where that one builds hex strings, and one undo log.
 */
import { type Common, Hardfork } from "@ethereumjs/common";
import type { EVM } from "@ethereumjs/evm";
import type { Account, Address } from "@ethereumjs/util";
import { bytesToHex, equalsBytes, hexToBytes } from "../../core/bytes.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import type { LayerStateManager } from "../state/ethereumjs-adapter.ts";
import { bytesKey, keyBytes } from "../state/keys.ts";
import type { WarmSets } from "./frame.ts";

type StockJournal = EVM["journal"];

/** Its touch outlasts a frame that fails: so it was in a block of 2016, and so everybody has it. */
const RIPEMD160 = bytesKey(hexToBytes(`0x${"00".repeat(19)}03`));

/** Keys are `bytesKey` of addresses and slots. */
export class LayerJournal implements Pick<StockJournal, keyof StockJournal>, WarmSets {
  /** What became warm with its cold price, hex without prefix; while it is reported. */
  accessList?: Map<string, Set<string>>;
  readonly #stateManager: LayerStateManager;
  readonly #common: Common;
  readonly #precompiles: ReadonlySet<string>;
  readonly #alwaysWarm = new Set<string>();
  readonly #warm = new Set<string>();
  /** Slots by address. */
  readonly #warmSlots = new Map<string, Set<string>>();
  readonly #touched = new Set<string>();
  /** What was added to which set. */
  #undoSets: Set<string>[] = [];
  #undoKeys: string[] = [];
  /** Length of the undo log at each open checkpoint. */
  #marks: number[] = [];

  /** `precompiles` are always warm. */
  constructor(stateManager: LayerStateManager, common: Common, precompiles: ReadonlySet<string>) {
    this.#stateManager = stateManager;
    this.#common = common;
    this.#precompiles = precompiles;
  }

  isWarmedAddress(address: Uint8Array): boolean {
    const key = bytesKey(address);
    return this.#warm.has(key) || this.#alwaysWarm.has(key) || this.#precompiles.has(key);
  }

  addWarmedAddress(address: Uint8Array): void {
    this.#add(this.#warm, bytesKey(address));
    if (this.accessList !== undefined) this.#report(address);
  }

  isWarmedStorage(address: Uint8Array, slot: Uint8Array): boolean {
    return this.#warmSlots.get(bytesKey(address))?.has(bytesKey(slot)) ?? false;
  }

  addWarmedStorage(address: Uint8Array, slot: Uint8Array): void {
    const key = bytesKey(address);
    this.#add(this.#warm, key);
    this.#add(this.#slotsOf(key), bytesKey(slot));
    if (this.accessList !== undefined) this.#report(address).add(bytesToHex(slot).slice(2));
  }

  /** Warm in the whole transaction, whatever fails. */
  warmAlways(addressKey: string): void {
    this.#alwaysWarm.add(addressKey);
  }

  /** As `warmAlways`. */
  warmSlotAlways(addressKey: string, slotKey: string): void {
    this.#slotsOf(addressKey).add(slotKey);
  }

  /** Addresses and slots as @ethereumjs/vm gives them: hex, with prefix or without. */
  addAlwaysWarmAddress(address: string, toAccessList = false): void {
    const bytes = bytesOf(address);
    this.warmAlways(bytesKey(bytes));
    if (toAccessList && this.accessList !== undefined) this.#report(bytes);
  }

  addAlwaysWarmSlot(address: string, slot: string, toAccessList = false): void {
    const bytes = bytesOf(address);
    this.addAlwaysWarmAddress(address, toAccessList);
    this.warmSlotAlways(bytesKey(bytes), bytesKey(bytesOf(slot)));
    if (toAccessList && this.accessList !== undefined) this.#report(bytes).add(slot.replace(/^0x/, ""));
  }

  putAccount(address: Address, account: Account | undefined): Promise<void> {
    this.#add(this.#touched, bytesKey(address.bytes));
    return this.#stateManager.putAccount(address, account);
  }

  deleteAccount(address: Address): Promise<void> {
    this.#add(this.#touched, bytesKey(address.bytes));
    return this.#stateManager.deleteAccount(address);
  }

  checkpoint(): Promise<void> {
    this.#marks.push(this.#undoKeys.length);
    return this.#stateManager.checkpoint();
  }

  commit(): Promise<void> {
    this.#marks.pop();
    return this.#stateManager.commit();
  }

  revert(): Promise<void> {
    const mark = this.#marks.pop() ?? 0;
    for (let i = this.#undoKeys.length - 1; i >= mark; i--) {
      const [set, key] = [this.#undoSets[i]!, this.#undoKeys[i]!];
      if (set !== this.#touched || key !== RIPEMD160) set.delete(key);
    }
    this.#undoSets.length = mark;
    this.#undoKeys.length = mark;
    return this.#stateManager.revert();
  }

  /** For the next transaction. */
  cleanJournal(): void {
    this.#alwaysWarm.clear();
    this.#warm.clear();
    this.#warmSlots.clear();
    this.#touched.clear();
    this.#undoSets = [];
    this.#undoKeys = [];
    this.#marks = [];
  }

  /** Deletes what was touched and is empty (EIP-161), then `cleanJournal`. */
  async cleanup(): Promise<void> {
    if (this.#common.gteHardfork(Hardfork.SpuriousDragon)) {
      const { layer } = this.#stateManager;
      for (const key of this.#touched) {
        const address = keyBytes(key);
        const account = layer.account(address);
        if (account === undefined || account.nonce > 0n || account.balance > 0n) continue;
        if (equalsBytes(account.codeHash, KECCAK_EMPTY)) layer.setAccount(address, undefined);
      }
    }
    this.cleanJournal();
    delete this.accessList;
  }

  startReportingAccessList(): void {
    this.accessList = new Map();
  }

  startReportingPreimages(): never {
    throw new Error("a layer keeps no preimages");
  }

  #add(set: Set<string>, key: string): void {
    if (set.has(key)) return;
    set.add(key);
    this.#undoSets.push(set);
    this.#undoKeys.push(key);
  }

  #slotsOf(addressKey: string): Set<string> {
    let slots = this.#warmSlots.get(addressKey);
    if (slots === undefined) {
      slots = new Set();
      this.#warmSlots.set(addressKey, slots);
    }
    return slots;
  }

  #report(address: Uint8Array): Set<string> {
    const hex = bytesToHex(address).slice(2);
    let slots = this.accessList!.get(hex);
    if (slots === undefined) {
      slots = new Set();
      this.accessList!.set(hex, slots);
    }
    return slots;
  }
}

const bytesOf = (hex: string): Uint8Array => hexToBytes(hex.startsWith("0x") ? (hex as `0x${string}`) : `0x${hex}`);
