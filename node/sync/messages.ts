/**
 * What nodes ask each other, in RLP. Integers are unsigned without leading zeros; a certificate is consensus/codec.ts's
 * byte string. Each protocol has one request and an answer of chunks:
 *
 *   status           ""                        -> [genesisHash, epoch, view, first, headNumber, headHash,
 *                                                  certifiedNumber, certificate]
 *   blocks-by-range  [1, from, count ≤ 512]    -> one chunk: [header..] of from, from - 1 and so on
 *                    [2, from, count ≤ 64]     -> a chunk each: block from, from + 1 and so on
 *   blocks-by-hash   [1, [hash.. ≤ 64]]        -> one chunk: [header..] of those that the peer has, in this order
 *                    [2, [hash.. ≤ 64]]        -> a chunk each: the blocks
 *                    [3, [hash.. ≤ 64]]        -> a chunk each: [receipt..] of the block, as its receipts root has them
 *   certificates     [epoch, [view.. ≤ 64]]    -> one chunk: [[certificate..], [vote..]] of these views, of each at
 *                                                 most one a kind, of votes one a kind and signer
 *   epochs           [from, count ≤ 64]        -> a chunk each: [header, certificate, validators]: the last block of the
 *                                                 epoch, what finalizes it, the next set's 132-byte records
 *   state            [hash.. ≤ 384]            -> one chunk: [item..] of those that the peer has, in this order: whatever
 *                                                 has this keccak256, be it trie node, code, address or slot
 *
 * An answer ends early where the peer has no more, or at 8 MiB; it is never reordered and has no holes except where it
 * says so above. Decoding is strict and throws MessageError.
 */

import {
  CodecError,
  decodeCertificate,
  decodeVote,
  encodeCertificate,
  encodeVote,
  MAX_CERTIFICATE_BYTES,
  VOTE_BYTES,
} from "../../consensus/codec.ts";
import { type Certificate, KIND, MAX_VALIDATORS, type Vote } from "../../consensus/types.ts";
import { decodeValidators, encodeValidators, VALIDATOR_BYTES, type ValidatorSet } from "../../consensus/validators.ts";
import type { Header } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import {
  RlpError,
  type RlpItem,
  type RlpSpan,
  rlpChildren,
  rlpDecode,
  rlpEncode,
  rlpFixed,
  rlpList,
  rlpListOf,
  rlpString,
  rlpUint,
  rlpValue,
  rlpWhole,
} from "../../core/rlp.ts";
import { headerFromRlp } from "../../execution/block/header.ts";

/** What came is not what the protocol says. */
export class MessageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "MessageError";
  }
}

export const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
export const MAX_HEADERS = 512;
export const MAX_BLOCKS = 64;
export const MAX_HASHES = 64;
export const MAX_VIEWS = 64;
export const MAX_EPOCHS = 64;
export const MAX_STATE_ITEMS = 384;

export type Part = "headers" | "blocks" | "receipts";

export interface Status {
  readonly genesisHash: Uint8Array;
  /** The one that the peer's next block belongs to. */
  readonly epoch: number;
  readonly view: number;
  /** The lowest block that the peer can give. */
  readonly first: bigint;
  readonly head: { readonly number: bigint; readonly hash: Uint8Array };
  /** The newest finalize certificate, with the number of its block; undefined on a chain that only has its genesis. */
  readonly certified: { readonly number: bigint; readonly certificate: Certificate } | undefined;
}

/** A header with its hash: keccak256 of the bytes that came. */
export interface HashedHeader {
  readonly hash: Uint8Array;
  readonly header: Header;
}

/** How an epoch ended. */
export interface EpochEnd {
  readonly last: HashedHeader;
  readonly certificate: Certificate;
  readonly nextSet: ValidatorSet;
}

const PARTS: readonly Part[] = ["headers", "blocks", "receipts"];
const partNumber = (part: Part): bigint => BigInt(PARTS.indexOf(part) + 1);

export function encodeStatus({ genesisHash, epoch, view, first, head, certified }: Status): Uint8Array {
  const certificate = certified === undefined ? new Uint8Array(0) : encodeCertificate(certified.certificate);
  const certifiedNumber = certified?.number ?? 0n;
  return rlpEncode([
    genesisHash,
    BigInt(epoch),
    BigInt(view),
    first,
    head.number,
    head.hash,
    certifiedNumber,
    certificate,
  ]);
}

