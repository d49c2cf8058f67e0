/** Gives other nodes what this one holds of open Datanets. How often they may ask is the network's business. */
import type { ContentStore } from "../../attribution/content-store.ts";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import type { Network, PeerId, Protocol, RequestHandler } from "../p2p/types.ts";
import { ContentMessageError, decodeHaveRequest, decodeRangeRequest, encodeHave, encodeRange } from "./messages.ts";

export interface ServeParts {
  readonly network: Network;
  readonly store: Pick<ContentStore, "size" | "file">;
  readonly isPublic: (root: Hex) => boolean;
}

export function serveContents({ network, store, isPublic }: ServeParts): void {
  const handle = (protocol: Protocol, answer: (payload: Uint8Array) => Promise<Uint8Array>) =>
    network.handleRequest(protocol, refusing(network, protocol, answer));

  handle("content-have", async (payload) => {
    const held: boolean[] = [];
    for (const root of decodeHaveRequest(payload).map(bytesToHex)) {
      held.push(isPublic(root) && (await store.size(root)) !== undefined);
    }
    return encodeHave(held);
  });

  handle("content-range", async (payload) => {
    const { root: bytes, first, count } = decodeRangeRequest(payload);
    const root = bytesToHex(bytes);
    const file = isPublic(root) ? await store.file(root) : undefined;
    if (file === undefined) throw new Error(`${root} is not here`);
    try {
      if (first >= file.chunks) throw new ContentMessageError(`chunk ${first} of ${file.chunks}`);
      const range = await file.range(first, Math.min(first + count, file.chunks) - 1);
      return encodeRange({ length: file.size, ...range });
    } finally {
      await file.close();
    }
  });
}

/** Whoever asks what cannot be asked is penalized. */
function refusing(
  network: Network,
  protocol: Protocol,
  answer: (payload: Uint8Array) => Promise<Uint8Array>,
): RequestHandler {
  return async function* (payload: Uint8Array, from: PeerId) {
    try {
      yield await answer(payload);
    } catch (error) {
      if (error instanceof ContentMessageError) network.penalize(from, `${protocol} request: ${error.message}`);
      throw error;
    }
  };
}
