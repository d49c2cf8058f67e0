/** Validators in real directories: keys that open fast, votes to sign, copies as an operator makes them. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultPbkdfModule } from "@chainsafe/bls-keystore";
import { KIND, type Subject } from "../../../consensus/types.ts";
import { expandBlsPublicKey } from "../../../core/bls.ts";
import type { NetworkId } from "../guard-file.ts";
import { readPublicKey } from "../keys.ts";
import { openValidatorState, type ValidatorState } from "../state.ts";
import { createVoteSigner } from "../vote-signer.ts";

export const NETWORK: NetworkId = { chainId: 161_299n, genesisHash: new Uint8Array(32).fill(5) };

/** As weak as fast. */
export function fastKdf() {
  const { params } = defaultPbkdfModule();
  return { function: "pbkdf2" as const, params: { ...params, c: 2 } as never };
}

export const notarize = (view: number, block = 1): Subject => ({
  kind: KIND.notarize,
  epoch: 0,
  view,
  parentView: view - 1,
  block: new Uint8Array(32).fill(block),
});

export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "openledger-validator-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** With the times, owners and modes of the original. */
export const copyDirectory = (from: string, to: string): void => void execFileSync("cp", ["-a", from, to]);

/** The state of the directory's key, as a node opens it. */
export function openState(dir: string, network: NetworkId = NETWORK): Promise<ValidatorState> {
  return openValidatorState(dir, expandBlsPublicKey(readPublicKey(dir)!), network);
}

/** Opens, signs, closes. Rejects with VoteRefused where the state refuses. */
export async function signIn(dir: string, ...votes: readonly Subject[]): Promise<void> {
  const state = await openState(dir);
  try {
    const signer = createVoteSigner({
      ...state,
      sign: (digest) => digest,
      domain: { chainId: NETWORK.chainId, l1Contract: new Uint8Array(20) },
      setHashOf: () => new Uint8Array(32),
    });
    for (const vote of votes) await signer.signVote(vote);
  } finally {
    await state.close();
  }
}
