/**
 * A host's data directory: one process at a time, one key and one chain. What it signed lies here; with another key or
 * on another chain the records would mean something else.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Hex } from "../../core/bytes.ts";
import { lockDirectory } from "../directory-lock.ts";
import { DataError, OperationError } from "../errors.ts";

export interface HostIdentity {
  readonly chainId: string;
  readonly genesisHash: Hex;
  /** Lower case. */
  readonly host: Hex;
}

export interface HostDirectory {
  readonly answers: string;
  readonly shards: string;
  /** Notes whose directory it is, or throws DataError when it is another's. */
  claim(identity: HostIdentity): void;
  release(): void;
}

/** Throws DataError when another process uses it, OperationError. */
export function openHostDirectory(path: string): HostDirectory {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const message = `${path} cannot be created: ${(error as Error).message}; choose another --datadir`;
    throw new OperationError(message, { cause: error });
  }
  const lock = lockDirectory(path);
  const file = join(path, "host.json");
  return {
    answers: join(path, "answers"),
    shards: join(path, "index-shards"),
    claim(identity) {
      if (!existsSync(file)) {
        writeFileSync(`${file}.tmp`, `${JSON.stringify(identity, null, 2)}\n`, { mode: 0o600, flush: true });
        renameSync(`${file}.tmp`, file);
        return;
      }
      const known = readIdentity(file);
      for (const name of ["chainId", "genesisHash", "host"] as const) {
        if (known[name] === identity[name]) continue;
        throw new DataError(`${path} is of ${name} ${known[name]}, not ${identity[name]}; use another --datadir`);
      }
    },
    release: () => lock.release(),
  };
}

function readIdentity(file: string): Partial<HostIdentity> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Partial<HostIdentity>;
  } catch (error) {
    throw new DataError(`${file} is damaged: ${(error as Error).message}; restore a backup`, { cause: error });
  }
}
