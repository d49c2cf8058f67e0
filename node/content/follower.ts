/**
 * Keeps the catalog at the chain's head. Events wake, the catalog's cursor moves. A catalog that does not fit the chain,
 * or whose next block is not here any more, is filled from the state of the head instead of from old blocks.
 */
import { setImmediate as yieldToEventLoop } from "node:timers/promises";
import { decodeFunctionResult, encodeFunctionData } from "viem";
import { DATANET_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, equalsBytes, type Hex, hexToBytes } from "../../core/bytes.ts";
import type { ExecutedBlock } from "../../core/chain.ts";
import type { CallRequest, CallResult } from "../../execution/tx/call.ts";
import { decodeLog } from "../../indexer/decode.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import type { ChainApi } from "../chain-api.ts";
import type { Logger } from "../log.ts";
import type { Catalog, CatalogChange } from "./catalog.ts";

/** Runs a message on the state after a block. */
export interface CalledChain {
  call(request: CallRequest, block: ExecutedBlock): Promise<CallResult>;
}

export type FollowedChain = Pick<ChainApi, "head" | "block" | "onCommit"> & CalledChain;

const BATCH_BLOCKS = 256;
/** Blocks without anything of ours after which the cursor is written all the same. */
const IDLE_BLOCKS = 64n;
const STATE_BATCH = 512;
const PERMISSIONED = 1;
const STATUS = { accepted: 2, withdrawn: 5 } as const;

export interface FollowerParts {
  readonly chain: FollowedChain;
  readonly catalog: Catalog;
  readonly log: Logger;
}

export class Follower {
  readonly #parts: FollowerParts;
  readonly #listeners = new Set<() => void>();
  #next = 0n;
  #isStopping = false;
  #wake: () => void = () => {};
  #unsubscribe: () => void = () => {};
  #running: Promise<void> = Promise.resolve();

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  start(): void {
    const { chain, log } = this.#parts;
    this.#unsubscribe = chain.onCommit(() => this.#wake());
    this.#running = this.#follow().catch((err: unknown) => {
      if (!this.#isStopping)
        log.error({ err }, "the catalog of contents no longer follows the chain: restart the node");
    });
  }

  /** Called when the catalog has changed. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#unsubscribe();
    this.#wake();
    await this.#running;
  }

  async #follow(): Promise<void> {
    await this.#begin();
    while (!this.#isStopping) {
      // Taken before looking: a commit that comes between the look and the wait still wakes.
      const committed = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (this.#next <= this.#parts.chain.head.number) await this.#batch();
      else if (!this.#isStopping) await committed;
    }
  }

  async #begin(): Promise<void> {
    const { catalog, chain, log } = this.#parts;
    const { cursor } = catalog;
    const known = cursor && cursor.block <= chain.head.number ? chain.block(cursor.block) : undefined;
    const fits = cursor !== undefined && known !== undefined && equalsBytes(known.hash, cursor.hash);
    const hasNext = fits && (cursor.block === chain.head.number || chain.block(cursor.block + 1n) !== undefined);
    if (hasNext) {
      this.#next = cursor.block + 1n;
      return;
    }
    if (cursor !== undefined)
      log.warn({ block: cursor.block }, "the catalog of contents is not of this chain: made anew");
    catalog.clear();
    await this.#fill();
  }

  async #batch(): Promise<void> {
    const { catalog, chain } = this.#parts;
    const changes: CatalogChange[] = [];
    const from = this.#next;
    let last: ExecutedBlock | undefined;
    for (let i = 0; i < BATCH_BLOCKS && this.#next <= chain.head.number && !this.#isStopping; i++) {
      last = chain.block(this.#next);
      if (last === undefined)
        throw new Error(`the chain's head is ${chain.head.number}, but it has no block ${this.#next}`);
      changes.push(...changesOf(last));
      this.#next++;
      if (i % 16 === 15) await yieldToEventLoop();
    }
    if (last === undefined) return;
    const written = catalog.cursor?.block ?? from - 1n;
    if (changes.length === 0 && this.#next - written <= IDLE_BLOCKS) return;
    catalog.apply(changes, { block: last.header.number, hash: last.hash });
    if (changes.length > 0) for (const listener of this.#listeners) listener();
  }

  /** From the state after the head's block; what changes meanwhile is in the blocks after it. */
  async #fill(): Promise<void> {
    const { catalog, chain } = this.#parts;
    const block = chain.block(chain.head.number);
    if (block === undefined) throw new Error(`the chain has no block ${chain.head.number}`);
    const read = reader(chain, block);
    const cursor = { block: block.header.number, hash: block.hash };
    const changes: CatalogChange[] = [];
    const datanets = await read("datanetCount", []);
    for (let id = 1n; id <= datanets && !this.#isStopping; id++) {
      const { access } = await read("datanet", [id]);
      changes.push({ type: "datanet", id, isPermissioned: access === PERMISSIONED });
    }
    const contributions = await read("contributionCount", []);
    for (let id = 1n; id <= contributions && !this.#isStopping; id++) {
      const found = await read("contribution", [id]);
      const { datanetId, contentRoot: root, size, contributor, status, withdrawnAt } = found;
      changes.push({ type: "contribution", id, datanetId, root, size, contributor: lower(contributor) });
      if (status === STATUS.accepted) changes.push({ type: "accepted", id });
      if (status === STATUS.withdrawn || withdrawnAt > 0n) changes.push({ type: "withdrawn", id });
      if (id % BigInt(STATE_BATCH) === 0n) await yieldToEventLoop();
    }
    // A cursor means that all before it is there.
    if (this.#isStopping) return;
    catalog.apply(changes, cursor);
    this.#next = cursor.block + 1n;
    for (const listener of this.#listeners) listener();
  }
}

