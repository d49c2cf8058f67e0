/**
 * Downloads the state below a root, item by item, each checked by its hash: trie nodes from the root down, code, and the
 * addresses and slots that the tries know only by their hashes. What comes in is written at once, in any order; what is
 * in the store already is not asked for again, so that an import which was interrupted goes on where it was.
 *
 * Memory: depth first, so what is known and not fetched yet stays within a few requests for each level of the tries.
 */
import { equalsBytes } from "../../core/bytes.ts";
import { KECCAK_EMPTY, keccak256 } from "../../core/crypto.ts";
import { decodeTrieAccount, hasStorageRoot } from "../../execution/state/account-codec.ts";
import { readStateItem, stageFlatAccount, stageFlatSlot, stageStateItem } from "../../execution/state/flat-state.ts";
import { decodeTrieSlot } from "../../execution/state/history.ts";
import { bytesKey } from "../../execution/state/keys.ts";
import { Batch, type LevelStore } from "../../execution/state/level-store.ts";
import { type Child, decodeNode, EMPTY_TRIE_ROOT, isNode, type Node } from "../../execution/state/trie-node.ts";
import type { AccountState } from "../../execution/state/types.ts";
import type { PeerId } from "../p2p/types.ts";
import type { Clock } from "../ports.ts";
import { decodeStateItems, encodeStateRequest, MAX_ANSWER_BYTES, MAX_STATE_ITEMS, MessageError } from "./messages.ts";
import { onlyChunk, type Peers } from "./peers.ts";

/** Requests at once, and items in each. */
const LIMITS = { lanes: 6, items: MAX_STATE_ITEMS };
/** Written at once, about. */
const BATCH_BYTES = 2 * 1024 * 1024;
/** Steps between turns for others. */
const STEPS_AT_ONCE = 256;
const RETRY_MS = 500;
/** Nothing came for so long: give up. */
const PATIENCE_MS = 60_000;

const EMPTY_PATH = new Uint8Array(0);

/** Something with a hash that has to be in the store. `owner`: the account whose storage it is part of. */
type Task =
  | { readonly kind: "node"; readonly hash: Uint8Array; readonly path: Uint8Array; readonly owner?: Uint8Array }
  | { readonly kind: "code"; readonly hash: Uint8Array }
  | { readonly kind: "account"; readonly hash: Uint8Array; readonly account: AccountState }
  | { readonly kind: "slot"; readonly hash: Uint8Array; readonly owner: Uint8Array; readonly value: Uint8Array };

export interface ImportProgress {
  readonly accounts: number;
  readonly items: number;
  readonly bytes: number;
  /** Of the key space, 0 to 1. */
  readonly fraction: number;
}

export interface StateImportParts {
  readonly peers: Peers;
  readonly clock: Clock;
  readonly store: LevelStore;
  /** Asked first are peers that have this block. */
  readonly block: bigint;
  readonly onProgress: (progress: ImportProgress) => void;
  readonly limits?: typeof LIMITS;
}

export class StateImport {
  readonly #parts: StateImportParts;
  readonly #limits: typeof LIMITS;
  /** The last one is the next. */
  readonly #tasks: Task[] = [];
  #inFlight = 0;
  #batch = new Batch();
  #batchBytes = 0;
  #accounts = 0;
  #items = 0;
  #bytes = 0;
  #fraction = 0;
  #gotAtMs = 0;
  #error: unknown;
  #isStopped = false;
  #wake: () => void = () => {};
  #cancelRetry: () => void = () => {};
  /** The most tasks there were at once: what the bound is checked by. */
  mostTasks = 0;

  constructor(parts: StateImportParts) {
    this.#parts = parts;
    this.#limits = parts.limits ?? LIMITS;
  }

  stop(): void {
    this.#isStopped = true;
    this.#wake();
  }

  /**
   * Precondition: the flat tables hold nothing, or what an import of the same root wrote. True when the whole state is in
   * the store, synced; false when nobody gave any more of it for a minute, or after `stop`, which needs the peers to be
   * stopped too. Throws what the store throws.
   */
  async run(root: Uint8Array): Promise<boolean> {
    const { clock } = this.#parts;
    if (!equalsBytes(root, EMPTY_TRIE_ROOT)) this.#push({ kind: "node", hash: root, path: EMPTY_PATH });
    this.#gotAtMs = clock.nowMs();
    for (;;) {
      await this.#ask();
      const isOver = this.#error !== undefined || this.#isStopped || clock.nowMs() - this.#gotAtMs > PATIENCE_MS;
      // Nothing writes to the store any more once this returns.
      if (this.#inFlight === 0 && (isOver || this.#tasks.length === 0)) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#cancelRetry = clock.at(clock.nowMs() + RETRY_MS, resolve);
      });
      this.#cancelRetry();
    }
    if (this.#error !== undefined) throw this.#error;
    await this.#flush();
    return this.#tasks.length === 0;
  }

