/**
 * Content by its root, on disk. Layout: `<directory>/FORMAT` ("1"), `<directory>/<first two hex digits>/<64 hex digits>`
 * holding the plain bytes, `<directory>/groups/<two>/<64>` the group hashes of the larger ones (content-groups.ts; made
 * anew when missing or wrong), `<directory>/tmp/` for writes under way. A file appears complete or not at all: it is
 * written and fsynced under tmp/ and then renamed. Every read checks the bytes against the root.
 */
import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bytesToHex, equalsBytes, type Hex, hexToBytes } from "../core/bytes.ts";
import { contentRoot } from "../core/content.ts";
import { ContentFile } from "./content-file.ts";
import { decodeGroups, GROUP_BYTES, GroupHasher, type GroupTree } from "./content-groups.ts";
import { STORE_LIMITS } from "./content-limits.ts";

/** Where a model host gets contents from: a store on this disk or a server. */
export interface ContentSource {
  /** Bytes whose content root is `root`, checked; undefined when the source does not have them. */
  get(root: Hex): Promise<Uint8Array | undefined>;
}

export interface StoredContent {
  readonly root: Hex;
  /** Bytes. */
  readonly size: number;
}

export type PutContent = StoredContent & { readonly created: boolean };

export interface ContentStoreLimits {
  readonly maxItemBytes: number;
  readonly maxTotalBytes: number;
}

export const CONTENT_LIMITS: ContentStoreLimits = STORE_LIMITS;

export type ContentStoreErrorCode = "empty" | "too-large" | "full" | "damaged" | "mismatch" | "format";

/** `damaged`: the file's bytes do not hash to its name; putting the content again repairs it. `mismatch`: what was put is not what was announced. */
export class ContentStoreError extends Error {
  readonly code: ContentStoreErrorCode;
  constructor(code: ContentStoreErrorCode, message: string) {
    super(message);
    this.name = "ContentStoreError";
    this.code = code;
  }
}

const FORMAT = "1\n";
const ROOT = /^0x[0-9a-f]{64}$/;
/** Contents up to this size are hashed whole when they are opened, and have no file of group hashes. */
const SMALL_BYTES = 4 * GROUP_BYTES;
const READ_BYTES = 16 * GROUP_BYTES;

/** Lower-case root, or undefined when the text is none. The only way from outside text to a file name. */
export function parseRoot(text: string): Hex | undefined {
  const root = text.toLowerCase();
  return ROOT.test(root) ? (root as Hex) : undefined;
}

export class ContentStore implements ContentSource {
  readonly directory: string;
  readonly limits: ContentStoreLimits;
  #totalBytes: number;
  /** Of writes under way. */
  #reservedBytes = 0;
  /** Renames run one after the other: the total stays exact. */
  #lastTurn: Promise<unknown> = Promise.resolve();
  /** Group hashes that were used lately, the latest last. They lead to their roots, whatever is on disk. */
  readonly #trees = new Map<Hex, GroupTree>();
  #treeBytes = 0;
  readonly #opening = new Map<Hex, Promise<GroupTree>>();

  private constructor(directory: string, limits: ContentStoreLimits, totalBytes: number) {
    this.directory = directory;
    this.limits = limits;
    this.#totalBytes = totalBytes;
  }

  /** Creates the directory when it is missing and removes what an interrupted write left. */
  static async open(directory: string, limits: Partial<ContentStoreLimits> = {}): Promise<ContentStore> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const formatFile = join(directory, "FORMAT");
    const format = await unlessMissing(readFile(formatFile, "utf8"));
    if (format !== undefined && format !== FORMAT) {
      const found = JSON.stringify(format.trim().slice(0, 20));
      throw new ContentStoreError("format", `${directory} has content format ${found}, this version reads 1; upgrade`);
    }
    await rm(join(directory, "tmp"), { recursive: true, force: true });
    await mkdir(join(directory, "tmp"), { mode: 0o700 });
    if (format === undefined) await writeFile(formatFile, FORMAT, { mode: 0o600, flush: true });
    let totalBytes = 0;
    for (const prefix of await prefixes(directory)) {
      for (const name of await readdir(join(directory, prefix))) {
        totalBytes += (await stat(join(directory, prefix, name))).size;
      }
    }
    return new ContentStore(directory, { ...CONTENT_LIMITS, ...limits }, totalBytes);
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Idempotent; `created` tells whether it was new. Throws ContentStoreError `empty`, `too-large` or `full`. Durable when it resolves. */
  async put(bytes: Uint8Array): Promise<PutContent> {
    const { maxItemBytes } = this.limits;
    if (bytes.length > maxItemBytes) throw tooLarge(bytes.length, maxItemBytes);
    return this.putStream([bytes], { size: bytes.length });
  }

