/** What bench:rpc sends: signed transactions, and how a chain is made ready for them. */
import { encodeDeployData, encodeFunctionData } from "viem";
import { bytesToHex, hexToBytes } from "../core/bytes.ts";
import { createdAddress } from "../execution/tx/derive.ts";
import { signTransaction } from "../execution/tx/sign.ts";
import { DEVNET_CHAIN_ID } from "../node/accounts.ts";
import { compileSolidity } from "../test/helpers/solidity.ts";
import { createSenders, signTransfers } from "./consensus-load.ts";

export const SENDERS = 1_000;
export const BLOCK_TRANSACTIONS = 1_000;
/** Holders of a token that one transaction mints for: below Osaka's cap on its gas. */
const MINTED_AT_ONCE = 500;
const TOKENS_EACH = 10n ** 24n;

export interface Workload {
  readonly name: "transfer" | "erc20";
  /** Transactions as hex, each of them in a block before the next one is sent. */
  readonly setUp: readonly string[];
  readonly raws: readonly string[];
  /** With it a block holds BLOCK_TRANSACTIONS of these. */
  readonly blockGasLimit: number;
}

export const senders = createSenders(SENDERS);
const deployer = createSenders(SENDERS + 1)[SENDERS]!;
/** Accounts that a chain must give something to. */
export const funded: readonly Uint8Array[] = [...senders, deployer].map(({ address }) => address);
export const token: Uint8Array = createdAddress(deployer.address, 0n);

export const transferWorkload = (count: number): Workload => ({
  name: "transfer",
  setUp: [],
  raws: signTransfers(senders, count, DEVNET_CHAIN_ID),
  blockGasLimit: BLOCK_TRANSACTIONS * 21_000,
});

/** A transfer of OpenZeppelin's ERC-20 between holders: gas with and without its limit's reserve. */
const TOKEN_GAS = 34_600;
const TOKEN_GAS_LIMIT = 60_000n;

/** From each holder in turn to the next one. */
export function tokenWorkload(count: number): Workload {
  const { abi, bytecode } = compileSolidity("contracts/examples/Token.sol", "Token");
  const holders = senders.map(({ address }) => bytesToHex(address));
  const deployment = hexToBytes(encodeDeployData({ abi, bytecode, args: [0n] }));
  const setUp = [sign(deployer.key, 0n, undefined, deployment, 5_000_000n)];
  for (let at = 0; at < holders.length; at += MINTED_AT_ONCE) {
    const args = [holders.slice(at, at + MINTED_AT_ONCE), TOKENS_EACH];
    const data = hexToBytes(encodeFunctionData({ abi, functionName: "mint", args }));
    setUp.push(sign(deployer.key, BigInt(setUp.length), token, data, 16_000_000n));
  }
  const raws = Array.from({ length: count }, (_, index) => {
    const args = [holders[(index + 1) % holders.length]!, 1_000n];
    const data = hexToBytes(encodeFunctionData({ abi, functionName: "transfer", args }));
    const nonce = BigInt(Math.floor(index / senders.length));
    return sign(senders[index % senders.length]!.key, nonce, token, data, TOKEN_GAS_LIMIT);
  });
  return { name: "erc20", setUp, raws, blockGasLimit: BLOCK_TRANSACTIONS * TOKEN_GAS + Number(TOKEN_GAS_LIMIT) };
}

function sign(key: Uint8Array, nonce: bigint, to: Uint8Array | undefined, data: Uint8Array, gasLimit: bigint): string {
  const transaction = {
    type: 2,
    chainId: DEVNET_CHAIN_ID,
    nonce,
    maxPriorityFeePerGas: 1_000n,
    maxFeePerGas: 2n * 10n ** 10n,
    gasLimit,
    to,
    value: 0n,
    data,
    accessList: [],
    authorizationList: [],
  } as const;
  return bytesToHex(signTransaction(transaction, key));
}
