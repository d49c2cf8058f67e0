/**
 * Votes, certificates and proposals as they travel and are stored. Integers are big-endian.
 *
 *   subject      kind u8 ‖ epoch u64 ‖ view u64 ‖ parentView u64 ‖ block 32                          57 bytes
 *   vote         subject ‖ signer u16 ‖ signature 96                                               155 bytes
 *   certificate  subject ‖ bitmap length u16 ‖ bitmap ‖ signature 96
 *   proposal     vote ‖ height u64 ‖ parent 32 ‖ count u16 ‖ (length u16 ‖ certificate)…
 *
 * Decoding is strict: one byte string for one value, and a CodecError for everything else.
 */
import { bytesToBigInt } from "../core/bytes.ts";
import {
  type Certificate,
  epochOfView,
  KIND,
  MAX_PROPOSAL_CERTIFICATES,
  MAX_VALIDATORS,
  type Proposal,
  type Subject,
  type Vote,
  type VoteKind,
} from "./types.ts";

export class CodecError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "CodecError";
  }
}

export const SUBJECT_BYTES = 57;
const SIGNATURE_BYTES = 96;
export const VOTE_BYTES = SUBJECT_BYTES + 2 + SIGNATURE_BYTES;
export const MAX_CERTIFICATE_BYTES = SUBJECT_BYTES + 2 + MAX_VALIDATORS / 8 + SIGNATURE_BYTES;
export const MAX_PROPOSAL_BYTES = VOTE_BYTES + 8 + 32 + 2 + MAX_PROPOSAL_CERTIFICATES * (2 + MAX_CERTIFICATE_BYTES);

/** Appends to one growing buffer of known final size. */
class Writer {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }

  u8(value: number): void {
    this.bytes[this.#at++] = value;
  }

  u16(value: number): void {
    this.#view.setUint16(this.#at, value);
    this.#at += 2;
  }

  u64(value: number): void {
    this.#view.setBigUint64(this.#at, BigInt(value));
    this.#at += 8;
  }

  raw(value: Uint8Array): void {
    this.bytes.set(value, this.#at);
    this.#at += value.length;
  }

  subject(subject: Subject): void {
    this.u8(subject.kind);
    this.u64(subject.epoch);
    this.u64(subject.view);
    this.u64(subject.parentView);
    this.raw(subject.block);
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  raw(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new CodecError(`ends after ${this.#bytes.length} bytes`);
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  u8(): number {
    return this.raw(1)[0] as number;
  }

  u16(): number {
    const [high, low] = this.raw(2);
    return (high as number) * 256 + (low as number);
  }

  u64(field: string): number {
    const value = bytesToBigInt(this.raw(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new CodecError(`${field} ${value} is out of range`);
    return Number(value);
  }

  subject(): Subject {
    const kind = this.u8();
    if (kind < KIND.notarize || kind > KIND.finalize) throw new CodecError(`unknown kind ${kind}`);
    const subject: Subject = {
      kind: kind as VoteKind,
      epoch: this.u64("epoch"),
      view: this.u64("view"),
      parentView: this.u64("parentView"),
      block: this.raw(32),
    };
    const problem = malformed(subject);
    if (problem !== undefined) throw new CodecError(problem);
    return subject;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new CodecError(`${this.#bytes.length - this.#at} bytes too many`);
  }
}

/** What no subject may be, whatever the state of the one who reads it; undefined when it is well formed. */
function malformed({ kind, epoch, view, parentView, block }: Subject): string | undefined {
  if (epochOfView(view) !== epoch) return `view ${view} is not of epoch ${epoch}`;
  if (epochOfView(view - 1) !== epoch) return `view ${view} is the base of its epoch`;
  if (kind === KIND.nullify) {
    return parentView === 0 && block.every((byte) => byte === 0) ? undefined : "a nullification names a block";
  }
  return parentView < view && epochOfView(parentView) === epoch
    ? undefined
    : `parent view ${parentView} does not precede view ${view} in its epoch`;
}

/** 57 bytes. */
export function encodeSubject(subject: Subject): Uint8Array {
  const writer = new Writer(SUBJECT_BYTES);
  writer.subject(subject);
  return writer.bytes;
}

export const decodeSubject = (bytes: Uint8Array): Subject => whole(bytes, (reader) => reader.subject());

export function encodeVote(vote: Vote): Uint8Array {
  const writer = new Writer(VOTE_BYTES);
  writeVote(writer, vote);
  return writer.bytes;
}

function writeVote(writer: Writer, vote: Vote): void {
  writer.subject(vote);
  writer.u16(vote.signer);
  writer.raw(vote.signature);
}

export const decodeVote = (bytes: Uint8Array): Vote => whole(bytes, readVote);

function readVote(reader: Reader): Vote {
  const subject = reader.subject();
  return { ...subject, signer: reader.u16(), signature: reader.raw(SIGNATURE_BYTES) };
}

const certificateBytes = ({ bitmap }: Certificate): number => SUBJECT_BYTES + 2 + bitmap.length + SIGNATURE_BYTES;

export function encodeCertificate(certificate: Certificate): Uint8Array {
  const writer = new Writer(certificateBytes(certificate));
  writeCertificate(writer, certificate);
  return writer.bytes;
}

function writeCertificate(writer: Writer, certificate: Certificate): void {
  writer.subject(certificate);
  writer.u16(certificate.bitmap.length);
  writer.raw(certificate.bitmap);
  writer.raw(certificate.signature);
}

export const decodeCertificate = (bytes: Uint8Array): Certificate => whole(bytes, readCertificate);

function readCertificate(reader: Reader): Certificate {
  const subject = reader.subject();
  const length = reader.u16();
  if (length === 0 || length > MAX_VALIDATORS / 8) throw new CodecError(`bitmap has ${length} bytes`);
  return { ...subject, bitmap: reader.raw(length), signature: reader.raw(SIGNATURE_BYTES) };
}

/** Throws RangeError when it carries too many certificates. */
export function encodeProposal(proposal: Proposal): Uint8Array {
  const { vote, height, parent, certificates } = proposal;
  if (certificates.length > MAX_PROPOSAL_CERTIFICATES) throw new RangeError(`${certificates.length} certificates`);
  const length = certificates.reduce((sum, certificate) => sum + 2 + certificateBytes(certificate), 0);
  const writer = new Writer(VOTE_BYTES + 8 + 32 + 2 + length);
  writeVote(writer, vote);
  writer.u64(height);
  writer.raw(parent);
  writer.u16(certificates.length);
  for (const certificate of certificates) {
    writer.u16(certificateBytes(certificate));
    writeCertificate(writer, certificate);
  }
  return writer.bytes;
}

export function decodeProposal(bytes: Uint8Array): Proposal {
  return whole(bytes, (reader) => {
    const vote = readVote(reader);
    if (vote.kind !== KIND.notarize) throw new CodecError("a proposal is signed with a vote that does not notarize");
    const height = reader.u64("height");
    const parent = reader.raw(32);
    const count = reader.u16();
    if (count > MAX_PROPOSAL_CERTIFICATES) throw new CodecError(`${count} certificates`);
    const certificates = Array.from({ length: count }, () => decodeCertificate(reader.raw(reader.u16())));
    return { vote, height, parent, certificates };
  });
}

function whole<T>(bytes: Uint8Array, read: (reader: Reader) => T): T {
  const reader = new Reader(bytes);
  const value = read(reader);
  reader.end();
  return value;
}
