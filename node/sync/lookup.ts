/** What consensus asks peers for one by one: blocks that it was not sent, and what became of views that it missed. */
import type { Certificate, Vote } from "../../consensus/types.ts";
import { equalsBytes } from "../../core/bytes.ts";
import type { PeerId } from "../p2p/types.ts";
import { checkBlock } from "./block-check.ts";
import {
  type CertificateRequest,
  decodeViews,
  encodeCertificateRequest,
  encodeHashRequest,
  MAX_ANSWER_BYTES,
  MAX_HASHES,
  MAX_VIEWS,
  MessageError,
} from "./messages.ts";
import { onlyChunk, type Peers } from "./peers.ts";

/** Peers asked about views at once, and in all before what is still missing is given up. */
const ASKED_AT_ONCE = 2;
const ASKED_PEERS = 4;

/**
 * Blocks by their hashes, at most 64 and 8 MiB, in the order of `hashes`. Those that no peer gives are missing. Not
 * executed, but each one is the block of its hash.
 */
export async function fetchBlocks(peers: Peers, hashes: readonly Uint8Array[]): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  let bytes = 0;
  for (const hash of hashes.slice(0, MAX_HASHES)) {
    const block = await fetchBlock(peers, hash);
    bytes += block?.length ?? 0;
    if (bytes > MAX_ANSWER_BYTES) break;
    if (block !== undefined) found.push(block);
  }
  return found;
}

function fetchBlock(peers: Peers, hash: Uint8Array): Promise<Uint8Array | undefined> {
  return peers.askFirst(
    { isUrgent: true },
    {
      protocol: "blocks-by-hash",
      payload: encodeHashRequest({ part: "blocks", hashes: [hash] }),
      limits: { chunks: 1, bytes: MAX_ANSWER_BYTES },
      async read(chunks) {
        const raw = await onlyChunk(chunks);
        if (raw !== undefined && !equalsBytes(checkBlock(raw).hash, hash)) {
          throw new MessageError("not the block asked for");
        }
        return raw;
      },
    },
  );
}

/** In the form of a consensus event. `from` is to be blamed when a signature is wrong: nothing was verified here. */
export type Found =
  | { readonly type: "certificate"; readonly certificate: Certificate; readonly from: PeerId }
  | { readonly type: "vote"; readonly vote: Vote; readonly from: PeerId };

/**
 * Certificates and votes of these views, at most 64, from as many of four peers, by twos, as it takes until each view
 * has a certificate. The same one may come from two peers.
 */
export async function fetchViews(
  peers: Peers,
  epoch: number,
  views: readonly number[],
  onFound: (found: Found) => void,
): Promise<void> {
  const missing = new Set(views.slice(0, MAX_VIEWS));
  const asked = new Set<PeerId>();
  const askOne = async (from: PeerId) => {
    const found = await askForViews(peers, from, { epoch, views: [...missing] });
    for (const certificate of found?.certificates ?? []) {
      missing.delete(certificate.view);
      onFound({ type: "certificate", certificate, from });
    }
    for (const vote of found?.votes ?? []) onFound({ type: "vote", vote, from });
  };
  while (missing.size > 0 && asked.size < ASKED_PEERS) {
    const round: PeerId[] = [];
    for (let i = 0; i < ASKED_AT_ONCE; i++) {
      const peer = peers.pick({ isUrgent: true }, asked);
      if (peer === undefined) break;
      asked.add(peer);
      round.push(peer);
    }
    if (round.length === 0) return;
    await Promise.all(round.map(askOne));
  }
}

function askForViews(peers: Peers, peer: PeerId, request: CertificateRequest) {
  return peers.ask(peer, {
    protocol: "certificates",
    payload: encodeCertificateRequest(request),
    limits: { chunks: 1, bytes: MAX_ANSWER_BYTES },
    async read(chunks) {
      const chunk = await onlyChunk(chunks);
      if (chunk === undefined) throw new MessageError("the answer is empty");
      return decodeViews(chunk, request);
    },
  });
}
