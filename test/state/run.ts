/**
 * Runs state tests over our state. Prague and Osaka go through the executor of our own blocks, with nothing of our
 * chain's rules but the fork; older forks, and transactions with blobs, through @ethereumjs/vm, as on foreign chains.
 */
import { createBlock } from "@ethereumjs/block";
import { Hardfork } from "@ethereumjs/common";
import { createTx, createTxFromRLP, type TypedTransaction } from "@ethereumjs/tx";
import { Account, Address } from "@ethereumjs/util";
import { createVM, runTx } from "@ethereumjs/vm";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import type { Log } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import { rlpEncode } from "../../core/rlp.ts";
import { createHost } from "../../execution/evm/host.ts";
import { FORK_BLOCK_KEYS, Forks } from "../../execution/foreign/forks.ts";
import { type ChainRules, DEFAULT_RULES } from "../../execution/rules.ts";
import { openStateDatabase } from "../../execution/state/database.ts";
import { LayerStateManager } from "../../execution/state/ethereumjs-adapter.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import { EMPTY_TRIE_ROOT } from "../../execution/state/trie-node.ts";
import type { StateLayer } from "../../execution/state/types.ts";
import { decodeTransaction } from "../../execution/tx/decode.ts";
import { messageEnvironment } from "../../execution/tx/environment.ts";
import { MachinePool } from "../../execution/tx/machine.ts";
import { runTransaction } from "../../execution/tx/run.ts";
import { type Expectation, number, type StateTest } from "./format.ts";

/** Names of forks in these files. */
const FORKS: Readonly<Record<string, string>> = {
  Frontier: Hardfork.Chainstart,
  Homestead: Hardfork.Homestead,
  EIP150: Hardfork.TangerineWhistle,
  EIP158: Hardfork.SpuriousDragon,
  Byzantium: Hardfork.Byzantium,
  Constantinople: Hardfork.Constantinople,
  ConstantinopleFix: Hardfork.Petersburg,
  Istanbul: Hardfork.Istanbul,
  Berlin: Hardfork.Berlin,
  London: Hardfork.London,
  ArrowGlacier: Hardfork.ArrowGlacier,
  GrayGlacier: Hardfork.GrayGlacier,
  Merge: Hardfork.Paris,
  Paris: Hardfork.Paris,
  Shanghai: Hardfork.Shanghai,
  Cancun: Hardfork.Cancun,
  Prague: Hardfork.Prague,
  Osaka: Hardfork.Osaka,
};
export const KNOWN_FORKS: readonly string[] = Object.keys(FORKS);

export interface StateTestResult {
  readonly test: string;
  readonly fork: string;
  readonly indexes: Expectation["indexes"];
  readonly by: "own" | "vm";
  /** Undefined: as expected. */
  readonly failure: string | undefined;
}

/** One result for each expectation of a known fork; `forks`: only these, in the files' words. */
export async function* runStateTest(
  test: StateTest,
  forks: ReadonlySet<string> | undefined,
): AsyncGenerator<StateTestResult> {
  for (const [fork, expectations] of test.post) {
    const hardfork = FORKS[fork];
    if (hardfork === undefined || forks?.has(fork) === false) continue;
    for (const expected of expectations) {
      const run = new Run(test, hardfork, expected);
      const { by, failure } = await run.check();
      yield { test: test.name, fork, indexes: expected.indexes, by, failure };
    }
  }
}

interface Outcome {
  readonly logs: readonly Log[];
  /** Why the transaction was refused. */
  readonly refusal: string | undefined;
}

const NOTHING: readonly Log[] = [];

class Run {
  readonly #test: StateTest;
  readonly #forks: Forks;
  readonly #hardfork: string;
  readonly #expected: Expectation;

