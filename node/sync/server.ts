/**
 * Answers what other nodes ask. Every request is bounded by messages.ts and every answer by 8 MiB; reading stops where
 * the asker stops listening. How often a peer may ask is the network's business.
 */
import { decodeCertificate } from "../../consensus/codec.ts";
import { type Certificate, epochOfHeight, epochOfView, type Vote } from "../../consensus/types.ts";
import type { Network, PeerId, RequestHandler } from "../p2p/types.ts";
import {
  decodeCertificateRequest,
  decodeEpochsRequest,
  decodeHashRequest,
  decodeRangeRequest,
  decodeStateRequest,
  encodeEpochEnd,
  encodeHeaders,
  encodeStateItems,
  encodeStatus,
  encodeViews,
  headerOf,
  MAX_ANSWER_BYTES,
  MessageError,
  type RangeRequest,
  type Views,
} from "./messages.ts";
import { encodeReceipts } from "./receipts.ts";
import type { SyncChain } from "./types.ts";

/** In one answer about views, at 158 bytes each: with the certificates it stays below 128 KiB. */
const MAX_VOTES = 512;

const STATE_ANSWER_BYTES = 2 * 1024 * 1024;

export interface ServerParts {
  readonly network: Network;
  readonly chain: SyncChain;
  readonly epochBlocks: number;
  /** The current view of consensus. */
  readonly view: () => number;
  /** What consensus holds of a view. */
  readonly viewState: (view: number) => Views;
  /** A block that is in no chain yet. */
  readonly looseBlock?: (hash: Uint8Array) => Uint8Array | undefined;
  /** Trie nodes, code, addresses and slots by their hashes; absent: nobody can take a state from here. */
  readonly stateItem?: (hash: Uint8Array) => Uint8Array | undefined;
  /** How an epoch ended whose blocks are not here: encoded as it travels. */
  readonly oldEpochEnd?: (epoch: number) => Uint8Array | undefined;
}

export function serveSync(parts: ServerParts): void {
  const { network } = parts;
  const handle = (protocol: Parameters<Network["handleRequest"]>[0], answer: (payload: Uint8Array) => Answer) =>
    network.handleRequest(protocol, refusing(network, protocol, answer));
  handle("status", () => status(parts));
  handle("blocks-by-range", (payload) => range(parts.chain, decodeRangeRequest(payload)));
  handle("blocks-by-hash", (payload) => byHash(parts, payload));
  handle("certificates", (payload) => certificates(parts, payload));
  handle("epochs", (payload) => epochs(parts, payload));
  handle("state", (payload) => state(parts, payload));
}

type Answer = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Whoever asks what cannot be asked is penalized. */
function refusing(network: Network, protocol: string, answer: (payload: Uint8Array) => Answer): RequestHandler {
  return async function* (payload: Uint8Array, from: PeerId) {
    try {
      yield* answer(payload);
    } catch (error) {
      if (error instanceof MessageError) network.penalize(from, `${protocol} request: ${error.message}`);
      throw error;
    }
  };
}

function* status({ chain, epochBlocks, view }: ServerParts): Iterable<Uint8Array> {
  const { genesisHash, head, firstBlock: first, latestCertificate: latest } = chain;
  yield encodeStatus({
    genesisHash,
    epoch: epochOfHeight(Number(head.number) + 1, epochBlocks),
    view: view(),
    first,
    head,
    certified: latest && { number: latest.number, certificate: decodeCertificate(latest.certificate) },
  });
}

function* range(chain: SyncChain, { part, from, count }: RangeRequest): Iterable<Uint8Array> {
  if (part === "headers") {
    const headers: Uint8Array[] = [];
    for (const raw of bounded(stored(chain, from, count, -1n))) headers.push(headerOf(raw));
    yield encodeHeaders(headers);
  } else {
    yield* bounded(stored(chain, from, count, 1n));
  }
}

