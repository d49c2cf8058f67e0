/** SHA-256 of contents, for formats that know no other: the chain has their roots only. */
import { createHash } from "node:crypto";
import { httpContentSource } from "../../attribution/content-server.ts";
import type { Hex } from "../../core/bytes.ts";

const MAX_CONTENT_BYTES = 256 * 1024 * 1024;

/**
 * Lower-case hex by root, of the contents that one of the stores has: each is held against its root first. What no store
 * has is left out.
 */
export async function checksumsOf(roots: readonly Hex[], urls: readonly string[]): Promise<Map<string, string>> {
  const sources = urls.map((url) => httpContentSource(url, MAX_CONTENT_BYTES));
  const checksums = new Map<string, string>();
  for (const root of roots) {
    for (const source of sources) {
      const bytes = await source.get(root).catch(() => undefined);
      if (bytes === undefined) continue;
      checksums.set(root, createHash("sha256").update(bytes).digest("hex"));
      break;
    }
  }
  return checksums;
}
