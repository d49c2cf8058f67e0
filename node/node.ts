/**
 * The composition root: a whole node, assembled from top to bottom. What starts last stops first.
 */
import type { Hex } from "viem";
import { createContentServer } from "../attribution/content-server.ts";
import { ContentStore } from "../attribution/content-store.ts";
import { hexToBytes } from "../core/bytes.ts";
import { Mempool } from "../execution/mempool.ts";
import { decodeTransaction } from "../execution/tx/decode.ts";
import { gasEstimator } from "../execution/tx/estimate.ts";
import type { Genesis } from "../genesis/schema.ts";
import { createGraphqlServer } from "../indexer/server.ts";
import { createIndexer, type Indexer } from "../indexer/store.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import { Chain } from "./chain.ts";
import type { Listener, NodeConfig } from "./config.ts";
import type { DataDirectory } from "./data-directory.ts";
import { Driver } from "./driver.ts";
import { VERSION } from "./help.ts";
import { closeServer, listen, listenError } from "./http.ts";
import type { Logger } from "./log.ts";
import { createMetricsServer, type NodeStatus } from "./metrics.ts";
import { startModelHost } from "./model-host.ts";
import { describeNetwork, type NetworkDescription, writeNetworkFile } from "./network.ts";
import type { Clock } from "./ports.ts";
import { createRpc } from "./rpc/rpc.ts";
import { startRpcServer } from "./rpc/server.ts";

export interface NodePorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly directory: DataDirectory;
  /** Receives the priority fees of the blocks made here. */
  readonly validator: Hex;
  /** Signs the answers of the model host. */
  readonly modelHostKey: Hex;
  /** Called once when no further block can be committed. */
  readonly onHalt: (error: Error) => void;
}

export interface Node {
  readonly network: NetworkDescription;
  /** Begins to make blocks. Everything else runs already. */
  start(): void;
  /** Stops in the opposite order of the start; what is committed stays. */
  stop(): Promise<void>;
}

const url = (listener: Listener, port: number): string => {
  const name = listener.address.includes(":") ? `[${listener.address}]` : listener.address;
  return `http://${name}:${port}`;
};

/** Throws OperationError or DataError; then nothing is left running. */
export async function createNode(config: NodeConfig, genesis: Genesis, ports: NodePorts): Promise<Node> {
  const { clock, log, directory } = ports;
  const closers: (() => unknown)[] = [];
  const serving: Serving = { vhosts: config.vhosts, log, closers };
  const stop = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    const chain = await Chain.open(directory.store, genesis, PRECOMPILES, log.child({ module: "chain" }));
    const mempool = new Mempool({ next: { baseFeePerGas: chain.nextBaseFee(), gasLimit: genesis.gasLimit } });
    let halted: string | undefined;
    const driver = new Driver({
      chain,
      mempool,
      config: { intervalMs: config.blockIntervalMs, heartbeatMs: config.blockHeartbeatMs },
      feeAddress: hexToBytes(ports.validator),
      clock,
      log: log.child({ module: "driver" }),
      onHalt(error) {
        halted = error.message;
        ports.onHalt(error);
      },
    });
    closers.push(() => driver.stop());

    let indexer: Indexer | undefined;
    let graphql: string | undefined;
    if (config.graphql !== undefined) {
      indexer = createIndexer({ source: chain, path: directory.index, log: log.child({ module: "indexer" }) });
      await indexer.start();
      closers.push(() => indexer?.stop());
      graphql = await startGraphql(config.graphql, indexer, serving);
    }
    const contents = await ContentStore.open(directory.content);
    const content = config.content && (await startContent(config.content, contents, serving));

    const rpc = createRpc({
      chain,
      mempool,
      decode: decodeTransaction,
      submit: (tx) => mempool.add(tx, chain.headState, clock.nowMs()),
      estimateGas: gasEstimator(chain.rules),
      clientVersion: `openledger/v${VERSION}/${process.platform}-${process.arch}/node${process.versions.node}`,
      txFeeCapWei: config.txFeeCapWei,
      log: log.child({ module: "rpc" }),
    });
    closers.push(() => rpc.close());
    const rpcServer = await startRpcServer({
      rpc,
      listener: config.http,
      access: { vhosts: config.vhosts, origins: config.http.corsOrigins },
      log: log.child({ module: "rpc" }),
    });
    closers.push(() => rpcServer.close());
    const rpcUrl = url(config.http, rpcServer.port);

    let modelHost: string | undefined;
    if (config.host !== undefined) {
      const host = await startModelHost({
        listener: config.host,
        vhosts: config.vhosts,
        privateKey: ports.modelHostKey,
        chainId: genesis.chainId,
        rpcUrl,
        content: contents,
        answers: directory.answers,
        log: log.child({ module: "host" }),
      });
      closers.push(() => host.close());
      modelHost = host.url;
    }
    const metrics =
      config.metrics &&
      (await startMetrics(config.metrics, () => statusOf(chain, mempool, driver, indexer, halted), serving));

    const endpoints = { rpc: rpcUrl, graphql, content, host: modelHost, metrics };
    const network = describeNetwork(genesis.name, genesis.chainId, chain.genesisHash, endpoints);
    writeNetworkFile(directory.path, network);
    return { network, start: () => driver.start(), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What every server of the node gets. */
interface Serving {
  readonly vhosts: readonly string[];
  readonly log: Logger;
  readonly closers: (() => unknown)[];
}

async function startGraphql(listener: Listener, indexer: Indexer, { vhosts, log, closers }: Serving): Promise<string> {
  const server = await createGraphqlServer({
    indexer,
    host: listener.address,
    port: listener.port,
    allowedHosts: vhosts,
    log: log.child({ module: "graphql" }),
  }).catch((error: unknown) => {
    throw listenError(error, listener, "graphql");
  });
  closers.push(() => server.close());
  return server.url;
}

async function startContent(
  listener: Listener,
  store: ContentStore,
  { vhosts, log, closers }: Serving,
): Promise<string> {
  const server = createContentServer({
    store,
    host: listener.address,
    port: listener.port,
    allowedHosts: vhosts,
    onError: (err) => log.error({ err, module: "content" }, "content request failed"),
  });
  const address = await server.listen().catch((error: unknown) => {
    throw listenError(error, listener, "content");
  });
  closers.push(() => server.close());
  return address;
}

async function startMetrics(
  listener: Listener,
  status: () => NodeStatus,
  { vhosts, closers }: Serving,
): Promise<string> {
  const server = createMetricsServer(status, vhosts);
  const port = await listen(server, listener, "metrics");
  closers.push(() => closeServer(server));
  return url(listener, port);
}

function statusOf(
  chain: Chain,
  mempool: Mempool,
  driver: Driver,
  indexer: Indexer | undefined,
  halted: string | undefined,
): NodeStatus {
  const index = indexer?.status();
  const { pending, queued } = mempool.counts;
  return {
    headNumber: chain.head.number,
    headTimestamp: chain.headBlock.header.timestamp,
    indexedNumber: index === undefined ? undefined : (index.indexed?.number ?? -1n),
    indexError: index?.error?.message,
    poolTransactions: pending + queued,
    blocksProduced: driver.blocksProduced,
    transactionsIncluded: driver.transactionsIncluded,
    halted,
  };
}
