/** `openledger node` on a directory with a foreign chain: JSON-RPC over what was imported, until a signal. */
import { Mempool } from "../../execution/mempool.ts";
import { decodeTransaction } from "../../execution/tx/decode.ts";
import type { NodeConfig } from "../config.ts";
import { type DataDirectory, openDataDirectory } from "../data-directory.ts";
import { EXIT } from "../errors.ts";
import { VERSION } from "../help.ts";
import type { Logger } from "../log.ts";
import { debugTrace } from "../rpc/methods/debug-trace.ts";
import { ethConfig } from "../rpc/methods/eth-config.ts";
import { LocalPool } from "../rpc/pool.ts";
import { createRpc } from "../rpc/rpc.ts";
import { startRpcServer } from "../rpc/server.ts";
import { Calls } from "../runner/calls.ts";
import { Traces } from "../runner/traces.ts";
import { signalled } from "../signals.ts";
import { ForeignChain } from "./chain.ts";
import { readMarker } from "./directory.ts";
import { plannedRules } from "./planned-rules.ts";

export interface ForeignServing {
  readonly listener: NonNullable<NodeConfig["http"]>;
  readonly vhosts: readonly string[];
}

/** Resolves to the exit code. Rejects with DataError or OperationError when it cannot start. */
export async function runForeign(datadir: string, serving: ForeignServing, log: Logger): Promise<number> {
  const directory = await openDataDirectory(datadir, false);
  try {
    const ending = signalled(log);
    const served = await serveForeign(directory, serving, log);
    try {
      log.info(
        { chain: Number(served.chain.chainId), head: Number(served.chain.head.number), rpc: served.url },
        "ready",
      );
      // Whoever started this process waits for it.
      process.send?.({ type: "ready", network: { rpcUrls: { default: { http: [served.url] } } } });
      await ending;
    } finally {
      await served.close();
    }
    return EXIT.ok;
  } finally {
    await directory.close();
  }
}

/** The chain of the directory behind a JSON-RPC server. Rejects with DataError or OperationError. */
export async function serveForeign(
  directory: DataDirectory,
  { listener, vhosts }: ForeignServing,
  log: Logger,
): Promise<{ readonly chain: ForeignChain; readonly url: string; close(): Promise<void> }> {
  const chain = await ForeignChain.open(directory.store, readMarker(directory.path));
  const genesis = { hash: chain.genesisHash, timestamp: chain.block(0n)!.header.timestamp };
  const calls = new Calls(chain, []);
  const traces = new Traces(chain, []);
  const rpc = createRpc({
    chain,
    pool: poolOf(chain),
    decode: decodeTransaction,
    runner: calls,
    methods: {
      ...debugTrace(traces),
      ...ethConfig(() => plannedRules(chain.forks, genesis, chain.find({ tag: "latest" })!.header)),
    },
    clientVersion: `openledger/v${VERSION}/${process.platform}-${process.arch}/node${process.versions.node}`,
    namespaces: [...listener.apis, "rpc"],
    log: log.child({ module: "rpc" }),
  });
  const server = await startRpcServer({
    rpc,
    listener,
    access: { vhosts, origins: listener.corsOrigins },
    log: log.child({ module: "rpc" }),
  });
  const name = listener.address.includes(":") ? `[${listener.address}]` : listener.address;
  return {
    chain,
    url: `http://${name}:${server.port}`,
    async close() {
      rpc.close();
      await server.close();
    },
  };
}

/** Holds what is sent, as a node does that nobody makes blocks for: it is never in one, and gone with the process. */
function poolOf(chain: ForeignChain): LocalPool {
  const { header } = chain.next();
  const mempool = new Mempool({ next: header, rules: chain.rulesOf(header) });
  return new LocalPool(mempool, (tx) => mempool.add(tx, chain.state(chain.find({ tag: "latest" })!)!, Date.now()));
}
