/**
 * The peer: @ethereumjs/vm as its documentation sets it up. `runBlock` on a MerkleStateManager whose trie lies in
 * classic-level, with the caches and sizes of ethereumjs's own client, values as bytes, no fsync. The stateful
 * precompiles run through the same host, over the asynchronous interface. There a call starts again whenever it lacks a
 * value (execution/evm/async-state.ts); native code written for that interface would wait instead, so the time of the
 * attempts that end that way does not count.
 */
import { createBlockFromRLP } from "@ethereumjs/block";
import type { Common } from "@ethereumjs/common";
import { createMPT } from "@ethereumjs/mpt";
import { Caches, CacheType, MerkleStateManager } from "@ethereumjs/statemanager";
import { Account, Address, type BatchDBOp, type DB, ValueEncoding } from "@ethereumjs/util";
import { createVM, runBlock, type VM } from "@ethereumjs/vm";
import { Level } from "level";
import { equalsBytes } from "../core/bytes.ts";
import { type Precompile, PrecompileRevert } from "../core/precompile.ts";
import { createCommon } from "../execution/common.ts";
import { FrameHalt } from "../execution/evm/frame.ts";
import { createHost } from "../execution/evm/host.ts";
import type { ChainRules } from "../execution/rules.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import type { BenchAccount } from "./execution-workloads.ts";

/** Entries, as the client of ethereumjs has them. */
const CACHED = { account: 400_000, storage: 200_000, code: 200_000, trie: 200_000 };

export class StockExecutor {
  readonly #level: Level<string, Uint8Array>;
  readonly #common: Common;
  readonly #state: MerkleStateManager;
  readonly #vm: VM;
  readonly #attempts: Attempts;

  private constructor(
    level: Level<string, Uint8Array>,
    common: Common,
    state: MerkleStateManager,
    vm: VM,
    attempts: Attempts,
  ) {
    this.#level = level;
    this.#common = common;
    this.#state = state;
    this.#vm = vm;
    this.#attempts = attempts;
  }

  static async open(directory: string, rules: ChainRules, accounts: readonly BenchAccount[]): Promise<StockExecutor> {
    const level = new Level<string, Uint8Array>(directory, { keyEncoding: "utf8", valueEncoding: "view" });
    await level.open();
    const common = createCommon(rules, "own");
    const trie = await createMPT({
      db: new LevelDatabase(level),
      useKeyHashing: true,
      valueEncoding: ValueEncoding.Bytes,
      cacheSize: CACHED.trie,
      common,
    });
    const caches = new Caches({
      account: { type: CacheType.LRU, size: CACHED.account },
      storage: { type: CacheType.LRU, size: CACHED.storage },
      code: { type: CacheType.LRU, size: CACHED.code },
    });
    const state = new MerkleStateManager({ trie, caches, common });
    await loadAccounts(state, accounts);
    const attempts: Attempts = { failedMs: 0 };
    const precompiles = PRECOMPILES.map((precompile) => timed(precompile, attempts));
    const evm = createHost({ common, stateManager: state, precompiles });
    return new StockExecutor(level, common, state, await createVM({ common, stateManager: state, evm }), attempts);
  }

  get stateRoot(): Promise<Uint8Array> {
    return this.#state.getStateRoot();
  }

  get uncountedMs(): number {
    return this.#attempts.failedMs;
  }

  /** Decodes, recovers, executes, checks the header's roots and writes the state. */
  async import(raw: Uint8Array): Promise<void> {
    const block = createBlockFromRLP(raw, { common: this.#common, skipConsensusFormatValidation: true });
    if (!(await block.transactionsTrieIsValid())) throw new Error("transactions root differs");
    // `generate: false` compares receipts root, bloom, gas and state root with the header and throws otherwise.
    await runBlock(this.#vm, { block, skipBlockValidation: true, skipHeaderValidation: true });
    await this.#level.put(`block ${block.header.number}`, raw);
    if (!equalsBytes(await this.#state.getStateRoot(), block.header.stateRoot)) throw new Error("state root differs");
  }

  close(): Promise<void> {
    return this.#level.close();
  }
}

interface Attempts {
  failedMs: number;
}

function timed(precompile: Precompile, attempts: Attempts): Precompile {
  return {
    ...precompile,
    run(context, input) {
      const start = performance.now();
      try {
        return precompile.run(context, input);
      } catch (error) {
        const isEnd = error instanceof PrecompileRevert || error instanceof FrameHalt;
        if (!isEnd) attempts.failedMs += performance.now() - start;
        throw error;
      }
    },
  };
}

async function loadAccounts(state: MerkleStateManager, accounts: readonly BenchAccount[]): Promise<void> {
  await state.checkpoint();
  for (const { address, nonce, balance, code, storage } of accounts) {
    const at = new Address(address);
    await state.putAccount(at, new Account(nonce, balance));
    if (code.length > 0) await state.putCode(at, code);
    for (const [slot, value] of storage) await state.putStorage(at, slot, value);
  }
  await state.commit();
  await state.flush();
}

/** ethereumjs's LevelDB recipe for tries. */
class LevelDatabase implements DB<string, Uint8Array> {
  readonly #level: Level<string, Uint8Array>;

  constructor(level: Level<string, Uint8Array>) {
    this.#level = level;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#level.get(key);
  }

  put(key: string, value: Uint8Array): Promise<void> {
    return this.#level.put(key, value);
  }

  del(key: string): Promise<void> {
    return this.#level.del(key);
  }

  batch(operations: BatchDBOp<string, Uint8Array>[]): Promise<void> {
    return this.#level.batch(
      operations.map((operation) =>
        operation.type === "del"
          ? { type: "del", key: operation.key }
          : { type: "put", key: operation.key, value: operation.value },
      ),
    );
  }

  shallowCopy(): DB<string, Uint8Array> {
    return new LevelDatabase(this.#level);
  }

  open(): Promise<void> {
    return this.#level.open();
  }
}
