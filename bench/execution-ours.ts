/** This node's executor: blocks are imported and written as node/chain.ts does it, without fsync. */
import { ZERO_32 } from "../core/bytes.ts";
import type { ExecutedBlock, Header, Transaction } from "../core/chain.ts";
import { assembleBlock } from "../execution/block/assemble.ts";
import { EMPTY_BLOOM } from "../execution/block/bloom.ts";
import { type ExecutionParts, NO_L1_ORIGIN, type ProducedBlock } from "../execution/block/execute.ts";
import { hashHeader, protocolFields } from "../execution/block/header.ts";
import { importBlock } from "../execution/block/import.ts";
import type { ChainRules } from "../execution/rules.ts";
import { openStateDatabase } from "../execution/state/database.ts";
import { Batch, type LevelStore, openLevelStore } from "../execution/state/level-store.ts";
import { EMPTY_TRIE_ROOT } from "../execution/state/trie-node.ts";
import type { StateDatabase } from "../execution/state/types.ts";
import { decodeTransaction } from "../execution/tx/decode.ts";
import { MachinePool } from "../execution/tx/machine.ts";
import { stageBlock } from "../node/chain-store.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import type { BenchAccount, Genesis } from "./execution-workloads.ts";

export const COINBASE = new Uint8Array(20).fill(0xfe);

/** Of a genesis, in one state. */
const ACCOUNTS_AT_ONCE = 50_000;

export class OurExecutor {
  readonly #rules: ChainRules;
  readonly #store: LevelStore;
  readonly #database: StateDatabase;
  readonly #machines: MachinePool;
  #head: ExecutedBlock;

  private constructor(rules: ChainRules, store: LevelStore, database: StateDatabase, head: ExecutedBlock) {
    this.#rules = rules;
    this.#store = store;
    this.#database = database;
    this.#machines = new MachinePool(rules, PRECOMPILES);
    this.#head = head;
  }

  static async open(directory: string, rules: ChainRules, genesis: Genesis): Promise<OurExecutor> {
    const store = await openLevelStore(directory);
    const database = openStateDatabase({ reader: store.reader, headRoot: EMPTY_TRIE_ROOT });
    for (let at = 0; at < genesis.accounts.length; at += ACCOUNTS_AT_ONCE) {
      const sealed = sealAccounts(database, genesis.accounts.slice(at, at + ACCOUNTS_AT_ONCE));
      const batch = new Batch();
      database.stage(sealed, batch);
      await store.write(batch);
      database.committed(sealed);
    }
    return new OurExecutor(rules, store, database, firstBlock(rules, genesis, database.head.stateRoot));
  }

  readonly uncountedMs = 0;

  get stateRoot(): Uint8Array {
    return this.#head.header.stateRoot;
  }

  /** The block that the transactions make, as it travels. It is not kept. */
  async assemble(envelopes: readonly Uint8Array[]): Promise<Uint8Array> {
    return (await this.#assemble(envelopes)).raw;
  }

  /** From signed transactions to the state and receipts of their block in the store, as whoever proposes it does. */
  async make(envelopes: readonly Uint8Array[]): Promise<void> {
    await this.#commit(await this.#assemble(envelopes));
  }

  /** From the bytes of the block to its state, receipts and indexes in the store. */
  async import(raw: Uint8Array): Promise<void> {
    const imported = await importBlock({ ...this.#parts(), raw });
    if (!imported.ok) throw new Error(imported.reason);
    await this.#commit(imported);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #parts(): ExecutionParts & { parent: ExecutedBlock; state: StateDatabase["head"] } {
    return {
      rules: this.#rules,
      database: this.#database,
      machines: this.#machines,
      blockHash: (number) => {
        throw new Error(`no workload asks for the hash of block ${number}`);
      },
      parent: this.#head,
      state: this.#database.head,
    };
  }

  #decode(envelope: Uint8Array): Transaction {
    const decoded = decodeTransaction(envelope, this.#rules.chainId);
    if (!decoded.ok) throw new Error(decoded.message);
    return decoded.tx;
  }

  async #assemble(envelopes: readonly Uint8Array[]): Promise<ProducedBlock> {
    const assembled = await assembleBlock({
      ...this.#parts(),
      candidates: envelopes.map((envelope) => this.#decode(envelope)),
      coinbase: COINBASE,
      timestamp: this.#head.header.timestamp,
    });
    const { block, rejected } = assembled;
    const failed = block.receipts.findIndex(({ status }) => status === 0);
    if (failed !== -1) throw new Error(`transaction ${failed} of a workload fails`);
    if (block.transactions.length !== envelopes.length) {
      throw new Error(`${block.transactions.length} of ${envelopes.length} fit: ${rejected[0]?.message}`);
    }
    return assembled;
  }

  async #commit({ block, sealed, raw }: ProducedBlock): Promise<void> {
    const batch = new Batch();
    stageBlock(batch, block, raw);
    this.#database.stage(sealed, batch);
    await this.#store.write(batch, { sync: false });
    this.#database.committed(sealed);
    this.#head = block;
  }
}

function sealAccounts(database: StateDatabase, accounts: readonly BenchAccount[]) {
  const layer = database.head.fork();
  for (const { address, nonce, balance, code, storage } of accounts) {
    layer.setAccount(address, { nonce, balance, codeHash: layer.addCode(code), storageRoot: EMPTY_TRIE_ROOT });
    for (const [slot, value] of storage) layer.setStorage(address, slot, value);
  }
  return database.seal(layer);
}

function firstBlock(rules: ChainRules, genesis: Genesis, stateRoot: Uint8Array): ExecutedBlock {
  const header: Header = {
    ...protocolFields,
    ...NO_L1_ORIGIN,
    parentHash: ZERO_32,
    coinbase: COINBASE,
    stateRoot,
    transactionsRoot: EMPTY_TRIE_ROOT,
    receiptsRoot: EMPTY_TRIE_ROOT,
    withdrawalsRoot: EMPTY_TRIE_ROOT,
    logsBloom: EMPTY_BLOOM,
    number: genesis.number,
    gasLimit: rules.gasLimit,
    gasUsed: 0n,
    timestamp: genesis.timestamp,
    extraData: new Uint8Array(0),
    baseFeePerGas: 1_000_000_000n,
  };
  return { hash: hashHeader(header), header, transactions: [], receipts: [] };
}
