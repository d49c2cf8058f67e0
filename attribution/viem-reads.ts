/** What readers of the precompiles over JSON-RPC have in common. */
import { BaseError, ContractFunctionRevertedError, type PublicClient } from "viem";
import { DATANET_ADDRESS } from "../core/addresses.ts";
import { bytesToHex } from "../core/bytes.ts";
import { datanetAbi } from "../precompiles/interfaces/datanet.abi.ts";

export const DATANET = { address: bytesToHex(DATANET_ADDRESS), abi: datanetAbi } as const;
/** The precompile's own page limit of acceptedIds. */
const PAGE = 256;

/** Undefined when the call reverts with this error. */
export async function unlessReverted<T>(errorName: string, read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    const revert = error instanceof BaseError ? error.walk((e) => e instanceof ContractFunctionRevertedError) : null;
    if (revert instanceof ContractFunctionRevertedError && revert.data?.errorName === errorName) return undefined;
    throw error;
  }
}

/** In order, with at most `atOnce` under way. */
export async function mapBounded<T, R>(
  items: readonly T[],
  atOnce: number,
  map: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  const pending = items.entries();
  const worker = async () => {
    for (const [i, item] of pending) results[i] = await map(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}

/** Contributions by their leaves, from leaf `from` up to and without `to`. */
export async function acceptedIds(
  client: Pick<PublicClient, "readContract">,
  datanetId: bigint,
  from: number,
  to: number,
): Promise<bigint[]> {
  const ids: bigint[] = [];
  for (let start = from; start < to; start += PAGE) {
    const args = [datanetId, start, Math.min(PAGE, to - start)] as const;
    ids.push(...(await client.readContract({ ...DATANET, functionName: "acceptedIds", args })));
  }
  return ids;
}
