/** A real chain in memory whose Datanets tests fill, and its JSON-RPC over HTTP. */
import { type Abi, encodeAbiParameters, encodeFunctionData, type Hex, keccak256 } from "viem";
import { DATANET_ADDRESS } from "../../../core/addresses.ts";
import { bytesToHex, hexToBytes } from "../../../core/bytes.ts";
import { contentRoot } from "../../../core/content.ts";
import { Mempool } from "../../../execution/mempool.ts";
import { KEYS, SENDERS } from "../../../execution/testing/world.ts";
import { decodeTransaction } from "../../../execution/tx/decode.ts";
import { datanetAbi } from "../../../precompiles/interfaces/datanet.abi.ts";
import { PRECOMPILES } from "../../../precompiles/table.ts";
import { Chain } from "../../chain.ts";
import { LocalPool } from "../../rpc/pool.ts";
import { createRpc } from "../../rpc/rpc.ts";
import { startRpcServer } from "../../rpc/server.ts";
import { Calls } from "../../runner/calls.ts";
import { extend, FakeStore, rich, signed, testGenesis, testLog } from "../../testing/world.ts";

export const ACCOUNTS: readonly Hex[] = SENDERS.map(bytesToHex);
export const ACCOUNT_KEYS: readonly Hex[] = KEYS.map(bytesToHex);
const SALT: Hex = `0x${"5a".repeat(32)}`;
const CC_BY = 7;

export class DatanetChain {
  readonly chain: Chain;
  readonly #nonces = new Map<number, bigint>();
  readonly #closers: (() => unknown)[] = [];
  #datanets = 0n;
  #contributions = 0n;

  private constructor(chain: Chain) {
    this.chain = chain;
  }

  static async open(): Promise<DatanetChain> {
    const genesis = testGenesis([0, 1, 2, 3, 4].map((index) => rich(index)));
    return new DatanetChain(await Chain.open(new FakeStore(), genesis, PRECOMPILES));
  }

  /** A block with this call of the account with that index. Throws when it reverts. */
  async send(account: number, functionName: string, args: readonly unknown[]): Promise<void> {
    const nonce = this.#nonces.get(account) ?? 0n;
    this.#nonces.set(account, nonce + 1n);
    const data = hexToBytes(encodeFunctionData({ abi: datanetAbi as Abi, functionName, args }));
    const call = { to: DATANET_ADDRESS, data, value: 0n, gasLimit: 1_000_000n };
    const { block } = await extend(
      this.chain,
      [signed(account, nonce, call)],
      this.chain.headBlock.header.timestamp + 1n,
    );
    if (block.receipts[0]?.status !== 1) throw new Error(`${functionName} failed`);
  }

  /** Of account 0, without a bond, under CC-BY-4.0. */
  async createDatanet(access: "open" | "permissioned" = "open"): Promise<bigint> {
    await this.send(0, "createDatanet", ["Net", "language", "", 0, CC_BY, access === "open" ? 0 : 1, 0n]);
    return ++this.#datanets;
  }

  /** Committed, revealed and, unless told otherwise, accepted. */
  async contribute(datanetId: bigint, content: Uint8Array, options: ContributeOptions = {}): Promise<bigint> {
    const { account = 1, size = content.length, accept = true } = options;
    const root = bytesToHex(contentRoot(content));
    const commitment = keccak256(
      encodeAbiParameters(
        [{ type: "uint256" }, { type: "address" }, { type: "bytes32" }, { type: "bytes32" }],
        [datanetId, ACCOUNTS[account]!, root, SALT],
      ),
    );
    await this.send(account, "commitContribution", [datanetId, commitment]);
    await this.send(account, "submitContribution", [datanetId, root, BigInt(size), "", CC_BY, [], SALT]);
    const id = ++this.#contributions;
    if (accept) await this.send(0, "acceptContribution", [id, 9_000]);
    return id;
  }

  /** URL of JSON-RPC. */
  async serve(): Promise<string> {
    const { chain } = this;
    const { log } = testLog();
    const mempool = new Mempool({ next: chain.nextBlock });
    const rpc = createRpc({
      chain,
      pool: new LocalPool(mempool, (tx) => mempool.add(tx, chain.headState, 0)),
      decode: decodeTransaction,
      runner: new Calls(chain, PRECOMPILES),
      clientVersion: "openledger/test",
      log,
    });
    const listener = { address: "127.0.0.1", port: 0 };
    const server = await startRpcServer({ rpc, listener, access: { vhosts: [], origins: [] }, log });
    this.#closers.push(
      () => rpc.close(),
      () => server.close(),
    );
    return `http://127.0.0.1:${server.port}`;
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

export interface ContributeOptions {
  /** Index of the contributor's account. */
  readonly account?: number;
  /** What the contributor claims, bytes. */
  readonly size?: number;
  readonly accept?: boolean;
}