  /**
   * The same of content that is never whole in memory: hashed on its way to the disk. `size` is what will come, when that
   * is known, and `root` what it has to be: otherwise `mismatch`. Nothing stays of what fails, or of a source that throws.
   */
  async putStream(
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    expected: { readonly size?: number | undefined; readonly root?: Hex | undefined } = {},
  ): Promise<PutContent> {
    const { maxItemBytes } = this.limits;
    if (expected.size !== undefined && expected.size > maxItemBytes) throw tooLarge(expected.size, maxItemBytes);
    const hasher = new GroupHasher();
    const temporary = join(this.directory, "tmp", randomUUID());
    let reserved = 0;
    const reserve = (bytes: number) => {
      if (bytes <= reserved) return;
      this.#reserve(bytes - reserved);
      reserved = bytes;
    };
    try {
      reserve(expected.size ?? 0);
      const handle = await open(temporary, "wx", 0o600);
      try {
        for await (const bytes of source) {
          const length = hasher.length + bytes.length;
          if (length > maxItemBytes) throw tooLarge(length, maxItemBytes);
          reserve(length);
          hasher.update(bytes);
          await writeAll(handle, bytes);
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
      if (hasher.length === 0) throw new ContentStoreError("empty", "content has at least one byte");
      const tree = hasher.tree();
      const root = bytesToHex(tree.root);
      if (expected.root !== undefined && root !== expected.root) {
        throw new ContentStoreError("mismatch", `what came hashes to ${root} instead of ${expected.root}`);
      }
      return await this.#inTurn(() => this.#publish(temporary, root, tree));
    } finally {
      this.#reservedBytes -= reserved;
      await rm(temporary, { force: true });
    }
  }

  /** Throws ContentStoreError `damaged` when the bytes on disk are not the content. */
  async get(root: Hex): Promise<Uint8Array | undefined> {
    const bytes = await unlessMissing(readFile(this.#path(root)));
    if (bytes === undefined) return undefined;
    const content = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    if (content.length === 0 || !equalsBytes(contentRoot(content), hexToBytes(root))) throw damaged(root);
    return content;
  }

  /**
   * For reads of parts; to be closed. Undefined when absent. Throws ContentStoreError `damaged`, now or when a part that
   * is damaged is read.
   */
  async file(root: Hex): Promise<ContentFile | undefined> {
    const handle = await unlessMissing(open(this.#path(root), "r"));
    if (handle === undefined) return undefined;
    try {
      return new ContentFile(root, handle, await this.#tree(root, handle), () => damaged(root));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Bytes, without reading them; undefined when absent. */
  async size(root: Hex): Promise<number | undefined> {
    return (await unlessMissing(stat(this.#path(root))))?.size;
  }

  /** At most `limit` items above the root `after`, in the order of their roots. `next` is the cursor of the rest. */
  async list(after: Hex | undefined, limit: number): Promise<{ items: StoredContent[]; next: Hex | undefined }> {
    const items: StoredContent[] = [];
    const start = after?.slice(2) ?? "";
    for (const prefix of await prefixes(this.directory)) {
      if (prefix < start.slice(0, 2)) continue;
      const names = (await readdir(join(this.directory, prefix))).filter((name) => name > start).sort();
      for (const name of names) {
        if (items.length === limit) return { items, next: items.at(-1)?.root };
        const root: Hex = `0x${name}`;
        const size = await this.size(root);
        if (size !== undefined) items.push({ root, size });
      }
    }
    return { items, next: undefined };
  }

  #reserve(bytes: number): void {
    const { maxTotalBytes } = this.limits;
    if (this.#totalBytes + this.#reservedBytes + bytes > maxTotalBytes) {
      throw new ContentStoreError("full", `the store holds ${this.#totalBytes} of at most ${maxTotalBytes} bytes`);
    }
    this.#reservedBytes += bytes;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(work);
    this.#lastTurn = turn.catch(() => {});
    return turn;
  }

  /** `temporary` holds the content, fsynced. */
  async #publish(temporary: string, root: Hex, tree: GroupTree): Promise<PutContent> {
    const path = this.#path(root);
    const size = tree.length;
    const existing = await this.size(root);
    if (existing !== undefined && (await areEqual(temporary, path))) return { root, size, created: false };
    const folder = dirname(path);
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    await rename(temporary, path);
    await syncDirectory(folder);
    if (made !== undefined) await syncDirectory(this.directory);
    this.#totalBytes += size - (existing ?? 0);
    if (size > SMALL_BYTES) await this.#writeGroups(root, tree);
    return { root, size, created: true };
  }

  /** One scan at a time of a content, whoever asks for it meanwhile. */
  #tree(root: Hex, handle: FileHandle): Promise<GroupTree> {
    const underWay = this.#opening.get(root);
    if (underWay !== undefined) return underWay;
    const opening = this.#openTree(root, handle).finally(() => this.#opening.delete(root));
    this.#opening.set(root, opening);
    return opening;
  }

  async #openTree(root: Hex, handle: FileHandle): Promise<GroupTree> {
    const { size } = await handle.stat();
    if (size === 0) throw damaged(root);
    let tree = this.#trees.get(root);
    if (tree?.length !== size) {
      const isSmall = size <= SMALL_BYTES;
      const stored = isSmall ? undefined : await unlessMissing(readFile(this.#groupsPath(root)));
      const found = stored && decodeGroups(stored, hexToBytes(root), size);
      tree = found ?? (await scan(handle));
      if (!equalsBytes(tree.root, hexToBytes(root))) throw damaged(root);
      if (!isSmall && found === undefined) await this.#writeGroups(root, tree);
    }
    this.#remember(root, tree);
    return tree;
  }

  /** Not fsynced: what a power cut leaves of it does not lead to the root. */
  async #writeGroups(root: Hex, tree: GroupTree): Promise<void> {
    const path = this.#groupsPath(root);
    const temporary = join(this.directory, "tmp", randomUUID());
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(temporary, tree.encode(), { mode: 0o600 });
    await rename(temporary, path);
  }

  #remember(root: Hex, tree: GroupTree): void {
    if (this.#trees.delete(root)) this.#treeBytes -= tree.memoryBytes;
    this.#trees.set(root, tree);
    this.#treeBytes += tree.memoryBytes;
    for (const [oldest, { memoryBytes }] of this.#trees) {
      if (this.#treeBytes <= STORE_LIMITS.treeCacheBytes && this.#trees.size <= STORE_LIMITS.treesCached) break;
      this.#trees.delete(oldest);
      this.#treeBytes -= memoryBytes;
    }
  }

  #path(root: Hex): string {
    return join(this.directory, ...placeOf(root));
  }

  #groupsPath(root: Hex): string {
    return join(this.directory, "groups", ...placeOf(root));
  }
}

function placeOf(root: Hex): [string, string] {
  if (!ROOT.test(root)) throw new TypeError(`${JSON.stringify(root)} is not a content root in lower case`);
  return [root.slice(2, 4), root.slice(2)];
}

const damaged = (root: Hex) => new ContentStoreError("damaged", `content ${root} is damaged on disk; put it again`);

const tooLarge = (bytes: number, limit: number) =>
  new ContentStoreError("too-large", `content of ${bytes} bytes is above the limit of ${limit}`);

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
}

/** Hashes the whole file. */
async function scan(handle: FileHandle): Promise<GroupTree> {
  const hasher = new GroupHasher();
  const piece = new Uint8Array(READ_BYTES);
  for (;;) {
    const { bytesRead } = await handle.read(piece, 0, piece.length, hasher.length);
    if (bytesRead === 0) return hasher.tree();
    hasher.update(piece.subarray(0, bytesRead));
  }
}

async function areEqual(first: string, second: string): Promise<boolean> {
  const [a, b] = [await open(first, "r"), await open(second, "r")];
  try {
    if ((await a.stat()).size !== (await b.stat()).size) return false;
    const [ofA, ofB] = [Buffer.alloc(READ_BYTES), Buffer.alloc(READ_BYTES)];
    for (let at = 0; ; ) {
      const read = [await a.read(ofA, 0, READ_BYTES, at), await b.read(ofB, 0, READ_BYTES, at)].map((r) => r.bytesRead);
      if (read[0] !== read[1] || !ofA.subarray(0, read[0]).equals(ofB.subarray(0, read[1]))) return false;
      if (read[0] === 0) return true;
      at += read[0]!;
    }
  } finally {
    await a.close();
    await b.close();
  }
}

async function prefixes(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => /^[0-9a-f]{2}$/.test(name)).sort();
}

/** Undefined instead of ENOENT. */
async function unlessMissing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** A rename is durable when its directory is. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
