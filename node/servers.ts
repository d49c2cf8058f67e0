/** Everything of a node that listens: GraphQL with its indexer, content store, JSON-RPC, model host, metrics. */
import { join } from "node:path";
import { createPublicClient, http } from "viem";
import { createContentServer } from "../attribution/content-server.ts";
import { viemDatanetChain } from "../attribution/quality/datanet-reader.ts";
import { createQualityRoutes } from "../attribution/quality/routes.ts";
import type { Transaction } from "../core/chain.ts";
import type { AddResult, Mempool } from "../execution/mempool.ts";
import type { L1Parameters } from "../genesis/l1.ts";
import { startGraphqlThread } from "../indexer/server-thread.ts";
import { createIndexer, type Indexer } from "../indexer/store.ts";
import type { Chain } from "./chain.ts";
import type { GraphqlConfig, Listener, NodeConfig } from "./config.ts";
import { type Contents, openContents } from "./content/contents.ts";
import { chainFolder, type DataDirectory } from "./data-directory.ts";
import { UsageError } from "./errors.ts";
import { graphqlOptions } from "./graphql.ts";
import { VERSION } from "./help.ts";
import { closeServer, listen, listenError } from "./http.ts";
import type { Logger } from "./log.ts";
import { createMetricsServer } from "./metrics.ts";
import { startModelHost } from "./model-host.ts";
import type { Endpoints } from "./network.ts";
import type { NodePorts } from "./node.ts";
import type { Network } from "./p2p/types.ts";
import type { L1View } from "./rpc/methods/optimism.ts";
import { LocalPool } from "./rpc/pool.ts";
import type { News } from "./rpc-thread/protocol.ts";
import { startRpcThread } from "./rpc-thread/start.ts";
import type { NodeStatus } from "./status.ts";
import type { Progress } from "./sync/progress.ts";

export interface ServerParts {
  readonly chain: Chain;
  readonly mempool: Mempool;
  readonly submit: (tx: Transaction) => AddResult;
  readonly peerCount: () => number;
  /** Undefined: alone. */
  readonly network: Network | undefined;
  /** Undefined: alone. */
  readonly progress: () => Progress | undefined;
  readonly status: (indexer: Indexer | undefined) => () => NodeStatus;
  /** Undefined without an L1. */
  readonly rollup: { readonly parameters: L1Parameters; readonly blockSeconds: number; l1(): L1View } | undefined;
  /** What has to be closed at the end is put in here. */
  readonly closers: (() => unknown)[];
}

/** What every server of the node gets. */
interface Serving {
  readonly vhosts: readonly string[];
  readonly log: Logger;
  readonly closers: (() => unknown)[];
}

const url = (listener: Listener, port: number): string => {
  const name = listener.address.includes(":") ? `[${listener.address}]` : listener.address;
  return `http://${name}:${port}`;
};

/** Starts those that the configuration asks for. Throws OperationError when one cannot listen. */
export async function startServers(
  config: NodeConfig,
  { clock, directory, log, modelHostKey }: NodePorts,
  parts: ServerParts,
): Promise<Endpoints> {
  const { chain, closers, status } = parts;
  const serving: Serving = { vhosts: config.vhosts, log, closers };
  let indexer: Indexer | undefined;
  if (config.graphql !== undefined) {
    indexer = createIndexer({
      source: chain,
      location: config.graphql.indexUrl ?? directory.index,
      log: log.child({ module: "indexer" }),
    });
    await indexer.start();
    closers.push(() => indexer?.stop());
  }
  // Threads load their modules, which takes seconds: all at the same time.
  const [graphql, rpc] = await allOf(
    config.graphql && indexer && startGraphql(config.graphql, indexer, serving),
    config.http && startRpc(config, config.http, directory, parts, serving),
  );
  const contents = await openContents({
    chain,
    directory: directory.content,
    config: config.contents,
    isServed: config.content !== undefined,
    network: parts.network,
    clock,
    log: log.child({ module: "content" }),
  });
  closers.push(() => contents.close());
  const content = config.content && (await startContent(config.content, contents, config, rpc, serving));

  let host: string | undefined;
  if (config.host !== undefined && modelHostKey !== undefined) {
    if (rpc === undefined) throw new UsageError("the model host needs JSON-RPC: leave out --http=false or --host");
    const server = await startModelHost({
      listener: config.host,
      vhosts: config.vhosts,
      privateKey: modelHostKey,
      chainId: chain.chainId,
      rpcUrl: rpc,
      content: contents.store,
      answers: directory.answers,
      shards: join(directory.path, "index-shards"),
      log: log.child({ module: "host" }),
    });
    closers.push(() => server.close());
    host = server.url;
  }
  const metrics = config.metrics && (await startMetrics(config.metrics, status(indexer), serving));
  return { rpc, graphql, content, host, metrics };
}

