/** The RPC thread's side of what it asks the node. */

import type { Transaction } from "../../core/chain.ts";
import { compact } from "../../core/compact.ts";
import type { AddResult, SenderContent } from "../../execution/mempool.ts";
import { decodeTransaction, rememberSender } from "../../execution/tx/decode.ts";
import type { Pool } from "../rpc/pool.ts";
import {
  type Asked,
  type FromRpc,
  type NodeAnswers,
  packSent,
  type Question,
  type Sent,
  type ToRpc,
  unpackSent,
} from "./protocol.ts";

type Answer<Q extends Question> = Promise<Awaited<ReturnType<NodeAnswers[Q]>>>;

export class NodeLink {
  readonly #tell: (message: FromRpc) => void;
  readonly #waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  readonly #pending = new Set<(sent: Sent) => void>();
  /** To be sent together: a message costs more than what is in it. */
  #questions: Asked[] = [];
  #submitted: Sent[] = [];
  #nextId = 0;

  constructor(tell: (message: FromRpc) => void) {
    this.#tell = tell;
  }

  /** Rejects when the node fails to answer: a defect. */
  ask<Q extends Exclude<Question, "submit">>(question: Q, ...args: Parameters<NodeAnswers[Q]>): Answer<Q> {
    // The node answers with what is of this name there.
    return this.#ask(question, compact(args)) as Answer<Q>;
  }

  submit(sent: Sent): Answer<"submit"> {
    this.#submitted.push(sent);
    return this.#ask("submit", []) as Answer<"submit">;
  }

  #ask(question: Question, args: readonly unknown[]): Promise<unknown> {
    const id = this.#nextId++;
    if (this.#questions.length === 0) setImmediate(() => this.#flush());
    this.#questions.push({ id, question, args });
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #flush(): void {
    const questions = this.#questions;
    if (questions.length === 0) return;
    const submitted = packSent(this.#submitted);
    this.#questions = [];
    this.#submitted = [];
    this.#tell({ questions, submitted });
  }

  /** Of what becomes pending, while anybody listens. */
  onPending(listener: (sent: Sent) => void): () => void {
    // What was asked before comes first.
    this.#flush();
    if (this.#pending.size === 0) this.#tell({ wantsPending: true });
    this.#pending.add(listener);
    return () => {
      if (this.#pending.delete(listener) && this.#pending.size === 0) this.#tell({ wantsPending: false });
    };
  }

  /** What comes from the node, but for news. */
  hear(message: Exclude<ToRpc, { news: unknown }>): void {
    if ("pending" in message) {
      for (const sent of unpackSent(message.pending)) for (const listener of this.#pending) listener(sent);
      return;
    }
    for (const answered of message.answers) {
      const waiting = this.#waiting.get(answered.id);
      this.#waiting.delete(answered.id);
      if ("answer" in answered) waiting?.resolve(answered.answer);
      else waiting?.reject(new Error(answered.failure));
    }
  }
}

/** The node's mempool. */
export class RemotePool implements Pool {
  readonly minTipWei: bigint;
  readonly #link: NodeLink;
  readonly #chainId: bigint;
  #decoded: { readonly sent: Sent; readonly tx: Transaction } | undefined;

  constructor(link: NodeLink, chainId: bigint, minTipWei: bigint) {
    this.#link = link;
    this.#chainId = chainId;
    this.minTipWei = minTipWei;
  }

  submit(tx: Transaction): Promise<AddResult> {
    return this.#link.submit(tx);
  }

  async get(hash: Uint8Array): Promise<Transaction | undefined> {
    const sent = await this.#link.ask("get", hash);
    return sent && this.#decode(sent);
  }

  pendingNonce(address: Uint8Array): Promise<bigint | undefined> {
    return this.#link.ask("pendingNonce", address);
  }

  counts(): ReturnType<Pool["counts"]> {
    return this.#link.ask("counts");
  }

  async content(address: Uint8Array | undefined, maxBytes: number): Promise<readonly SenderContent[] | undefined> {
    const content = await this.#link.ask("content", address, maxBytes);
    return content?.map((sender) => ({
      address: sender.address,
      pending: sender.pending.map((sent) => this.#decode(sent)),
      queued: sender.queued.map((sent) => this.#decode(sent)),
    }));
  }

  async best(baseFeePerGas: bigint, gasLimit: bigint, maxBytes: number): Promise<readonly Transaction[]> {
    const best = await this.#link.ask("best", baseFeePerGas, gasLimit, maxBytes);
    return best.map((sent) => this.#decode(sent));
  }

  onPending(listener: (tx: Transaction) => void): () => void {
    return this.#link.onPending((sent) => listener(this.#decode(sent)));
  }

  #decode(sent: Sent): Transaction {
    // All listeners are told of one before the next.
    if (this.#decoded?.sent !== sent) this.#decoded = { sent, tx: decodeSent(sent, this.#chainId) };
    return this.#decoded.tx;
  }
}

/** Precondition: it was decoded for this chain before. */
export function decodeSent({ raw, from }: Sent, chainId: bigint): Transaction {
  const decoded = decodeTransaction(raw, chainId, from);
  if (!decoded.ok) throw new Error(`a transaction that was taken is not one: ${decoded.message}`);
  rememberSender(decoded.tx.hash, from);
  return decoded.tx;
}
