import { Account, Address } from "@ethereumjs/util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToHex, EMPTY_BYTES, trimLeadingZeros } from "../../core/bytes.ts";
import { KECCAK_EMPTY, keccak256 } from "../../core/crypto.ts";
import { LayerStateManager } from "./ethereumjs-adapter.ts";
import { bytesKey, keyBytes } from "./keys.ts";
import { emptyReader, OverlayLayer } from "./layer.ts";
import { EMPTY_TRIE_ROOT } from "./trie-node.ts";
import type { AccountState } from "./types.ts";

const address = (n: number) => new Uint8Array(20).fill(n + 1);
const slot = (n: number) => new Uint8Array(32).fill(n);
const account = (nonce: bigint): AccountState => ({
  nonce,
  balance: 0n,
  codeHash: KECCAK_EMPTY,
  storageRoot: EMPTY_TRIE_ROOT,
});

/** The same state by copying everything at every checkpoint and transaction. */
class NaiveState {
  current: { accounts: Map<number, bigint>; slots: Map<string, string> };
  #stack: NaiveState["current"][] = [];
  #transactionStart: NaiveState["current"];

  constructor(from?: NaiveState["current"]) {
    this.current = from ?? { accounts: new Map(), slots: new Map() };
    this.#transactionStart = this.copy();
  }

  copy = () => ({ accounts: new Map(this.current.accounts), slots: new Map(this.current.slots) });
  checkpoint = () => void this.#stack.push(this.copy());
  commit = () => void this.#stack.pop();
  revert() {
    this.current = this.#stack.pop()!;
  }
  beginTransaction() {
    this.#transactionStart = this.copy();
  }
  setAccount(who: number, nonce: bigint | undefined) {
    if (nonce !== undefined) return void this.current.accounts.set(who, nonce);
    this.current.accounts.delete(who);
    this.clearStorage(who);
  }
  clearStorage(who: number) {
    for (let s = 0; s < 4; s++) this.current.slots.delete(`${who}/${s}`);
  }
  original = (who: number, s: number) => this.#transactionStart.slots.get(`${who}/${s}`) ?? "0x";
}

const who = fc.integer({ min: 0, max: 2 });
const where = fc.integer({ min: 0, max: 3 });
const value = fc.uint8Array({ maxLength: 3 });
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant("account" as const),
      who,
      nonce: fc.option(fc.bigInt(0n, 9n), { nil: undefined }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ op: fc.constant("store" as const), who, where, value }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("clear" as const), who }) },
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constantFrom("checkpoint" as const, "commit" as const, "revert" as const) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom("transaction" as const, "layer" as const) }) },
);

