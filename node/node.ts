/**
 * The composition root: a whole node, assembled from top to bottom. What starts last stops first.
 */
import { join } from "node:path";
import type { Hex } from "viem";
import type { Domain } from "../consensus/scheme.ts";
import { TREASURY_ADDRESS } from "../core/addresses.ts";
import { blsAggregate, blsVerify, blsVerifyEach } from "../core/bls.ts";
import { equalsBytes } from "../core/bytes.ts";
import type { Transaction } from "../core/chain.ts";
import { readValidatorSet } from "../execution/block/validator-set.ts";
import { Mempool } from "../execution/mempool.ts";
import { readStateItem } from "../execution/state/flat-state.ts";
import { memoryStore } from "../execution/state/memory-store.ts";
import type { Genesis } from "../genesis/schema.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import { Chain } from "./chain.ts";
import { readEpochEnd } from "./checkpoint-store.ts";
import type { NodeConfig } from "./config.ts";
import type { DataDirectory } from "./data-directory.ts";
import { Engine } from "./engine/engine.ts";
import { openLocalTransactions } from "./engine/local-transactions.ts";
import { setOf } from "./engine/start.ts";
import { JOURNAL_FILE } from "./engine/transaction-journal.ts";
import { TxGossip } from "./engine/tx-gossip.ts";
import type { Validating } from "./engine/types.ts";
import { StoppedEarly } from "./errors.ts";
import { keepEvidence } from "./evidence.ts";
import { buildGenesisBlock, domainOf } from "./genesis-block.ts";
import type { L1Status } from "./l1/watcher.ts";
import { L1Side } from "./l1-side.ts";
import type { Logger } from "./log.ts";
import { describeNetwork, type NetworkDescription, writeNetworkFile } from "./network.ts";
import { connectPeers } from "./p2p/connect.ts";
import type { Network } from "./p2p/types.ts";
import type { Clock } from "./ports.ts";
import { SenderThreads } from "./senders/threads.ts";
import { startServers } from "./servers.ts";
import { countingProgress } from "./state-history.ts";
import { statusReader } from "./status.ts";
import { beginWithCheckpoint } from "./sync/checkpoint.ts";
import { serveSync } from "./sync/server.ts";
import { Sync } from "./sync/sync.ts";
import type { Validator } from "./validator/open.ts";
import { createVoteSigner } from "./validator/vote-signer.ts";

export interface NodePorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly directory: DataDirectory;
  /** The key that votes, with its memory. Undefined: a full node, which follows. */
  readonly validator: Validator | undefined;
  /** Signs the answers of the model host. Undefined: it does not run. */
  readonly modelHostKey: Hex | undefined;
  /** The network in place of libp2p, for simulations. */
  readonly network?: Network;
  /** Resolves when the operator wants it to end: a checkpoint may take long before the node is there to be stopped. */
  readonly stopping?: Promise<unknown>;
  /** Called once when no further block can be committed. */
  readonly onHalt: (error: Error) => void;
}

export interface Node {
  readonly network: NetworkDescription;
  readonly chain: Chain;
  readonly engine: Engine;
  /** Undefined: alone. */
  readonly p2p: Network | undefined;
  /** Begins to sync and to take part in consensus. The servers listen already. */
  start(): Promise<void>;
  /** Stops in the opposite order of the start; what is committed stays. */
  stop(): Promise<void>;
}

