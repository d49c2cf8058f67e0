/**
 * What of the state a message looked at, as it was before, and in diff mode what it changed: geth's prestateTracer.
 * Besides what opcodes name it has what stateful precompiles look at, and all who get fees, so that what it answers is
 * enough to run the message again.
 */
import { bytesToHex, equalsBytes, hexToBytes, padTo32 } from "../../core/bytes.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import type { AccountState, StateReader } from "../state/types.ts";
import { isDelegation, recoverAuthority } from "../tx/authorization.ts";
import { create2Address, createdAddress } from "../tx/derive.ts";
import type { TraceBudget } from "./budget.ts";
import { paddedHex, quantity, wordBytes } from "./hex.ts";
import type { FrameEntry, Json, Step, TracedMessage, Tracer } from "./types.ts";

export interface PrestateTracerConfig {
  readonly diffMode: boolean;
  readonly disableCode: boolean;
  readonly disableStorage: boolean;
  /** Accounts that do not exist are listed, too. Not with `diffMode`. */
  readonly includeEmpty: boolean;
}

interface Before {
  readonly address: Uint8Array;
  readonly account: AccountState | undefined;
  readonly code: Uint8Array;
  /** By slot in hex. */
  readonly storage: Map<string, Uint8Array>;
}

const [BALANCE, EXTCODESIZE, EXTCODECOPY, EXTCODEHASH, SLOAD, SSTORE] = [0x31, 0x3b, 0x3c, 0x3f, 0x54, 0x55];
const [CREATE, CALL, CALLCODE, DELEGATECALL, CREATE2, STATICCALL, SELFDESTRUCT] = [
  0xf0, 0xf1, 0xf2, 0xf4, 0xf5, 0xfa, 0xff,
];
/** In JSON: an account without its code; in diff mode it may be there twice. */
const ACCOUNT_BYTES = 240;
const SLOT_BYTES = 138;

export class PrestateTracer implements Tracer {
  readonly #config: PrestateTracerConfig;
  readonly #budget: TraceBudget;
  readonly #before = new Map<string, Before>();
  /** That the message created, and of these, those that it destroyed. */
  readonly #created = new Set<string>();
  readonly #destroyed = new Set<string>();
  #state: StateReader | undefined;
  #result: Json = {};

  constructor(config: PrestateTracerConfig, budget: TraceBudget) {
    this.#config = config;
    this.#budget = budget;
  }

  start({ from, to, isCreation, authorizationList, feeRecipients }: TracedMessage, state: StateReader): void {
    this.#state = state;
    if (isCreation) this.#created.add(bytesToHex(to));
    for (const authorization of authorizationList) {
      const authority = recoverAuthority(authorization);
      if (authority !== undefined) this.#lookAt(authority);
    }
    this.#lookAt(from);
    this.#lookAtCode(to);
    for (const recipient of feeRecipients) this.#lookAt(recipient);
  }

  enter({ depth, to }: FrameEntry): void {
    // The message itself may have delegated it just now.
    if (depth === 0) this.#lookAtCode(to);
  }

  step(step: Step): void {
    if (step.error !== undefined) return;
    switch (step.op) {
      case SLOAD:
      case SSTORE:
        this.touch(step.address, wordBytes(step.peek(0)));
        break;
      case BALANCE:
      case EXTCODESIZE:
      case EXTCODECOPY:
      case EXTCODEHASH:
        this.#lookAt(addressOf(step.peek(0)));
        break;
      case SELFDESTRUCT:
        this.#lookAt(addressOf(step.peek(0)));
        if (this.#created.has(bytesToHex(step.address))) this.#destroyed.add(bytesToHex(step.address));
        break;
      case CALL:
      case CALLCODE:
      case DELEGATECALL:
      case STATICCALL:
        this.#lookAtCode(addressOf(step.peek(1)));
        break;
      case CREATE:
        this.#lookAtNew(createdAddress(step.address, this.#state!.account(step.address)?.nonce ?? 0n));
        break;
      case CREATE2:
        this.#lookAtNew(create2Address(step.address, wordBytes(step.peek(3)), initCodeOf(step)));
        break;
    }
  }

  touch(address: Uint8Array, slot: Uint8Array | undefined): void {
    const { storage } = this.#lookAt(address);
    if (slot === undefined || this.#config.disableStorage) return;
    const key = bytesToHex(slot);
    if (storage.has(key)) return;
    this.#budget.spend(SLOT_BYTES);
    storage.set(key, this.#state!.storage(address, slot));
  }

  #lookAt(address: Uint8Array): Before {
    const key = bytesToHex(address);
    const known = this.#before.get(key);
    if (known !== undefined) return known;
    const account = this.#state!.account(address);
    const code = this.#codeOf(account);
    this.#budget.spend(ACCOUNT_BYTES);
    if (!this.#config.disableCode) this.#budget.spendHex(code);
    const before: Before = { address: address.slice(), account, code, storage: new Map() };
    this.#before.set(key, before);
    return before;
  }

  /** And at whose code runs there (EIP-7702). */
  #lookAtCode(address: Uint8Array): void {
    this.#lookAt(address);
    const code = this.#codeOf(this.#state!.account(address));
    if (isDelegation(code)) this.#lookAt(code.subarray(3));
  }

  #lookAtNew(address: Uint8Array): void {
    this.#lookAt(address);
    this.#created.add(bytesToHex(address));
  }

  #codeOf(account: AccountState | undefined): Uint8Array {
    return this.#state!.code(account?.codeHash ?? KECCAK_EMPTY);
  }

