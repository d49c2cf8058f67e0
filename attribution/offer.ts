/** What an answer costs and how it is paid for, for a client that asked without a request on chain: HTTP 402. */
import { ATTRIBUTION_ADDRESS } from "../core/addresses.ts";
import { bytesToHex, type Hex } from "../core/bytes.ts";
import { contentRoot } from "../core/content.ts";
import { feeWei } from "../core/settlement.ts";
import type { ChainReader } from "./chain-reader.ts";
import { fromChain } from "./host-checks.ts";
import type { Prompt } from "./prompt.ts";
import { Refusal } from "./refusal.ts";

/** Amounts are wei in decimal; prices are for 1,000 bytes. */
export interface Offer {
  readonly chainId: string;
  /** The precompile that takes requestInference. */
  readonly attribution: Hex;
  readonly modelId: string;
  readonly host: Hex;
  readonly requestRoot: Hex;
  readonly requestBytes: number;
  readonly requestPrice: string;
  readonly outputPrice: string;
  readonly platformFee: string;
  /** What the escrow below pays for; the rest is refunded. */
  readonly outputBytes: number;
  readonly escrow: string;
}

/** A token is seldom longer; an output that needs more ends with finish_reason "length". */
const BYTES_A_TOKEN = 16;

/** As of the head. Throws Refusal. */
export async function makeOffer(
  chain: ChainReader,
  host: Hex,
  asked: {
    readonly modelId: bigint;
    readonly prompt: Prompt;
    readonly maxTokens: number;
    readonly maxOutputBytes: number;
  },
): Promise<Offer> {
  const { modelId, prompt, maxTokens, maxOutputBytes } = asked;
  const [chainId, terms, { platformFeeWei }] = await fromChain(
    Promise.all([chain.chainId(), chain.modelTerms(modelId), chain.parameters()]),
  );
  if (terms === undefined) throw new Refusal("not-served", `there is no model ${modelId}`);
  const { requestPrice, outputPrice } = terms;
  const outputBytes = Math.min(maxOutputBytes, maxTokens * BYTES_A_TOKEN);
  const requestBytes = prompt.bytes.length;
  return {
    chainId: chainId.toString(),
    attribution: bytesToHex(ATTRIBUTION_ADDRESS),
    modelId: modelId.toString(),
    host,
    requestRoot: bytesToHex(contentRoot(prompt.bytes)),
    requestBytes,
    requestPrice: requestPrice.toString(),
    outputPrice: outputPrice.toString(),
    platformFee: platformFeeWei.toString(),
    outputBytes,
    escrow: feeWei({ platformFeeWei, requestPrice, outputPrice }, requestBytes, outputBytes).toString(),
  };
}
