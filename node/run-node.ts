/** Runs `openledger node`: one node of the network that a genesis file describes, until a signal or a failure. */
import type { Genesis } from "../genesis/schema.ts";
import { DEVNET_ACCOUNTS, DEVNET_CHAIN_ID, devnetAccount, privateKeyOf } from "./accounts.ts";
import { nodeOptions } from "./commands/node.ts";
import { nodeConfig, readOptions, type Values } from "./config.ts";
import { openDataDirectory } from "./data-directory.ts";
import { UsageError } from "./errors.ts";
import { isForeignDirectory } from "./foreign/directory.ts";
import { runForeign } from "./foreign/run.ts";
import { readGenesis } from "./genesis-file.ts";
import { createLog } from "./log.ts";
import { runUntilSignal } from "./run.ts";
import { openValidator } from "./validator/open.ts";

export async function runNode(args: readonly string[]): Promise<number> {
  const values = readOptions(args, process.env, nodeOptions);
  const file = values.genesis as string | undefined;
  const datadir = values.datadir as string | undefined;
  if (datadir !== undefined && isForeignDirectory(datadir)) return serveImported(values, datadir);
  if (file === undefined) throw new UsageError("openledger node needs --genesis FILE: the network's genesis");
  const genesis = readGenesis(file);
  const config = nodeConfig(values, genesis.name, process.stdout.isTTY === true);
  if (config.sync === "checkpoint" && (config.graphql !== undefined || config.p2p === undefined)) {
    throw new UsageError(
      "--sync checkpoint leaves out old blocks, which the index needs, and asks peers: use --graphql=false, and --p2p",
    );
  }
  if (config.l1 !== undefined && genesis.l1 === undefined) {
    throw new UsageError(`--l1.urls has no meaning here: the network ${genesis.name} has no L1`);
  }
  if (genesis.l1 !== undefined && config.l1 === undefined && values.validator === true) {
    throw new UsageError(
      "a validator of this network needs --l1.urls: it votes for blocks only that carry L1's deposits",
    );
  }
  const log = createLog(config.logLevel, config.logFormat);
  const directory = await openDataDirectory(config.datadir, false);
  try {
    const validator =
      values.validator === true
        ? await openValidator({
            datadir: directory.path,
            genesis,
            devnetKey: values["validator.devnetkey"] as number | undefined,
            passwordFile: values["validator.passwordfile"] as string | undefined,
            feeAddress: values["validator.fee"] as string | undefined,
          })
        : undefined;
    try {
      return await runUntilSignal(config, genesis, {
        log,
        directory,
        validator,
        modelHostKey: isDevnet(genesis) ? privateKeyOf(devnetAccount(DEVNET_ACCOUNTS - 1)) : undefined,
        onReady(network) {
          log.info({ chain: network.id, rpc: network.rpcUrls.default.http[0] }, "ready");
          // Whoever started this process waits for it.
          process.send?.({ type: "ready", network });
        },
      });
    } finally {
      await validator?.close();
    }
  } finally {
    await directory.close();
  }
}

/** The options of JSON-RPC and logging are all that means something to a chain that was imported. */
function serveImported(values: Values, datadir: string): Promise<number> {
  if (values.genesis !== undefined || values.validator === true) {
    throw new UsageError(
      `${datadir} holds an imported chain: it is served without --genesis and --validator, or choose another --datadir`,
    );
  }
  const { http, vhosts, logLevel, logFormat } = nodeConfig(values, "imported", process.stdout.isTTY === true);
  if (http === undefined) throw new UsageError("an imported chain is served by JSON-RPC only: leave out --http=false");
  return runForeign(datadir, { listener: http, vhosts }, createLog(logLevel, logFormat));
}

export const isDevnet = (genesis: Genesis): boolean => genesis.chainId === DEVNET_CHAIN_ID;