const lower = (address: Hex): Hex => address.toLowerCase() as Hex;

/** What the block's Datanet events change. Pure. */
export function changesOf(block: ExecutedBlock): CatalogChange[] {
  const changes: CatalogChange[] = [];
  for (const { logs } of block.receipts) {
    for (const log of logs) {
      if (!equalsBytes(log.address, DATANET_ADDRESS)) continue;
      const event = decodeLog(log);
      switch (event?.eventName) {
        case "DatanetCreated": {
          const { datanetId: id, access } = event.args;
          changes.push({ type: "datanet", id, isPermissioned: access === PERMISSIONED });
          break;
        }
        case "ContributionSubmitted": {
          const { contributionId: id, datanetId, contentRoot: root, size, contributor } = event.args;
          changes.push({ type: "contribution", id, datanetId, root, size, contributor: lower(contributor) });
          break;
        }
        case "ContributionAccepted":
          changes.push({ type: "accepted", id: event.args.contributionId });
          break;
        case "ConsentWithdrawn":
          changes.push({ type: "withdrawn", id: event.args.contributionId });
      }
    }
  }
  return changes;
}

/** Views of the Datanet precompile on the state after `block`. Throws when the call fails. */
export function reader(chain: CalledChain, block: ExecutedBlock) {
  type Views = Readonly<{
    datanetCount: bigint;
    contributionCount: bigint;
    datanet: { readonly owner: Hex; readonly access: number };
    contribution: {
      readonly datanetId: bigint;
      readonly contentRoot: Hex;
      readonly size: bigint;
      readonly contributor: Hex;
      readonly status: number;
      readonly withdrawnAt: bigint;
    };
    isCurator: boolean;
    isContributor: boolean;
    isBuilder: boolean;
  }>;
  return async <Name extends keyof Views>(functionName: Name, args: readonly unknown[]): Promise<Views[Name]> => {
    // The names are of this ABI; what each takes and gives, the callers and the type above say.
    const data = hexToBytes(encodeFunctionData({ abi: datanetAbi, functionName, args } as never));
    const result = await chain.call({ to: DATANET_ADDRESS, data }, block);
    if (!result.ok) throw new Error(`${functionName}(${args.join(", ")}) fails: ${result.reason}`);
    const output = { abi: datanetAbi, functionName, data: bytesToHex(result.output) };
    return decodeFunctionResult(output as never) as Views[Name];
  };
}
