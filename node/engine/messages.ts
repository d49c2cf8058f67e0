/**
 * What the engine sends to a topic.
 *
 *   vote   consensus/codec.ts encodeVote
 *   cert   encodeCertificate
 *   block  uint32 length of the proposal ‖ encodeProposal ‖ the block as the chain stores it
 *   tx     uint32 salt ‖ one or more (uint32 length ‖ transaction envelope)
 *
 * The salt lets the same transactions be told again to peers who came later: gossip carries no message twice.
 */

import { CodecError, decodeProposal, encodeProposal, MAX_PROPOSAL_BYTES } from "../../consensus/codec.ts";
import type { Proposal } from "../../consensus/types.ts";
import { equalsBytes } from "../../core/bytes.ts";
import { RlpError, rlpChildren, rlpWhole } from "../../core/rlp.ts";
import { checkBlock } from "../sync/block-check.ts";
import { hashedHeader, MessageError } from "../sync/messages.ts";

export interface BlockMessage {
  readonly proposal: Proposal;
  /** Empty when the last block of an epoch is proposed again: everybody has it, or asks for it. */
  readonly raw: Uint8Array;
}

export function encodeBlockMessage({ proposal, raw }: BlockMessage): Uint8Array {
  const head = encodeProposal(proposal);
  const message = new Uint8Array(4 + head.length + raw.length);
  new DataView(message.buffer).setUint32(0, head.length);
  message.set(head, 4);
  message.set(raw, 4 + head.length);
  return message;
}

/** Throws CodecError. The block itself is not looked at yet: see `isBlockOf`. */
export function decodeBlockMessage(message: Uint8Array): BlockMessage {
  const length = message.length < 4 ? -1 : readUint32(message, 0);
  if (length < 0 || length > MAX_PROPOSAL_BYTES || 4 + length > message.length) {
    throw new CodecError(`a block message of ${message.length} bytes has a proposal of ${length}`);
  }
  return { proposal: decodeProposal(message.subarray(4, 4 + length)), raw: message.subarray(4 + length) };
}

/**
 * Whether the bytes are the block that is proposed: header, body and all, with the proposal's height and parent. Without
 * the look at the body, whoever passes a block on could spoil it for everybody behind him. Never throws.
 */
export function isBlockOf(raw: Uint8Array, { vote, height, parent }: Proposal): boolean {
  try {
    const { hash, header } = checkBlock(raw);
    const isAgain = equalsBytes(parent, vote.block);
    const isOnParent = isAgain || equalsBytes(header.parentHash, parent);
    return equalsBytes(hash, vote.block) && header.number === BigInt(height) && isOnParent;
  } catch (error) {
    if (error instanceof MessageError || error instanceof RlpError) return false;
    throw error;
  }
}

/** Hash, number and parent of a block that has been checked. */
export function placeOf(raw: Uint8Array): {
  readonly hash: Uint8Array;
  readonly number: bigint;
  readonly parentHash: Uint8Array;
} {
  const { hash, header } = hashedHeader(raw, rlpChildren(raw, rlpWhole(raw))[0]!);
  return { hash, number: header.number, parentHash: header.parentHash };
}

/** `salt` is taken modulo 2^32. */
export function encodeTransactions(raws: readonly Uint8Array[], salt: number): Uint8Array {
  const message = new Uint8Array(raws.reduce((sum, raw) => sum + 4 + raw.length, 4));
  const view = new DataView(message.buffer);
  view.setUint32(0, salt % 2 ** 32);
  let at = 4;
  for (const raw of raws) {
    view.setUint32(at, raw.length);
    message.set(raw, at + 4);
    at += 4 + raw.length;
  }
  return message;
}

/** Throws CodecError: no transactions, an empty one, or a length that does not fit. */
export function decodeTransactions(message: Uint8Array): Uint8Array[] {
  const raws: Uint8Array[] = [];
  for (let at = 4; at < message.length; ) {
    const length = at + 4 > message.length ? 0 : readUint32(message, at);
    if (length === 0 || at + 4 + length > message.length) throw new CodecError(`transaction ${raws.length} is cut off`);
    raws.push(message.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  if (raws.length === 0) throw new CodecError("no transactions");
  return raws;
}

const readUint32 = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0);
