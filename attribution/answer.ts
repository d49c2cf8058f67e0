/** What a host signs (docs/spec.md "Signed answer"): EIP-712 typed data over roots and the hash of the spans. */
import type { LocalAccount, TypedDataDefinition } from "viem";
import { ATTRIBUTION_ADDRESS } from "../core/addresses.ts";
import { bytesToHex, type Hex } from "../core/bytes.ts";

export interface AnswerCommitment {
  readonly inferenceId: bigint;
  readonly requestRoot: Hex;
  readonly outputRoot: Hex;
  readonly outputBytes: number;
  readonly spansHash: Hex;
}

const ANSWER_TYPES = {
  Answer: [
    { name: "inferenceId", type: "uint256" },
    { name: "requestRoot", type: "bytes32" },
    { name: "outputRoot", type: "bytes32" },
    { name: "outputBytes", type: "uint32" },
    { name: "spansHash", type: "bytes32" },
  ],
} as const;

/** For viem's signTypedData, hashTypedData and verifyTypedData. */
export function answerTypedData(chainId: bigint, answer: AnswerCommitment) {
  const { inferenceId, requestRoot, outputRoot, outputBytes, spansHash } = answer;
  return {
    domain: {
      name: "OpenLedger Attribution",
      version: "1",
      chainId,
      verifyingContract: bytesToHex(ATTRIBUTION_ADDRESS),
    },
    types: ANSWER_TYPES,
    primaryType: "Answer",
    message: { inferenceId, requestRoot, outputRoot, outputBytes, spansHash },
  } as const satisfies TypedDataDefinition<typeof ANSWER_TYPES, "Answer">;
}

export interface AnswerSigner {
  /** Lower case. */
  readonly address: Hex;
  /** 65 bytes: r ‖ s (low half) ‖ v (27 or 28). */
  sign(chainId: bigint, answer: AnswerCommitment): Promise<Hex>;
}

/** A viem account (privateKeyToAccount, mnemonicToAccount) as a signer. */
export function accountSigner(account: Pick<LocalAccount, "address" | "signTypedData">): AnswerSigner {
  return {
    address: account.address.toLowerCase() as Hex,
    sign: (chainId, answer) => account.signTypedData(answerTypedData(chainId, answer)),
  };
}
