/** The L1 of a devnet: anvil from the registry, with its state in the devnet's directory. */
import { spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DEV_L1_CHAIN_ID } from "../../genesis/l1.ts";
import { DEVNET_MNEMONIC } from "../accounts.ts";
import { OperationError } from "../errors.ts";

export interface DevL1 {
  readonly url: string;
  /** What went wrong, when it ends without having been stopped. */
  readonly ended: Promise<Error>;
  stop(): Promise<void>;
}

/** Ten for people, as many for validators to post with, and one that deploys. */
export const DEV_L1_ACCOUNTS = 40;

const GUARD = fileURLToPath(new URL("./guard.ts", import.meta.url));
/** Blocks until one is final: anvil takes two epochs for that. */
const EPOCH_SLOTS = 1;
/** What an L1 that is killed may lose. One that is asked to end writes everything. */
const DUMP_SECONDS = 15;
const READY_MS = 20_000;
const STOP_MS = 10_000;

/** Throws OperationError where the registry has no anvil for this platform. */
function anvilPath(): string {
  const system = process.platform === "win32" ? "win32" : process.platform;
  const name = `@foundry-rs/anvil-${system}-${process.arch === "x64" ? "amd64" : process.arch}`;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    return join(dirname(manifest), "bin", process.platform === "win32" ? "anvil.exe" : "anvil");
  } catch (error) {
    throw new OperationError(`${name} is not installed, so there is no L1 for a devnet here: use --l1=false`, {
      cause: error,
    });
  }
}

export const devL1State = (directory: string): string => join(directory, "state.json");

/** The port must be free; `blockSeconds`: between blocks. Throws OperationError with what anvil said when it does not come up. */
export async function startDevL1(directory: string, port: number, blockSeconds: number): Promise<DevL1> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const args = [
    ["--silent", "--hardfork", "prague", "--mnemonic", DEVNET_MNEMONIC, "--accounts", DEV_L1_ACCOUNTS],
    ["--host", "127.0.0.1", "--port", port, "--chain-id", DEV_L1_CHAIN_ID],
    ["--block-time", blockSeconds, "--slots-in-an-epoch", EPOCH_SLOTS],
    ["--state", devL1State(directory), "--state-interval", DUMP_SECONDS],
  ];
  const child = spawn(process.execPath, [...process.execArgv, GUARD, anvilPath(), ...args.flat().map(String)], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = `${complaint}${text}`.slice(-1_000);
  });
  let isStopping = false;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const ended = exited.then(async (): Promise<Error> => {
    if (isStopping) await new Promise(() => {});
    return new OperationError(`the devnet's L1 ended: ${complaint.trim() || "anvil said nothing"}`);
  });
  const stop = async (): Promise<void> => {
    isStopping = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.stdin.end();
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await exited;
    clearTimeout(timer);
  };
  const url = `http://127.0.0.1:${port}`;
  const failure = await Promise.race([ended, answers(url)]);
  if (failure === undefined) return { url, ended, stop };
  await stop();
  throw failure;
}

/** Undefined once it does. */
async function answers(url: string): Promise<Error | undefined> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
  for (const until = Date.now() + READY_MS; Date.now() < until; await delay(50)) {
    try {
      const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
      const { result } = (await answer.json()) as { result?: string };
      if (result !== undefined && BigInt(result) === DEV_L1_CHAIN_ID) return undefined;
      return new OperationError(`${url} is not the devnet's L1: it answers ${result} for its chain id`);
    } catch {
      // not yet
    }
  }
  return new OperationError(`the devnet's L1 did not answer at ${url} within ${READY_MS / 1_000} s`);
}

/** Forgets the L1's chain; it must not run. */
export function deleteDevL1(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}
