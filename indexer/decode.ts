/** Logs of the three precompiles, the message passer and the validator set as typed events. Pure. */
import {
  type AbiEvent,
  type AbiParameter,
  type DecodeEventLogReturnType,
  decodeAbiParameters,
  parseAbi,
  toEventSelector,
} from "viem";
import {
  ATTRIBUTION_ADDRESS,
  DATANET_ADDRESS,
  MESSAGE_PASSER_ADDRESS,
  MODELS_ADDRESS,
  VALIDATOR_SET_ADDRESS,
} from "../core/addresses.ts";
import { bytesToHex, type Hex } from "../core/bytes.ts";
import type { Log } from "../core/chain.ts";
import { attributionAbi } from "../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../precompiles/interfaces/models.abi.ts";
import { IndexError } from "./errors.ts";
import type { SourceBlock } from "./source.ts";

/** OP Stack's L2ToL1MessagePasser. */
export const messagePasserAbi = parseAbi([
  "event MessagePassed(uint256 indexed nonce, address indexed sender, address indexed target, uint256 value, uint256 gasLimit, bytes data, bytes32 withdrawalHash)",
]);
/** contracts/l2/ValidatorSet.sol. */
export const validatorSetAbi = parseAbi([
  "event SnapshotSubmitted(uint64 indexed number, bytes32 setHash, uint256 count, uint256 totalStake)",
]);

export type LedgerEvent =
  | DecodeEventLogReturnType<typeof messagePasserAbi>
  | DecodeEventLogReturnType<typeof validatorSetAbi>
  | DecodeEventLogReturnType<typeof datanetAbi>
  | DecodeEventLogReturnType<typeof modelsAbi>
  | DecodeEventLogReturnType<typeof attributionAbi>;

/** An event and where it stands. */
export type PlacedEvent = LedgerEvent & { readonly txHash: Uint8Array; readonly logIndex: number };

interface Decoder {
  readonly eventName: string;
  readonly indexed: readonly AbiParameter[];
  readonly data: readonly AbiParameter[];
}

/** Precondition of the interfaces: every indexed parameter is a static type, so its topic is its ABI encoding. */
function decodersOf(abi: readonly unknown[]): ReadonlyMap<string, Decoder> {
  const events = (abi as readonly { type: string }[]).filter((item): item is AbiEvent => item.type === "event");
  return new Map(
    events.map((event) => [
      toEventSelector(event),
      {
        eventName: event.name,
        indexed: event.inputs.filter((input) => input.indexed),
        data: event.inputs.filter((input) => !input.indexed),
      },
    ]),
  );
}

const DECODERS: ReadonlyMap<string, ReadonlyMap<string, Decoder>> = new Map([
  [bytesToHex(DATANET_ADDRESS), decodersOf(datanetAbi)],
  [bytesToHex(MODELS_ADDRESS), decodersOf(modelsAbi)],
  [bytesToHex(ATTRIBUTION_ADDRESS), decodersOf(attributionAbi)],
  [bytesToHex(MESSAGE_PASSER_ADDRESS), decodersOf(messagePasserAbi)],
  [bytesToHex(VALIDATOR_SET_ADDRESS), decodersOf(validatorSetAbi)],
]);

/** Undefined for a log of any other account: contracts may emit look-alikes, only the protocol's own count. */
export function decodeLog(log: Log): LedgerEvent | undefined {
  const address = bytesToHex(log.address);
  const decoders = DECODERS.get(address);
  if (decoders === undefined) return undefined;
  const topics = log.topics.map(bytesToHex);
  const decoder = decoders.get(topics[0] ?? "");
  if (decoder === undefined || decoder.indexed.length !== topics.length - 1) {
    throw new IndexError(
      "UNKNOWN_EVENT",
      `${address} emitted an event that this program does not know (topic ${topics[0]}): run a version that knows this chain's rules`,
    );
  }
  const args: Record<string, unknown> = {};
  decoder.indexed.forEach((input, i) => {
    args[input.name ?? ""] = decodeAbiParameters([input], topics[i + 1] as Hex)[0];
  });
  if (decoder.data.length > 0) {
    decodeAbiParameters(decoder.data, bytesToHex(log.data)).forEach((value, i) => {
      args[decoder.data[i]?.name ?? ""] = value;
    });
  }
  // The ABI that chose the decoder is the one that the type was derived from.
  return { eventName: decoder.eventName, args } as unknown as LedgerEvent;
}

/** The block's events in order of execution. */
export function decodeBlock(block: SourceBlock): PlacedEvent[] {
  const events: PlacedEvent[] = [];
  let logIndex = 0;
  block.receipts.forEach((receipt, i) => {
    for (const log of receipt.logs) {
      const event = decodeLog(log);
      const txHash = block.transactions[i]?.hash;
      if (event !== undefined && txHash !== undefined) events.push({ ...event, txHash, logIndex });
      logIndex += 1;
    }
  });
  return events;
}
