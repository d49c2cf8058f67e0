/**
 * The client of bench:rpc: a process of its own, so that what it does counts for no server. Takes one job by IPC and sends
 * the result back.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import { postRequest, RpcConnection } from "../test/helpers/rpc-connection.ts";

export interface SubmitJob {
  readonly kind: "submit";
  readonly url: string;
  /** Signed transactions as hex, a line each, in the order in which they are sent. */
  readonly file: string;
  /** Transactions of a request. */
  readonly batch: number;
  readonly connections: number;
  /** Sent and in no block yet: below what a pool holds. */
  readonly mostWaiting: number;
  /** Of servers that make blocks when they are told: transactions of a block. */
  readonly minedByHand?: number | undefined;
}

export interface ReadJob {
  readonly kind: "read";
  readonly url: string;
  /** Requests, sent in turn. */
  readonly bodies: readonly string[];
  readonly connections: number;
  readonly ms: number;
}

export interface SubscribeJob {
  readonly kind: "subscribe";
  readonly url: string;
  /** WebSocket connections, each subscribed to heads. */
  readonly subscribers: number;
  /** Heads that each of them waits for. */
  readonly heads: number;
}

export type Job = SubmitJob | ReadJob | SubscribeJob;

/** A head that all subscribers had to get. */
export interface HeardHead {
  readonly number: number;
  /** When the last one of those that got it did (Unix milliseconds). */
  readonly lastMs: number;
  readonly subscribers: number;
}

export interface JobResult {
  /** Transactions or requests. */
  readonly count: number;
  readonly ms: number;
  /** Transactions of each block that holds some. */
  readonly blocks: readonly number[];
  /** Of subscribers. */
  readonly heads?: readonly HeardHead[];
  /** Processor time of this process. */
  readonly cpuMs: number;
}

const POLL_MS = 10;
const PATIENCE_MS = 60_000;
/** Subscribers that connect at the same time. */
const CONNECTING = 20;

/** One JSON-RPC call. Throws with the server's words when it is refused. */
async function call<T>(connection: RpcConnection, url: string, method: string, params: readonly unknown[]): Promise<T> {
  const request = postRequest(url, JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
  const { body } = await connection.send(request);
  const { result, error } = JSON.parse(body) as { result: T; error?: { message: string } };
  if (error !== undefined) throw new Error(`${method} was refused by ${url}: ${error.message}`);
  return result;
}

async function submit(job: SubmitJob): Promise<Omit<JobResult, "cpuMs">> {
  const { url, batch, minedByHand, mostWaiting } = job;
  const raws = readFileSync(job.file, "utf8").trim().split("\n");
  const requests: Buffer[] = [];
  for (let at = 0; at < raws.length; at += batch)
    requests.push(postRequest(url, submission(raws.slice(at, at + batch))));
  const [watcher, miner, ...senders] = await Promise.all(
    Array.from({ length: job.connections + 2 }, () => RpcConnection.open(url)),
  );
  const blocks: number[] = [];
  let [next, accepted, committed, isOver] = [0, 0, 0, false];
  let height = Number(await call<string>(watcher!, url, "eth_blockNumber", []));

  const send = async (connection: RpcConnection): Promise<void> => {
    while (next < requests.length) {
      const index = next++;
      while (index * batch - committed > mostWaiting - batch) await delay(1);
      const { body } = await connection.send(requests[index]!);
      const refused = /"error":\{[^}]*\}/.exec(body);
      if (refused !== null) throw new Error(`a transaction was refused by ${url}: ${refused[0]}`);
      accepted += Math.min(batch, raws.length - index * batch);
    }
  };
  const mine = async (size: number): Promise<void> => {
    for (let mined = 0; mined < raws.length; ) {
      if (accepted - mined < Math.min(size, raws.length - mined)) await delay(1);
      else {
        await call(miner!, url, "evm_mine", []);
        mined += size;
      }
    }
  };
  const watch = async (): Promise<void> => {
    let lastMs = performance.now();
    while (committed < raws.length) {
      if (isOver) return;
      if (performance.now() - lastMs > PATIENCE_MS) {
        throw new Error(`${url} committed nothing for ${PATIENCE_MS} ms, ${raws.length - committed} are left`);
      }
      const head = Number(await call<string>(watcher!, url, "eth_blockNumber", []));
      if (head === height) await delay(POLL_MS);
      while (height < head) {
        const number = `0x${(++height).toString(16)}`;
        const count = Number(await call<string>(watcher!, url, "eth_getBlockTransactionCountByNumber", [number]));
        committed += count;
        lastMs = performance.now();
        if (count > 0) blocks.push(count);
      }
    }
  };
  const startMs = performance.now();
  try {
    await Promise.all([watch(), minedByHand === undefined ? undefined : mine(minedByHand), ...senders.map(send)]);
  } finally {
    isOver = true;
    for (const connection of [watcher!, miner!, ...senders]) connection.close();
  }
  return { count: committed, ms: performance.now() - startMs, blocks };
}

