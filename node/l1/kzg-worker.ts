/** A thread for what takes seconds: commitments and proofs of blobs. */
import { parentPort } from "node:worker_threads";
import { commitTo, proveBlob } from "./kzg.ts";

export interface KzgRequest {
  readonly id: number;
  readonly blobs: readonly Uint8Array[];
  readonly hasProofs: boolean;
}

export interface Committed {
  /** 48 bytes each. */
  readonly commitment: Uint8Array;
  /** Where proofs were asked for. */
  readonly proof: Uint8Array | undefined;
}

/** `problem` instead of `results` where a blob was none. */
export interface KzgResponse {
  readonly id: number;
  readonly results?: readonly Committed[];
  readonly problem?: string;
}

parentPort?.on("message", ({ id, blobs, hasProofs }: KzgRequest) => {
  let response: KzgResponse;
  try {
    const results = blobs.map((blob) => {
      const commitment = commitTo(blob);
      return { commitment, proof: hasProofs ? proveBlob(blob, commitment) : undefined };
    });
    response = { id, results };
  } catch (error) {
    response = { id, problem: (error as Error).message };
  }
  parentPort?.postMessage(response);
});
