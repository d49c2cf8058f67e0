/** One content into a file: from where it was interrupted, from whichever store has it, checked, and then renamed. */
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { ContentHasher } from "../../core/content.ts";
import { OperationError } from "../errors.ts";
import { ask, type StoreClient, StoreRefusal } from "./store-client.ts";

const READ_BYTES = 256 * 1024;
/** Of one store for one content, each of which brings something. */
const MAX_TRIES = 100;
/** Answers one after the other that broke off without bringing anything. */
const MAX_BROKEN = 3;

export interface Wanted {
  readonly root: Hex;
  /** Bytes, when that is known; otherwise at most `maxBytes`. */
  readonly size?: number | undefined;
  readonly maxBytes: number;
}

/** Why no store gave it. `denied`: only who shows a granted key gets it. */
export interface Missing {
  readonly reason: "unavailable" | "denied" | "wrong";
  readonly details: readonly string[];
}

/** Undefined when the file is there and is the content. A file that is not is removed. */
export async function download(
  stores: readonly StoreClient[],
  wanted: Wanted,
  file: string,
): Promise<Missing | undefined> {
  if (await isContent(file, wanted)) return undefined;
  const partial = `${file}.partial`;
  await mkdir(dirname(file), { recursive: true });
  const failures: { readonly store: string; readonly reason: Missing["reason"]; readonly detail: string }[] = [];
  for (const store of stores) {
    const failure = await from(store, wanted, partial);
    if (failure === undefined) {
      await rename(partial, file);
      return undefined;
    }
    failures.push({ store: store.url, ...failure });
  }
  const order = ["denied", "wrong", "unavailable"] as const;
  const reason = order.find((candidate) => failures.some((failure) => failure.reason === candidate)) ?? "unavailable";
  return { reason, details: failures.map(({ store, detail }) => `${store}: ${detail}`) };
}

type Failure = Pick<Missing, "reason"> & { readonly detail: string };

/** Undefined: `partial` is the content, fsynced. */
async function from(store: StoreClient, wanted: Wanted, partial: string): Promise<Failure | undefined> {
  let broken = 0;
  for (let tries = 0; tries < MAX_TRIES && broken < MAX_BROKEN; tries++) {
    const begun = await Begun.open(partial);
    try {
      const outcome = await attempt(store, wanted, begun);
      if (outcome !== "again" && outcome !== "broken") return outcome;
      broken = outcome === "broken" ? broken + 1 : 0;
    } finally {
      await begun.close();
    }
  }
  return { reason: "unavailable", detail: "breaks off again and again" };
}

type Outcome = Failure | "again" | "broken" | undefined;

async function attempt(store: StoreClient, wanted: Wanted, begun: Begun): Promise<Outcome> {
  const limit = wanted.size ?? wanted.maxBytes;
  if (begun.length >= limit) await begun.reset();
  const resumedAt = begun.length;
  let isResumed = resumedAt > 0;
  try {
    const resume = isResumed ? { range: `bytes=${resumedAt}-`, headers: { "if-range": `"${wanted.root}"` } } : {};
    const { response, alive } = await ask(store, `/content/${wanted.root}`, resume);
    isResumed &&= response.headers.get("content-range")?.startsWith(`bytes ${resumedAt}-`) === true;
    if (!isResumed) await begun.reset();
    for await (const part of response.body ?? []) {
      alive();
      if (begun.length + part.length > limit) break;
      await begun.append(part);
    }
  } catch (error) {
    if (error instanceof StoreRefusal && error.status === 416 && resumedAt > 0) {
      await begun.reset();
      return "again";
    }
    if (error instanceof StoreRefusal && [401, 403].includes(error.status)) {
      return { reason: "denied", detail: error.message };
    }
    if (error instanceof OperationError) return { reason: "unavailable", detail: error.message };
    // It began to answer: as long as something comes, it is asked again.
    return begun.length > resumedAt ? "again" : "broken";
  }
  if (await begun.is(wanted)) return undefined;
  await begun.reset();
  // What was there before may have been wrong: then this store is asked once more, for all.
  return isResumed ? "again" : { reason: "wrong", detail: `what it sends is not content ${wanted.root}` };
}

type Handle = Awaited<ReturnType<typeof open>>;

/** The file of a download that is not over. */
class Begun {
  readonly #handle: Handle;
  #hasher: ContentHasher;

  private constructor(handle: Handle, hasher: ContentHasher) {
    this.#handle = handle;
    this.#hasher = hasher;
  }

  static async open(file: string): Promise<Begun> {
    const handle = await open(file, "a+", 0o600);
    const hasher = new ContentHasher();
    await hashInto(hasher, handle);
    return new Begun(handle, hasher);
  }

  get length(): number {
    return this.#hasher.length;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#handle.appendFile(bytes);
    this.#hasher.update(bytes);
  }

  async reset(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hasher = new ContentHasher();
  }

  /** Whether it is all of the content; then it is durable. */
  async is({ root, size }: Wanted): Promise<boolean> {
    if (this.length === 0 || (size !== undefined && this.length !== size)) return false;
    if (bytesToHex(this.#hasher.root()) !== root) return false;
    await this.#handle.sync();
    return true;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

async function hashInto(hasher: ContentHasher, handle: Handle): Promise<void> {
  const piece = new Uint8Array(READ_BYTES);
  for (;;) {
    const { bytesRead } = await handle.read(piece, 0, piece.length, hasher.length);
    if (bytesRead === 0) return;
    hasher.update(piece.subarray(0, bytesRead));
  }
}

/** Throws OperationError for an empty file, or one that cannot be read. */
export async function fileRoot(file: string): Promise<{ readonly root: Hex; readonly size: number }> {
  const hasher = new ContentHasher();
  let handle: Handle;
  try {
    handle = await open(file, "r");
  } catch (error) {
    throw new OperationError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    await hashInto(hasher, handle);
  } catch (error) {
    throw new OperationError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  } finally {
    await handle.close();
  }
  if (hasher.length === 0) throw new OperationError(`${file} is empty: content has at least one byte`);
  return { root: bytesToHex(hasher.root()), size: hasher.length };
}

async function isContent(file: string, { root, size }: Wanted): Promise<boolean> {
  const found = await fileRoot(file).catch(() => undefined);
  if (found?.root === root && (size === undefined || found.size === size)) return true;
  await rm(file, { force: true });
  return false;
}
