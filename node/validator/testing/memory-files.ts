/**
 * Files on a disk that loses power: what was not synced survives in part, sector by sector and in any order; renames and
 * removals that were not synced survive up to some point. Faults are put at the nth operation.
 */
import type { FileIdentity, Files, OpenFile } from "../files.ts";

/** In [0, 1). */
export type Chance = () => number;

const below = (chance: Chance, limit: number): number => Math.floor(chance() * limit);

export class PowerLoss extends Error {
  constructor() {
    super("the power is gone");
    this.name = "PowerLoss";
  }
}

const SECTOR_BYTES = 512;

type Change = { readonly at: number; readonly bytes: Uint8Array } | { readonly length: number };

interface Inode {
  identity: FileIdentity;
  /** As processes see it. */
  current: Uint8Array;
  durable: Uint8Array;
  /** Since the last sync, in order. */
  changes: Change[];
}

/** In place where the length stays. */
function apply(bytes: Uint8Array, change: Change): Uint8Array {
  const length = "length" in change ? change.length : Math.max(bytes.length, change.at + change.bytes.length);
  const out = length === bytes.length ? bytes : new Uint8Array(length);
  if (out !== bytes) out.set(bytes.subarray(0, length));
  if ("bytes" in change) out.set(change.bytes, change.at);
  return out;
}

function change(inode: Inode, made: Change): void {
  inode.changes.push(made);
  inode.current = apply(inode.current, made);
}

/** The sectors of a write that reached the disk. */
function torn(change: Change, chance: Chance): Change[] {
  if ("length" in change) return below(chance, 2) === 0 ? [] : [change];
  const mode = below(chance, 4);
  if (mode === 0) return [];
  if (mode === 1) return [change];
  if (mode === 2) return [{ at: change.at, bytes: change.bytes.subarray(0, below(chance, change.bytes.length + 1)) }];
  const kept: Change[] = [];
  for (let from = 0; from < change.bytes.length; ) {
    const to = Math.min(change.bytes.length, from + SECTOR_BYTES - ((change.at + from) % SECTOR_BYTES));
    if (below(chance, 2) === 0) kept.push({ at: change.at + from, bytes: change.bytes.subarray(from, to) });
    from = to;
  }
  return kept;
}

export class MemoryFiles implements Files {
  /** Called before each operation with its number, from 0: may throw what the operation shall reject with. */
  before: (operation: number, name: string) => void = () => {};
  /** A sync waits for it. */
  slowSync: () => Promise<void> = async () => {};
  /** What a new file is known by. */
  identify: (identity: FileIdentity) => FileIdentity = (identity) => identity;
  operations = 0;
  #isDead = false;
  #nextInode: number;
  readonly #inodes: Map<number, Inode>;
  readonly #directories: Set<string>;
  readonly #durableNames: Map<string, number>;
  #nameChanges: ((names: Map<string, number>) => void)[] = [];
  readonly #names: Map<string, number>;

  constructor(inodes = new Map<number, Inode>(), names = new Map<string, number>(), directories = new Set<string>()) {
    this.#inodes = inodes;
    this.#names = names;
    this.#durableNames = new Map(names);
    this.#directories = directories;
    this.#nextInode = Math.max(0, ...inodes.keys()) + 1;
  }

