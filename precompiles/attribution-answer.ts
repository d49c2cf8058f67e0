/** The answer that a host signs: EIP-712 typed data, docs/spec.md "Signed answer". */
import { ATTRIBUTION_ADDRESS } from "../core/addresses.ts";
import { equalsBytes, ZERO_32 } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import type { PrecompileContext } from "../core/precompile.ts";
import { error } from "./attribution-interface.ts";
import { wordOf, wordToInteger } from "./storage.ts";

const hashOfText = (text: string): Uint8Array => keccak256(new TextEncoder().encode(text));

const DOMAIN_TYPE = hashOfText("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
const DOMAIN_NAME = hashOfText("OpenLedger Attribution");
const DOMAIN_VERSION = hashOfText("1");
const ANSWER_TYPE = hashOfText(
  "Answer(uint256 inferenceId,bytes32 requestRoot,bytes32 outputRoot,uint32 outputBytes,bytes32 spansHash)",
);
const PREFIX = Uint8Array.of(0x19, 0x01);
const PADDING = ZERO_32.subarray(0, 12);

export interface Answer {
  readonly inferenceId: bigint;
  readonly requestRoot: Uint8Array;
  readonly outputRoot: Uint8Array;
  readonly outputBytes: number;
  readonly spansHash: Uint8Array;
}

export function answerDigest(context: PrecompileContext, answer: Answer): Uint8Array {
  const { inferenceId, requestRoot, outputRoot, outputBytes, spansHash } = answer;
  const chainId = wordOf(context.chainId);
  const domain = context.keccak(DOMAIN_TYPE, DOMAIN_NAME, DOMAIN_VERSION, chainId, PADDING, ATTRIBUTION_ADDRESS);
  const bytes = wordOf(BigInt(outputBytes));
  const message = context.keccak(ANSWER_TYPE, wordOf(inferenceId), requestRoot, outputRoot, bytes, spansHash);
  return context.keccak(PREFIX, domain, message);
}

/** secp256k1 group order / 2: only the low s is canonical (EIP-2). */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
const NOBODY = new Uint8Array(20);

/** Reverts with BadSignature unless `host` signed: r (32) ‖ s (32, low half) ‖ v (27 or 28). */
export function requireSignature(
  context: PrecompileContext,
  answer: Answer,
  signature: Uint8Array,
  host: Uint8Array,
): void {
  const signer = recoverSigner(context, answer, signature);
  if (signer === undefined || !equalsBytes(signer, host))
    throw error("BadSignature", { recovered: signer ?? NOBODY, host });
}

function recoverSigner(context: PrecompileContext, answer: Answer, signature: Uint8Array): Uint8Array | undefined {
  if (signature.length !== 65) return undefined;
  const r = signature.subarray(0, 32);
  const s = signature.subarray(32, 64);
  const v = signature[64]!;
  if ((v !== 27 && v !== 28) || wordToInteger(s) > HALF_ORDER) return undefined;
  return context.recover(answerDigest(context, answer), v - 27, r, s);
}
