/**
 * JSON-RPC on a thread of its own: it reads requests, decodes transactions and recovers their senders, reads the chain
 * from its store, and has calls run in further threads. The thread of the chain gets transactions that are ready for the
 * mempool, and a few questions.
 */

import type { Transaction } from "../../core/chain.ts";
import { compact } from "../../core/compact.ts";
import { PING_MS, RESTART_MS, superviseThread } from "../../indexer/supervised-thread.ts";
import type { Chain } from "../chain.ts";
import type { Logger } from "../log.ts";
import type { Pool } from "../rpc/pool.ts";
import { decodeSent } from "./node-link.ts";
import {
  type Answered,
  type Asked,
  type FromRpc,
  type News,
  type NodeAnswers,
  packSent,
  type RpcThreadData,
  type Sent,
  type ToRpc,
  unpackSent,
} from "./protocol.ts";

/** Work there gives way to other work every 10 ms. */
const SILENT_MS = 10_000;
/** How often it is looked whether L1, peers or sync have news. */
const NEWS_MS = 1_000;

export interface RpcThreadParts {
  readonly data: Omit<RpcThreadData, "news">;
  readonly chain: Chain;
  /** Of this thread. */
  readonly pool: Pool;
  readonly news: () => News;
  readonly network: NodeAnswers["network"];
  readonly l1: NodeAnswers["l1"];
  readonly log: Logger;
}

export interface RpcThread {
  readonly port: number;
  close(): Promise<void>;
}

const sentOf = ({ raw, from }: Transaction): Sent => compact({ raw, from });

function answersOf({ pool, network, l1, data }: RpcThreadParts): NodeAnswers {
  return {
    submit: (sent) => pool.submit(decodeSent(sent, data.chain.rules.chainId)),
    async get(hash) {
      const tx = await pool.get(hash);
      return tx && sentOf(tx);
    },
    pendingNonce: (address) => pool.pendingNonce(address),
    counts: () => pool.counts(),
    async content(address, maxBytes) {
      const content = await pool.content(address, maxBytes);
      return content?.map(({ address, pending, queued }) => ({
        address: compact(address),
        pending: pending.map(sentOf),
        queued: queued.map(sentOf),
      }));
    },
    async best(baseFeePerGas, gasLimit, maxBytes) {
      return (await pool.best(baseFeePerGas, gasLimit, maxBytes)).map(sentOf);
    },
    network,
    l1: () => compact(l1()),
  };
}

/** Tells of what becomes pending, together what does so in one turn of the event loop, from now until `stop`. */
class PendingNews {
  readonly #reply: (message: ToRpc) => void;
  readonly #unsubscribe: () => void;
  #pending: Sent[] = [];
  #scheduled: NodeJS.Immediate | undefined;

  constructor(pool: Pool, reply: (message: ToRpc) => void) {
    this.#reply = reply;
    this.#unsubscribe = pool.onPending((tx) => {
      this.#pending.push(tx);
      this.#scheduled ??= setImmediate(() => this.flush());
    });
  }

  /** Before an answer: who sent a transaction finds it among the pending ones as soon as it is told that it was taken. */
  flush(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    const pending = this.#pending;
    this.#pending = [];
    if (pending.length > 0) this.#reply({ pending: packSent(pending) });
  }

  stop(): void {
    this.#unsubscribe();
    clearImmediate(this.#scheduled);
  }
}

/** Rejects when it cannot listen. */
export async function startRpcThread(parts: RpcThreadParts): Promise<RpcThread> {
  const { data, chain, pool, news, log } = parts;
  const answers = answersOf(parts);
  let pendingNews: PendingNews | undefined;

  async function answer({ id, question, args }: Asked): Promise<Answered> {
    try {
      // The other side took the arguments from the question's own type.
      const ask = answers[question] as (...args: readonly unknown[]) => unknown;
      return { id, answer: await ask(...args) };
    } catch (err) {
      log.error({ err, question }, "a question of the JSON-RPC thread failed");
      return { id, failure: String(err) };
    }
  }

  async function answerAll(
    { questions, submitted }: Extract<FromRpc, { questions: unknown }>,
    reply: (message: ToRpc) => void,
  ): Promise<void> {
    const sent = unpackSent(submitted);
    const whole = questions.map((asked) =>
      asked.question === "submit" ? { ...asked, args: [sent.next().value] } : asked,
    );
    const answers = await Promise.all(whole.map(answer));
    pendingNews?.flush();
    try {
      reply({ answers });
    } catch (err) {
      // An answer that cannot travel between threads: a defect, which those who wait have to hear of.
      log.error({ err }, "answers cannot be given to the JSON-RPC thread");
      reply({ answers: questions.map(({ id }) => ({ id, failure: String(err) })) });
    }
  }

  const thread = await superviseThread<RpcThreadData, FromRpc, ToRpc>({
    name: "JSON-RPC",
    data: { ...data, news: news() },
    log,
    supervision: {
      script: new URL("./worker.ts", import.meta.url),
      pingMs: PING_MS,
      silentMs: SILENT_MS,
      restartMs: RESTART_MS,
    },
    onTold(message, reply) {
      if ("questions" in message) {
        void answerAll(message, reply);
        return;
      }
      pendingNews?.stop();
      pendingNews = message.wantsPending ? new PendingNews(pool, reply) : undefined;
    },
    onStart() {
      // The one before may have wanted them.
      pendingNews?.stop();
      pendingNews = undefined;
    },
  });
  const tellNews = () => thread.tell({ news: news() });
  const unsubscribe = chain.onCommit(tellNews);
  const timer = setInterval(tellNews, NEWS_MS);
  timer.unref();
  return {
    port: thread.port,
    async close() {
      unsubscribe();
      clearInterval(timer);
      pendingNews?.stop();
      await thread.close();
    },
  };
}