  /** The disk as the next process finds it; nothing of this one works any more. A kill loses nothing that was written. */
  crash(chance: Chance, kind: "kill" | "power loss"): MemoryFiles {
    this.#isDead = true;
    const names = new Map(this.#durableNames);
    const survivors = kind === "kill" ? this.#nameChanges.length : below(chance, this.#nameChanges.length + 1);
    for (const change of this.#nameChanges.slice(0, survivors)) change(names);
    const inodes = new Map<number, Inode>();
    for (const [number, { identity, durable, changes }] of this.#inodes) {
      if (![...names.values()].includes(number)) continue;
      let bytes: Uint8Array = durable.slice();
      // Pages go to the disk in any order: a later write may be there without an earlier one.
      const kept = kind === "kill" ? changes : changes.flatMap((change) => torn(change, chance));
      for (const made of kept) bytes = apply(bytes, made);
      inodes.set(number, { identity, current: bytes.slice(), durable: bytes, changes: [] });
    }
    const parents = [...names.keys()].map((name) => name.slice(0, name.lastIndexOf("/")));
    return new MemoryFiles(inodes, names, new Set([...this.#directories, ...parents]));
  }

  /** A copy of everything, made while this one goes on; with inodes of its own, as `cp -a` does. */
  copy(): MemoryFiles {
    const copy = new MemoryFiles(new Map(), new Map(), new Set(this.#directories));
    copy.#nextInode = this.#nextInode;
    for (const [path, number] of this.#names) {
      const inode = copy.#add(path);
      inode.current = this.#inode(number).current.slice();
      inode.durable = inode.current.slice();
      copy.#durableNames.set(path, copy.#names.get(path)!);
    }
    return copy;
  }

  get paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** The file as a running process sees it, to read and to damage. */
  bytesOf(path: string): Uint8Array {
    return this.#inode(this.#names.get(path)).current.slice();
  }

  put(path: string, bytes: Uint8Array): void {
    const inode = this.#inode(this.#names.get(path));
    inode.current = bytes.slice();
    inode.durable = bytes.slice();
    inode.changes = [];
  }

  /** The same bytes in another place. */
  place(path: string, change: Partial<FileIdentity>): void {
    const inode = this.#inode(this.#names.get(path));
    inode.identity = { ...inode.identity, ...change };
  }

  async #step(name: string): Promise<void> {
    await Promise.resolve();
    if (this.#isDead) throw new PowerLoss();
    this.before(this.operations++, name);
  }

  #inode(number: number | undefined): Inode {
    const inode = this.#inodes.get(number ?? -1);
    if (inode === undefined) throw Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT" });
    return inode;
  }

  #add(path: string): Inode {
    const number = this.#nextInode++;
    const identity = this.identify({ inode: BigInt(number), device: 1n, birthtimeNs: BigInt(number) * 1_000n });
    const inode: Inode = { identity, current: new Uint8Array(0), durable: new Uint8Array(0), changes: [] };
    this.#inodes.set(number, inode);
    this.#names.set(path, number);
    return inode;
  }

  #changeNames(change: (names: Map<string, number>) => void): void {
    change(this.#names);
    this.#nameChanges.push(change);
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#step("mkdir");
    this.#directories.add(path);
  }

  async list(path: string): Promise<readonly string[] | undefined> {
    await this.#step("list");
    if (!this.#directories.has(path)) return undefined;
    const inside = [...this.#names.keys()].filter((name) => name.startsWith(`${path}/`));
    return inside.map((name) => name.slice(path.length + 1)).filter((name) => !name.includes("/"));
  }

  async open(path: string): Promise<OpenFile | undefined> {
    await this.#step("open");
    const number = this.#names.get(path);
    return number === undefined ? undefined : this.#handle(this.#inode(number));
  }

  async create(path: string): Promise<OpenFile> {
    await this.#step("create");
    const inode = this.#add(path);
    const number = this.#names.get(path)!;
    this.#nameChanges.push((names) => names.set(path, number));
    return this.#handle(inode);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step("rename");
    const isDirectory = this.#directories.has(from);
    if (isDirectory) {
      this.#directories.delete(from);
      this.#directories.add(to);
    }
    this.#changeNames((names) => {
      for (const [name, number] of [...names]) {
        if (name !== from && !(isDirectory && name.startsWith(`${from}/`))) continue;
        names.delete(name);
        names.set(to + name.slice(from.length), number);
      }
    });
  }

  async remove(path: string): Promise<void> {
    await this.#step("remove");
    this.#directories.delete(path);
    this.#changeNames((names) => {
      for (const name of [...names.keys()]) if (name === path || name.startsWith(`${path}/`)) names.delete(name);
    });
  }

  async syncDirectory(_path: string): Promise<void> {
    await this.#step("sync directory");
    for (const change of this.#nameChanges) change(this.#durableNames);
    this.#nameChanges = [];
  }

  #handle(inode: Inode): OpenFile {
    return {
      sizeBytes: async () => {
        await this.#step("stat");
        return inode.current.length;
      },
      read: async () => {
        await this.#step("read");
        return inode.current.slice();
      },
      write: async (bytes, at) => {
        try {
          await this.#step("write");
        } catch (error) {
          // As on a full disk: some of it may be there already.
          if (!this.#isDead) change(inode, { at, bytes: bytes.slice(0, bytes.length >> 1) });
          throw error;
        }
        change(inode, { at, bytes: bytes.slice() });
      },
      truncate: async (length) => {
        await this.#step("truncate");
        change(inode, { length });
      },
      sync: async () => {
        const pending = inode.changes.length;
        await this.#step("sync");
        await this.slowSync();
        if (this.#isDead) throw new PowerLoss();
        inode.durable = inode.changes.slice(0, pending).reduce(apply, inode.durable);
        inode.changes = inode.changes.slice(pending);
      },
      identity: async () => {
        await this.#step("stat");
        return inode.identity;
      },
      close: async () => {
        await this.#step("close");
      },
    };
  }
}
