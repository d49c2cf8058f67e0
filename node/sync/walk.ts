/**
 * From one verified thing to the next, without executing anything: from an epoch's validator set to its end and the set
 * after it, and from a certified block back to the own head. What comes out is true whoever sent it.
 */
import { verifyCertificate } from "../../consensus/certificates.ts";
import type { Domain, Scheme } from "../../consensus/scheme.ts";
import { epochOfHeight, isLastOfEpoch } from "../../consensus/types.ts";
import type { ValidatorSet } from "../../consensus/validators.ts";
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import type { Head } from "../chain-store.ts";
import type { PeerId } from "../p2p/types.ts";
import {
  decodeEpochEnd,
  decodeHeaders,
  type EpochEnd,
  encodeEpochsRequest,
  encodeHashRequest,
  encodeRangeRequest,
  type HashedHeader,
  MAX_ANSWER_BYTES,
  MAX_EPOCHS,
  MAX_HEADERS,
  MessageError,
} from "./messages.ts";
import { onlyChunk, type Peers } from "./peers.ts";
import { SyncHalt } from "./types.ts";

export interface Rules {
  readonly domain: Domain;
  readonly scheme: Scheme;
  readonly epochBlocks: number;
}

/**
 * The ends of up to `count` epochs from `epoch` on, whose set is `set`. Undefined when no peer shows the first of them.
 */
export function fetchEpochEnds(
  peers: Peers,
  rules: Rules,
  epoch: number,
  set: ValidatorSet,
  count: number,
  prefer?: PeerId,
): Promise<EpochEnd[] | undefined> {
  const asked = Math.min(count, MAX_EPOCHS);
  const to = BigInt((epoch + 1) * rules.epochBlocks - 1);
  return peers.askAny(
    { to, prefer },
    {
      protocol: "epochs",
      payload: encodeEpochsRequest({ from: epoch, count: asked }),
      limits: { chunks: asked, bytes: MAX_ANSWER_BYTES },
      async read(chunks, peer) {
        const ends: EpochEnd[] = [];
        for await (const chunk of chunks) {
          const end = decodeEpochEnd(chunk);
          const problem = wrongEnd(end, epoch + ends.length, ends.at(-1)?.nextSet ?? set, rules);
          if (problem !== undefined) throw new MessageError(`end of epoch ${epoch + ends.length}: ${problem}`);
          ends.push(end);
        }
        if (ends.length > 0) return ends;
        return lacking(peers, peer, to);
      },
    },
  );
}

/** Why it does not show how the epoch of `set` ended; undefined when it does. */
export function wrongEnd(end: EpochEnd, epoch: number, set: ValidatorSet, rules: Rules): string | undefined {
  const { last, certificate, nextSet } = end;
  const number = Number(last.header.number);
  if (!isLastOfEpoch(number, rules.epochBlocks) || epochOfHeight(number, rules.epochBlocks) !== epoch) {
    return `block ${number} does not end it`;
  }
  if (certificate.epoch !== epoch) return `its certificate is of epoch ${certificate.epoch}`;
  if (!equalsBytes(certificate.block, last.hash)) return "its certificate names another block";
  const problem = verifyCertificate(certificate, set, rules.domain, rules.scheme);
  if (problem !== undefined) return `its certificate: ${problem}`;
  return equalsBytes(last.header.extraData, nextSet.hash) ? undefined : "the next set is not the one it names";
}

/** The header of a block by its hash. */
export function fetchHeader(peers: Peers, hash: Uint8Array, prefer?: PeerId): Promise<HashedHeader | undefined> {
  return peers.askAny(
    { prefer },
    {
      protocol: "blocks-by-hash",
      payload: encodeHashRequest({ part: "headers", hashes: [hash] }),
      limits: { chunks: 1, bytes: MAX_ANSWER_BYTES },
      async read(chunks) {
        for await (const chunk of chunks) {
          const [header] = decodeHeaders(chunk, 1);
          if (header !== undefined && !equalsBytes(header.hash, hash))
            throw new MessageError("not the header asked for");
          return header;
        }
        return undefined;
      },
    },
  );
}

/**
 * Headers below `above`, the next one first: each is the parent of the one before. Undefined when no peer has any.
 * Precondition: `above` is trusted and not the genesis block.
 */
