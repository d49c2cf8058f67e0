/** What was posted to the batch inbox, read from L1's verified blocks. */
import { decodeEventLog, decodeFunctionData, type Hex, parseTransaction } from "viem";
import { BatchError, type BatchPart, decodePart } from "../../bridge/batch.ts";
import type { L1Block, L1Log } from "../../bridge/l1-block.ts";
import { bytesToHex, concatBytes, equalsBytes, hexToBytes } from "../../core/bytes.ts";
import type { Logger } from "../log.ts";
import { INBOX_ABI } from "./abi.ts";

/** Raw transactions of an L1 block that make its header's root (client.ts). */
export interface TransactionSource {
  transactions(hash: Uint8Array): Promise<readonly Uint8Array[]>;
}

/** Blobs are not part of L1's blocks and are kept for some weeks only. */
export interface BlobSource {
  /** Contents of blobs, in order, checked against their versioned hashes. Rejects while they cannot be had. */
  blobs(block: L1Block, versionedHashes: readonly Uint8Array[]): Promise<readonly Uint8Array[]>;
}

export interface PostSources {
  readonly transactions: TransactionSource;
  /** Undefined: batches in blobs are skipped. */
  readonly blobs: BlobSource | undefined;
  readonly inbox: Uint8Array;
  readonly log: Logger;
}

export interface Post {
  readonly l1Number: bigint;
  /** The block that its poster says is the last. */
  readonly lastNumber: bigint;
  readonly lastHash: Uint8Array;
  /** 20 bytes. */
  readonly poster: Uint8Array;
  readonly part: BatchPart;
}

/** In L1's order, without what is no part of a batch. Rejects when L1 or its blobs cannot be read. */
export async function readPosts(block: L1Block, sources: PostSources): Promise<Post[]> {
  const { inbox, log } = sources;
  const logs = block.posts.filter(({ address }) => equalsBytes(address, inbox));
  if (logs.length === 0) return [];
  let raws: readonly Uint8Array[] | undefined;
  const posts: Post[] = [];
  for (const entry of logs) {
    const event = eventOf(entry);
    if (event === undefined) continue;
    try {
      let bytes: Uint8Array;
      if (event.blobs.length > 0) bytes = concatBytes(...(await blobsOf(block, event.blobs, sources)));
      else {
        raws ??= await sources.transactions.transactions(block.hash);
        bytes = calldataOf(raws[entry.transactionIndex]!, inbox, event);
      }
      posts.push({ ...event, l1Number: block.number, part: decodePart(bytes) });
    } catch (error) {
      if (!(error instanceof BatchError)) throw error;
      const where = { l1: Number(block.number), last: Number(event.lastNumber), poster: bytesToHex(event.poster) };
      log.info({ ...where, problem: error.message }, "a post to the inbox is no batch");
    }
  }
  return posts;
}

interface PostedEvent {
  readonly lastNumber: bigint;
  readonly lastHash: Uint8Array;
  readonly poster: Uint8Array;
  readonly blobs: readonly Uint8Array[];
}

function eventOf({ topics, data }: L1Log): PostedEvent | undefined {
  try {
    const [signature, ...indexed] = topics.map(bytesToHex);
    const { args } = decodeEventLog({
      abi: INBOX_ABI,
      eventName: "BatchPosted",
      topics: [signature as Hex, ...indexed],
      data: bytesToHex(data),
    });
    return {
      lastNumber: args.lastNumber,
      lastHash: hexToBytes(args.lastHash),
      poster: hexToBytes(args.poster),
      blobs: args.blobs.map((hash) => hexToBytes(hash)),
    };
  } catch {
    // The inbox has no other event; an upgraded one may.
    return undefined;
  }
}

/** The batch in the transaction that emitted the event. Throws BatchError when it is another call. */
function calldataOf(raw: Uint8Array, inbox: Uint8Array, { lastNumber, lastHash }: PostedEvent): Uint8Array {
  try {
    const { to, data } = parseTransaction(bytesToHex(raw));
    if (to?.toLowerCase() !== bytesToHex(inbox) || data === undefined) throw new Error("it goes to another contract");
    const { functionName, args } = decodeFunctionData({ abi: INBOX_ABI, data });
    if (functionName !== "post" || args[0] !== lastNumber || args[1].toLowerCase() !== bytesToHex(lastHash)) {
      throw new Error("its call is not what the event says");
    }
    return hexToBytes(args[2]);
  } catch (cause) {
    throw new BatchError(`its transaction carries none: ${(cause as Error).message.split("\n")[0]}`, { cause });
  }
}

function blobsOf(
  block: L1Block,
  hashes: readonly Uint8Array[],
  { blobs }: PostSources,
): Promise<readonly Uint8Array[]> {
  if (blobs === undefined) throw new BatchError("it is in blobs, and no source of blobs is configured");
  return blobs.blobs(block, hashes);
}
