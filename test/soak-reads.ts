/** Who reads during the soak: one of each kind of request in turn, and subscribers that come and go. */
import { setTimeout as delay } from "node:timers/promises";
import { encodeFunctionData, erc20Abi } from "viem";
import { WebSocket } from "ws";
import { bytesToHex } from "../core/bytes.ts";
import { postRequest, RpcConnection } from "./helpers/rpc-connection.ts";
import { type Load, SOAK_ACCOUNTS } from "./soak-load.ts";

const PAUSE_MS = 20;
/** Requests between two of the dear ones. */
const DEAR_EVERY = 50;
const SOCKETS = 20;
/** Requests after which the oldest subscriber leaves and another one comes. */
const SOCKET_EVERY = 100;

export class Reader {
  requests = 0;
  refused = 0;
  readonly #url: string;
  readonly #sockets: WebSocket[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  async run({ token }: Load, endMs: number): Promise<void> {
    const connection = await RpcConnection.open(this.#url);
    const owner = (index: number): string => bytesToHex(SOAK_ACCOUNTS[index % SOAK_ACCOUNTS.length]!.address);
    const balanceOf = (index: number): object => ({
      to: bytesToHex(token),
      data: encodeFunctionData({ abi: erc20Abi, functionName: "balanceOf", args: [owner(index) as `0x${string}`] }),
    });
    const cheap: ((index: number) => readonly [string, ...unknown[]])[] = [
      () => ["eth_blockNumber"],
      (index) => ["eth_getBalance", owner(index), "latest"],
      (index) => ["eth_getTransactionCount", owner(index), "pending"],
      (index) => ["eth_call", balanceOf(index), "latest"],
      (index) => ["eth_estimateGas", balanceOf(index)],
      () => ["eth_feeHistory", "0x10", "latest", [50]],
      () => ["txpool_status"],
    ];
    const dear: typeof cheap = [
      () => ["eth_getBlockByNumber", "latest", true],
      () => ["eth_getLogs", { address: bytesToHex(token), fromBlock: "latest" }],
      () => ["eth_getBlockReceipts", "latest"],
      (index) => ["eth_getProof", owner(index), [], "latest"],
      (index) => ["debug_traceCall", balanceOf(index), "latest", { tracer: "callTracer" }],
      () => ["txpool_content"],
      // Nobody polls them: they are forgotten after a while, before there are too many.
      () => ["eth_newFilter", { address: bytesToHex(token) }],
      () => ["eth_newBlockFilter"],
    ];
    while (performance.now() < endMs) {
      const index = this.requests++;
      const kinds = index % DEAR_EVERY === 0 ? dear : cheap;
      const [method, ...params] = kinds[(index % DEAR_EVERY === 0 ? index / DEAR_EVERY : index) % kinds.length]!(index);
      const request = postRequest(this.#url, JSON.stringify({ jsonrpc: "2.0", id: index, method, params }));
      const { body } = await connection.send(request);
      if (!body.includes('"result":')) this.refused++;
      if (index % SOCKET_EVERY === 0) this.#changeSubscribers();
      await delay(PAUSE_MS);
    }
    connection.close();
  }

  close(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  #changeSubscribers(): void {
    if (this.#sockets.length >= SOCKETS) this.#sockets.shift()!.terminate();
    const socket = new WebSocket(this.#url.replace(/^http/, "ws"));
    // One that is cut off between its opening and its end.
    socket.on("error", () => {});
    socket.on("open", () => {
      for (const [id, topic] of ["newHeads", "newPendingTransactions"].entries()) {
        socket.send(JSON.stringify({ jsonrpc: "2.0", id, method: "eth_subscribe", params: [topic] }));
      }
    });
    this.#sockets.push(socket);
  }
}
