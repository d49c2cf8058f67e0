/** One folder for whatever tests write, gone when they end, also what a worker that was ended left behind. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "openledger-tests-"));
  // Some of its programs run as another user.
  chmodSync(folder, 0o711);
  process.env.TMPDIR = folder;
  // Programs that a worker started may be about to end.
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
