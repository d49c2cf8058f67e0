/** What a validator signed against itself, kept for who has it slashed. */
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeVote } from "../consensus/codec.ts";
import type { Evidence } from "../consensus/types.ts";
import { bytesToHex } from "../core/bytes.ts";
import type { Logger } from "./log.ts";

/** A validator that contradicts itself in every view fills no disk: one proof is enough to slash it. */
const MOST_FILES = 1_000;

/** One file for a validator and view: `evidence/<view>-<signer>.json`. A disk that does not take it stops nothing. */
export function keepEvidence(datadir: string, { epoch, signer, first, second }: Evidence, log: Logger): void {
  const folder = join(datadir, "evidence");
  const file = join(folder, `${first.view}-${signer}.json`);
  try {
    if (existsSync(file)) return;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (readdirSync(folder).length >= MOST_FILES) return;
    const votes = [first, second].map((vote) => bytesToHex(encodeVote(vote)));
    writeFileSync(`${file}.tmp`, `${JSON.stringify({ epoch, view: first.view, signer, votes }, null, 2)}\n`);
    renameSync(`${file}.tmp`, file);
    log.warn({ file }, "evidence kept");
  } catch (err) {
    log.error({ err, file }, "evidence could not be kept");
  }
}
