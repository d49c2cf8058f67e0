/** A validator from a data directory: its key, its memory, and whether it may sign. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { blsPublicKey, blsSign } from "../../core/bls.ts";
import { type Hex, hexToBytes } from "../../core/bytes.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import type { Genesis } from "../../genesis/schema.ts";
import { DEVNET_CHAIN_ID } from "../accounts.ts";
import { UsageError } from "../errors.ts";
import { buildGenesisBlock } from "../genesis-block.ts";
import { devnetValidatorKey } from "./devnet.ts";
import { loadSigner } from "./keys.ts";
import { readPassword } from "./password.ts";
import { createGuard, openValidatorState, type ValidatorState } from "./state.ts";

export interface Validator {
  /** 96 bytes, uncompressed. */
  readonly publicKey: Uint8Array;
  /** 32-byte digest to 96-byte signature. Nothing but node/validator/vote-signer.ts calls it. */
  readonly sign: (digest: Uint8Array) => Uint8Array;
  readonly state: ValidatorState;
  /** Receives the priority fees of own blocks. */
  readonly feeAddress: Uint8Array | undefined;
  close(): Promise<void>;
}

export interface OpenValidatorOptions {
  readonly datadir: string;
  readonly genesis: Genesis;
  /** Index of a publicly known key. */
  readonly devnetKey?: number | undefined;
  readonly passwordFile?: string | undefined;
  /** 20 bytes, hex. */
  readonly feeAddress?: string | undefined;
}

/** Throws UsageError, DataError (locked, damaged, of another network), OperationError. */
export async function openValidator(options: OpenValidatorOptions): Promise<Validator> {
  const { datadir, genesis, devnetKey, passwordFile, feeAddress } = options;
  const dir = join(datadir, "validator");
  const key =
    devnetKey === undefined
      ? await loadSigner(dir, await readPassword({ file: passwordFile }))
      : await devnetKeyOf(genesis, dir, devnetKey);
  const genesisHash = buildGenesisBlock(genesis, memoryStore()).block.hash;
  const state = await openValidatorState(dir, key.publicKey, { chainId: genesis.chainId, genesisHash });
  return {
    ...key,
    state,
    feeAddress: feeAddress === undefined ? undefined : hexToBytes(feeAddress as Hex),
    close: () => state.close(),
  };
}

/** Made with its memory at the first start: nobody else signs with it on this devnet. Throws UsageError elsewhere. */
async function devnetKeyOf(genesis: Genesis, dir: string, index: number) {
  if (genesis.chainId !== DEVNET_CHAIN_ID) {
    throw new UsageError(`--validator.devnetkey is for devnets: ${genesis.name} has chain id ${genesis.chainId}`);
  }
  const secretKey = devnetValidatorKey(index);
  const publicKey = blsPublicKey(secretKey);
  // A guard alone that is missing was lost; without a log there was none yet.
  const isNew = !existsSync(join(dir, "guard")) && !existsSync(join(dir, "log"));
  if (isNew) await createGuard(dir, publicKey, { isImported: false });
  return { publicKey, sign: (digest: Uint8Array) => blsSign(secretKey, digest) };
}