  constructor(test: StateTest, hardfork: string, expected: Expectation) {
    this.#test = test;
    this.#hardfork = hardfork;
    this.#expected = expected;
    const blobs = [...test.blobs].map(
      ([fork, [target, max, baseFeeUpdateFraction]]) => [fork, { target, max, baseFeeUpdateFraction }] as const,
    );
    this.#forks = new Forks({
      chainId: test.chainId,
      blocks: new Map(FORK_BLOCK_KEYS.map((key) => [key, 0n])),
      times: new Map(),
      blobs: new Map(blobs),
      isClique: false,
      startBlocks: [],
      depositContract: undefined,
    });
  }

  async check(): Promise<{ readonly by: "own" | "vm"; readonly failure: string | undefined }> {
    const database = openStateDatabase({ reader: memoryStore(), headRoot: EMPTY_TRIE_ROOT });
    const before = database.head.fork();
    for (const { address, nonce, balance, code, storage } of this.#test.pre) {
      before.setAccount(address, { nonce, balance, codeHash: before.addCode(code), storageRoot: EMPTY_TRIE_ROOT });
      for (const [slot, value] of storage) before.setStorage(address, slot, value);
    }
    const layer = database.seal(before).fork();
    const tx = this.#transaction();
    const isOwn = this.#hardfork === Hardfork.Prague || this.#hardfork === Hardfork.Osaka;
    const by = isOwn && !("type" in tx && tx.type === 3) ? "own" : "vm";
    const outcome =
      "error" in tx
        ? { logs: NOTHING, refusal: tx.error }
        : by === "own"
          ? await this.#own(layer, tx)
          : await this.#vm(layer, tx);
    return { by, failure: this.#compare(outcome, database.seal(layer).stateRoot) };
  }

  #compare({ logs, refusal }: Outcome, stateRoot: Uint8Array): string | undefined {
    const { isRefused, hash, logs: logsHash } = this.#expected;
    if (isRefused !== (refusal !== undefined)) {
      return isRefused ? "the transaction was not refused" : `the transaction was refused: ${refusal}`;
    }
    const entries = logs.map(({ address, topics, data }) => [address, topics, data]);
    const haveLogs = bytesToHex(keccak256(rlpEncode(entries)));
    if (haveLogs !== logsHash.toLowerCase()) return `logs hash to ${haveLogs} instead of ${logsHash}`;
    const have = bytesToHex(stateRoot);
    return have === hash.toLowerCase() ? undefined : `state root is ${have} instead of ${hash}`;
  }

  /** The signed transaction, or why no transaction can be like that. */
  #transaction(): TypedTransaction | { readonly error: string } {
    const common = this.#forks.common(this.#hardfork);
    try {
      const { txbytes } = this.#expected;
      return txbytes === undefined ? this.#signed() : createTxFromRLP(txbytes, { common });
    } catch (error) {
      return { error: (error as Error).message };
    }
  }

  #signed(): TypedTransaction {
    const { fields, data, gasLimit, value, accessLists } = this.#test.transaction;
    const { indexes } = this.#expected;
    const { gasPrice, maxFeePerGas, maxPriorityFeePerGas, maxFeePerBlobGas, blobVersionedHashes } = fields;
    const accessList = accessLists[indexes.data];
    const authorizations = fields.authorizationList as readonly Record<string, Hex>[] | undefined;
    const type =
      authorizations !== undefined
        ? 4
        : blobVersionedHashes !== undefined || maxFeePerBlobGas !== undefined
          ? 3
          : maxFeePerGas !== undefined
            ? 2
            : accessList !== undefined
              ? 1
              : 0;
    const to = fields.to as string | undefined;
    const unsigned = {
      type,
      nonce: number(fields.nonce),
      gasLimit: number(gasLimit[indexes.gas]),
      value: number(value[indexes.value]),
      data: data[indexes.data],
      ...(to !== undefined && to !== "" && { to: to.startsWith("0x") ? to : `0x${to}` }),
      ...(type < 2
        ? { gasPrice: number(gasPrice) }
        : { maxFeePerGas: number(maxFeePerGas), maxPriorityFeePerGas: number(maxPriorityFeePerGas) }),
      ...(type > 0 && { chainId: this.#test.chainId, accessList: accessList ?? [] }),
      ...(type === 3 && { maxFeePerBlobGas: number(maxFeePerBlobGas), blobVersionedHashes }),
      ...(type === 4 && {
        authorizationList: authorizations!.map(({ chainId, address, nonce, v, yParity, r, s }) => ({
          chainId,
          address,
          nonce,
          yParity: yParity ?? v,
          r,
          s,
        })),
      }),
    };
    const common = this.#forks.common(this.#hardfork);
    return createTx(unsigned as Parameters<typeof createTx>[0], { common }).sign(
      Buffer.from(String(fields.secretKey).replace("0x", ""), "hex"),
    );
  }

  async #own(layer: StateLayer, tx: TypedTransaction): Promise<Outcome> {
    const { env, chainId } = this.#test;
    const { baseFeeRecipient: _, ...defaults } = DEFAULT_RULES;
    const rules: ChainRules = {
      ...defaults,
      chainId,
      hardfork: this.#hardfork as "prague" | "osaka",
      gasLimit: env.gasLimit,
      newCommon: () => this.#forks.newCommon(this.#hardfork),
    };
    const decoded = decodeTransaction(tx.serialize(), chainId);
    if (!decoded.ok) return { logs: NOTHING, refusal: decoded.message };
    const header = {
      number: env.number,
      coinbase: env.coinbase,
      timestamp: env.timestamp,
      prevRandao: env.random ?? new Uint8Array(32),
      gasLimit: env.gasLimit,
      baseFeePerGas: env.baseFee ?? 0n,
      blobBaseFee: this.#block().header.getBlobGasPrice(),
    };
    const machine = new MachinePool(rules, []).borrow(layer, hashOfNumber);
    const outcome = await runTransaction(machine, decoded.tx, messageEnvironment(header, rules), env.gasLimit, rules);
    this.#touchCoinbase(layer);
    return outcome.ok ? { logs: outcome.logs, refusal: undefined } : { logs: NOTHING, refusal: outcome.message };
  }

  async #vm(layer: StateLayer, tx: TypedTransaction): Promise<Outcome> {
    const common = this.#forks.newCommon(this.#hardfork);
    const stateManager = new LayerStateManager(layer);
    stateManager.getStateRoot = () => Promise.resolve(new Uint8Array(32)); // of receipts, which nobody looks at here
    const evm = createHost({ common, stateManager, precompiles: [], blockHash: hashOfNumber });
    const vm = await createVM({ common, stateManager, evm });
    let outcome: Outcome;
    try {
      const { execResult } = await runTx(vm, { tx, block: this.#block() });
      const logs = (execResult.logs ?? []).map(([address, topics, data]) => ({ address, topics, data }));
      outcome = { logs, refusal: undefined };
    } catch (error) {
      outcome = { logs: NOTHING, refusal: (error as Error).message };
    }
    // A reward of nothing: it touches the miner's account.
    const miner = new Address(this.#test.env.coinbase);
    await vm.evm.journal.putAccount(miner, (await stateManager.getAccount(miner)) ?? new Account());
    await vm.evm.journal.cleanup();
    return outcome;
  }

  /** As above: an empty account that is touched goes (EIP-161). */
  #touchCoinbase(layer: StateLayer): void {
    const { coinbase } = this.#test.env;
    const account = layer.account(coinbase);
    if (account === undefined || account.nonce > 0n || account.balance > 0n) return;
    if (layer.code(account.codeHash).length === 0) layer.setAccount(coinbase, undefined);
  }

  #block() {
    const { env } = this.#test;
    const common = this.#forks.common(this.#hardfork);
    const has = (eip: number) => common.isActivatedEIP(eip);
    const header = {
      coinbase: new Address(env.coinbase),
      gasLimit: env.gasLimit,
      number: env.number,
      timestamp: env.timestamp,
      difficulty: has(4399) ? 0n : env.difficulty,
      ...(has(4399) && { mixHash: env.random ?? new Uint8Array(32) }),
      ...(has(1559) && { baseFeePerGas: env.baseFee ?? 0n }),
      ...(has(4844) && { excessBlobGas: env.excessBlobGas ?? 0n }),
    };
    return createBlock({ header }, { common, skipConsensusFormatValidation: true });
  }
}

/** What BLOCKHASH answers in these tests: keccak256 of the number in decimal digits. */
const hashOfNumber = (number: bigint): Uint8Array => keccak256(new TextEncoder().encode(number.toString()));
