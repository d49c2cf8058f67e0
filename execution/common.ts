/** The chain's rules as ethereumjs wants to be told them. Apart from rules.ts, whose readers need no EVM. */
import { type Common, createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import { padTo32 } from "../core/bytes.ts";
import { keccak256, recoverPublicKey } from "../core/crypto.ts";
import { kzg } from "./kzg.ts";
import type { ChainRules } from "./rules.ts";

/**
 * For the precompile 0x01, which costs 3,000 gas: ethereumjs's own in JavaScript takes 0.8 ms. Its interface: the
 * 64-byte key, or an exception; v is 27 or 28, 0 or 1, or EIP-155's with a chain id.
 */
export function ecrecover(digest: Uint8Array, v: bigint, r: Uint8Array, s: Uint8Array, chainId?: bigint): Uint8Array {
  const parity = v < 2n ? v : chainId === undefined ? v - 27n : v - (chainId * 2n + 35n);
  const key = recoverPublicKey(digest, padTo32(r), padTo32(s), Number(parity));
  if (key === undefined) throw new Error("no key could have made this signature");
  return key;
}

/**
 * What ethereumjs needs to know. A new object each time: every EVM stays subscribed to its own. `crypto` "own" is what
 * it brings itself, for oracles of tests and peers of benchmarks, which must not borrow ours.
 */
export function createCommon(
  rules: Pick<ChainRules, "chainId" | "hardfork" | "newCommon">,
  crypto: "native" | "own" = "native",
): Common {
  if (rules.newCommon !== undefined) return rules.newCommon();
  if (rules.chainId > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`chain id ${rules.chainId} is too large`);
  return createCustomCommon({ name: "openledger", chainId: Number(rules.chainId) }, Mainnet, {
    hardfork: rules.hardfork === "osaka" ? Hardfork.Osaka : Hardfork.Prague,
    customCrypto: crypto === "own" ? { kzg } : { kzg, ecrecover, keccak256: (bytes) => keccak256(bytes) },
  });
}
