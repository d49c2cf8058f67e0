/**
 * A node's L1 side, put together: what it reads of L1, how far L2 is there, and what it posts. Steps follow one another
 * whenever something was read of L1 or committed on L2; one that fails is tried again at the next occasion.
 */
import type { Domain, Scheme } from "../consensus/scheme.ts";
import { hexToBytes } from "../core/bytes.ts";
import { readL1Origin } from "../execution/block/l1-origin.ts";
import type { LevelStore } from "../execution/state/level-store.ts";
import { DEV_L1_CHAIN_ID } from "../genesis/l1.ts";
import type { Genesis } from "../genesis/schema.ts";
import type { Chain } from "./chain.ts";
import type { L1Config } from "./config.ts";
import type { L1Source } from "./engine/origins.ts";
import { setOf } from "./engine/start.ts";
import { readSecretKeyFile } from "./key-file.ts";
import type { BatchRules } from "./l1/batch-rules.ts";
import { blobSigner, blobSource } from "./l1/blobs.ts";
import { L1Client } from "./l1/client.ts";
import { Poster } from "./l1/poster.ts";
import { Proposer } from "./l1/proposer.ts";
import { SafeHead } from "./l1/safe-head.ts";
import { L1Sender } from "./l1/sender.ts";
import { L1Watcher } from "./l1/watcher.ts";
import type { Logger } from "./log.ts";
import type { Clock } from "./ports.ts";
import type { L1Summary } from "./status.ts";

export interface L1SideParts {
  readonly config: L1Config;
  readonly genesis: Genesis & { readonly l1: NonNullable<Genesis["l1"]> };
  readonly chain: Chain;
  readonly store: LevelStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly domain: Domain;
  readonly scheme: Scheme;
  /** Of the own validator, which says when it is its turn to post. */
  readonly publicKey: Uint8Array | undefined;
  readonly onHalt: (error: Error) => void;
}

const GWEI = 1_000_000_000n;
/** Never paid for a unit of L1's gas. */
const MAX_FEE_PER_GAS = 500n * GWEI;
const BUMP_AFTER_MS = 60_000;
/** Blocks of L2 go to L1 when the oldest is this old, on a development chain much sooner. */
const MAX_AGE_MS = { real: 300_000, development: 4_000 };
/** So much of the chain may be missing on L1 before blocks carry no transactions of users: 64 whole blocks. */
const MAX_UNPOSTED_BYTES = 128 * 1024 * 1024;

export class L1Side {
  readonly client: L1Client;
  readonly watcher: L1Watcher;
  readonly source: L1Source;
  readonly safeHead: SafeHead;
  readonly #parts: L1SideParts;
  readonly #poster: Poster | undefined;
  readonly #proposer: Proposer | undefined;
  #running: Promise<void> | undefined;
  #isAgain = false;
  #isStopped = false;
  #problem: string | undefined;

  /** Throws DataError, and OperationError for a key file that cannot be used. */
  constructor(parts: L1SideParts) {
    const { config, genesis, chain, store, clock, log, domain, scheme, publicKey, onHalt } = parts;
    const { l1 } = genesis;
    this.#parts = parts;
    this.client = new L1Client({ urls: config.urls, chainId: l1.chainId, clock, log });
    this.watcher = new L1Watcher({
      client: this.client,
      l1,
      store,
      clock,
      log,
      pollMs: config.pollMs,
      usedOrigin: () => readL1Origin(chain.headState),
      keepFrom: () => this.safeHead.keepFrom,
      onHalt,
    });
    const { watcher } = this;
    this.source = {
      blocks: (number, limit) => watcher.finalBlocks(number, limit),
      onAdvance: (listener) => watcher.onAdvance(listener),
    };
    const epochBlocks = BigInt(genesis.consensus.epochBlocks);
    const rules: BatchRules = { epochBlocks, domain, scheme, setOf: (epoch) => chain.validatorSet(epoch) };
    const blobs = config.beacon === undefined ? undefined : blobSource(l1.chainId, config.beacon);
    const sources = { transactions: this.client, blobs, inbox: l1.inbox, log };
    const originNumber = l1.origin.number;
    this.safeHead = new SafeHead({ chain, watcher, store, sources, rules, originNumber, log });
    if (config.keyFile === undefined) return;

    const privateKey = hexToBytes(readSecretKeyFile(config.keyFile));
    const sender = new L1Sender({
      client: this.client,
      store,
      clock,
      log,
      privateKey,
      maxFeePerGas: MAX_FEE_PER_GAS,
      bumpAfterMs: BUMP_AFTER_MS,
      readTo: () => watcher.tipNumber ?? 0n,
      blobs: blobSigner,
    });
    const validators = () => setOf(chain, Number(chain.head.number / epochBlocks));
    const common = { chain, watcher, safeHead: this.safeHead, sender, clock, log, epochBlocks, validators, publicKey };
    const maxAgeMs = l1.chainId === DEV_L1_CHAIN_ID ? MAX_AGE_MS.development : MAX_AGE_MS.real;
    this.#poster = new Poster({ ...common, store, inbox: l1.inbox, data: config.data, maxAgeMs });
    this.#proposer = new Proposer({ ...common, client: this.client, oracle: l1.oracle, registry: l1.registry });
    log.info({ account: sender.address }, "batches and outputs are posted to L1");
  }

  start(): void {
    const { chain } = this.#parts;
    this.watcher.onAdvance(() => this.#wake());
    chain.onCommit(() => this.#wake());
    this.watcher.start();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.client.stop();
    await this.watcher.stop();
    await this.#running;
  }

  /** Whether too much of the chain is missing on L1 for blocks to carry more. */
  get isThrottled(): boolean {
    return (this.#poster?.unpostedBytes ?? 0) > MAX_UNPOSTED_BYTES;
  }

  get summary(): L1Summary {
    const { head, final, lagBlocks, problem } = this.watcher.status;
    return {
      head: head?.number,
      final: final?.number,
      lagBlocks,
      safe: this.safeHead.safe,
      finalized: this.safeHead.finalized,
      unpostedBytes: this.#poster?.unpostedBytes,
      problem: problem ?? this.#poster?.problem ?? this.#proposer?.problem ?? this.#problem,
    };
  }

  #wake(): void {
    if (this.#isStopped) return;
    this.#isAgain = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    while (this.#isAgain && !this.#isStopped) {
      this.#isAgain = false;
      try {
        await this.safeHead.update();
        // Both send from one account, one transaction at a time. Batches may be due without end, outputs never are.
        await this.#proposer?.tick();
        await this.#poster?.tick();
        this.#problem = undefined;
      } catch (error) {
        if (this.#isStopped) return;
        const { message } = error as Error;
        if (message !== this.#problem) this.#parts.log.warn({ err: error }, "L1 cannot be posted to for now");
        this.#problem = message;
      }
    }
  }
}
