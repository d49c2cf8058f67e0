/**
 * What goes into the state machine and what comes out of it. Each effect states its contract: the state machine is only
 * as safe as whoever carries its effects out.
 */
import type { BlockId, Certificate, Evidence, Proposal, Subject, Tip, Vote } from "./types.ts";
import type { ValidatorSet } from "./validators.ts";

export type ConsensusEvent =
  /** The moment of the last `timer` effect has come. An early or stale one does no harm. */
  | { readonly type: "timer" }
  /** The pool holds a transaction that the next block could include, or no longer does. */
  | { readonly type: "includable"; readonly value: boolean }
  /** From the network, or the own vote after it was made durable (`from` undefined). */
  | { readonly type: "vote"; readonly vote: Vote; readonly from: string | undefined }
  | { readonly type: "certificate"; readonly certificate: Certificate; readonly from: string | undefined }
  /** Precondition: the block's bytes are at hand, hash to `vote.block`, and their header has this height and parent. */
  | { readonly type: "proposal"; readonly proposal: Proposal; readonly from: string | undefined }
  /** Answer to `build`. */
  | { readonly type: "built"; readonly view: number; readonly block: BlockId }
  | { readonly type: "build-failed"; readonly view: number }
  /** Answer to `validate`. */
  | { readonly type: "validated"; readonly view: number; readonly block: BlockId; readonly valid: boolean }
  /** The last block of the epoch before is committed: its state names the set that takes over. */
  | { readonly type: "epoch"; readonly epoch: number; readonly set: ValidatorSet; readonly base: Tip }
  /** Sync verified and committed blocks past what was known here. `tip.view` is that of the verified certificate. */
  | {
      readonly type: "synced";
      readonly epoch: number;
      readonly set: ValidatorSet;
      readonly base: Tip;
      readonly tip: Tip;
    }
  /** The operator's or the guard's word: from now on sign nothing, or sign again. */
  | { readonly type: "signing"; readonly allowed: boolean };

export type ConsensusEffect =
  /** Replaces the timer set before; Infinity means none. */
  | { readonly type: "timer"; readonly atMs: number }
  /**
   * Make the vote durable (log and signer guard, fsync), then sign it, then send it, and feed it back as an event. With
   * `proposal`, send the proposal (with this vote in it and the block's bytes) instead of the bare vote, feed back a
   * `proposal` event instead of a `vote`, and make the block's bytes durable with it. A notarize vote on somebody else's block makes that block's bytes durable too:
   * a notarized block must survive the crash of everybody.
   */
  | {
      readonly type: "vote";
      readonly subject: Subject;
      readonly signer: number;
      readonly proposal?: Omit<Proposal, "vote">;
    }
  /** Send to everybody. Nothing needs to be durable first that a `vote` effect has not already made so. */
  | { readonly type: "send-vote"; readonly vote: Vote }
  | { readonly type: "send-certificate"; readonly certificate: Certificate }
  /** Keep in the log, so that a restart begins where this ended; needs no fsync of its own. */
  | { readonly type: "log-certificate"; readonly certificate: Certificate }
  /** Assemble a block on `parent`, which is notarized but perhaps not final; answer `built` or `build-failed`. */
  | { readonly type: "build"; readonly view: number; readonly height: number; readonly parent: BlockId }
  /** Execute the proposed block on its parent; answer `validated`. Fetch what is missing of its ancestors first. */
  | {
      readonly type: "validate";
      readonly view: number;
      readonly block: BlockId;
      readonly height: number;
      readonly parent: BlockId;
    }
  /**
   * The block and all its ancestors are final: commit them in order, with this certificate; answer `epoch` when the last
   * block of an epoch is among them, `synced` when `tip` was undefined. May name what is committed already.
   */
  | { readonly type: "finalize"; readonly certificate: Certificate; readonly tip: Tip | undefined }
  /**
   * Ask peers what they know of these views: certificates and votes, fed back as events. Gossip remembers what it has
   * carried and does not carry it twice, so this is how what was lost is found again.
   */
  | { readonly type: "fetch"; readonly epoch: number; readonly views: readonly number[] }
  | { readonly type: "evidence"; readonly evidence: Evidence }
  /** This peer sent what no honest one sends. */
  | { readonly type: "blame"; readonly peer: string; readonly reason: string }
  /** The protocol's safety is broken, or so is this program: stop signing and tell the operator. */
  | { readonly type: "halt"; readonly reason: string };
