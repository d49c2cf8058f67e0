/** What every block of a chain obeys. Fixed by genesis; nothing here is configuration. */
import { type Common, createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import { TREASURY_ADDRESS } from "../core/addresses.ts";
import { padTo32 } from "../core/bytes.ts";
import { keccak256, recoverPublicKey } from "../core/crypto.ts";
import { kzg } from "./kzg.ts";

export interface ChainRules {
  readonly chainId: bigint;
  /** Osaka adds the gas cap of a transaction (EIP-7825), CLZ, secp256r1 and dearer MODEXP to Prague. */
  readonly hardfork: "prague" | "osaka";
  /** Of every block; it does not drift as on Ethereum. */
  readonly gasLimit: bigint;
  /** Largest encoded block, header included. */
  readonly blockBytes: number;
  /** EIP-1559. */
  readonly baseFee: { readonly elasticityMultiplier: bigint; readonly maxChangeDenominator: bigint };
  /** Receives the base fee that Ethereum burns; absent: burned. */
  readonly baseFeeRecipient?: Uint8Array;
  /**
   * Blocks of an epoch; block n is of epoch n / epochBlocks. The last block of an epoch names in its extraData the
   * validator set that takes over, the others have none. Absent: no epochs, and extraData is the proposer's choice.
   */
  readonly epochBlocks?: bigint;
  /** By block: calldata with which the system calls the ValidatorSet predeploy before the block's transactions. */
  readonly validatorChanges?: ReadonlyMap<bigint, Uint8Array>;
  /** Absent: the chain has no L1, and no deposits. */
  readonly l1?: {
    /** A block that is more than this after its L1 origin carries no transactions of users. */
    readonly maxDriftSeconds: number;
  };
  /** The EVM's rules, in place of the hardfork's: calls on a foreign chain run by the fork of their block. */
  readonly newCommon?: () => Common;
}

export const isLastOfEpoch = (number: bigint, epochBlocks: bigint): boolean => (number + 1n) % epochBlocks === 0n;

export const DEFAULT_RULES: Omit<ChainRules, "chainId"> = {
  hardfork: "osaka",
  gasLimit: 60_000_000n,
  blockBytes: 4 * 1024 * 1024,
  baseFee: { elasticityMultiplier: 2n, maxChangeDenominator: 8n },
  baseFeeRecipient: TREASURY_ADDRESS,
};

/** EIP-7825: cap of a transaction's gas limit; undefined where the hardfork has none. */
export function maxTransactionGas(rules: Pick<ChainRules, "hardfork">): bigint | undefined {
  return rules.hardfork === "osaka" ? 1n << 24n : undefined;
}

/**
 * For the precompile 0x01, which costs 3,000 gas: ethereumjs's own in JavaScript takes 0.8 ms. Its interface: the
 * 64-byte key, or an exception; v is 27 or 28, 0 or 1, or EIP-155's with a chain id.
 */
export function ecrecover(digest: Uint8Array, v: bigint, r: Uint8Array, s: Uint8Array, chainId?: bigint): Uint8Array {
  const parity = v < 2n ? v : chainId === undefined ? v - 27n : v - (chainId * 2n + 35n);
  const key = recoverPublicKey(digest, padTo32(r), padTo32(s), Number(parity));
  if (key === undefined) throw new Error("no key could have made this signature");
  return key;
}

/**
 * What ethereumjs needs to know. A new object each time: every EVM stays subscribed to its own. `crypto` "own" is what
 * it brings itself, for oracles of tests and peers of benchmarks, which must not borrow ours.
 */
export function createCommon(
  rules: Pick<ChainRules, "chainId" | "hardfork" | "newCommon">,
  crypto: "native" | "own" = "native",
): Common {
  if (rules.newCommon !== undefined) return rules.newCommon();
  if (rules.chainId > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`chain id ${rules.chainId} is too large`);
  return createCustomCommon({ name: "openledger", chainId: Number(rules.chainId) }, Mainnet, {
    hardfork: rules.hardfork === "osaka" ? Hardfork.Osaka : Hardfork.Prague,
    customCrypto: crypto === "own" ? { kzg } : { kzg, ecrecover, keccak256: (bytes) => keccak256(bytes) },
  });
}
