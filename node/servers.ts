/** Everything of a node that listens: GraphQL with its indexer, content store, JSON-RPC, model host, metrics. */
import { join } from "node:path";
import { createPublicClient, http } from "viem";
import { createContentServer } from "../attribution/content-server.ts";
import { viemDatanetChain } from "../attribution/quality/datanet-reader.ts";
import { createQualityRoutes } from "../attribution/quality/routes.ts";
import type { Transaction } from "../core/chain.ts";
import type { AddResult, Mempool } from "../execution/mempool.ts";
import { decodeTransaction } from "../execution/tx/decode.ts";
import { startGraphqlThread } from "../indexer/server-thread.ts";
import { createIndexer, type Indexer } from "../indexer/store.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import type { Chain } from "./chain.ts";
import { readEpochEnd } from "./checkpoint-store.ts";
import type { GraphqlConfig, Listener, NodeConfig } from "./config.ts";
import { type Contents, openContents } from "./content/contents.ts";
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
import { admin } from "./rpc/methods/admin.ts";
import { debugTrace } from "./rpc/methods/debug-trace.ts";
import { type CertifiedParts, openledger } from "./rpc/methods/openledger.ts";
import { optimism, type RollupView } from "./rpc/methods/optimism.ts";
import { LocalPool } from "./rpc/pool.ts";
import { createRpc } from "./rpc/rpc.ts";
import { startRpcServer } from "./rpc/server.ts";
import { Calls } from "./runner/calls.ts";
import { Traces } from "./runner/traces.ts";
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
  readonly rollup: RollupView | undefined;
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
  let graphql: string | undefined;
  if (config.graphql !== undefined) {
    indexer = createIndexer({
      source: chain,
      location: config.graphql.indexUrl ?? directory.index,
      log: log.child({ module: "indexer" }),
    });
    await indexer.start();
    closers.push(() => indexer?.stop());
    graphql = await startGraphql(config.graphql, indexer, serving);
  }
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
  const certified: CertifiedParts = {
    chain,
    epochBlocks: Number(chain.rules.epochBlocks),
    oldEpochEnd: (epoch) => readEpochEnd(directory.store.reader, epoch),
    certificateFrom: (number) => chain.certificateFrom(number),
  };
  const rpc = config.http && (await startRpc(config, config.http, parts, certified, serving));
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

async function startRpc(
  config: NodeConfig,
  listener: NonNullable<NodeConfig["http"]>,
  { chain, mempool, submit, peerCount, network, progress, rollup }: ServerParts,
  certified: CertifiedParts,
  { vhosts, log, closers }: Serving,
): Promise<string> {
  const rpc = createRpc({
    chain,
    pool: new LocalPool(mempool, submit),
    decode: decodeTransaction,
    runner: new Calls(chain, PRECOMPILES),
    clientVersion: `openledger/v${VERSION}/${process.platform}-${process.arch}/node${process.versions.node}`,
    txFeeCapWei: config.txFeeCapWei,
    peerCount,
    syncStatus() {
      const now = progress();
      if (now === undefined || !now.isSyncing) return undefined;
      return { startingBlock: now.head, currentBlock: now.head, highestBlock: now.target };
    },
    namespaces: [...listener.apis, "rpc"],
    methods: {
      ...admin({ network, datadir: config.datadir }),
      ...debugTrace(new Traces(chain, PRECOMPILES)),
      ...openledger(certified),
      ...(rollup && optimism(rollup)),
    },
    log: log.child({ module: "rpc" }),
  });
  closers.push(() => rpc.close());
  const server = await startRpcServer({
    rpc,
    listener,
    access: { vhosts, origins: listener.corsOrigins },
    log: log.child({ module: "rpc" }),
  });
  closers.push(() => server.close());
  return url(listener, server.port);
}

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