/** As Promise.all, but nothing is still starting when it rejects. */
async function allOf<A, B>(
  a: Promise<A> | undefined,
  b: Promise<B> | undefined,
): Promise<[A | undefined, B | undefined]> {
  await Promise.allSettled([a, b]);
  return Promise.all([a, b]);
}

async function startRpc(
  config: NodeConfig,
  listener: NonNullable<NodeConfig["http"]>,
  directory: DataDirectory,
  { chain, mempool, submit, peerCount, network, progress, rollup }: ServerParts,
  { vhosts, log, closers }: Serving,
): Promise<string> {
  const { rules, genesisHash, firstBlock } = chain;
  const news = (): News => {
    const sync = progress();
    return {
      tags: chain.tags && { safe: chain.tags.safe, finalized: chain.tags.finalized },
      sync: sync?.isSyncing
        ? { startingBlock: sync.head, currentBlock: sync.head, highestBlock: sync.target }
        : undefined,
      peers: peerCount(),
    };
  };
  const thread = await startRpcThread({
    data: {
      address: listener.address,
      port: listener.port,
      directory: chainFolder(directory.path),
      chain: { rules, genesisHash, firstBlock },
      epochBlocks: Number(rules.epochBlocks),
      access: { vhosts, origins: listener.corsOrigins },
      apis: listener.apis,
      clientVersion: `openledger/v${VERSION}/${process.platform}-${process.arch}/node${process.versions.node}`,
      txFeeCapWei: config.txFeeCapWei,
      minTipWei: mempool.limits.minTipWei,
      datadir: config.datadir,
      rollup: rollup && { parameters: rollup.parameters, blockSeconds: rollup.blockSeconds },
      ...listener.rpc,
    },
    chain,
    pool: new LocalPool(mempool, submit),
    news,
    network: () =>
      network && {
        id: network.id,
        ...(network.addresses && { addresses: network.addresses }),
        peers: network.peers,
      },
    l1: () => rollup?.l1() ?? NO_L1,
    log: log.child({ module: "rpc" }),
  }).catch((error: unknown) => {
    throw listenError(error, listener, "http");
  });
  closers.push(() => thread.close());
  return url(listener, thread.port);
}

const NO_L1 = { current: undefined, head: undefined, safe: undefined, finalized: undefined };

async function startGraphql(
  config: GraphqlConfig,
  { location }: Indexer,
  { vhosts, log, closers }: Serving,
): Promise<string> {
  const server = await startGraphqlThread(graphqlOptions(config, location, vhosts, log)).catch((error: unknown) => {
    throw listenError(error, config, "graphql");
  });
  closers.push(() => server.close());
  return server.url;
}

async function startContent(
  listener: Listener,
  { store, access }: Contents,
  { contents }: NodeConfig,
  rpc: string | undefined,
  { vhosts, log, closers }: Serving,
): Promise<string> {
  const reports = contents?.servesReports === true;
  if (reports && rpc === undefined) throw new UsageError("--content.quality needs JSON-RPC: leave out --http=false");
  const reader = () => viemDatanetChain(createPublicClient({ transport: http(rpc) }));
  const server = createContentServer({
    store,
    access,
    ...(reports && { routes: createQualityRoutes({ chain: reader(), content: store }) }),
    takesUploads: contents?.takesUploads ?? true,
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
