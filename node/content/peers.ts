/** Asking peers for contents. Every range is proven before it is given on; who sends anything else is penalized. */
import { bytesToHex, type Hex, hexToBytes } from "../../core/bytes.ts";
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
export async function whichHas(network: Network, peer: PeerId, roots: readonly Hex[]): Promise<readonly Hex[]> {
  try {
    const answer = await only(network.request(peer, "content-have", encodeHaveRequest(roots.map(hexToBytes))));
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
}

const BUSY_MS = 1_000;
const BUSY_TRIES = 5;

/** The content in order, each piece proven. Where one peer stops another goes on. Throws NotObtained, WrongSize. */
export async function* contentFrom(
  { network, pace, wait }: DownloadParts,
  { root, size }: Wanted,
  peers: readonly PeerId[],
): AsyncGenerator<Uint8Array, void> {
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
      range = await rangeFrom(network, peer, root, first, count);
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
  network: Network,
  peer: PeerId,
  root: Hex,
  first: number,
  count: number,
): Promise<RangeAnswer> {
  const request = { root: hexToBytes(root), first, count };
  try {
    const range = decodeRange(await only(network.request(peer, "content-range", encodeRangeRequest(request))), request);
    if (verifyContentRange(request.root, range.length, range)) return range;
    throw new ContentMessageError(`what it sends does not lead to ${bytesToHex(request.root)}`);
  } catch (error) {
    if (error instanceof ContentMessageError) network.penalize(peer, `content-range answer: ${error.message}`);
    throw error;
  }
}

async function only(answer: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  let found: Uint8Array | undefined;
  for await (const chunk of answer) found = chunk;
  if (found === undefined) throw new ContentMessageError("an empty answer");
  return found;
}
