/**
 * Batches in blobs (EIP-4844): signing the transactions that carry them, and reading them back from a beacon node. What a
 * beacon node says is checked against the versioned hashes that L1 recorded.
 *
 * Proofs are of a whole blob. An L1 since Osaka keeps proofs of cells (EIP-7594); nodes that take transactions convert.
 */
import { Worker } from "node:worker_threads";
import type { PrivateKeyAccount } from "viem/accounts";
import { BatchError } from "../../bridge/batch.ts";
import { BLOB_BYTES, unpackBlob } from "../../bridge/blob.ts";
import type { L1Block } from "../../bridge/l1-block.ts";
import { bytesToHex, equalsBytes, hexToBytes } from "../../core/bytes.ts";
import { DEV_L1_CHAIN_ID } from "../../genesis/l1.ts";
import { OperationError } from "../errors.ts";
import { L1UnavailableError } from "./client.ts";
import { bytesOf, fieldsOf, listOf } from "./json.ts";
import { versionedHash } from "./kzg.ts";
import type { Committed, KzgRequest, KzgResponse } from "./kzg-worker.ts";
import type { BlobSource } from "./posts.ts";
import type { BlobSigner } from "./sender.ts";

let worker: Worker | undefined;
let requests = 0;
const waiting = new Map<number, { resolve(results: readonly Committed[]): void; reject(error: Error): void }>();

/** One for the process: it takes seconds to begin. It keeps no process from ending. */
function startWorker(): Worker {
  const started = new Worker(new URL("./kzg-worker.ts", import.meta.url));
  started.unref();
  started.on("message", ({ id, results, problem }: KzgResponse) => {
    const request = waiting.get(id);
    waiting.delete(id);
    if (results !== undefined) request?.resolve(results);
    else request?.reject(new RangeError(problem));
    if (waiting.size === 0) started.unref();
  });
  started.on("error", (error) => {
    worker = undefined;
    for (const { reject } of waiting.values()) reject(error as Error);
    waiting.clear();
  });
  return started;
}

/** In a thread of its own, seconds a blob. */
function commit(blobs: readonly Uint8Array[], hasProofs: boolean): Promise<readonly Committed[]> {
  if (blobs.length === 0) return Promise.resolve([]);
  return new Promise((resolve, reject) => {
    worker ??= startWorker();
    worker.ref();
    const request: KzgRequest = { id: ++requests, blobs, hasProofs };
    waiting.set(request.id, { resolve, reject });
    worker.postMessage(request);
  });
}

export const blobSigner: BlobSigner = {
  async sign(account: PrivateKeyAccount, transaction, blobs) {
    const committed = await commit(blobs, true);
    const sidecars = blobs.map((blob, index) => ({
      blob: bytesToHex(blob),
      commitment: bytesToHex(committed[index]!.commitment),
      proof: bytesToHex(committed[index]!.proof!),
    }));
    const blobVersionedHashes = committed.map(({ commitment }) => bytesToHex(versionedHash(commitment)));
    return hexToBytes(await account.signTransaction({ ...transaction, blobVersionedHashes, sidecars } as never));
  },
};

export interface BeaconOptions {
  /** Of a beacon node's API, without the path. */
  readonly url: string;
  /** How the node names the block that has the blobs: by its slot, or, as anvil does, by the number of the L1 block. */
  readonly blockId: (block: L1Block) => string;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 20_000;
/** Of a block's worth of blobs in hex. */
const MAX_ANSWER_BYTES = 64 * 2 * BLOB_BYTES;

/** Unix seconds of the beacon chain's genesis of Ethereum's mainnet, Sepolia and Hoodi. */
const BEACON_GENESIS: ReadonlyMap<bigint, bigint> = new Map([
  [1n, 1_606_824_023n],
  [11_155_111n, 1_655_733_600n],
  [560_048n, 1_742_213_400n],
]);
const SLOT_SECONDS = 12n;

/** The blobs of an L1. Throws OperationError for one whose slots are not known here. */
export function blobSource(chainId: bigint, url: string): BlobSource {
  if (chainId === DEV_L1_CHAIN_ID) return beaconBlobs({ url, blockId: ({ number }) => String(number) });
  const genesis = BEACON_GENESIS.get(chainId);
  if (genesis === undefined) {
    throw new OperationError(`--l1.beacon: when the beacon chain of L1 ${chainId} began is not known here`);
  }
  return beaconBlobs({ url, blockId: slotSince(genesis) });
}

/** Slots follow from the time: twelve seconds each, from the beacon chain's genesis (Unix seconds) on. */
export const slotSince =
  (genesis: bigint) =>
  ({ timestamp }: L1Block): string =>
    String((timestamp - genesis) / SLOT_SECONDS);

/** `GET /eth/v1/beacon/blobs/{block}?versioned_hashes=…` */
export function beaconBlobs({ url, blockId, timeoutMs = TIMEOUT_MS }: BeaconOptions): BlobSource {
  return {
    async blobs(block, versionedHashes) {
      const asked = versionedHashes.map(bytesToHex).join(",");
      const path = `/eth/v1/beacon/blobs/${blockId(block)}?versioned_hashes=${asked}`;
      const blobs = await fetchBlobs(new URL(path, url), timeoutMs);
      const hashes = (await committed(blobs)).map(({ commitment }) => versionedHash(commitment));
      return versionedHashes.map((hash) => {
        const index = hashes.findIndex((other) => equalsBytes(other, hash));
        if (index === -1) throw unavailable(new Error(`the beacon node has no blob ${bytesToHex(hash)}`));
        const data = unpackBlob(blobs[index]!);
        if (data === undefined) throw new BatchError(`blob ${bytesToHex(hash)} is packed otherwise`);
        return data;
      });
    },
  };
}

/** Rejects with L1UnavailableError where the beacon node gave what is no blob. */
async function committed(blobs: readonly Uint8Array[]): Promise<readonly Committed[]> {
  try {
    return await commit(blobs, false);
  } catch (error) {
    if (error instanceof RangeError) throw unavailable(error);
    throw error;
  }
}

async function fetchBlobs(url: URL, timeoutMs: number): Promise<Uint8Array[]> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: "error" });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      if (length > MAX_ANSWER_BYTES) throw new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`);
      chunks.push(chunk);
    }
    const { data } = fieldsOf(JSON.parse(Buffer.concat(chunks).toString("utf8")), "answer");
    return listOf(data, "blobs").map((blob) => bytesOf(blob, "blob", BLOB_BYTES));
  } catch (error) {
    throw unavailable(error);
  }
}

const unavailable = (cause: unknown): L1UnavailableError => new L1UnavailableError("the blobs of a batch", cause);