  end(): void {
    this.#result = this.#config.diffMode ? this.#differences() : this.#everything();
  }

  #everything(): Json {
    const { includeEmpty } = this.#config;
    const accounts = [...this.#before].filter(([, before]) => includeEmpty || !isEmpty(before));
    return Object.fromEntries(accounts.map(([key, before]) => [key, this.#shown(before, before.storage)]));
  }

  #differences(): Json {
    const pre: Record<string, Json> = {};
    const post: Record<string, Json> = {};
    for (const [key, before] of this.#before) {
      const changed = this.#changedSlots(before);
      const held = new Map([...before.storage].filter(([slot, value]) => changed.has(slot) && value.length > 0));
      if (this.#destroyed.has(key) && this.#state!.account(before.address) === undefined) {
        if (!isEmpty(before)) pre[key] = this.#shown(before, held);
        continue;
      }
      const after = this.#after(before, changed);
      if (after === undefined) continue;
      if (!isEmpty(before)) pre[key] = this.#shown(before, held);
      post[key] = after;
    }
    return { post, pre };
  }

  #changedSlots({ address, storage }: Before): Map<string, Uint8Array> {
    const changed = new Map<string, Uint8Array>();
    for (const [slot, value] of storage) {
      const now = this.#state!.storage(address, hexToBytes(slot as `0x${string}`));
      if (!equalsBytes(now, value)) changed.set(slot, now);
    }
    return changed;
  }

  /** What is different; undefined when nothing is. */
  #after({ address, account, code }: Before, changed: ReadonlyMap<string, Uint8Array>): Json | undefined {
    const now = this.#state!.account(address);
    const nowCode = this.#codeOf(now);
    const hasOtherCode = !equalsBytes(nowCode, code);
    const [balance, nonce] = [now?.balance ?? 0n, now?.nonce ?? 0n];
    const hasOtherBalance = balance !== (account?.balance ?? 0n);
    const hasOtherNonce = nonce !== (account?.nonce ?? 0n);
    if (!hasOtherBalance && !hasOtherNonce && !hasOtherCode && changed.size === 0) return undefined;
    const { disableCode } = this.#config;
    if (hasOtherCode && !disableCode) this.#budget.spendHex(nowCode);
    return {
      ...(hasOtherBalance && { balance: quantity(balance) }),
      // Cleared code is said to be empty.
      ...(hasOtherCode && !disableCode && { code: bytesToHex(nowCode) }),
      ...(hasOtherCode && { codeHash: bytesToHex(now?.codeHash ?? KECCAK_EMPTY) }),
      ...(hasOtherNonce && nonce > 0n && { nonce: Number(nonce) }),
      ...shownStorage(new Map([...changed].filter(([, value]) => value.length > 0))),
    };
  }

  #shown({ account, code }: Before, storage: ReadonlyMap<string, Uint8Array>): Json {
    const hasCode = code.length > 0;
    const nonce = account?.nonce ?? 0n;
    return {
      balance: quantity(account?.balance ?? 0n),
      ...(hasCode && !this.#config.disableCode && { code: bytesToHex(code) }),
      ...(hasCode && { codeHash: bytesToHex(account!.codeHash) }),
      ...(nonce > 0n && { nonce: Number(nonce) }),
      ...shownStorage(storage),
    };
  }

  result(): Json {
    return this.#result;
  }
}

function shownStorage(storage: ReadonlyMap<string, Uint8Array>): { readonly storage?: Json } {
  if (storage.size === 0) return {};
  return { storage: Object.fromEntries([...storage].map(([slot, value]) => [slot, paddedHex(value)])) };
}

/** EIP-161. */
function isEmpty({ account, code }: Before): boolean {
  return account === undefined || (account.nonce === 0n && account.balance === 0n && code.length === 0);
}

const addressOf = (word: bigint): Uint8Array => padTo32(wordBytes(word)).slice(12);

function initCodeOf(step: Step): Uint8Array {
  const [offset, size] = [Number(step.peek(1)), Number(step.peek(2))];
  const code = new Uint8Array(size);
  code.set(step.memory().subarray(offset, offset + size));
  return code;
}
