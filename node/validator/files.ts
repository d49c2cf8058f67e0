/**
 * What the log and the guard need of a file system. Tests and the simulator bring one that loses power, tears writes and
 * fills up; the calls below are all there is, so that faults can be put at every one of them.
 */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** What a copy of a file does not share with it. */
export interface FileIdentity {
  readonly inode: bigint;
  readonly device: bigint;
  /** Nanoseconds since 1970; 0 where the file system keeps none. */
  readonly birthtimeNs: bigint;
}

/** Every operation rejects with the system's error; none is ever tried again. */
export interface OpenFile {
  sizeBytes(): Promise<number>;
  read(): Promise<Uint8Array>;
  /** All bytes or a rejection; grows the file as needed. */
  write(bytes: Uint8Array, at: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** Contents and length are durable when it resolves (fdatasync). */
  sync(): Promise<void>;
  identity(): Promise<FileIdentity>;
  close(): Promise<void>;
}

export interface Files {
  /** With its parents, for the owner only; durable. */
  makeDirectory(path: string): Promise<void>;
  /** Names in the directory; undefined when there is none. */
  list(path: string): Promise<readonly string[] | undefined>;
  /** For reading and writing; undefined when there is no such file. */
  open(path: string): Promise<OpenFile | undefined>;
  /** A new file for the owner only, in place of what is there. */
  create(path: string): Promise<OpenFile>;
  /** Replaces `to` atomically. Durable after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  /** With all that is in it, if it is a directory; nothing to remove is no error. */
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
}

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT";

async function absentAs<T>(value: T, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isAbsent(error)) return value;
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open a directory; NTFS journals names by itself.
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export const systemFiles: Files = {
  async makeDirectory(path) {
    const made = (await mkdir(path, { recursive: true, mode: 0o700 })) ?? path;
    // Also of one that was there: whoever made it may have ended before this.
    let synced = path;
    do {
      await syncDirectory(dirname(synced));
      synced = dirname(synced);
    } while (synced.length >= made.length);
  },
  list: (path) => absentAs<readonly string[] | undefined>(undefined, readdir(path)),
  async open(path) {
    const handle = await absentAs<FileHandle | undefined>(undefined, open(path, "r+"));
    return handle === undefined ? undefined : new SystemFile(handle);
  },
  async create(path) {
    await rm(path, { force: true });
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    return new SystemFile(await open(path, flags, 0o600));
  },
  rename,
  remove: (path) => rm(path, { force: true, recursive: true }),
  syncDirectory,
};

class SystemFile implements OpenFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async sizeBytes(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(): Promise<Uint8Array> {
    const bytes = new Uint8Array(await this.sizeBytes());
    let at = 0;
    while (at < bytes.length) {
      const { bytesRead } = await this.#handle.read(bytes, at, bytes.length - at, at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return bytes.subarray(0, at);
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
    // A disk that is nearly full takes less than it was given, and says so only the next time.
    for (let done = 0; done < bytes.length; ) {
      done += (await this.#handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
    }
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length);
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  async identity(): Promise<FileIdentity> {
    const { ino, dev, birthtimeNs } = await this.#handle.stat({ bigint: true });
    return { inode: ino, device: dev, birthtimeNs };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
