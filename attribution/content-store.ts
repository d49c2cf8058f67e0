/**
 * Content by its root, on disk. Layout: `<directory>/FORMAT` ("1"), `<directory>/<first two hex digits>/<64 hex digits>`
 * holding the plain bytes, `<directory>/tmp/` for writes under way. A file appears complete or not at all: it is
 * written and fsynced under tmp/ and then renamed. Every read checks the bytes against the root.
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesToHex, equalsBytes, type Hex, hexToBytes } from "../core/bytes.ts";
import { contentRoot } from "../core/content.ts";

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

export interface ContentStoreLimits {
  readonly maxItemBytes: number;
  readonly maxTotalBytes: number;
}

export const CONTENT_LIMITS: ContentStoreLimits = { maxItemBytes: 5 * 1024 * 1024, maxTotalBytes: 10 * 1024 ** 3 };

export type ContentStoreErrorCode = "empty" | "too-large" | "full" | "damaged" | "format";

/** `damaged`: the file's bytes do not hash to its name; putting the content again repairs it. */
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

/** Lower-case root, or undefined when the text is none. The only way from outside text to a file name. */
export function parseRoot(text: string): Hex | undefined {
  const root = text.toLowerCase();
  return ROOT.test(root) ? (root as Hex) : undefined;
}

export class ContentStore implements ContentSource {
  readonly directory: string;
  readonly limits: ContentStoreLimits;
  #totalBytes: number;
  /** Puts run one after the other: the total stays exact. */
  #lastPut: Promise<unknown> = Promise.resolve();

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
  put(bytes: Uint8Array): Promise<StoredContent & { readonly created: boolean }> {
    const turn = this.#lastPut.then(() => this.#put(bytes));
    this.#lastPut = turn.catch(() => {});
    return turn;
  }

  /** Throws ContentStoreError `damaged` when the bytes on disk are not the content. */
  async get(root: Hex): Promise<Uint8Array | undefined> {
    const bytes = await unlessMissing(readFile(this.#path(root)));
    if (bytes === undefined) return undefined;
    const content = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    if (content.length === 0 || !equalsBytes(contentRoot(content), hexToBytes(root))) {
      throw new ContentStoreError("damaged", `content ${root} is damaged on disk; put it again`);
    }
    return content;
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

  async #put(bytes: Uint8Array): Promise<StoredContent & { readonly created: boolean }> {
    const { maxItemBytes, maxTotalBytes } = this.limits;
    if (bytes.length === 0) throw new ContentStoreError("empty", "content has at least one byte");
    if (bytes.length > maxItemBytes) {
      throw new ContentStoreError(
        "too-large",
        `content of ${bytes.length} bytes is above the limit of ${maxItemBytes}`,
      );
    }
    const root = bytesToHex(contentRoot(bytes));
    const path = this.#path(root);
    const existing = await unlessMissing(readFile(path));
    if (existing !== undefined && equalsBytes(existing, bytes)) return { root, size: bytes.length, created: false };
    const added = bytes.length - (existing?.length ?? 0);
    if (this.#totalBytes + added > maxTotalBytes) {
      throw new ContentStoreError("full", `the store holds ${this.#totalBytes} of at most ${maxTotalBytes} bytes`);
    }
    const folder = join(path, "..");
    const temporary = join(this.directory, "tmp", randomUUID());
    try {
      await writeFile(temporary, bytes, { mode: 0o600, flush: true });
      const created = await mkdir(folder, { recursive: true, mode: 0o700 });
      await rename(temporary, path);
      await syncDirectory(folder);
      if (created !== undefined) await syncDirectory(this.directory);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    this.#totalBytes += added;
    return { root, size: bytes.length, created: true };
  }

  #path(root: Hex): string {
    if (!ROOT.test(root)) throw new TypeError(`${JSON.stringify(root)} is not a content root in lower case`);
    return join(this.directory, root.slice(2, 4), root.slice(2));
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
