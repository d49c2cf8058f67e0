/** Peers that were good, for the next start. Losing the file loses nothing but time, so damage is only a warning. */
import { open, readFile, rename, rm } from "node:fs/promises";
import type { Logger } from "../log.ts";
import { parsePeerAddress } from "./address.ts";
import { MAX_KNOWN_PEERS, MAX_PEER_ADDRESSES } from "./limits.ts";
import type { PeerId } from "./types.ts";

export interface KnownPeer {
  readonly id: PeerId;
  /** With the id; at most MAX_PEER_ADDRESSES. */
  readonly addresses: readonly string[];
  /** Unix milliseconds. */
  readonly seenMs: number;
}

const VERSION = 1;
const MAX_FILE_BYTES = 1024 * 1024;

export class PeersFile {
  readonly #path: string | undefined;
  readonly #log: Logger;
  readonly #peers = new Map<PeerId, KnownPeer>();
  #isChanged = false;
  #writing: Promise<void> = Promise.resolve();

  /** Without a path the peers are forgotten at the end. */
  constructor(path: string | undefined, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  /** Those seen last come first. */
  get peers(): readonly KnownPeer[] {
    return [...this.#peers.values()].sort((a, b) => b.seenMs - a.seenMs);
  }

  async load(): Promise<void> {
    if (this.#path === undefined) return;
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      this.#log.warn({ err: error, file: this.#path }, "peers file ignored");
      return;
    }
    try {
      for (const peer of parse(text)) this.#peers.set(peer.id, peer);
    } catch (error) {
      this.#log.warn({ err: error, file: this.#path }, "peers file ignored");
    }
  }

  /** A peer was met at these addresses. */
  note({ id, addresses, seenMs }: KnownPeer): void {
    const all = [...new Set([...addresses, ...(this.#peers.get(id)?.addresses ?? [])])];
    this.#peers.set(id, { id, addresses: all.slice(0, MAX_PEER_ADDRESSES), seenMs });
    if (this.#peers.size > MAX_KNOWN_PEERS) this.#peers.delete(this.peers.at(-1)!.id);
    this.#isChanged = true;
  }

  forget(id: PeerId): void {
    if (this.#peers.delete(id)) this.#isChanged = true;
  }

  /** Writes what changed; a failure is logged. The file is the old one or the new one, whenever the process ends. */
  save(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    if (this.#path === undefined || !this.#isChanged) return;
    this.#isChanged = false;
    const beside = `${this.#path}.new`;
    try {
      const handle = await open(beside, "w", 0o600);
      try {
        await handle.writeFile(`${JSON.stringify({ version: VERSION, peers: this.peers }, undefined, 2)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(beside, this.#path);
    } catch (error) {
      this.#isChanged = true;
      this.#log.warn({ err: error, file: this.#path }, "peers file not written");
      await rm(beside, { force: true }).catch(() => undefined);
    }
  }
}

/** Throws when anything in it is not as `save` writes it. */
function parse(text: string): KnownPeer[] {
  if (text.length > MAX_FILE_BYTES) throw new RangeError(`${text.length} bytes`);
  const { version, peers } = JSON.parse(text) as { version: unknown; peers: unknown };
  if (version !== VERSION || !Array.isArray(peers)) throw new RangeError(`version ${version}`);
  return peers.slice(0, MAX_KNOWN_PEERS).map(({ id, addresses, seenMs }: Record<string, unknown>) => {
    if (!Number.isSafeInteger(seenMs) || !Array.isArray(addresses)) throw new RangeError(`peer ${id}`);
    const own = addresses.slice(0, MAX_PEER_ADDRESSES).map((address) => parsePeerAddress(String(address)));
    if (own.length === 0 || own.some((address) => address.id !== id)) throw new RangeError(`addresses of peer ${id}`);
    return { id: own[0]!.id, addresses: own.map(({ address }) => address), seenMs: seenMs as number };
  });
}
