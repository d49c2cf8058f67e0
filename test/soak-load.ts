/** The transactions of the soak: signed as they are sent, by a thousand accounts in turn. */
import { setTimeout as delay } from "node:timers/promises";
import { encodeDeployData, encodeFunctionData, erc20Abi } from "viem";
import { DATANET_ADDRESS } from "../core/addresses.ts";
import { bigIntToFixed, bytesToHex, EMPTY_BYTES, hexToBytes } from "../core/bytes.ts";
import { addressOf, keccak256 } from "../core/crypto.ts";
import { createdAddress } from "../execution/tx/derive.ts";
import { signTransaction } from "../execution/tx/sign.ts";
import { DEVNET_CHAIN_ID } from "../node/accounts.ts";
import { datanetAbi } from "../precompiles/interfaces/datanet.abi.ts";
import { postRequest, RpcConnection } from "./helpers/rpc-connection.ts";
import { compileSolidity } from "./helpers/solidity.ts";

interface Account {
  readonly key: Uint8Array;
  readonly address: Uint8Array;
  nonce: bigint;
}

const utf8 = new TextEncoder();
/** Those that send; the first one deploys. */
export const SOAK_ACCOUNTS: readonly Account[] = Array.from({ length: 1_000 }, (_, index) => {
  const key = keccak256(utf8.encode(`soak ${index}`));
  return { key, address: addressOf(key), nonce: 0n };
});

const BATCH = 100;
const MOST_WAITING = 3_000;
const TICK_MS = 20;
const POLL_MS = 50;
const PATIENCE_MS = 60_000;
const TOKENS = 10n ** 30n;
/** Of the transactions; the others are transfers, half of them to an account that is new. */
const TOKEN_SHARE = 5;
const DATANET_SHARE = 50;

export class Load {
  sent = 0;
  committed = 0;
  committedWhileSending = 0;
  readonly #url: string;
  readonly #sender: RpcConnection;
  readonly #watcher: RpcConnection;
  readonly #deployer = SOAK_ACCOUNTS[0]!;
  readonly token = createdAddress(SOAK_ACCOUNTS[0]!.address, 0n);
  #height = 0;
  #counter = 0;
  #isClosed = false;
  #failure: unknown;

  private constructor(url: string, sender: RpcConnection, watcher: RpcConnection) {
    this.#url = url;
    this.#sender = sender;
    this.#watcher = watcher;
  }

