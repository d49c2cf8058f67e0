/** Runs `openledger devnet`: a chain of one validator with everything that belongs to a node, on this machine. */
import { formatEther } from "viem";
import devnet from "../genesis/networks/devnet.json" with { type: "json" };
import { parseGenesis } from "../genesis/schema.ts";
import { DEVNET_ACCOUNTS, DEVNET_MNEMONIC, devnetAccount, privateKeyOf } from "./accounts.ts";
import { devnetOptions as options } from "./commands/devnet.ts";
import { nodeConfig, readOptions } from "./config.ts";
import { type DataDirectory, openDataDirectory } from "./data-directory.ts";
import { EXIT } from "./errors.ts";
import { createLog, type Logger } from "./log.ts";
import type { NetworkDescription } from "./network.ts";
import { createNode, type Node } from "./node.ts";
import { systemClock } from "./ports.ts";

export async function runDevnet(args: readonly string[]): Promise<number> {
  const values = readOptions(args, process.env, options);
  const config = nodeConfig(values, devnet.name, process.stdout.isTTY === true);
  const log = createLog(config.logLevel, config.logFormat);
  const genesis = parseGenesis(devnet);
  const directory = await openDataDirectory(config.datadir, values.fresh === true);
  let node: Node | undefined;
  try {
    const ending = signalled(log);
    const halted = Promise.withResolvers<Error>();
    node = await createNode(config, genesis, {
      clock: systemClock,
      log,
      directory,
      validator: devnetAccount(0).address,
      modelHostKey: privateKeyOf(devnetAccount(DEVNET_ACCOUNTS - 1)),
      onHalt: halted.resolve,
    });
    process.stdout.write(banner(node.network, directory, genesis.alloc[0]?.balanceWei ?? 0n));
    node.start();
    const failure = await Promise.race([ending, halted.promise]);
    if (failure !== undefined) {
      log.error({ err: failure }, "block production halted");
      return EXIT.failure;
    }
    return EXIT.ok;
  } finally {
    await node?.stop();
    await directory.close();
    if (node !== undefined) log.info("stopped");
  }
}

/** Signals closer together than this are one: a terminal, npm and the launcher each pass on the same Ctrl-C. */
const SAME_SIGNAL_MS = 300;

/** Resolves at the first SIGINT, SIGTERM, SIGHUP, or when the launcher is gone; a second signal ends the process. */
function signalled(log: Logger): Promise<undefined> {
  return new Promise((resolve) => {
    let firstAtMs: number | undefined;
    const stop = (reason: string) => {
      if (firstAtMs === undefined) {
        firstAtMs = performance.now();
        log.info({ reason }, "stopping");
        resolve(undefined);
      } else if (performance.now() - firstAtMs > SAME_SIGNAL_MS) {
        process.exit(EXIT.failure);
      }
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop(signal));
    process.once("disconnect", () => stop("the launcher ended"));
  });
}

function banner(network: NetworkDescription, directory: DataDirectory, balanceWei: bigint): string {
  const { graphql, content, modelHost, metrics } = network.openledger;
  const endpoints: readonly (readonly [string, string | number | undefined])[] = [
    ["JSON-RPC", network.rpcUrls.default.http[0]],
    ["WebSocket", network.rpcUrls.default.webSocket[0]],
    ["GraphQL", graphql],
    ["Content store", content],
    ["Model host", modelHost],
    ["Metrics", metrics],
    ["Chain id", network.id],
    ["Data", directory.path],
  ];
  const rows = endpoints
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `   ${name.padEnd(16)}${value}`);
  const accounts = Array.from({ length: DEVNET_ACCOUNTS }, (_, i) => {
    const account = devnetAccount(i);
    return `   (${i}) ${account.address}  ${privateKeyOf(account)}`;
  });
  return `
OpenLedger devnet

${rows.join("\n")}

Accounts, prefunded with ${formatEther(balanceWei)} OPEN each. Their keys are public: never use them elsewhere.
${accounts.join("\n")}
   Mnemonic        ${DEVNET_MNEMONIC}

Ready. Try: npm run demo
`;
}
