/** A quality index in a file: it appears complete or not at all, and one that cannot be read counts as absent. */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { QualityIndex, QualityIndexError } from "./quality-index.ts";

export async function saveQualityIndex(file: string, index: QualityIndex): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, index.encode(), { mode: 0o600, flush: true });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Undefined when there is none, or one that is damaged or of another version: it is only a cache. */
export async function loadQualityIndex(file: string): Promise<QualityIndex | undefined> {
  try {
    return QualityIndex.decode(new Uint8Array(await readFile(file)));
  } catch (error) {
    if (error instanceof QualityIndexError) return undefined;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
