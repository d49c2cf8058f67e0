/** Runs in the thread that start.ts starts: the JSON-RPC server on the chain's store. */
import { workerData } from "node:worker_threads";
import { openReadStore } from "../../execution/state/level-store.ts";
import { decodeTransaction } from "../../execution/tx/decode.ts";
import { serveInThread } from "../../indexer/supervised-thread.ts";
import { ChainView } from "../chain-view.ts";
import { readEpochEnd } from "../checkpoint-store.ts";
import { admin } from "../rpc/methods/admin.ts";
import { debugTrace } from "../rpc/methods/debug-trace.ts";
import { ethConfig, ownRules } from "../rpc/methods/eth-config.ts";
import { openledger } from "../rpc/methods/openledger.ts";
import { optimism } from "../rpc/methods/optimism.ts";
import { createRpc } from "../rpc/rpc.ts";
import { startRpcServer } from "../rpc/server.ts";
import { RunnerThreads } from "../runner/threads.ts";
import { NodeLink, RemotePool } from "./node-link.ts";
import type { FromRpc, RpcThreadData, ToRpc } from "./protocol.ts";

const data = workerData as RpcThreadData;

await serveInThread<FromRpc, ToRpc>(async ({ log: said, tell, onTold }) => {
  const log = { error: said.error, debug: () => {} };
  const { directory, chain, epochBlocks, rollup, address, port, access, maxConnections } = data;
  let news = data.news;
  const link = new NodeLink(tell);
  const store = await openReadStore(directory);
  const view = new ChainView(store, chain, (err) => log.error({ err }, "a follower failed on a new block"));
  view.tags = news.tags;
  onTold((message) => {
    if (!("news" in message)) return link.hear(message);
    news = message.news;
    view.tags = news.tags;
    view.refresh();
  });
  const runner = new RunnerThreads({ directory, chain, threads: data.callThreads, callMs: data.callMs, log });
  const certified = {
    chain: view,
    epochBlocks,
    oldEpochEnd: (epoch: number) => readEpochEnd(store.reader, epoch),
    certificateFrom: (number: bigint) => view.certificateFrom(number),
  };
  const rpc = createRpc({
    chain: view,
    pool: new RemotePool(link, view.chainId, data.minTipWei),
    runner,
    decode: decodeTransaction,
    clientVersion: data.clientVersion,
    txFeeCapWei: data.txFeeCapWei,
    peerCount: () => news.peers,
    syncStatus: () => news.sync,
    limits: data.limits,
    namespaces: [...data.apis, "rpc"],
    methods: {
      ...admin({ network: () => link.ask("network"), datadir: data.datadir }),
      ...debugTrace(runner),
      ...ethConfig(() => ownRules(view, chain.rules)),
      ...openledger(certified),
      ...(rollup && optimism({ ...rollup, l1: () => link.ask("l1") })),
    },
    refresh() {
      // Whoever asks anything will have something run soon; a node that nobody asks saves the thread.
      runner.warmUp();
      view.refreshOnce();
    },
    log,
  });
  const server = await startRpcServer({ rpc, listener: { address, port }, access, maxConnections, log });
  return {
    url: "",
    port: server.port,
    async close() {
      await server.close();
      rpc.close();
      await runner.close();
      await view.close();
    },
  };
});