export function decodeStatus(bytes: Uint8Array): Status {
  return strictly(() => {
    const items = fields(rlpDecode(bytes), 8, "status");
    const certificate = rlpString(items[7], MAX_CERTIFICATE_BYTES, "certificate");
    const number = rlpUint(items[6], 8, "certifiedNumber");
    if (certificate.length === 0 && number !== 0n) throw new MessageError("a certified number without a certificate");
    return {
      genesisHash: rlpFixed(items[0], 32, "genesisHash"),
      epoch: safe(items[1], "epoch"),
      view: safe(items[2], "view"),
      first: rlpUint(items[3], 8, "first"),
      head: { number: rlpUint(items[4], 8, "headNumber"), hash: rlpFixed(items[5], 32, "headHash") },
      certified: certificate.length === 0 ? undefined : { number, certificate: finalizeCertificate(certificate) },
    };
  });
}

export interface RangeRequest {
  readonly part: Exclude<Part, "receipts">;
  readonly from: bigint;
  readonly count: number;
}

export const encodeRangeRequest = ({ part, from, count }: RangeRequest): Uint8Array =>
  rlpEncode([partNumber(part), from, BigInt(count)]);

export function decodeRangeRequest(bytes: Uint8Array): RangeRequest {
  return strictly(() => {
    const items = fields(rlpDecode(bytes), 3, "request");
    const part = partOf(items[0]);
    if (part === "receipts") throw new MessageError("receipts are asked for by hash");
    const count = counted(items[2], part === "headers" ? MAX_HEADERS : MAX_BLOCKS);
    return { part, from: rlpUint(items[1], 8, "from"), count };
  });
}

export interface HashRequest {
  readonly part: Part;
  readonly hashes: readonly Uint8Array[];
}

export const encodeHashRequest = ({ part, hashes }: HashRequest): Uint8Array => rlpEncode([partNumber(part), hashes]);

export function decodeHashRequest(bytes: Uint8Array): HashRequest {
  return strictly(() => {
    const items = fields(rlpDecode(bytes), 2, "request");
    return { part: partOf(items[0]), hashes: hashList(items[1], MAX_HASHES) };
  });
}

export interface CertificateRequest {
  readonly epoch: number;
  readonly views: readonly number[];
}

export const encodeCertificateRequest = ({ epoch, views }: CertificateRequest): Uint8Array =>
  rlpEncode([BigInt(epoch), views.map(BigInt)]);

export function decodeCertificateRequest(bytes: Uint8Array): CertificateRequest {
  return strictly(() => {
    const items = fields(rlpDecode(bytes), 2, "request");
    const views = bounded(rlpList(items[1], "views"), MAX_VIEWS, "views");
    return { epoch: safe(items[0], "epoch"), views: views.map((view) => safe(view, "view")) };
  });
}

/** What is known of some views. */
export interface Views {
  readonly certificates: readonly Certificate[];
  readonly votes: readonly Vote[];
}

export const encodeViews = ({ certificates, votes }: Views): Uint8Array =>
  rlpEncode([certificates.map(encodeCertificate), votes.map(encodeVote)]);

/** Refuses what was not asked for, and anything twice. */
export function decodeViews(bytes: Uint8Array, { epoch, views }: CertificateRequest): Views {
  return strictly(() => {
    const items = fields(rlpDecode(bytes), 2, "views");
    const certificates = rlpList(items[0], "certificates").map((item) =>
      decodeCertificate(rlpString(item, MAX_CERTIFICATE_BYTES, "certificate")),
    );
    const votes = rlpList(items[1], "votes").map((item) => decodeVote(rlpString(item, VOTE_BYTES, "vote")));
    const asked = new Set(views);
    for (const { epoch: itsEpoch, view } of [...certificates, ...votes]) {
      if (itsEpoch !== epoch || !asked.has(view)) throw new MessageError(`nobody asked for view ${view}`);
    }
    const places = [
      ...certificates.map(({ view, kind }) => `${view} ${kind}`),
      ...votes.map(({ view, kind, signer }) => `${view} ${kind} ${signer}`),
    ];
    if (new Set(places).size !== places.length) throw new MessageError("something of a view comes twice");
    return { certificates, votes };
  });
}

export interface EpochsRequest {
  readonly from: number;
  readonly count: number;
}

export const encodeEpochsRequest = ({ from, count }: EpochsRequest): Uint8Array =>
  rlpEncode([BigInt(from), BigInt(count)]);

export function decodeEpochsRequest(bytes: Uint8Array): EpochsRequest {
  return strictly(() => {
    const items = fields(rlpDecode(bytes), 2, "request");
    return { from: safe(items[0], "from"), count: counted(items[1], MAX_EPOCHS) };
  });
}