  /** Keeps as many requests under way as there may be. */
  async #ask(): Promise<void> {
    const { peers, block } = this.#parts;
    while (this.#inFlight < this.#limits.lanes && !this.#isStopped && this.#error === undefined) {
      const peer = peers.pick({ to: block });
      const wanted = peer === undefined ? undefined : await this.#missing();
      if (peer === undefined || wanted === undefined) return;
      this.#inFlight++;
      this.#fetch(peer, wanted)
        .catch((error: unknown) => {
          this.#error = error;
        })
        .finally(() => {
          this.#inFlight--;
          this.#wake();
        });
    }
  }

  /** Sees to what is in the store; what is not, by hash, for one request. Undefined when there is nothing to ask for. */
  async #missing(): Promise<Map<string, Task[]> | undefined> {
    const wanted = new Map<string, Task[]>();
    for (let steps = 1; wanted.size < this.#limits.items && !this.#isStopped; steps++) {
      const task = this.#tasks.pop();
      if (task === undefined) break;
      const key = bytesKey(task.hash);
      const item = readStateItem(this.#parts.store.reader, task.hash);
      if (item !== undefined) this.#see(task, item);
      else wanted.set(key, [...(wanted.get(key) ?? []), task]);
      if (this.#batchBytes > BATCH_BYTES) await this.#flush();
      if (steps % STEPS_AT_ONCE === 0) await breathe();
    }
    return wanted.size === 0 ? undefined : wanted;
  }

  async #fetch(peer: PeerId, wanted: ReadonlyMap<string, Task[]>): Promise<void> {
    const hashes = [...wanted.values()].map(([task]) => task!.hash);
    const items = await this.#parts.peers.ask(peer, {
      protocol: "state",
      payload: encodeStateRequest(hashes),
      limits: { chunks: 1, bytes: MAX_ANSWER_BYTES },
      async read(chunks) {
        const chunk = await onlyChunk(chunks);
        const found = inOrder(chunk === undefined ? [] : decodeStateItems(chunk, hashes.length), hashes);
        return found.size === 0 ? undefined : found;
      },
    });
    for (const [key, tasks] of wanted) {
      const item = items?.get(key);
      if (item === undefined) {
        for (const task of tasks) this.#push(task);
        continue;
      }
      this.#items++;
      this.#bytes += item.length;
      // Only now: whatever is found in the store is complete by itself.
      this.#stage(tasks[0]!, item);
      for (const task of tasks) this.#see(task, item);
    }
    if (items === undefined) return;
    this.#gotAtMs = this.#parts.clock.nowMs();
    if (this.#batchBytes > BATCH_BYTES) await this.#flush();
    this.#parts.onProgress({
      accounts: this.#accounts,
      items: this.#items,
      bytes: this.#bytes,
      fraction: this.#fraction,
    });
  }

  #stage({ kind, hash }: Task, item: Uint8Array): void {
    stageStateItem(this.#batch, kind === "node" || kind === "code" ? kind : "key", hash, item);
    this.#batchBytes += 33 + item.length;
  }

  /** What follows from an item: entries of the flat tables, and further tasks. */
  #see(task: Task, item: Uint8Array): void {
    switch (task.kind) {
      case "node":
        this.#seeNode(decodeNode(item, task.hash), task.path, task.owner);
        break;
      case "code":
        break;
      case "account":
        this.#seeAccount(item, task);
        break;
      case "slot":
        stageFlatSlot(this.#batch, task.owner, item, task.value);
        this.#batchBytes += 85;
        break;
    }
  }

  #seeAccount(address: Uint8Array, { hash, account }: Task & { readonly kind: "account" }): void {
    stageFlatAccount(this.#batch, address, account);
    this.#batchBytes += 130;
    this.#accounts++;
    this.#fraction = Math.max(this.#fraction, new DataView(hash.buffer, hash.byteOffset).getUint32(0) / 2 ** 32);
    if (!equalsBytes(account.codeHash, KECCAK_EMPTY)) this.#push({ kind: "code", hash: account.codeHash });
    if (hasStorageRoot(account)) {
      this.#push({ kind: "node", hash: account.storageRoot, path: EMPTY_PATH, owner: address });
    }
  }

  #seeNode(node: Node, path: Uint8Array, owner: Uint8Array | undefined): void {
    if (node.kind === "branch") {
      // The lowest comes last, to be taken first.
      for (let nibble = 15; nibble >= 0; nibble--) {
        this.#seeChild(node.children[nibble], joined(path, Uint8Array.of(nibble)), owner);
      }
    } else if (node.kind === "extension") {
      this.#seeChild(node.child, joined(path, node.path), owner);
    } else {
      const hash = toBytes(joined(path, node.path));
      this.#push(
        owner === undefined
          ? { kind: "account", hash, account: decodeTrieAccount(node.value) }
          : { kind: "slot", hash, owner, value: decodeTrieSlot(node.value).slice() },
      );
    }
  }

  #seeChild(child: Child, path: Uint8Array, owner: Uint8Array | undefined): void {
    if (child === undefined) return;
    if (isNode(child)) this.#seeNode(child, path, owner);
    else this.#push({ kind: "node", hash: child, path, ...(owner && { owner }) });
  }

  #push(task: Task): void {
    this.#tasks.push(task);
    this.mostTasks = Math.max(this.mostTasks, this.#tasks.length);
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = new Batch();
    this.#batchBytes = 0;
    await this.#parts.store.write(batch, { sync: true });
  }
}

/** Items by the `bytesKey` of their hashes. Throws MessageError for one that was not asked for, or out of order. */
function inOrder(items: readonly Uint8Array[], hashes: readonly Uint8Array[]): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  let next = 0;
  for (const item of items) {
    const hash = keccak256(item);
    while (next < hashes.length && !equalsBytes(hashes[next]!, hash)) next++;
    if (next++ === hashes.length) throw new MessageError("an item has none of the hashes asked for");
    found.set(bytesKey(hash), item.slice());
  }
  return found;
}

function joined(path: Uint8Array, more: Uint8Array): Uint8Array {
  const out = new Uint8Array(path.length + more.length);
  out.set(path);
  out.set(more, path.length);
  return out;
}

/** Of nibbles. */
function toBytes(nibbles: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: nibbles.length >> 1 }, (_, i) => nibbles[2 * i]! * 16 + nibbles[2 * i + 1]!);
}

const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
