/** A Datanet version as the chain has it: whatever node is asked, the list of contributions leads to the version's root. */
import { BaseError, ContractFunctionRevertedError, HttpRequestError, type PublicClient } from "viem";
import { acceptedIds, DATANET, mapBounded } from "../../attribution/viem-reads.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../core/bytes.ts";
import { DatanetTree } from "../../core/datanet-tree.ts";
import { OperationError } from "../errors.ts";

export interface VersionContribution {
  readonly id: bigint;
  readonly root: Hex;
  /** Bytes. */
  readonly size: number;
  readonly contributor: Hex;
  /** Code: core/licences.ts. */
  readonly licence: number;
  /** Block of the withdrawal of consent; 0 while it stands. */
  readonly withdrawnAt: bigint;
}

export interface DatanetVersion {
  readonly chainId: number;
  readonly datanetId: bigint;
  readonly number: number;
  readonly root: Hex;
  readonly publishedAt: bigint;
  readonly owner: Hex;
  readonly licence: number;
  readonly isPermissioned: boolean;
  /** In the order of their leaves. */
  readonly contributions: readonly VersionContribution[];
}

export type DatanetReader = Pick<PublicClient, "getChainId" | "readContract">;

const PARALLEL_CALLS = 16;

/** `wanted` undefined: the newest. Throws OperationError. */
export async function readVersion(
  client: DatanetReader,
  datanetId: bigint,
  wanted: number | undefined,
): Promise<DatanetVersion> {
  return asOperation(async () => {
    const chainId = await client.getChainId();
    const datanet = await client.readContract({ ...DATANET, functionName: "datanet", args: [datanetId] });
    const number = wanted ?? datanet.versions;
    if (number === 0) throw new OperationError(`Datanet ${datanetId} has no version yet: its owner publishes one`);
    const version = await client.readContract({ ...DATANET, functionName: "version", args: [datanetId, number] });
    const contributions = await readContributions(client, datanetId, version.count);
    const tree = new DatanetTree();
    for (const { id, root, size, contributor, licence } of contributions) {
      const [contentRoot, account] = [hexToBytes(root), hexToBytes(contributor)];
      tree.append({ contributionId: id, contentRoot, size: BigInt(size), contributor: account, licence });
    }
    if (bytesToHex(tree.root()) !== version.root) {
      throw new OperationError(
        `the contributions that JSON-RPC names do not lead to the root ${version.root} of version ${number}: ask another node`,
      );
    }
    return {
      chainId,
      datanetId,
      number,
      root: version.root,
      publishedAt: version.publishedAt,
      owner: datanet.owner.toLowerCase() as Hex,
      licence: datanet.licence,
      isPermissioned: datanet.access === 1,
      contributions,
    };
  });
}

export const readChainId = (client: Pick<PublicClient, "getChainId">): Promise<number> =>
  asOperation(() => client.getChainId());

/** viem's errors have many lines with all that was sent; one says it. */
async function asOperation<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BaseError)) throw error;
    const revert = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
    if (revert instanceof ContractFunctionRevertedError && revert.data !== undefined) {
      const { errorName, args = [] } = revert.data;
      throw new OperationError(`the chain answers ${errorName}(${args.join(", ")})`, { cause: error });
    }
    const unanswered = error.walk((cause) => cause instanceof HttpRequestError);
    // The rest of an address may be a secret.
    if (unanswered instanceof HttpRequestError) {
      throw new OperationError(`no JSON-RPC answers at ${new URL(unanswered.url).host}; see --rpc`, { cause: error });
    }
    throw new OperationError(`JSON-RPC: ${error.shortMessage.replaceAll(/\s*\n\s*/g, " ")}`, { cause: error });
  }
}

async function readContributions(client: DatanetReader, datanetId: bigint, count: number) {
  const ids = await acceptedIds(client, datanetId, 0, count);
  return mapBounded(ids, PARALLEL_CALLS, async (id): Promise<VersionContribution> => {
    const item = await client.readContract({ ...DATANET, functionName: "contribution", args: [id] });
    return {
      id,
      root: item.contentRoot,
      size: Number(item.size),
      contributor: item.contributor.toLowerCase() as Hex,
      licence: item.licence,
      withdrawnAt: item.withdrawnAt,
    };
  });
}
