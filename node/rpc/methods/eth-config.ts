/** eth_config (EIP-7910): the rules that the head obeys, the next ones that are planned by time, and the last. */
import { crc32 } from "node:zlib";
import { bigIntToFixed, bytesToHex, concatBytes, type Hex } from "../../../core/bytes.ts";
import { BEACON_ROOTS_ADDRESS, HISTORY_ADDRESS } from "../../../execution/block/system-writes.ts";
import type { ChainRules } from "../../../execution/rules.ts";
import { hasCode } from "../../../execution/tx/validate.ts";
import { PRECOMPILES as STATEFUL } from "../../../precompiles/table.ts";
import type { ChainApi } from "../../chain-api.ts";
import { type Methods, method } from "../context.ts";
import type { JsonObject } from "../format.ts";
import { toQuantity } from "../format.ts";

/** What one fork has. */
export interface ForkRules {
  /** Unix seconds; 0 where it began with the chain, or by a block's number. */
  readonly activationTime: bigint;
  /** Absent: its blocks carry no blobs. */
  readonly blobs?: { readonly target: bigint; readonly max: bigint; readonly baseFeeUpdateFraction: bigint };
  /** EIP-2124. */
  readonly forkId: Hex;
  readonly precompiles: ReadonlyMap<string, Uint8Array>;
  readonly systemContracts: ReadonlyMap<string, Uint8Array>;
}

export interface PlannedRules {
  readonly chainId: bigint;
  readonly current: ForkRules;
  readonly next?: ForkRules;
  readonly last?: ForkRules;
}

/** EIP-2124: CRC-32 of the genesis hash and, as 8 bytes each, what started every fork so far. */
export const forkIdOf = (genesisHash: Uint8Array, forks: readonly bigint[]): Hex =>
  `0x${crc32(concatBytes(genesisHash, ...forks.map((at) => bigIntToFixed(at, 8))))
    .toString(16)
    .padStart(8, "0")}`;

/** Ethereum's own, by the names of EIP-7910, with the fork that brought them. */
const PRECOMPILES = [
  ["ECREC", 0x01, "chainstart"],
  ["SHA256", 0x02, "chainstart"],
  ["RIPEMD160", 0x03, "chainstart"],
  ["ID", 0x04, "chainstart"],
  ["MODEXP", 0x05, "byzantium"],
  ["BN254_ADD", 0x06, "byzantium"],
  ["BN254_MUL", 0x07, "byzantium"],
  ["BN254_PAIRING", 0x08, "byzantium"],
  ["BLAKE2F", 0x09, "istanbul"],
  ["KZG_POINT_EVALUATION", 0x0a, "cancun"],
  ["BLS12_G1ADD", 0x0b, "prague"],
  ["BLS12_G1MSM", 0x0c, "prague"],
  ["BLS12_G2ADD", 0x0d, "prague"],
  ["BLS12_G2MSM", 0x0e, "prague"],
  ["BLS12_PAIRING_CHECK", 0x0f, "prague"],
  ["BLS12_MAP_FP_TO_G1", 0x10, "prague"],
  ["BLS12_MAP_FP2_TO_G2", 0x11, "prague"],
  ["P256VERIFY", 0x100, "osaka"],
] as const;

export type PrecompileFork = (typeof PRECOMPILES)[number][2];

export function ethereumPrecompiles(has: (fork: PrecompileFork) => boolean): Map<string, Uint8Array> {
  const active = PRECOMPILES.filter(([, , fork]) => has(fork));
  return new Map(active.map(([name, address]) => [name, bigIntToFixed(BigInt(address), 20)]));
}

const PRAGUE_CONTRACTS = [
  ["BEACON_ROOTS_ADDRESS", BEACON_ROOTS_ADDRESS],
  ["HISTORY_STORAGE_ADDRESS", HISTORY_ADDRESS],
] as const;

/** Of a chain of our own: one fork from the genesis block on, no blobs, the system contracts that genesis deployed. */
export function ownRules(
  chain: ChainApi,
  { chainId, hardfork }: Pick<ChainRules, "chainId" | "hardfork">,
): PlannedRules {
  const precompiles = ethereumPrecompiles((fork) => fork !== "osaka" || hardfork === "osaka");
  for (const { name, address } of STATEFUL) precompiles.set(`OPENLEDGER_${name.toUpperCase()}`, address);
  const state = chain.state(chain.find({ tag: "latest" })!);
  const isDeployed = (address: Uint8Array): boolean => {
    const account = state?.account(address);
    return account !== undefined && hasCode(account);
  };
  return {
    chainId,
    current: {
      activationTime: 0n,
      forkId: forkIdOf(chain.genesisHash, []),
      precompiles,
      systemContracts: new Map(PRAGUE_CONTRACTS.filter(([, address]) => isDeployed(address))),
    },
  };
}

const byName = (addresses: ReadonlyMap<string, Uint8Array>): JsonObject =>
  Object.fromEntries([...addresses].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, at]) => [name, bytesToHex(at)]));

function formatRules(rules: ForkRules | undefined, chainId: bigint): JsonObject | null {
  if (rules === undefined) return null;
  const { blobs } = rules;
  return {
    activationTime: Number(rules.activationTime),
    blobSchedule:
      blobs === undefined
        ? null
        : {
            target: Number(blobs.target),
            max: Number(blobs.max),
            baseFeeUpdateFraction: Number(blobs.baseFeeUpdateFraction),
          },
    chainId: toQuantity(chainId),
    forkId: rules.forkId,
    precompiles: byName(rules.precompiles),
    systemContracts: byName(rules.systemContracts),
  };
}

/** `planned` is asked at each call. */
export const ethConfig = (planned: () => PlannedRules): Methods => ({
  eth_config: method([], () => {
    const { chainId, current, next, last } = planned();
    return {
      current: formatRules(current, chainId),
      next: formatRules(next, chainId),
      last: formatRules(last, chainId),
    };
  }),
});
