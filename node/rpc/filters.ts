/**
 * eth_new*Filter. A block or log filter is a cursor into the chain, so it costs nothing between polls; pending hashes
 * are kept once for all filters. Bounded number; one that is not polled for its lifetime is forgotten.
 */
import { randomBytes } from "node:crypto";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import type { ChainApi } from "../chain-api.ts";
import { serverError } from "./errors.ts";
import type { JsonObject } from "./format.ts";
import type { RpcLimits } from "./limits.ts";
import { boundary, findLogs, type LogQuery, logsInRange } from "./logs.ts";
import type { Pool } from "./pool.ts";

type Filter = (
  | { readonly kind: "blocks"; nextBlock: bigint }
  | { readonly kind: "logs"; readonly query: LogQuery; readonly lastBlock: bigint | undefined; nextBlock: bigint }
  | { readonly kind: "pending"; readonly isFull: boolean; nextHash: number }
) & { polledAtMs: number };

const NOT_FOUND = "filter not found";

export class Filters {
  readonly #chain: ChainApi;
  readonly #limits: RpcLimits;
  readonly #now: () => number;
  /** The one that was polled longest ago first. */
  readonly #filters = new Map<string, Filter>();
  readonly #pool: Pool;
  /** Present while there are filters of pending transactions. */
  #unsubscribe: (() => void) | undefined;
  /** Hashes number `#firstHash` and on. */
  readonly #hashes: Hex[] = [];
  #firstHash = 0;

  constructor(chain: ChainApi, pool: Pool, limits: RpcLimits, now: () => number) {
    this.#chain = chain;
    this.#pool = pool;
    this.#limits = limits;
    this.#now = now;
  }

  close(): void {
    this.#unsubscribe?.();
  }

  #pending(tx: Transaction): void {
    this.#hashes.push(bytesToHex(tx.hash));
    if (this.#hashes.length > 2 * this.#limits.pendingHashes) {
      this.#firstHash += this.#hashes.splice(0, this.#limits.pendingHashes).length;
    }
  }

  addBlocks(): string {
    return this.#add({ kind: "blocks", nextBlock: this.#chain.head.number + 1n, polledAtMs: 0 });
  }

  /** `isFull`: whoever polls wants whole transactions. */
  addPending(isFull = false): string {
    const nextHash = this.#firstHash + this.#hashes.length;
    const id = this.#add({ kind: "pending", isFull, nextHash, polledAtMs: 0 });
    this.#unsubscribe ??= this.#pool.onPending((tx) => this.#pending(tx));
    return id;
  }

  /** Changes begin after the head as of now; what is before is what getFilterLogs gives. */
  addLogs(query: LogQuery): string {
    const { fromBlock, toBlock } = query;
    const from = fromBlock === undefined ? undefined : boundary(this.#chain, fromBlock);
    const lastBlock = toBlock !== undefined && "number" in toBlock ? toBlock.number : undefined;
    if (lastBlock !== undefined && from !== undefined && from > lastBlock) {
      throw serverError("invalid block range params");
    }
    const after = this.#chain.head.number + 1n;
    const nextBlock = from !== undefined && from > after ? from : after;
    return this.#add({ kind: "logs", query, lastBlock, nextBlock, polledAtMs: 0 });
  }

  remove(id: string): boolean {
    const isKnown = this.#filters.delete(id);
    this.#listenNoLonger();
    return isKnown;
  }

  /** What happened since the last poll. */
  async changes(id: string): Promise<{ readonly changes: readonly (Hex | JsonObject)[]; readonly isFull: boolean }> {
    const filter = this.#poll(id);
    return { changes: await this.#changesOf(filter), isFull: filter.kind === "pending" && filter.isFull };
  }

  async #changesOf(filter: Filter): Promise<readonly (Hex | JsonObject)[]> {
    switch (filter.kind) {
      case "blocks": {
        const hashes: Hex[] = [];
        while (hashes.length < this.#limits.logBlocks) {
          const block = this.#chain.block(filter.nextBlock);
          if (block === undefined) break;
          hashes.push(bytesToHex(block.hash));
          filter.nextBlock++;
        }
        return hashes;
      }
      case "pending": {
        const hashes = this.#hashes.slice(Math.max(0, filter.nextHash - this.#firstHash));
        filter.nextHash = this.#firstHash + this.#hashes.length;
        return hashes;
      }
      case "logs": {
        const from = filter.nextBlock;
        const last = from + BigInt(this.#limits.logBlocks) - 1n;
        const to = filter.lastBlock !== undefined && filter.lastBlock < last ? filter.lastBlock : last;
        const isEnough = (found: readonly JsonObject[]) => found.length >= this.#limits.logResults;
        const { logs, next } = await logsInRange(this.#chain, filter.query, from, to, isEnough);
        filter.nextBlock = next;
        return logs;
      }
    }
  }

  /** All logs of a log filter's range, as eth_getLogs. */
  async logs(id: string): Promise<JsonObject[]> {
    const filter = this.#poll(id);
    if (filter.kind !== "logs") throw serverError(NOT_FOUND);
    return findLogs(this.#chain, filter.query, this.#limits);
  }

  #add(filter: Filter): string {
    this.#forgetIdle();
    if (this.#filters.size >= this.#limits.filters) {
      throw serverError(`too many filters: the limit is ${this.#limits.filters}; uninstall some or wait`);
    }
    filter.polledAtMs = this.#now();
    const id = bytesToHex(randomBytes(16));
    this.#filters.set(id, filter);
    return id;
  }

  #poll(id: string): Filter {
    this.#forgetIdle();
    const filter = this.#filters.get(id);
    if (filter === undefined) throw serverError(NOT_FOUND);
    filter.polledAtMs = this.#now();
    this.#filters.delete(id);
    this.#filters.set(id, filter);
    return filter;
  }

  #forgetIdle(): void {
    const oldest = this.#now() - this.#limits.filterLifetimeMs;
    for (const [id, filter] of this.#filters) {
      if (filter.polledAtMs > oldest) break;
      this.#filters.delete(id);
    }
    this.#listenNoLonger();
  }

  /** Unless a filter needs it. */
  #listenNoLonger(): void {
    if (this.#unsubscribe === undefined) return;
    for (const { kind } of this.#filters.values()) if (kind === "pending") return;
    this.#unsubscribe();
    this.#unsubscribe = undefined;
  }
}
