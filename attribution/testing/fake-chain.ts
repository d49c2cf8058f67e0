/** For tests: a chain in memory that answers what the precompiles would, and a small corpus. */
import { privateKeyToAccount } from "viem/accounts";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { contentRoot } from "../../core/content.ts";
import type { AcceptedContribution, ChainReader, InferenceRequest } from "../chain-reader.ts";
import type { ContentStore } from "../content-store.ts";
import type { Prompt } from "../prompt.ts";

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
export const rootOf = (bytes: Uint8Array): Hex => bytesToHex(contentRoot(bytes));

export const HOST = privateKeyToAccount(`0x${"11".repeat(32)}`);
export const OTHER = privateKeyToAccount(`0x${"22".repeat(32)}`);
export const CHAIN_ID = 161299n;
export const PROMPT = "the quick";
export const TEXTS = [
  "the quick brown fox jumps over the lazy dog near the quiet river bank today",
  "the quick brown cat sleeps under the lazy dog near the old river bridge",
  "over the lazy dog near the quiet old mill the quick brown fox rests",
] as const;

export class FakeChain implements ChainReader {
  readonly inferences = new Map<bigint, InferenceRequest>();
  readonly contributions: AcceptedContribution[] = [];
  timestamp = 1_000n;
  fails = false;
  stake = { totalWei: 10n ** 18n, lockedWei: 0n };

  request(changes: Partial<InferenceRequest> = {}): InferenceRequest {
    const inference: InferenceRequest = {
      id: 1n,
      state: "requested",
      audience: "public",
      modelId: 5n,
      host: HOST.address.toLowerCase() as Hex,
      requestedAt: 100n,
      commitDeadline: 2_000n,
      settleAfter: 0n,
      openDemands: 0,
      batchId: 0n,
      requestRoot: rootOf(utf8(PROMPT)),
      requestBytes: PROMPT.length,
      minSpanBytes: 12,
      escrowWei: 10_000_000n,
      platformFeeWei: 1_000n,
      requestPrice: 1_000n,
      outputPrice: 2_000n,
      ...changes,
    };
    this.inferences.set(inference.id, inference);
    return inference;
  }

  /** A request for this prompt. */
  requestFor({ bytes }: Prompt, changes: Partial<InferenceRequest> = {}): InferenceRequest {
    return this.request({ requestRoot: rootOf(bytes), requestBytes: bytes.length, ...changes });
  }

  /** Puts the texts into the store and accepts them, with ids from 1 on. */
  async accept(store: ContentStore, texts: readonly string[] = TEXTS): Promise<void> {
    for (const text of texts) {
      const { root, size } = await store.put(utf8(text));
      const id = BigInt(this.contributions.length + 1);
      this.contributions.push({ id, contentRoot: root, size, withdrawnAt: 0n });
    }
  }

  chainId = () => this.answer(CHAIN_ID);
  head = () => this.answer({ number: 120n, timestamp: this.timestamp });
  inference = (id: bigint) => this.answer(this.inferences.get(id));
  modelData = () => this.answer([{ datanetId: 3n, count: this.contributions.length }]);
  modelTerms = (id: bigint) =>
    this.answer(
      id === 5n
        ? { owner: OTHER.address.toLowerCase() as Hex, registeredAt: 500n, requestPrice: 1_000n, outputPrice: 2_000n }
        : undefined,
    );
  accepted = (_: bigint, count: number) => this.answer(this.contributions.slice(0, count));
  modelsOf = () => this.answer([5n]);
  parameters = () => this.answer({ minSpanBytes: 12, platformFeeWei: 1_000n, stakeMultiple: 2n });
  stakeOf = () => this.answer(this.stake);

  private async answer<T>(value: T): Promise<T> {
    if (this.fails) throw new Error("connection refused");
    return value;
  }
}
