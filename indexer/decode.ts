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
import { bytesToHex, EMPTY_BYTES } from "../core/bytes.ts";
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
  /** Readers of the words of `data`, where each parameter is one word. Most events are so, and there are many. */
  readonly words: readonly WordReader[] | undefined;
  /** Of the topics. Precondition of the interfaces: every indexed parameter is one word, which its topic holds. */
  readonly topics: readonly WordReader[];
}

/** Reads the 32 bytes at `at` as viem does; addresses are in lower case. */
type WordReader = (bytes: Uint8Array, view: DataView, at: number) => unknown;

/** viem has integers of up to 48 bits as numbers. */
const NUMBER_BITS = 48;

/** Undefined for what is more than one word. */
function wordReader({ type }: AbiParameter): WordReader | undefined {
  const [, bits] = /^uint(\d+)$/.exec(type) ?? [];
  if (bits !== undefined) return Number(bits) <= NUMBER_BITS ? readNumber : readBigInt;
  if (type === "address") return (bytes, _, at) => bytesToHex(bytes.subarray(at + 12, at + 32));
  if (type === "bytes32") return (bytes, _, at) => bytesToHex(bytes.subarray(at, at + 32));
  if (type === "bool") return (bytes, _, at) => bytes[at + 31] === 1;
  return undefined;
}

const readNumber: WordReader = (_, view, at) => view.getUint16(at + 26) * 2 ** 32 + view.getUint32(at + 28);

const readBigInt: WordReader = (_, view, at) => {
  let value = view.getBigUint64(at + 24);
  for (let shift = 64n, word = at + 16; word >= at; word -= 8, shift += 64n) {
    const higher = view.getBigUint64(word);
    if (higher > 0n) value |= higher << shift;
  }
  return value;
};

function decodersOf(abi: readonly unknown[]): ReadonlyMap<string, Decoder> {
  const events = (abi as readonly { type: string }[]).filter((item): item is AbiEvent => item.type === "event");
  return new Map(
    events.map((event) => {
      const indexed = event.inputs.filter((input) => input.indexed);
      const data = event.inputs.filter((input) => !input.indexed);
      const words = data.map(wordReader).filter((reader) => reader !== undefined);
      const topics = indexed.map(wordReader).filter((reader) => reader !== undefined);
      if (topics.length < indexed.length) throw new Error(`an indexed parameter of ${event.name} is no word`);
      const decoder = { eventName: event.name, indexed, data, topics };
      return [toEventSelector(event), { ...decoder, words: words.length === data.length ? words : undefined }];
    }),
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
  const [selector, ...indexed] = log.topics;
  const topic = bytesToHex(selector ?? EMPTY_BYTES);
  const decoder = decoders.get(topic);
  if (decoder === undefined || decoder.indexed.length !== indexed.length) {
    throw new IndexError(
      "UNKNOWN_EVENT",
      `${address} emitted an event that this program does not know (topic ${topic}): run a version that knows this chain's rules`,
    );
  }
  const { data, words, topics } = decoder;
  const args: Record<string, unknown> = {};
  indexed.forEach((bytes, i) => {
    args[decoder.indexed[i]?.name ?? ""] = topics[i]?.(bytes, viewOf(bytes), 0);
  });
  if (words !== undefined && log.data.length === 32 * words.length) {
    const view = viewOf(log.data);
    for (const [i, read] of words.entries()) args[data[i]?.name ?? ""] = read(log.data, view, 32 * i);
  } else {
    decodeAbiParameters(data, bytesToHex(log.data)).forEach((value, i) => {
      args[data[i]?.name ?? ""] = value;
    });
  }
  // The ABI that chose the decoder is the one that the type was derived from.
  return { eventName: decoder.eventName, args } as unknown as LedgerEvent;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

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
