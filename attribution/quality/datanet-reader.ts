/** The contributions of a Datanet with what became of them, from the events of the Datanet precompile. */
import type { PublicClient } from "viem";
import type { Hex } from "../../core/bytes.ts";
import type { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { DATANET, unlessReverted } from "../viem-reads.ts";

export type ContributionStatus = "pending" | "accepted" | "rejected" | "duplicate" | "withdrawn";

export interface Submitted {
  readonly id: bigint;
  readonly contentRoot: Hex;
  /** Bytes, as declared. */
  readonly size: number;
  /** Licence code. */
  readonly licence: number;
  /** `accepted` also after consent was withdrawn: it stays what came earlier. `withdrawn`: before anybody decided. */
  readonly status: ContributionStatus;
}

export interface DatanetFacts {
  readonly licence: number;
  readonly isPermissioned: boolean;
}

/** Rejects when the chain cannot be read. */
export interface DatanetChain {
  /** Undefined when there is no such Datanet. */
  datanet(id: bigint): Promise<DatanetFacts | undefined>;
  /** Datanet of a contribution; undefined when there is no such contribution. */
  datanetOf(contributionId: bigint): Promise<bigint | undefined>;
  /** All that were ever submitted, by rising id. */
  submitted(datanetId: bigint): Promise<readonly Submitted[]>;
}

export type EventClient = Pick<PublicClient, "getBlockNumber" | "getContractEvents" | "readContract">;

/** Blocks of one question for events. */
const LOG_RANGE_BLOCKS = 5_000n;

/** Remembers what it read: blocks are final when they are visible. All Datanets together, some 200 bytes a contribution. */
export function viemDatanetChain(client: EventClient): DatanetChain {
  const datanets = new Map<bigint, Map<bigint, Submitted>>();
  let next = 0n;
  let reading: Promise<void> = Promise.resolve();

  async function readOn(): Promise<void> {
    const head = await client.getBlockNumber({ cacheTime: 0 });
    for (; next <= head; ) {
      const last = next + LOG_RANGE_BLOCKS - 1n;
      const toBlock = last < head ? last : head;
      for (const event of await client.getContractEvents({ ...DATANET, fromBlock: next, toBlock, strict: true })) {
        apply(event);
      }
      next = toBlock + 1n;
    }
  }

  function apply(
    event: Awaited<ReturnType<typeof client.getContractEvents<typeof datanetAbi, undefined, true>>>[number],
  ) {
    switch (event.eventName) {
      case "ContributionSubmitted": {
        const { datanetId, contributionId: id, contentRoot, size, licence } = event.args;
        const known = datanets.get(datanetId) ?? new Map<bigint, Submitted>();
        datanets.set(datanetId, known.set(id, { id, contentRoot, size: Number(size), licence, status: "pending" }));
        return;
      }
      case "ContributionAccepted":
        return decide(event.args, "accepted");
      case "ContributionRejected":
        return decide(event.args, "rejected");
      case "ContributionDuplicate":
        return decide(event.args, "duplicate");
      case "ConsentWithdrawn":
        return decide(event.args, "withdrawn");
    }
  }

  function decide(args: { datanetId: bigint; contributionId: bigint }, status: ContributionStatus): void {
    const known = datanets.get(args.datanetId);
    const item = known?.get(args.contributionId);
    if (item === undefined || (status === "withdrawn" && item.status !== "pending")) return;
    known?.set(item.id, { ...item, status });
  }

  return {
    async datanet(id) {
      const read = client.readContract({ ...DATANET, functionName: "datanet", args: [id] });
      const found = await unlessReverted("UnknownDatanet", read);
      return found && { licence: found.licence, isPermissioned: found.access === 1 };
    },
    async datanetOf(contributionId) {
      const read = client.readContract({ ...DATANET, functionName: "contribution", args: [contributionId] });
      return (await unlessReverted("UnknownContribution", read))?.datanetId;
    },
    async submitted(datanetId) {
      // One after the other: each goes on where the one before stopped.
      reading = reading.catch(() => {}).then(readOn);
      await reading;
      return [...(datanets.get(datanetId)?.values() ?? [])];
    },
  };
}
