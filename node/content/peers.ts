/** Asking peers for contents. Every range is proven before it is given on; who sends anything else is penalized. */
import { type Hex, hexToBytes } from "../../core/bytes.ts";
import { CHUNK_BYTES, chunkCount, verifyContentRange } from "../../core/content.ts";
import { type Network, type PeerId, RequestError } from "../p2p/types.ts";
import {
  ContentMessageError,
  decodeHave,
  decodeRange,
  encodeHaveRequest,
  encodeRangeRequest,
  MAX_CHUNKS,
  type RangeAnswer,
} from "./messages.ts";

/** No peer of those that have the content gives all of it. */
export class NotObtained extends Error {}

/** The content is of another size than its contributor said: no contribution that can be proven. */
export class WrongSize extends Error {}

/** Which of `roots`, at most MAX_ROOTS, the peer has; none when it does not say. */
export async function whichHas(
  network: Network,
  peer: PeerId,
  roots: readonly Hex[],
  signal: AbortSignal,
): Promise<readonly Hex[]> {
  try {
    const request = encodeHaveRequest(roots.map(hexToBytes));
    const answer = await only(network.request(peer, "content-have", request), signal);
    const held = decodeHave(answer, roots.length);
    return roots.filter((_, i) => held[i]);
  } catch (error) {
    if (error instanceof ContentMessageError) network.penalize(peer, `content-have answer: ${error.message}`);
    else if (!(error instanceof RequestError)) throw error;
    return [];
  }
}

export interface Wanted {
  readonly root: Hex;
  /** Bytes. */
  readonly size: number;
}

export interface DownloadParts {
  readonly network: Network;
  /** Resolves when so many bytes more may be asked for; rejects when it is over. */
  readonly pace: (bytes: number) => Promise<void>;
  readonly wait: (ms: number) => Promise<void>;
  /** Ends what is under way with its reason. */
  readonly signal: AbortSignal;
}

const BUSY_MS = 1_000;
const BUSY_TRIES = 5;

/** The content in order, each piece proven. Where one peer stops another goes on. Throws NotObtained, WrongSize. */
export async function* contentFrom(
  parts: DownloadParts,
  { root, size }: Wanted,
  peers: readonly PeerId[],
): AsyncGenerator<Uint8Array, void> {
  const { pace, wait } = parts;
  const candidates = [...peers];
  const chunks = chunkCount(size);
  let busy = 0;
  for (let first = 0; first < chunks; ) {
    const peer = candidates[0];
    if (peer === undefined) throw new NotObtained(`no peer gives ${root} from chunk ${first}`);
    const count = Math.min(MAX_CHUNKS, chunks - first);
    await pace(count * CHUNK_BYTES);
    let range: RangeAnswer;
    try {
      range = await rangeFrom(parts, peer, root, first, count);
    } catch (error) {
      if (error instanceof RequestError && error.code === "busy" && busy++ < BUSY_TRIES) {
        await wait(BUSY_MS);
        continue;
      }
      if (!(error instanceof RequestError || error instanceof ContentMessageError)) throw error;
      candidates.shift();
      busy = 0;
      continue;
    }
    if (range.length !== size) throw new WrongSize(`${root} has ${range.length} bytes, its contributor says ${size}`);
    yield range.data;
    first += count;
  }
}

/** Throws RequestError, or ContentMessageError after the peer was penalized. */
async function rangeFrom(
  { network, signal }: DownloadParts,
  peer: PeerId,
  root: Hex,
  first: number,
  count: number,
): Promise<RangeAnswer> {
  const request = { root: hexToBytes(root), first, count };
  try {
    const answer = await only(network.request(peer, "content-range", encodeRangeRequest(request)), signal);
    const range = decodeRange(answer, request);
    if (verifyContentRange(request.root, range.length, range)) return range;
    throw new ContentMessageError(`what it sends does not lead to ${root}`);
  } catch (error) {
    if (error instanceof ContentMessageError) network.penalize(peer, `content-range answer: ${error.message}`);
    throw error;
  }
}

/** The one chunk of an answer. */
async function only(answer: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Uint8Array> {
  const chunks = answer[Symbol.asyncIterator]();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    let found: Uint8Array | undefined;
    for (;;) {
      const { done, value } = await Promise.race([chunks.next(), aborted.promise]);
      if (done !== true) found = value;
      else if (found === undefined) throw new ContentMessageError("an empty answer");
      else return found;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    // Not awaited: it may be in the middle of waiting for the peer.
    if (signal.aborted) void chunks.return?.().catch(() => {});
  }
}
