/** Serves Hardhat's simulated network: `node bench/rpc-hardhat.ts DIR CHAIN_ID BLOCK_GAS`. Sends its port by IPC. */
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

interface HardhatApi {
  createHardhatRuntimeEnvironment(
    config: unknown,
    options: unknown,
    projectRoot: string,
  ): Promise<{
    readonly network: {
      createServer(network: string, host: string, port: number): Promise<{ listen(): Promise<{ port: number }> }>;
    };
  }>;
}

const [directory = "", chainId, blockGasLimit = "0"] = process.argv.slice(2);
const root = resolve(directory);
// Its exports lead only import there, and a bare import would look beside this file.
const entry = join(createRequire(join(root, "package.json")).resolve("hardhat/package.json"), "../dist/src/hre.js");
const { createHardhatRuntimeEnvironment } = (await import(pathToFileURL(entry).href)) as HardhatApi;
const bench = {
  type: "edr-simulated",
  chainType: "l1",
  chainId: Number(chainId),
  blockGasLimit: BigInt(blockGasLimit),
  mining: { auto: false, interval: 0 },
  loggingEnabled: false,
};
const { network } = await createHardhatRuntimeEnvironment({ networks: { bench } }, {}, root);
const { port } = await (await network.createServer("bench", "127.0.0.1", 0)).listen();
process.send!({ port });
process.once("disconnect", () => process.exit(0));