describe("OverlayLayer", () => {
  test("equals a model that copies the state at every checkpoint, over stacked layers and transactions", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let layer = new OverlayLayer();
        let model = new NaiveState();
        for (const s of steps) {
          if (s.op === "account") {
            layer.setAccount(address(s.who), s.nonce === undefined ? undefined : account(s.nonce));
            model.setAccount(s.who, s.nonce);
          } else if (s.op === "store") {
            layer.setStorage(address(s.who), slot(s.where), s.value);
            model.current.slots.set(`${s.who}/${s.where}`, bytesToHex(trimLeadingZeros(s.value)));
          } else if (s.op === "clear") {
            layer.clearStorage(address(s.who));
            model.clearStorage(s.who);
          } else if (s.op === "checkpoint") {
            layer.checkpoint();
            model.checkpoint();
          } else if (s.op === "commit" || s.op === "revert") {
            if (layer.openCheckpoints === 0) continue;
            layer[s.op]();
            model[s.op]();
          } else if (layer.openCheckpoints === 0) {
            if (s.op === "layer") {
              layer = new OverlayLayer(layer);
              model = new NaiveState(model.copy());
            } else {
              layer.beginTransaction();
              model.beginTransaction();
            }
          }
          for (let w = 0; w < 3; w++) {
            expect(layer.account(address(w))?.nonce).toBe(model.current.accounts.get(w));
            for (let k = 0; k < 4; k++) {
              expect(bytesToHex(layer.storage(address(w), slot(k)))).toBe(model.current.slots.get(`${w}/${k}`) ?? "0x");
              expect(bytesToHex(layer.originalStorage(address(w), slot(k)))).toBe(model.original(w, k));
            }
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  test("code is stored under its hash; unknown code throws, empty code is empty", () => {
    const layer = new OverlayLayer();
    const hash = layer.addCode(Uint8Array.of(0xfe));
    expect(hash).toEqual(keccak256(Uint8Array.of(0xfe)));
    expect(new OverlayLayer(layer).code(hash)).toEqual(Uint8Array.of(0xfe));
    expect(layer.code(layer.addCode(EMPTY_BYTES))).toEqual(EMPTY_BYTES);
    expect(() => emptyReader.code(hash)).toThrow();
  });

  test("commit and revert need a checkpoint", () => {
    expect(() => new OverlayLayer().commit()).toThrow(/without a checkpoint/);
    expect(() => new OverlayLayer().revert()).toThrow(/without a checkpoint/);
  });
});

describe("LayerStateManager", () => {
  const at = new Address(address(0));

  test("an account without nonce and code shows storage that this block wrote (EIP-7610)", async () => {
    const manager = new LayerStateManager(new OverlayLayer());
    await manager.putAccount(at, new Account());
    expect((await manager.getAccount(at))?.storageRoot).toEqual(EMPTY_TRIE_ROOT);
    await manager.putStorage(at, slot(1), Uint8Array.of(1));
    expect((await manager.getAccount(at))?.storageRoot).not.toEqual(EMPTY_TRIE_ROOT);
    expect((await manager.shallowCopy().getAccount(at))?.storageRoot).not.toEqual(EMPTY_TRIE_ROOT);
    await manager.clearStorage(at);
    expect((await manager.getAccount(at))?.storageRoot).toEqual(EMPTY_TRIE_ROOT);
    await manager.putStorage(at, slot(1), Uint8Array.of(1));
    await manager.putStorage(at, slot(1), EMPTY_BYTES);
    expect((await manager.getAccount(at))?.storageRoot).toEqual(EMPTY_TRIE_ROOT);
  });

  test("a parent's storage shows too, until the account is deleted", async () => {
    const root = new Uint8Array(32).fill(9);
    const parent = new OverlayLayer({ ...emptyReader, account: () => ({ ...account(0n), storageRoot: root }) });
    const manager = new LayerStateManager(parent);
    expect((await manager.getAccount(at))?.storageRoot).toEqual(root);
    await manager.deleteAccount(at);
    await manager.putAccount(at, new Account());
    expect((await manager.getAccount(at))?.storageRoot).toEqual(EMPTY_TRIE_ROOT);
  });

  test("accounts are copies, code and fields go where they belong", async () => {
    const manager = new LayerStateManager(new OverlayLayer());
    await manager.putCode(at, Uint8Array.of(1, 2));
    await manager.modifyAccountFields(at, { nonce: 3n, balance: 4n });
    const account = (await manager.getAccount(at))!;
    account.balance = 99n;
    expect(await manager.getAccount(at)).toMatchObject({ nonce: 3n, balance: 4n });
    expect(await manager.getCode(at)).toEqual(Uint8Array.of(1, 2));
    expect(await manager.getCodeSize(at)).toBe(2);
    expect(await manager.getCode(new Address(address(1)))).toEqual(EMPTY_BYTES);
    expect(() => manager.putStorage(new Address(address(1)), slot(0), Uint8Array.of(1))).toThrow(/does not exist/);
    expect(() => manager.putStorage(at, Uint8Array.of(1), Uint8Array.of(1))).toThrow(RangeError);
    expect(() => manager.getStateRoot()).toThrow(/seal/);
  });

  test("the original value is that of the transaction's start", async () => {
    const manager = new LayerStateManager(new OverlayLayer());
    await manager.putAccount(at, new Account());
    await manager.putStorage(at, slot(0), Uint8Array.of(1));
    manager.originalStorageCache.clear();
    await manager.putStorage(at, slot(0), Uint8Array.of(2));
    expect(await manager.originalStorageCache.get(at, slot(0))).toEqual(Uint8Array.of(1));
    manager.originalStorageCache.clear();
    expect(await manager.originalStorageCache.get(at, slot(0))).toEqual(Uint8Array.of(2));
  });
});

test("keys are the bytes, whatever their length", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 20, maxLength: 20 })),
      (bytes) => {
        expect(bytesKey(bytes)).toBe(String.fromCharCode(...bytes));
        expect(keyBytes(bytesKey(bytes))).toEqual(bytes);
      },
    ),
  );
});
