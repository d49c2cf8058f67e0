/** What a host checks before it answers; each throws Refusal. */
import type { Hex } from "../core/bytes.ts";
import type { AcceptedContribution, InferenceRequest } from "./chain-reader.ts";
import type { ModelHostLimits } from "./model-host-limits.ts";
import { Refusal } from "./refusal.ts";

/** Rejects with Refusal where the chain cannot be read. */
export async function fromChain<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw new Refusal("chain-unavailable", `the chain cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

export function checkRequest(
  promptBytes: number,
  maxTokens: number,
  { maxPromptBytes, maxTokens: most }: ModelHostLimits,
): void {
  if (promptBytes < 1 || promptBytes > maxPromptBytes) {
    throw new Refusal("bad-request", `the prompt has ${promptBytes} bytes, not 1 to ${maxPromptBytes}`);
  }
  if (!Number.isInteger(maxTokens) || maxTokens < 1 || maxTokens > most) {
    throw new Refusal("bad-request", `${maxTokens} tokens are asked for, not 1 to ${most}`);
  }
}

export function checkPrompt({ id, ...inference }: InferenceRequest, requestRoot: Hex, promptBytes: number): void {
  if (inference.requestRoot !== requestRoot) {
    const message = `the prompt has root ${requestRoot}, inference ${id} was requested for ${inference.requestRoot}`;
    throw new Refusal("prompt-mismatch", message);
  }
  if (inference.requestBytes !== promptBytes) {
    const message = `the prompt has ${promptBytes} bytes, inference ${id} was requested for ${inference.requestBytes}`;
    throw new Refusal("prompt-mismatch", message);
  }
}

export function checkModel({ id, modelId }: InferenceRequest, asked: bigint | undefined): void {
  if (asked !== undefined && asked !== modelId) {
    throw new Refusal("wrong-model", `inference ${id} was requested of model ${modelId}, not of ${asked}`);
  }
}

export function checkOpen(
  { id, host, state, commitDeadline }: InferenceRequest,
  address: Hex,
  head: { readonly timestamp: bigint },
  { deadlineMarginSeconds }: ModelHostLimits,
): void {
  if (host !== address) {
    throw new Refusal("not-addressed", `inference ${id} is addressed to ${host}, this host is ${address}`);
  }
  if (state !== "requested") throw new Refusal("wrong-state", `inference ${id} is ${state}, not requested`);
  if (head.timestamp + deadlineMarginSeconds > commitDeadline) {
    const message = `inference ${id} had to be committed by ${commitDeadline}, the chain is at ${head.timestamp}`;
    throw new Refusal("deadline-passed", message);
  }
}

export function checkCorpus(
  modelId: bigint,
  live: readonly AcceptedContribution[],
  { maxCorpusBytes }: ModelHostLimits,
): void {
  if (live.length === 0) throw new Refusal("no-data", `model ${modelId} has no live contribution to draw on`);
  const bytes = live.reduce((sum, { size }) => sum + size, 0);
  if (bytes > maxCorpusBytes) {
    throw new Refusal(
      "corpus-too-large",
      `model ${modelId} has ${bytes} bytes of data, this host serves ${maxCorpusBytes}`,
    );
  }
}

/** Longest output whose fee the escrow covers (docs/spec.md "Fee and settlement"), at most `limit`. */
export function affordableBytes(inference: InferenceRequest, limit: number): number {
  const { escrowWei, platformFeeWei, requestPrice, outputPrice, requestBytes } = inference;
  // fee <= escrow  <=>  requestBytes * requestPrice + outputBytes * outputPrice < (escrow - platformFee + 1) * 1000
  const left = (escrowWei - platformFeeWei + 1n) * 1000n - 1n - BigInt(requestBytes) * requestPrice;
  if (left < 0n) return 0;
  if (outputPrice === 0n) return limit;
  const bytes = left / outputPrice;
  return bytes < BigInt(limit) ? Number(bytes) : limit;
}