/** One alone is no batch: clients do not send it as one. */
function submission(raws: readonly string[]): string {
  const calls = raws.map((raw, id) => ({ jsonrpc: "2.0", id, method: "eth_sendRawTransaction", params: [raw] }));
  return JSON.stringify(calls.length === 1 ? calls[0] : calls);
}

async function read({ url, bodies, connections, ms }: ReadJob): Promise<Omit<JobResult, "cpuMs">> {
  const requests = bodies.map((body) => postRequest(url, body));
  const readers = await Promise.all(Array.from({ length: connections }, () => RpcConnection.open(url)));
  let [count, next] = [0, 0];
  const startMs = performance.now();
  await Promise.all(
    readers.map(async (connection) => {
      while (performance.now() - startMs < ms) {
        const { body } = await connection.send(requests[next++ % requests.length]!);
        if (!body.includes('"result":')) throw new Error(`a read was refused by ${url}: ${body.slice(0, 300)}`);
        count++;
      }
      connection.close();
    }),
  );
  return { count, ms: performance.now() - startMs, blocks: [] };
}

/** Opens the connections a few at a time; counts from the first head that comes when all of them are there. */
async function subscribe({ url, subscribers, heads }: SubscribeJob): Promise<Omit<JobResult, "cpuMs">> {
  const heard = new Map<number, { lastMs: number; subscribers: number }>();
  const sockets: WebSocket[] = [];
  let [open, firstHead] = [0, Number.POSITIVE_INFINITY];
  const { promise: isOver, resolve, reject } = Promise.withResolvers<void>();
  const hear = (text: string): void => {
    const number = Number(/"number":"(0x[0-9a-f]+)"/.exec(text)?.[1] ?? Number.NaN);
    if (Number.isNaN(number) || open < subscribers) return;
    // The one that comes while the last connection opens may have passed some already.
    if (firstHead === Number.POSITIVE_INFINITY) firstHead = number + 1;
    if (number < firstHead || number >= firstHead + heads) {
      if (number >= firstHead + heads + 1) resolve();
      return;
    }
    heard.set(number, { lastMs: Date.now(), subscribers: (heard.get(number)?.subscribers ?? 0) + 1 });
  };
  const connectOne = async (): Promise<void> => {
    const socket = new WebSocket(url.replace(/^http/, "ws"));
    sockets.push(socket);
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`${url} closed a subscriber's connection`)));
    await once(socket, "open");
    socket.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}');
    const [answer] = await once(socket, "message");
    if (!String(answer).includes('"result":')) throw new Error(`a subscription was refused by ${url}: ${answer}`);
    socket.on("message", (data) => hear(String(data)));
    open++;
  };
  const startMs = performance.now();
  const connecting = Array.from({ length: CONNECTING }, async () => {
    while (sockets.length < subscribers) await connectOne();
  });
  await Promise.all(connecting);
  const timer = setTimeout(() => reject(new Error(`no further head came within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  await isOver.finally(() => clearTimeout(timer));
  const list = Array.from({ length: heads }, (_, i) => ({
    number: firstHead + i,
    ...(heard.get(firstHead + i) ?? { lastMs: Number.POSITIVE_INFINITY, subscribers: 0 }),
  }));
  return { count: open, ms: performance.now() - startMs, blocks: [], heads: list };
}

process.once("message", (job: Job) => {
  const before = process.cpuUsage();
  const work = job.kind === "submit" ? submit(job) : job.kind === "read" ? read(job) : subscribe(job);
  work.then(
    (result) => {
      const { user, system } = process.cpuUsage(before);
      process.send!({ result: { ...result, cpuMs: (user + system) / 1_000 } }, () => process.exit(0));
    },
    (error: Error) => process.send!({ error: error.message }, () => process.exit(1)),
  );
});
