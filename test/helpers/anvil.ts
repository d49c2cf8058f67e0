/** A real L1 for tests: anvil from npm, with a viem client whose accounts are unlocked. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import {
  type Abi,
  type Address,
  createTestClient,
  type Hex,
  http,
  type PublicActions,
  publicActions,
  type TestClient,
  type Transport,
  WaitForTransactionReceiptTimeoutError,
  type WalletActions,
  walletActions,
} from "viem";
import { type HDAccount, mnemonicToAccount } from "viem/accounts";
import { foundry } from "viem/chains";

const MNEMONIC = "test test test test test test test test test test test junk";
const READY_MS = 20_000;
const ATTEMPTS = 3;

/** The ten accounts that anvil funds; the first is the client's. */
export const ANVIL_ACCOUNTS: readonly HDAccount[] = Array.from({ length: 10 }, (_, addressIndex) =>
  mnemonicToAccount(MNEMONIC, { addressIndex }),
);

export type AnvilClient = TestClient<"anvil", Transport, typeof foundry, HDAccount> &
  PublicActions<Transport, typeof foundry, HDAccount> &
  WalletActions<typeof foundry, HDAccount>;

export interface Anvil {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** The test, public and wallet actions of viem; signs with the first of ANVIL_ACCOUNTS. */
  readonly client: AnvilClient;
  stop(): Promise<void>;
}

export interface AnvilOptions {
  /** Seconds between blocks; without it each transaction is mined at once, in a block of its own. */
  readonly blockTime?: number;
  /** "prague" when absent; with `--optimism` one of the OP Stack's. */
  readonly hardfork?: string;
  /** Further arguments for anvil. */
  readonly args?: readonly string[];
}

/** Chain id 31337. Throws with what anvil said when it does not come up. */
export async function startAnvil({ blockTime, hardfork = "prague", args = [] }: AnvilOptions = {}): Promise<Anvil> {
  const mining = blockTime === undefined ? [] : ["--block-time", String(blockTime)];
  let complaint = "";
  // The port is free when it is chosen, and may be taken by the time that anvil wants it.
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = await freePort();
    const child = spawn(
      anvilPath(),
      ["--silent", "--hardfork", hardfork, "--host", "127.0.0.1", "--port", String(port), ...mining, ...args],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint = `${complaint}${text}`.slice(-1_000);
    });
    const url = `http://127.0.0.1:${port}`;
    if (await answers(child, url))
      return { url, port, pid: child.pid!, client: createClient(url), stop: () => end(child) };
    await end(child);
  }
  throw new Error(`anvil does not start: ${complaint}`);
}

function createClient(url: string): AnvilClient {
  const client = createTestClient({
    mode: "anvil",
    chain: foundry,
    transport: http(url, { retryCount: 0, timeout: 60_000 }),
    account: ANVIL_ACCOUNTS[0] as HDAccount,
    pollingInterval: 20,
    cacheTime: 0,
  })
    .extend(publicActions)
    .extend(walletActions);
  const { waitForTransactionReceipt } = client;
  return Object.assign(client, {
    // With automine anvil sometimes misses a transaction that comes right after blocks were mined by hand or reverted:
    // it stays in the pool until something else is mined.
    async waitForTransactionReceipt(request: Parameters<typeof waitForTransactionReceipt>[0]) {
      for (;;) {
        try {
          return await waitForTransactionReceipt({ ...request, timeout: MISSED_MS });
        } catch (error) {
          if (!(error instanceof WaitForTransactionReceiptTimeoutError)) throw error;
          if (await client.getAutomine()) await client.mine({ blocks: 1 });
        }
      }
    },
  });
}

/** A receipt that is not there by then is of a transaction that was missed, or the machine is very busy. */
const MISSED_MS = 3_000;

/** Sends a contract's creation from the client's account, waits for it, and gives its address. Throws when it fails. */
export async function deployContract(
  client: AnvilClient,
  { abi, bytecode }: { readonly abi: Abi; readonly bytecode: Hex },
  args: readonly unknown[] = [],
): Promise<Address> {
  const hash = await client.deployContract({ abi, bytecode, args });
  const { contractAddress, status } = await client.waitForTransactionReceipt({ hash });
  if (status !== "success" || !contractAddress) throw new Error(`the contract's creation failed in ${hash}`);
  return contractAddress;
}

function anvilPath(): string {
  const platformPackage = `@foundry-rs/anvil-${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;
  const name = process.platform === "win32" ? "anvil.exe" : "anvil";
  return createRequire(import.meta.url).resolve(`${platformPackage}/bin/${name}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** False when the process ends instead, or says nothing in time. */
async function answers(child: ChildProcess, url: string): Promise<boolean> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
  for (const until = Date.now() + READY_MS; Date.now() < until && child.exitCode === null; await delay(20)) {
    try {
      const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
      if (answer.ok && child.exitCode === null) return true;
    } catch {
      // not yet
    }
  }
  return false;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