  static async open(url: string): Promise<Load> {
    const load = new Load(url, await RpcConnection.open(url), await RpcConnection.open(url));
    for (const account of SOAK_ACCOUNTS) account.nonce = 0n;
    load.#height = Number(await load.#call(load.#watcher, "eth_blockNumber", []));
    load.#watch().catch((error: unknown) => {
      load.#failure = error;
    });
    return load;
  }

  /** Deploys the token and gives some to everybody. */
  async prepare(): Promise<void> {
    const { abi, bytecode } = compileSolidity("contracts/examples/Token.sol", "Token");
    const deployment = hexToBytes(encodeDeployData({ abi, bytecode, args: [0n] }));
    await this.#submit([this.#sign(this.#deployer, undefined, 5_000_000n, deployment)]);
    for (let at = 0; at < SOAK_ACCOUNTS.length; at += 500) {
      const holders = SOAK_ACCOUNTS.slice(at, at + 500).map(({ address }) => bytesToHex(address));
      const data = hexToBytes(encodeFunctionData({ abi, functionName: "mint", args: [holders, TOKENS] }));
      await this.#submit([this.#sign(this.#deployer, this.token, 16_000_000n, data)]);
    }
    await this.#caughtUp(0);
  }

  /** Transactions a second, when as many are sent as are taken. */
  async peak(ms: number): Promise<number> {
    // What runs for the first time is slower.
    await this.#flood(ms / 3);
    return this.#flood(ms);
  }

  /** Sends so many a second until `endMs` (performance.now()), and waits until they are in blocks. */
  async send(rate: number, endMs: number): Promise<void> {
    const [startMs, before, committedBefore] = [performance.now(), this.sent, this.committed];
    while (performance.now() < endMs) {
      const due = Math.floor(((performance.now() - startMs) * rate) / 1_000) - (this.sent - before);
      if (due <= 0) await delay(TICK_MS);
      else {
        await this.#caughtUp(MOST_WAITING);
        await this.#submit(Array.from({ length: Math.min(BATCH, due) }, () => this.#next()));
      }
    }
    await this.#caughtUp(0);
    this.committedWhileSending = this.committed - committedBefore;
  }

  close(): void {
    this.#isClosed = true;
    this.#sender.close();
    this.#watcher.close();
  }

  async #flood(ms: number): Promise<number> {
    const [startMs, before] = [performance.now(), this.committed];
    while (performance.now() - startMs < ms) {
      await this.#caughtUp(MOST_WAITING);
      await this.#submit(Array.from({ length: BATCH }, () => this.#next()));
    }
    await this.#caughtUp(0);
    return (1_000 * (this.committed - before)) / (performance.now() - startMs);
  }

  #next(): Uint8Array {
    const index = this.#counter++;
    const account = SOAK_ACCOUNTS[index % SOAK_ACCOUNTS.length]!;
    if (index % DATANET_SHARE === 0) {
      const args = [`soak ${index}`, "", "", 0, 2, 0, 0n] as const;
      const data = hexToBytes(encodeFunctionData({ abi: datanetAbi, functionName: "createDatanet", args }));
      return this.#sign(account, DATANET_ADDRESS, 300_000n, data);
    }
    const other = SOAK_ACCOUNTS[(index * 7 + 1) % SOAK_ACCOUNTS.length]!.address;
    if (index % TOKEN_SHARE === 0) {
      const args = [bytesToHex(other), 1n] as const;
      const data = hexToBytes(encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args }));
      return this.#sign(account, this.token, 100_000n, data);
    }
    const to = index % 2 === 0 ? other : keccak256(bigIntToFixed(BigInt(index), 32)).slice(12);
    return this.#sign(account, to, 21_000n, EMPTY_BYTES);
  }

  #sign(account: Account, to: Uint8Array | undefined, gasLimit: bigint, data: Uint8Array): Uint8Array {
    const transaction = {
      type: 2,
      chainId: DEVNET_CHAIN_ID,
      nonce: account.nonce++,
      maxPriorityFeePerGas: 1_000n,
      maxFeePerGas: 2n * 10n ** 10n,
      gasLimit,
      to,
      value: to === undefined || data.length > 0 ? 0n : 1n,
      data,
      accessList: [],
      authorizationList: [],
    } as const;
    return signTransaction(transaction, account.key);
  }

  async #submit(envelopes: readonly Uint8Array[]): Promise<void> {
    const calls = envelopes.map((raw, id) => {
      return { jsonrpc: "2.0", id, method: "eth_sendRawTransaction", params: [bytesToHex(raw)] };
    });
    const { body } = await this.#sender.send(postRequest(this.#url, JSON.stringify(calls)));
    const refused = (JSON.parse(body) as { error?: { message: string } }[]).filter(({ error }) => error !== undefined);
    // Those of the same sender that follow would wait for ever.
    if (refused.length > 0) throw new Error(`a transaction of the soak was refused: ${refused[0]!.error!.message}`);
    this.sent += envelopes.length;
  }

  /** Until at most so many are in no block. */
  async #caughtUp(mostWaiting: number): Promise<void> {
    let [last, lastMs] = [this.committed, performance.now()];
    while (this.sent - this.committed > mostWaiting) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.committed !== last) [last, lastMs] = [this.committed, performance.now()];
      if (performance.now() - lastMs > PATIENCE_MS) {
        throw new Error(`nothing was committed for ${PATIENCE_MS} ms, ${this.sent - this.committed} transactions wait`);
      }
      await delay(TICK_MS);
    }
  }

  async #watch(): Promise<void> {
    while (!this.#isClosed) {
      const head = Number(await this.#call(this.#watcher, "eth_blockNumber", []));
      while (this.#height < head) {
        const number = `0x${(++this.#height).toString(16)}`;
        this.committed += Number(await this.#call(this.#watcher, "eth_getBlockTransactionCountByNumber", [number]));
      }
      await delay(POLL_MS);
    }
  }

  async #call(connection: RpcConnection, method: string, params: readonly unknown[]): Promise<unknown> {
    const request = postRequest(this.#url, JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
    const { body } = await connection.send(request);
    const { result, error } = JSON.parse(body) as { result: unknown; error?: { message: string } };
    if (error !== undefined) throw new Error(`${method} was refused: ${error.message}`);
    return result;
  }
}