function* stored(chain: SyncChain, from: bigint, count: number, step: bigint): Iterable<Uint8Array> {
  for (let i = 0, number = from; i < count && number >= 0n; i++, number += step) {
    const raw = chain.rawAt(number);
    if (raw === undefined) return;
    yield raw;
  }
}

function* byHash({ chain, looseBlock }: ServerParts, payload: Uint8Array): Iterable<Uint8Array> {
  const { part, hashes } = decodeHashRequest(payload);
  if (part === "receipts") return yield* bounded(receipts(chain, hashes));
  function* known() {
    for (const hash of hashes) {
      const raw = chain.raw(hash) ?? looseBlock?.(hash);
      if (raw !== undefined) yield raw;
    }
  }
  if (part === "headers") yield encodeHeaders([...bounded(known())].map(headerOf));
  else yield* bounded(known());
}

function* receipts(chain: SyncChain, hashes: readonly Uint8Array[]): Iterable<Uint8Array> {
  for (const hash of hashes) {
    const block = chain.find({ hash });
    if (block === undefined) return;
    yield encodeReceipts(block.receipts);
  }
}

/** Also where only headers are sent: whole blocks are read for them. */
function* bounded(blocks: Iterable<Uint8Array>): Iterable<Uint8Array> {
  let bytes = 0;
  for (const raw of blocks) {
    bytes += raw.length;
    if (bytes > MAX_ANSWER_BYTES) return;
    yield raw;
  }
}

function* certificates({ viewState }: ServerParts, payload: Uint8Array): Iterable<Uint8Array> {
  const { epoch, views } = decodeCertificateRequest(payload);
  const found: { certificates: Certificate[]; votes: Vote[] } = { certificates: [], votes: [] };
  for (const view of new Set(views)) {
    if (epochOfView(view) !== epoch) continue;
    const state = viewState(view);
    if (found.votes.length + state.votes.length > MAX_VOTES) break;
    found.certificates.push(...state.certificates);
    found.votes.push(...state.votes);
  }
  yield encodeViews(found);
}

function* epochs(parts: ServerParts, payload: Uint8Array): Iterable<Uint8Array> {
  const { from, count } = decodeEpochsRequest(payload);
  for (let epoch = from; epoch < from + count; epoch++) {
    const end = epochEnd(parts, epoch);
    if (end === undefined) return;
    yield end;
  }
}

export type EpochEnds = Pick<ServerParts, "epochBlocks" | "oldEpochEnd"> & {
  readonly chain: Pick<SyncChain, "rawAt" | "certificate" | "validatorSet">;
};

/** How the epoch ended, as it travels; undefined while it has not. */
export function epochEnd({ chain, epochBlocks, oldEpochEnd }: EpochEnds, epoch: number): Uint8Array | undefined {
  const old = oldEpochEnd?.(epoch);
  if (old !== undefined) return old;
  const number = BigInt(epoch + 1) * BigInt(epochBlocks) - 1n;
  const raw = chain.rawAt(number);
  const certificate = chain.certificate(number);
  const nextSet = chain.validatorSet(epoch + 1);
  if (raw === undefined || certificate === undefined || nextSet === undefined) return undefined;
  return encodeEpochEnd(headerOf(raw), certificate, nextSet);
}

async function* state({ stateItem }: ServerParts, payload: Uint8Array): AsyncIterable<Uint8Array> {
  const items: Uint8Array[] = [];
  let bytes = 0;
  for (const [index, hash] of decodeStateRequest(payload).entries()) {
    // Each is a read from disk or several: others have their turn in between.
    if (index % 32 === 31) await new Promise((resolve) => setImmediate(resolve));
    const item = stateItem?.(hash);
    if (item === undefined) continue;
    bytes += item.length;
    if (items.length > 0 && bytes > STATE_ANSWER_BYTES) break;
    items.push(item);
  }
  yield encodeStateItems(items);
}
