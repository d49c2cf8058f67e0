/**
 * A Datanet version into a directory: `contents/<root>` for each contribution's content, `manifest.json` about them. What
 * is there already is checked and kept.
 */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Hex } from "../../core/bytes.ts";
import { LICENCES } from "../../core/licences.ts";
import { DataError, OperationError } from "../errors.ts";
import type { DatanetVersion, VersionContribution } from "./datanet.ts";
import { download, type Missing } from "./download.ts";
import type { StoreClient } from "./store-client.ts";

const MANIFEST = "manifest.json";
const PARALLEL = 4;

export interface FetchOptions {
  readonly stores: readonly StoreClient[];
  readonly directory: string;
  /** Also what its contributor has withdrawn consent for. */
  readonly takesWithdrawn: boolean;
  /** One content is settled. */
  readonly onProgress: (progress: Progress) => void;
}

export interface Progress {
  readonly contributions: number;
  readonly ofContributions: number;
  readonly bytes: number;
  readonly ofBytes: number;
}

export interface MissingContribution {
  readonly id: bigint;
  readonly root: Hex;
  readonly reason: Missing["reason"] | "withdrawn";
  readonly details: readonly string[];
}

/** What is missing, without what was withdrawn and nobody asked for. Throws DataError when the directory is of something else. */
export async function fetchVersion(version: DatanetVersion, options: FetchOptions): Promise<MissingContribution[]> {
  const { stores, directory, takesWithdrawn, onProgress } = options;
  await requireOwn(directory, version);
  await mkdir(join(directory, "contents"), { recursive: true });
  const isWanted = ({ withdrawnAt }: VersionContribution) => takesWithdrawn || withdrawnAt === 0n;
  const wanted = version.contributions.filter(isWanted);
  const ofBytes = wanted.reduce((sum, { size }) => sum + size, 0);
  const missing = new Map<bigint, MissingContribution>();
  let [contributions, bytes] = [0, 0];
  const pending = wanted.values();
  const worker = async () => {
    for (const { id, root, size, withdrawnAt } of pending) {
      const failure = await download(stores, { root, size, maxBytes: size }, join(directory, fileOf(root)));
      if (failure !== undefined) {
        const reason = withdrawnAt > 0n && failure.reason === "unavailable" ? "withdrawn" : failure.reason;
        missing.set(id, { id, root, reason, details: failure.details });
      }
      contributions++;
      bytes += size;
      onProgress({ contributions, ofContributions: wanted.length, bytes, ofBytes });
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, wanted.length) }, worker));
  await writeManifest(directory, version, (contribution) => {
    const reason = isWanted(contribution) ? missing.get(contribution.id)?.reason : "withdrawn";
    return reason === undefined ? { file: fileOf(contribution.root) } : { missing: reason };
  });
  return [...missing.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

const licenceName = (code: number): string => LICENCES.find((licence) => licence.code === code)?.spdx ?? String(code);

const fileOf = (root: Hex): string => `contents/${root.slice(2)}`;

interface ManifestHead {
  readonly chainId?: unknown;
  readonly datanet?: unknown;
}

/** A newer version of the same Datanet may follow; nothing else. */
async function requireOwn(directory: string, { chainId, datanetId }: DatanetVersion): Promise<void> {
  const file = join(directory, MANIFEST);
  let found: ManifestHead;
  try {
    found = JSON.parse(await readFile(file, "utf8")) as ManifestHead;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw new DataError(`${file} cannot be read; choose another --out`, { cause: error });
  }
  if (found.chainId === chainId && found.datanet === Number(datanetId)) return;
  throw new DataError(`${file} is of Datanet ${found.datanet} on chain ${found.chainId}; choose another --out`);
}

async function writeManifest(
  directory: string,
  version: DatanetVersion,
  stateOf: (contribution: VersionContribution) => object,
): Promise<void> {
  const contributions = version.contributions.map((contribution) => {
    const { id, root, size, contributor, licence, withdrawnAt } = contribution;
    const withdrawn = withdrawnAt > 0n ? { withdrawnAt: Number(withdrawnAt) } : {};
    const name = licenceName(licence);
    return { id: Number(id), root, size, contributor, licence: name, ...withdrawn, ...stateOf(contribution) };
  });
  const manifest = {
    chainId: version.chainId,
    datanet: Number(version.datanetId),
    version: version.number,
    root: version.root,
    publishedAt: Number(version.publishedAt),
    owner: version.owner,
    licence: licenceName(version.licence),
    access: version.isPermissioned ? "permissioned" : "open",
    bytes: contributions.reduce((sum, { size }) => sum + size, 0),
    contributions,
  };
  const file = join(directory, MANIFEST);
  try {
    const handle = await open(`${file}.tmp`, "w");
    try {
      await handle.writeFile(`${JSON.stringify(manifest, null, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.tmp`, file);
  } catch (error) {
    throw new OperationError(`${file} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}
