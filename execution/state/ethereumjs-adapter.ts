/**
 * Lets @ethereumjs/evm run on a state layer. Answers come from synchronous maps; promises only satisfy the interface.
 * State roots belong to blocks (StateDatabase.seal), not to the EVM, so asking for one here is a bug and throws.
 */
import type { AccountFields, StateManagerInterface } from "@ethereumjs/common";
import { Account, type Address } from "@ethereumjs/util";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { bytesKey } from "./keys.ts";
import { hasStorage, OverlayLayer } from "./layer.ts";
import { EMPTY_TRIE_ROOT } from "./trie-node.ts";
import type { StateLayer } from "./types.ts";

const DONE: Promise<void> = Promise.resolve();
const NO_ACCOUNT: Promise<undefined> = Promise.resolve(undefined);
const NO_BYTES: Promise<Uint8Array> = Promise.resolve(EMPTY_BYTES);
const EMPTY_CODE_KEY = bytesKey(KECCAK_EMPTY);
const EMPTY_TRIE_KEY = bytesKey(EMPTY_TRIE_ROOT);
/** Stands for "not empty, not hashed yet" where EIP-7610 only asks whether there is storage. */
const UNSEALED_STORAGE_ROOT = new Uint8Array(32).fill(0xff);

export class LayerStateManager implements StateManagerInterface {
  #layer: StateLayer;

  readonly originalStorageCache: StateManagerInterface["originalStorageCache"] = {
    get: (address, key) => Promise.resolve(this.#layer.originalStorage(address.bytes, key)),
    // runTx clears at the end of every transaction, which is the start of the next. Whoever writes storage outside of
    // a transaction (system calls) clears after it.
    clear: () => this.#layer.beginTransaction(),
  };

  constructor(layer: StateLayer) {
    this.#layer = layer;
  }

  get layer(): StateLayer {
    return this.#layer;
  }

  setLayer(layer: StateLayer): void {
    this.#layer = layer;
  }

  getAccount(address: Address): Promise<Account | undefined> {
    const account = this.#read(address.bytes);
    return account === undefined ? NO_ACCOUNT : Promise.resolve(account);
  }

  putAccount(address: Address, account?: Account): Promise<void> {
    this.#write(address.bytes, account);
    return DONE;
  }

  deleteAccount(address: Address): Promise<void> {
    this.#layer.setAccount(address.bytes, undefined);
    return DONE;
  }

  /** Creates the account when it does not exist, as @ethereumjs/statemanager does. */
  modifyAccountFields(address: Address, fields: AccountFields): Promise<void> {
    const account = this.#read(address.bytes) ?? new Account();
    if (fields.nonce !== undefined) account.nonce = fields.nonce;
    if (fields.balance !== undefined) account.balance = fields.balance;
    if (fields.codeHash !== undefined) account.codeHash = fields.codeHash;
    this.#write(address.bytes, account);
    return DONE;
  }

  putCode(address: Address, value: Uint8Array): Promise<void> {
    return this.modifyAccountFields(address, { codeHash: this.#layer.addCode(value) });
  }

  getCode(address: Address): Promise<Uint8Array> {
    const account = this.#layer.account(address.bytes);
    return account === undefined ? NO_BYTES : Promise.resolve(this.#layer.code(account.codeHash));
  }

  getCodeSize(address: Address): Promise<number> {
    const account = this.#layer.account(address.bytes);
    return Promise.resolve(account === undefined ? 0 : this.#layer.code(account.codeHash).length);
  }

  getStorage(address: Address, key: Uint8Array): Promise<Uint8Array> {
    const value = this.#layer.storage(address.bytes, key);
    return value.length === 0 ? NO_BYTES : Promise.resolve(value);
  }

  putStorage(address: Address, key: Uint8Array, value: Uint8Array): Promise<void> {
    if (key.length !== 32) throw new RangeError(`storage key of ${key.length} bytes, not 32`);
    if (value.length > 32) throw new RangeError(`storage value of ${value.length} bytes, more than 32`);
    if (this.#layer.account(address.bytes) === undefined) {
      throw new Error(`storage write to ${address}, which does not exist`);
    }
    this.#layer.setStorage(address.bytes, key, value);
    return DONE;
  }

  clearStorage(address: Address): Promise<void> {
    this.#layer.clearStorage(address.bytes);
    return DONE;
  }

  checkpoint(): Promise<void> {
    this.#layer.checkpoint();
    return DONE;
  }

  commit(): Promise<void> {
    this.#layer.commit();
    return DONE;
  }

  revert(): Promise<void> {
    this.#layer.revert();
    return DONE;
  }

  getStateRoot(): Promise<Uint8Array> {
    throw new Error("a layer has no state root before StateDatabase.seal");
  }

  setStateRoot(): Promise<void> {
    throw new Error("use setLayer(StateDatabase.at(root).fork())");
  }

  hasStateRoot(): Promise<boolean> {
    throw new Error("use StateDatabase.at(root)");
  }

  clearCaches(): void {}

  /** A scratch layer above this one: its writes stay apart, later writes to this one show through. */
  shallowCopy(): LayerStateManager {
    return new LayerStateManager(new OverlayLayer(this.#layer));
  }

  #read(address: Uint8Array): Account | undefined {
    const state = this.#layer.account(address);
    if (state === undefined) return undefined;
    let root = state.storageRoot;
    // EVM create asks by storage root whether the address is taken (EIP-7610). Nonce and code answer for all others.
    if (state.nonce === 0n && bytesKey(state.codeHash) === EMPTY_CODE_KEY) {
      if (!hasStorage(this.#layer, address)) root = EMPTY_TRIE_ROOT;
      else if (bytesKey(root) === EMPTY_TRIE_KEY) root = UNSEALED_STORAGE_ROOT;
    }
    return new Account(state.nonce, state.balance, root, state.codeHash);
  }

  #write(address: Uint8Array, account: Account | undefined): void {
    const state = account && {
      nonce: account.nonce,
      balance: account.balance,
      codeHash: account.codeHash,
      storageRoot: account.storageRoot,
    };
    this.#layer.setAccount(address, state);
  }
}