function fetchParents(peers: Peers, above: HashedHeader, count: number): Promise<HashedHeader[] | undefined> {
  const from = above.header.number - 1n;
  return peers.askAny(
    { from, to: from },
    {
      protocol: "blocks-by-range",
      payload: encodeRangeRequest({ part: "headers", from, count }),
      limits: { chunks: 1, bytes: MAX_ANSWER_BYTES },
      async read(chunks, peer) {
        const chunk = await onlyChunk(chunks);
        const headers = chunk === undefined ? [] : decodeHeaders(chunk, count);
        let child = above;
        for (const parent of headers) {
          if (!equalsBytes(parent.hash, child.header.parentHash)) {
            throw new MessageError(`the header below block ${child.header.number} is not its parent`);
          }
          requireNumbered(parent, child);
          child = parent;
        }
        return headers.length > 0 ? headers : lacking(peers, peer, from);
      },
    },
  );
}

/** The hash of a parent is certified with its child's, so a wrong number is the fault of those who certified. */
function requireNumbered(parent: HashedHeader, child: HashedHeader): void {
  if (parent.header.number === child.header.number - 1n) return;
  throw new SyncHalt(`certified block ${child.header.number} stands on block ${parent.header.number}`);
}

/** An empty answer: the peer may lack what it never said it has. */
function lacking(peers: Peers, peer: PeerId, number: bigint): undefined {
  const status = peers.statusOf(peer);
  if (status !== undefined && status.first <= number && status.head.number >= number) {
    throw new MessageError(`it says that it has block ${number}, and does not give it`);
  }
  return undefined;
}

/** Repeats an attempt that no peer could answer; throws when it gives up. */
export type Insist = <T>(attempt: () => Promise<T | undefined>) => Promise<T>;

/** Blocks whose hashes are in memory at once. A longer way, in an epoch of many blocks, is walked in sections. */
export const SECTION_BLOCKS = 8_192;

/**
 * The way up from `head` to the certified `target`, all of it verified: the last block of each section, the lowest
 * first, `target` at the end. Throws SyncHalt when the certified chain does not contain `head`.
 */
export async function sectionsAbove(
  peers: Peers,
  head: Head,
  target: HashedHeader,
  insist: Insist,
): Promise<HashedHeader[]> {
  const sections = [target];
  if (target.header.number - head.number <= BigInt(SECTION_BLOCKS)) return sections;
  await walkDown(peers, head, target, insist, (block) => {
    const above = block.header.number - head.number;
    if (above % BigInt(SECTION_BLOCKS) === 0n && block !== target) sections.unshift(block);
  });
  return sections;
}

/**
 * Hashes of the blocks above `head` up to `target`, which is verified, the lowest first. Precondition: at most
 * SECTION_BLOCKS. Throws SyncHalt as above.
 */
export async function hashesAbove(
  peers: Peers,
  head: Head,
  target: HashedHeader,
  insist: Insist,
): Promise<Uint8Array[]> {
  const hashes = new Array<Uint8Array>(Number(target.header.number - head.number));
  await walkDown(peers, head, target, insist, ({ header, hash }) => {
    hashes[Number(header.number - head.number) - 1] = hash;
  });
  return hashes;
}

/** Hashes of `target` and of the `count - 1` blocks below it, the lowest first: true because `target` is verified. */
export async function hashesBelow(
  peers: Peers,
  target: HashedHeader,
  count: number,
  insist: Insist,
): Promise<Uint8Array[]> {
  const hashes: Uint8Array[] = [];
  await visitDown(peers, target, count, insist, ({ hash }) => hashes.unshift(hash));
  return hashes;
}

/** Visits `target` and the blocks below it down to the one that stands on `head`. */
async function walkDown(
  peers: Peers,
  head: Head,
  target: HashedHeader,
  insist: Insist,
  visit: (block: HashedHeader) => void,
): Promise<void> {
  const lowest = await visitDown(peers, target, Number(target.header.number - head.number), insist, visit);
  if (equalsBytes(lowest.header.parentHash, head.hash)) return;
  throw new SyncHalt(
    `block ${target.header.number} ${bytesToHex(target.hash)} is certified, but the committed block ${head.number} ${bytesToHex(head.hash)} is not below it`,
  );
}

/** The lowest of the `count` blocks that were visited. */
async function visitDown(
  peers: Peers,
  target: HashedHeader,
  count: number,
  insist: Insist,
  visit: (block: HashedHeader) => void,
): Promise<HashedHeader> {
  let lowest = target;
  visit(lowest);
  for (let left = count - 1; left > 0; ) {
    const parents = await insist(() => fetchParents(peers, lowest, Math.min(left, MAX_HEADERS)));
    for (const parent of parents) visit(parent);
    lowest = parents.at(-1)!;
    left -= parents.length;
  }
  return lowest;
}
