/** Transfers, one at a time or as many as the pool takes. */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { bytesToHex } from "../core/bytes.ts";
import { addressOf, keccak256 } from "../core/crypto.ts";
import { signTransaction } from "../execution/tx/sign.ts";
import type { ClusterNode } from "../test/helpers/cluster.ts";

/** The most that a node takes (node/rpc/limits.ts). */
const BATCH = 100;
/** Sent and in no block yet: below what a pool holds (execution/mempool/rules.ts). */
const MOST_WAITING = 4_000;
const PATIENCE_MS = 30_000;

interface Sender {
  readonly key: Uint8Array;
  readonly address: Uint8Array;
}

/** The same in every run. */
export const createSenders = (count: number): readonly Sender[] =>
  Array.from({ length: count }, (_, index) => {
    const key = keccak256(new TextEncoder().encode(`sender ${index}`));
    return { key, address: addressOf(key) };
  });

/** Signed beforehand, as JSON-RPC takes them: one wei from each sender in turn to the next one. */
export function signTransfers(senders: readonly Sender[], count: number, chainId: bigint): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const transaction = {
      type: 2,
      chainId,
      nonce: BigInt(Math.floor(index / senders.length)),
      maxPriorityFeePerGas: 1_000n,
      maxFeePerGas: 10n ** 12n,
      gasLimit: 21_000n,
      to: senders[(index + 1) % senders.length]!.address,
      value: 1n,
      data: new Uint8Array(0),
      accessList: [],
      authorizationList: [],
    } as const;
    return bytesToHex(signTransaction(transaction, senders[index % senders.length]!.key));
  });
}

/** What one network has not been sent yet. Nonces leave no gap, so it is sent in order, from where the last run ended. */
export class Transfers {
  readonly #raws: readonly string[];
  #next = 0;

  constructor(raws: readonly string[]) {
    this.#raws = raws;
  }

  take(count: number): readonly string[] {
    const taken = this.#raws.slice(this.#next, this.#next + count);
    this.#next += taken.length;
    return taken;
  }
}

/** A run ends when either is reached. */
export interface Limit {
  readonly transfers: number;
  readonly ms: number;
}

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** Milliseconds from each transfer's sending to its receipt. A pause of an interval before each: none waits for it. */
export async function oneByOne(
  node: ClusterNode,
  transfers: Transfers,
  intervalMs: number,
  limit: Limit,
): Promise<number[]> {
  const times: number[] = [];
  const endMs = performance.now() + limit.ms;
  while (times.length < limit.transfers && performance.now() < endMs) {
    await delay(intervalMs);
    const startMs = performance.now();
    const { status } = await node.rpc<{ status: string }>("eth_sendRawTransactionSync", transfers.take(1));
    if (status !== "0x1") throw new Error(`a transfer ended with status ${status}`);
    times.push(performance.now() - startMs);
  }
  return times;
}

export interface Flood {
  readonly sent: number;
  /** That hold them. */
  readonly blocks: number;
  /** Of all blocks but the first. */
  readonly transactions: number;
  /** From the commit of the first block to that of the last one. */
  readonly ms: number;
}

/** Sends batch after batch to the node, and waits until all are committed there. */
export async function flood(node: ClusterNode, transfers: Transfers, limit: Limit): Promise<Flood> {
  const heads = await Heads.open(node);
  try {
    const endMs = performance.now() + limit.ms;
    let sent = 0;
    for (; sent < limit.transfers && performance.now() < endMs; sent += BATCH) {
      await heads.reach(sent - MOST_WAITING);
      await send(node, transfers.take(BATCH));
    }
    await heads.reach(sent);
    const [first, ...others] = heads.blocks;
    if (first === undefined || others.length === 0) throw new Error("all transfers were in one block");
    const transactions = others.reduce((sum, block) => sum + block.transactions, 0);
    return { sent, blocks: heads.blocks.length, transactions, ms: others.at(-1)!.atMs - first.atMs };
  } finally {
    heads.close();
  }
}

async function send(node: ClusterNode, raws: readonly string[]): Promise<void> {
  const calls = raws.map((raw, id) => ({ jsonrpc: "2.0", id, method: "eth_sendRawTransaction", params: [raw] }));
  const response = await fetch(node.rpcUrl, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(calls),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const answers = (await response.json()) as readonly Answer[];
  const refused = answers.find(({ error }) => error !== undefined);
  if (refused !== undefined) throw new Error(`a transfer was refused: ${refused.error!.message}`);
}

/** The blocks that a node commits, and when it said so. */
class Heads {
  readonly blocks: { readonly transactions: number; readonly atMs: number }[] = [];
  readonly #node: ClusterNode;
  readonly #socket: WebSocket;
  #committed = 0;
  #wake: () => void = () => {};
  #failure: Error | undefined;

  private constructor(node: ClusterNode, socket: WebSocket) {
    this.#node = node;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#onMessage(JSON.parse(data as string)));
    socket.addEventListener("close", () => this.#fail(new Error(`${node.name} closed the subscription`)));
  }

  static async open(node: ClusterNode): Promise<Heads> {
    const socket = new WebSocket(node.rpcUrl.replace(/^http/, "ws"));
    await once(socket, "open", { signal: AbortSignal.timeout(PATIENCE_MS) });
    const heads = new Heads(node, socket);
    const subscribed = once(socket, "message", { signal: AbortSignal.timeout(PATIENCE_MS) });
    socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["newHeads"] }));
    await subscribed;
    return heads;
  }

  /** Resolves when so many transactions are committed. */
  async reach(transactions: number): Promise<void> {
    while (this.#committed < transactions) {
      if (this.#failure !== undefined) throw this.#failure;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(() => {
        const last = `${this.#committed} transactions are committed`;
        this.#fail(new Error(`${this.#node.name} committed nothing for ${PATIENCE_MS / 1_000} s: ${last}`));
      }, PATIENCE_MS);
      await promise.finally(() => clearTimeout(timer));
    }
  }

  close(): void {
    this.#socket.close();
  }

  #onMessage({ params }: { readonly params?: { readonly result: { readonly number: string } } }): void {
    if (params === undefined) return;
    const atMs = performance.now();
    const { number } = params.result;
    this.#node
      .rpc<string>("eth_getBlockTransactionCountByNumber", [number])
      .then((count) => {
        if (Number(count) > 0) this.blocks.push({ transactions: Number(count), atMs });
        this.#committed += Number(count);
        this.#wake();
      })
      .catch((error: Error) => this.#fail(error));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }
}
