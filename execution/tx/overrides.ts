/**
 * What a call may pretend: accounts that are other than in the state, a block that is other than the one it runs in.
 * As geth's `StateOverride` and `BlockOverrides`; plain data.
 */
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import type { Host } from "../evm/host.ts";
import { EMPTY_TRIE_ROOT } from "../state/trie-node.ts";
import type { StateLayer } from "../state/types.ts";
import type { HeaderContext } from "./environment.ts";

export interface AccountOverride {
  readonly address: Uint8Array;
  readonly nonce?: bigint;
  /** Wei. */
  readonly balance?: bigint;
  readonly code?: Uint8Array;
  /** The whole storage: every other slot is zero. Not together with `stateDiff`. */
  readonly state?: StorageOverride;
  readonly stateDiff?: StorageOverride;
  /** Of a precompile: where its native code is to run instead. */
  readonly movePrecompileTo?: Uint8Array;
}

export type StorageOverride = readonly { readonly slot: Uint8Array; readonly value: Uint8Array }[];

/** An address is in it once. */
export type StateOverrides = readonly AccountOverride[];

export type BlockOverrides = Partial<HeaderContext>;

export interface CallOverrides {
  readonly state?: StateOverrides;
  readonly block?: BlockOverrides;
}

export const NO_OVERRIDES: CallOverrides = {};

/** As if a transaction before had done it. Every account that is named exists afterwards. */
export function overrideState(layer: StateLayer, overrides: StateOverrides = []): void {
  for (const { address, nonce, balance, code, state, stateDiff } of overrides) {
    const account = layer.account(address);
    layer.setAccount(address, {
      nonce: nonce ?? account?.nonce ?? 0n,
      balance: balance ?? account?.balance ?? 0n,
      codeHash: code === undefined ? (account?.codeHash ?? KECCAK_EMPTY) : layer.addCode(code),
      storageRoot: account?.storageRoot ?? EMPTY_TRIE_ROOT,
    });
    if (state !== undefined) layer.clearStorage(address);
    for (const { slot, value } of state ?? stateDiff ?? []) layer.setStorage(address, slot, value);
  }
}

/**
 * Has native code run where the overrides have it, from now on: moved ones at their new address, and none where a
 * precompile was moved from or has code of its own. Returns in geth's words why they cannot be had; then nothing changed.
 */
export function relocate(
  evm: Pick<Host, "relocations" | "nativeKind">,
  overrides: StateOverrides = [],
): string | undefined {
  if (overrides.length === 0) {
    evm.relocations = undefined;
    return undefined;
  }
  const relocations = new Map<Hex, Hex | undefined>();
  const overridden = new Set<Hex>(overrides.map(({ address }) => bytesToHex(address)));
  for (const { address, code, movePrecompileTo } of overrides) {
    const from = bytesToHex(address);
    const kind = evm.nativeKind(address);
    if (movePrecompileTo !== undefined) {
      const to = bytesToHex(movePrecompileTo);
      if (kind === undefined) return `account ${from} is not a precompile`;
      // Its state stays with its address.
      if (kind === "stateful") return `account ${from} is a stateful precompile, which cannot be moved`;
      if (overridden.has(to)) return `account ${to} is already overridden`;
      relocations.set(to, from);
    }
    if (kind !== undefined && (code ?? movePrecompileTo) !== undefined) relocations.set(from, undefined);
  }
  evm.relocations = relocations.size === 0 ? undefined : relocations;
  return undefined;
}

export function overrideHeader<H extends HeaderContext>(header: H, overrides: BlockOverrides = {}): H {
  return { ...header, ...overrides };
}
