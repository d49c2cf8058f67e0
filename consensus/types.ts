/**
 * The vocabulary of consensus: views, subjects of votes, certificates, proposals, evidence. A block is an opaque 32-byte
 * id with a height; what is in it is somebody else's business.
 *
 * Views never restart: epoch e owns the views from e · 2^32 on, so a later epoch's view is always the larger number, and
 * one number orders everything that a key ever signs. Views and heights are safe integers.
 */

/** 32-byte block id. */
export type BlockId = Uint8Array;

/** What a vote can say about a view. The numbers are on the wire and in what is signed. */
export const KIND = { notarize: 1, nullify: 2, finalize: 3 } as const;
export type VoteKind = (typeof KIND)[keyof typeof KIND];

/**
 * What a vote is about. For `nullify`, `parentView` is 0 and `block` 32 zero bytes: it speaks of the view alone.
 */
export interface Subject {
  readonly kind: VoteKind;
  readonly epoch: number;
  readonly view: number;
  /** View of the parent's notarization (of the epoch's base for its first block). */
  readonly parentView: number;
  readonly block: BlockId;
}

export interface Vote extends Subject {
  /** Index in the epoch's validator set. */
  readonly signer: number;
  /** 96 bytes, compressed G2. */
  readonly signature: Uint8Array;
}

/** Votes of more than two thirds of the stake on one subject. */
export interface Certificate extends Subject {
  /** Bit i (byte i >> 3, bit i & 7) is set when validator i signed; exactly ceil(n / 8) bytes. */
  readonly bitmap: Uint8Array;
  /** Aggregate, 96 bytes, compressed G2. */
  readonly signature: Uint8Array;
}

/**
 * What a leader sends. It is authenticated by the leader's own notarize vote, so that two proposals in one view are
 * slashable evidence by themselves. `certificates` show that the parent is notarized and each skipped view nullified.
 */
export interface Proposal {
  /** Kind notarize. */
  readonly vote: Vote;
  readonly height: number;
  /** Id of the parent; equal to the block itself when the last block of an epoch is proposed again. */
  readonly parent: BlockId;
  readonly certificates: readonly Certificate[];
}

/** Two individually verified votes of one validator that no honest one makes. */
export interface Evidence {
  readonly epoch: number;
  readonly signer: number;
  readonly first: Vote;
  readonly second: Vote;
}

/** A position in the chain: `view` is where the block was notarized or finalized. */
export interface Tip {
  readonly view: number;
  readonly height: number;
  readonly block: BlockId;
}

export const VIEWS_PER_EPOCH = 2 ** 32;

/** The view of an epoch's base: its first proposal is made in the view after it. */
export const baseView = (epoch: number): number => epoch * VIEWS_PER_EPOCH;
export const epochOfView = (view: number): number => Math.floor(view / VIEWS_PER_EPOCH);
export const epochOfHeight = (height: number, epochBlocks: number): number => Math.floor(height / epochBlocks);
/** The last block of an epoch: no block stands on it before it is final. */
export const isLastOfEpoch = (height: number, epochBlocks: number): boolean => (height + 1) % epochBlocks === 0;

export { MAX_VALIDATORS } from "../core/validators.ts";
/** Certificates that a proposal carries at most: its parent's, and nullifications of the newest skipped views. */
export const MAX_PROPOSAL_CERTIFICATES = 65;
