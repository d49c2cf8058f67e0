/** What the output oracle takes: headers from the output's block to a certified one, and its certificate (D10's rule). */
import { encodeFunctionData } from "viem";
import { decodeCertificate } from "../../consensus/codec.ts";
import { KIND } from "../../consensus/types.ts";
import { blsSignatureForEvm } from "../../core/bls.ts";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { encodeHeader } from "../../execution/block/header.ts";
import type { Chain } from "../chain.ts";
import { ORACLE_ABI } from "./abi.ts";

/** Headers that the oracle takes at once. */
const MAX_HEADERS = 64n;

/**
 * Calldata of `proposeOutput` for a committed block. `certified`: a block from it on whose batch is on L1. Undefined when
 * that one has no finalize certificate of its own, or is too far away.
 */
export function proposalCall(chain: Chain, target: bigint, certified = target): Uint8Array | undefined {
  const encoded = chain.certificate(certified);
  if (encoded === undefined || certified < target || certified - target >= MAX_HEADERS) return undefined;
  const certificate = decodeCertificate(encoded);
  if (certificate.kind !== KIND.finalize) return undefined;
  const headers: `0x${string}`[] = [];
  for (let number = target; number <= certified; number++) {
    headers.push(bytesToHex(encodeHeader(chain.block(number)!.header)));
  }
  const proposal = {
    headers,
    certificate: {
      epoch: BigInt(certificate.epoch),
      viewNumber: BigInt(certificate.view),
      parentView: BigInt(certificate.parentView),
      bitmap: bytesToHex(certificate.bitmap),
      signature: bytesToHex(blsSignatureForEvm(certificate.signature)),
    },
  };
  return hexToBytes(encodeFunctionData({ abi: ORACLE_ABI, functionName: "proposeOutput", args: [proposal] }));
}
