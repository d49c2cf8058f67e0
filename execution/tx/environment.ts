/** What the EVM sees of the block around a message. */
import { Address } from "@ethereumjs/util";
import type { Header } from "../../core/chain.ts";
import type { ChainRules } from "../rules.ts";
import { type MessageRules, NEWEST_MESSAGES } from "./message-rules.ts";

/** The part of a block that @ethereumjs/evm reads. */
export interface EvmBlock {
  header: {
    number: bigint;
    coinbase: Address;
    timestamp: bigint;
    difficulty: bigint;
    prevRandao: Uint8Array;
    gasLimit: bigint;
    baseFeePerGas: bigint;
    getBlobGasPrice(): bigint;
  };
}

export interface MessageEnvironment {
  readonly block: EvmBlock;
  readonly chainId: bigint;
  readonly coinbase: Uint8Array;
  readonly baseFeePerGas: bigint;
  /** Undefined: the base fee is burned. */
  readonly baseFeeRecipient: Uint8Array | undefined;
  /** l1-fee.ts; undefined on a chain without an L1. */
  readonly l1FeePrice: bigint | undefined;
  readonly messages: MessageRules;
}

export interface HeaderContext
  extends Pick<Header, "number" | "coinbase" | "timestamp" | "prevRandao" | "gasLimit" | "baseFeePerGas"> {
  /** Wei a unit of blob gas, on a foreign chain and in calls that pretend one: blocks of this chain carry no blobs. */
  readonly blobBaseFee?: bigint;
  /** Before the merge, on a foreign chain. */
  readonly difficulty?: bigint;
}

/** EIP-4844: the price of blob gas when none is in excess. */
export const MIN_BLOB_GAS_PRICE = 1n;

export function messageEnvironment(header: HeaderContext, rules: ChainRules, l1FeePrice?: bigint): MessageEnvironment {
  return {
    block: {
      header: {
        number: header.number,
        coinbase: new Address(header.coinbase),
        timestamp: header.timestamp,
        difficulty: header.difficulty ?? 0n,
        prevRandao: header.prevRandao,
        gasLimit: header.gasLimit,
        baseFeePerGas: header.baseFeePerGas,
        getBlobGasPrice: () => header.blobBaseFee ?? MIN_BLOB_GAS_PRICE,
      },
    },
    chainId: rules.chainId,
    coinbase: header.coinbase,
    baseFeePerGas: header.baseFeePerGas,
    baseFeeRecipient: rules.baseFeeRecipient,
    l1FeePrice,
    messages: rules.messages ?? NEWEST_MESSAGES,
  };
}