/** `header`: RLP of the epoch's last header; `certificate`: as stored. */
export const encodeEpochEnd = (header: Uint8Array, certificate: Uint8Array, nextSet: ValidatorSet): Uint8Array =>
  rlpListOf([header, rlpEncode(certificate), rlpEncode(encodeValidators(nextSet.validators))]);

/** Checks that the parts are well formed, not that they belong together. */
export function decodeEpochEnd(bytes: Uint8Array): EpochEnd {
  return strictly(() => {
    const spans = rlpChildren(bytes, rlpWhole(bytes));
    if (spans.length !== 3) throw new MessageError(`an epoch's end has ${spans.length} parts instead of 3`);
    const certificate = rlpString(rlpValue(bytes, spans[1]!), MAX_CERTIFICATE_BYTES, "certificate");
    const records = rlpString(rlpValue(bytes, spans[2]!), MAX_VALIDATORS * VALIDATOR_BYTES, "validators");
    return {
      last: hashedHeader(bytes, spans[0]!),
      certificate: finalizeCertificate(certificate),
      nextSet: decodeValidators(records),
    };
  });
}

/** `headers`: each as RLP. */
export const encodeHeaders = (headers: readonly Uint8Array[]): Uint8Array => rlpListOf(headers);

export function decodeHeaders(bytes: Uint8Array, atMost: number): HashedHeader[] {
  return strictly(() => {
    const spans = bounded(rlpChildren(bytes, rlpWhole(bytes)), atMost, "headers");
    return spans.map((span) => hashedHeader(bytes, span));
  });
}

export const encodeStateRequest = (hashes: readonly Uint8Array[]): Uint8Array => rlpEncode(hashes);

export const decodeStateRequest = (bytes: Uint8Array): readonly Uint8Array[] =>
  strictly(() => hashList(rlpDecode(bytes), MAX_STATE_ITEMS));

export const encodeStateItems = (items: readonly Uint8Array[]): Uint8Array => rlpEncode(items);

export function decodeStateItems(bytes: Uint8Array, atMost: number): readonly Uint8Array[] {
  return strictly(() => {
    const items = bounded(rlpList(rlpDecode(bytes), "items"), atMost, "items");
    return items.map((item) => rlpString(item, MAX_ANSWER_BYTES, "item"));
  });
}

/** The RLP of a block's header inside the block's own. Precondition: the block is well formed. */
export function headerOf(raw: Uint8Array): Uint8Array {
  const span = rlpChildren(raw, rlpWhole(raw))[0]!;
  return raw.subarray(span.start, span.end);
}

export function hashedHeader(bytes: Uint8Array, span: RlpSpan): HashedHeader {
  // Copies: a header outlives the answer that it came in.
  const rlp = bytes.slice(span.start, span.end);
  return { hash: keccak256(rlp), header: headerFromRlp(rlpDecode(rlp)) };
}

/** Runs a decoder; whatever it has against the bytes becomes a MessageError. */
export function strictly<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof RlpError || error instanceof CodecError || error instanceof RangeError) {
      throw new MessageError(error.message, { cause: error });
    }
    throw error;
  }
}

function finalizeCertificate(bytes: Uint8Array): Certificate {
  const certificate = decodeCertificate(bytes);
  if (certificate.kind !== KIND.finalize) throw new MessageError("the certificate finalizes nothing");
  return certificate;
}

function fields(item: RlpItem, count: number, what: string): readonly RlpItem[] {
  const items = rlpList(item, what);
  if (items.length !== count) throw new MessageError(`${what} has ${items.length} fields instead of ${count}`);
  return items;
}

function bounded<T>(items: readonly T[], most: number, what: string): readonly T[] {
  if (items.length > most) throw new MessageError(`${items.length} ${what}, at most ${most} are allowed`);
  return items;
}

function partOf(item: RlpItem | undefined): Part {
  const part = PARTS[Number(rlpUint(item, 1, "part")) - 1];
  if (part === undefined) throw new MessageError("part is not 1, 2 or 3");
  return part;
}

function counted(item: RlpItem | undefined, most: number): number {
  const count = Number(rlpUint(item, 2, "count"));
  if (count === 0 || count > most) throw new MessageError(`count is ${count}, not 1 to ${most}`);
  return count;
}

function hashList(item: RlpItem | undefined, most: number): readonly Uint8Array[] {
  const hashes = bounded(rlpList(item, "hashes"), most, "hashes");
  return hashes.map((hash) => rlpFixed(hash, 32, "hash"));
}

function safe(item: RlpItem | undefined, field: string): number {
  const value = rlpUint(item, 8, field);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new MessageError(`${field} ${value} is out of range`);
  return Number(value);
}
