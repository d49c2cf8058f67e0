/** Events of the native operations in proven blocks. */
import { decodeEventLog } from "viem";
import { ATTRIBUTION_ADDRESS, DATANET_ADDRESS, MODELS_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, equalsBytes, type Hex } from "../../core/bytes.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";
import type { CertifiedChain, ProvenBlock } from "./certified-chain.ts";
import { NotProven, requireSame } from "./checks.ts";
import type { Place } from "./record.ts";

const ABIS = { attribution: attributionAbi, datanet: datanetAbi, models: modelsAbi } as const;
const ADDRESSES = { attribution: ATTRIBUTION_ADDRESS, datanet: DATANET_ADDRESS, models: MODELS_ADDRESS } as const;

type Source = keyof typeof ABIS;
type Events<S extends Source> = Extract<(typeof ABIS)[S][number], { type: "event" }>["name"];
type Decoded<S extends Source, N extends Events<S>> = Extract<
  ReturnType<typeof decodeEventLog<(typeof ABIS)[S], undefined, `0x${string}`[], Hex, true>>,
  { eventName: N }
>["args"];

export interface Found<Args> {
  readonly tx: Hex;
  readonly args: Args;
}

/** Those of one kind, in their order. */
export function eventsIn<S extends Source, N extends Events<S>>(
  block: ProvenBlock,
  source: S,
  eventName: N,
): Found<Decoded<S, N>>[] {
  return block.receipts.flatMap(({ logs }, index) =>
    logs.flatMap(({ address, topics, data }) => {
      if (!equalsBytes(address, ADDRESSES[source])) return [];
      const [first, ...rest] = topics.map(bytesToHex);
      // A precompile emits what its interface has, and nothing else.
      const decoded = decodeEventLog({ abi: ABIS[source], topics: [first!, ...rest], data: bytesToHex(data) });
      if (decoded.eventName !== eventName) return [];
      return [{ tx: bytesToHex(block.transactions[index]!.hash), args: decoded.args as unknown as Decoded<S, N> }];
    }),
  );
}

/** The event that the record puts there, whose block, time and transaction are as it says. Rejects with NotProven. */
export async function eventAt<S extends Source, N extends Events<S>>(
  chain: CertifiedChain,
  place: Place,
  source: S,
  eventName: N,
  isWanted: (args: Decoded<S, N>) => boolean,
): Promise<Found<Decoded<S, N>>> {
  const block = await chain.block(BigInt(place.block.number));
  const found = eventsIn(block, source, eventName).find(({ args }) => isWanted(args));
  if (found === undefined) throw new NotProven(`block ${place.block.number} has no such ${eventName}`);
  requireSame([
    ["transaction", place.tx, found.tx],
    ["time", place.block.timestamp, block.header.timestamp],
  ]);
  return found;
}

export const placeOf = ({ block, tx }: Place): string => `block ${block.number}, ${dateOf(block.timestamp)}, ${tx}`;

/** Unix seconds to ISO 8601. */
export function dateOf(seconds: number): string {
  const ms = seconds * 1_000;
  return Math.abs(ms) > 8.64e15 || Number.isNaN(ms) ? String(seconds) : `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
