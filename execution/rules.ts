/** What every block of a chain obeys. Fixed by genesis; nothing here is configuration. */
import type { Common } from "@ethereumjs/common";
import { TREASURY_ADDRESS } from "../core/addresses.ts";
import type { MessageRules } from "./tx/message-rules.ts";

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
  /** What that fork makes of messages. Absent: as on this chain. */
  readonly messages?: MessageRules;
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