/** Throws OperationError, DataError or StoppedEarly; then nothing is left running. */
export async function createNode(config: NodeConfig, genesis: Genesis, ports: NodePorts): Promise<Node> {
  const { clock, log, directory, validator } = ports;
  const { epochBlocks } = genesis.consensus;
  const domain = domainOf(genesis);
  const scheme = { verify: blsVerify, aggregate: blsAggregate, verifyEach: blsVerifyEach };
  const named = (module: string) => log.child({ module });
  const closers: (() => unknown)[] = [];
  const stop = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    const name = { chainId: genesis.chainId, genesisHash: buildGenesisBlock(genesis, memoryStore()).block.hash };
    const p2p = ports.network ?? (config.p2p && (await connectPeers(config.p2p, name, directory.path, named("p2p"))));
    if (p2p !== undefined) closers.push(() => p2p.stop());
    if (config.sync === "checkpoint" && p2p !== undefined) {
      const parts = { store: directory.store, genesis, network: p2p, clock, log: named("sync"), domain, scheme };
      if (!(await beginWithCheckpoint(parts, ports.stopping ?? new Promise(() => {})))) throw new StoppedEarly();
    }
    const onProgress = countingProgress(clock, named("chain"), ports.stopping);
    const retention = { states: config.keepStates, onProgress };
    const chain = await Chain.open(directory.store, genesis, PRECOMPILES, named("chain"), retention);
    // A simulation has no threads: what happens in it happens in its own order.
    const senders = ports.network ? undefined : new SenderThreads({ chainId: genesis.chainId, log: named("senders") });
    if (senders !== undefined) {
      closers.push(() => senders.close());
      chain.recoverIn(senders);
    }
    const mempool = new Mempool({ next: chain.nextBlock, limits: config.txpool?.limits ?? {} });
    let halted: string | undefined;
    const onHalt = (error: Error) => {
      halted ??= error.message;
      ports.onHalt(error);
    };

    const anchored = genesis.l1 && { ...genesis, l1: genesis.l1 };
    const l1 =
      anchored && config.l1
        ? new L1Side({
            config: config.l1,
            genesis: anchored,
            chain,
            store: directory.store,
            clock,
            log: named("l1"),
            domain,
            scheme,
            publicKey: validator?.publicKey,
            onHalt,
          })
        : undefined;
    if (l1 !== undefined) {
      closers.push(() => l1.stop());
      chain.tags = l1.safeHead;
    }

    const engine = new Engine({
      chain,
      mempool,
      clock,
      log: named("consensus"),
      domain,
      scheme,
      epochBlocks,
      timing: config.timing,
      get feeAddress() {
        return validator?.feeAddress ?? addressOf(chain, validator) ?? TREASURY_ADDRESS;
      },
      validating: validator && validatingOf(validator, chain, domain),
      network: p2p,
      l1: l1 && anchored && { parameters: anchored.l1, source: l1.source, isThrottled: () => l1.isThrottled },
      logBlocks: config.logBlocks,
      onEvidence: (evidence) => keepEvidence(directory.path, evidence, named("consensus")),
      onHalt,
    });
    closers.push(() => engine.stop());

    const headState = () => chain.headState;
    const gossip =
      p2p &&
      new TxGossip({
        network: p2p,
        mempool,
        chainId: genesis.chainId,
        headState,
        clock,
        log: named("txs"),
        senders,
      });
    if (gossip !== undefined) closers.push(() => gossip.stop());

    const sync =
      p2p &&
      new Sync({
        chain,
        network: p2p,
        clock,
        log: named("sync"),
        epochBlocks,
        domain,
        scheme,
        exclusive: (work) => engine.exclusive(work),
        onSynced: (synced) => engine.post({ type: "synced", ...synced }),
        onInStep: () => engine.inStep(),
        onFound: (found) => void engine.offer(found),
        onHalt,
      });
    if (p2p !== undefined && sync !== undefined) {
      serveSync({
        network: p2p,
        chain,
        epochBlocks,
        view: () => engine.view,
        viewState: (view) => engine.viewState(view),
        looseBlock: (hash) => engine.block(hash),
        stateItem: (hash) => readStateItem(directory.store.reader, hash),
        oldEpochEnd: (epoch) => readEpochEnd(directory.store.reader, epoch),
      });
      engine.connect(sync);
      closers.push(() => sync.stop());
    }

    const spread = (tx: Transaction) => gossip?.submit(tx) ?? mempool.add(tx, chain.headState, clock.nowMs());
    // Without JSON-RPC nothing is submitted here.
    const kept = config.http && config.txpool?.locals;
    const locals =
      kept &&
      (await openLocalTransactions(kept.journal ?? join(directory.path, JOURNAL_FILE), {
        chain,
        mempool,
        clock,
        log: named("txs"),
        rejournalMs: kept.rejournalMs,
        submit: spread,
      }));
    if (locals !== undefined) closers.push(() => locals.stop());
    const status = { chain, mempool, engine, timing: config.timing, sync, p2p, l1, halted: () => halted };
    const endpoints = await startServers(config, ports, {
      chain,
      mempool,
      submit: (tx) => locals?.submit(tx) ?? spread(tx),
      peerCount: () => p2p?.peers.length ?? 0,
      network: p2p,
      progress: () => sync?.progress,
      status: (indexer) => statusReader({ ...status, indexer }),
      rollup: genesis.l1 && {
        parameters: genesis.l1,
        blockSeconds: config.timing.intervalMs / 1_000,
        l1: () => rollupView(l1?.watcher.status),
      },
      closers,
    });
    const described = genesis.l1 && { parameters: genesis.l1, urls: config.l1?.urls ?? [] };
    const network = describeNetwork(genesis.name, genesis.chainId, chain.genesisHash, endpoints, described);
    writeNetworkFile(directory.path, network);
    const start = async () => {
      l1?.start();
      await engine.start();
      sync?.start();
    };
    return { network, chain, engine, p2p, start, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const rollupView = (status: L1Status | undefined) => ({
  current: status?.current,
  head: status?.head,
  safe: status?.safe,
  finalized: status?.final,
});

function validatingOf({ publicKey, sign, state }: Validator, chain: Chain, domain: Domain): Validating {
  const { wal, guard, reasons } = state;
  const setHashOf = (epoch: number) => setOf(chain, epoch).hash;
  return { publicKey, reasons, log: wal, signer: createVoteSigner({ wal, guard, sign, domain, setHashOf }) };
}

/** The account that the key's validator has in the set of now; who is in no set makes no blocks. */
function addressOf(chain: Chain, validator: Validator | undefined): Uint8Array | undefined {
  if (validator === undefined) return undefined;
  const { validators } = readValidatorSet(chain.headState);
  return validators.find(({ publicKey }) => equalsBytes(publicKey, validator.publicKey))?.address;
}
