/** The signature scheme as consensus sees it. core/bls.ts is the real one, tests and the simulator bring cheaper ones. */
import { bigIntToFixed, concatBytes, padTo32 } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import type { Subject } from "./types.ts";

export interface Scheme {
  /** Whether `signature` is the sum of valid signatures of all `publicKeys` on `digest`. False for no keys at all. */
  verify(publicKeys: readonly Uint8Array[], digest: Uint8Array, signature: Uint8Array): boolean;
  /** Undefined when one of them is no point of the group. Precondition: at least one. */
  aggregate(signatures: readonly Uint8Array[]): Uint8Array | undefined;
}

/** What ties a signature to one network: no vote of one is valid in another. */
export interface Domain {
  readonly chainId: bigint;
  /** 20 bytes: the L1 contract that verifies certificates; zero without an L1. */
  readonly l1Contract: Uint8Array;
}

const VOTE_DOMAIN = keccak256(new TextEncoder().encode("OpenLedger vote v1"));
const word = (value: number | bigint): Uint8Array => bigIntToFixed(BigInt(value), 32);

/**
 * What is signed: keccak256 of nine 32-byte words, so that L1 computes it with abi.encode:
 *
 *   keccak256("OpenLedger vote v1") ‖ chainId ‖ l1Contract ‖ epoch ‖ setHash ‖ kind ‖ view ‖ parentView ‖ block
 *
 * The epoch and the set's hash are in it because a nullification of an old set must not skip a view of a new one.
 */
export function voteDigest(domain: Domain, setHash: Uint8Array, subject: Subject): Uint8Array {
  return keccak256(
    concatBytes(
      VOTE_DOMAIN,
      word(domain.chainId),
      padTo32(domain.l1Contract),
      word(subject.epoch),
      setHash,
      word(subject.kind),
      word(subject.view),
      word(subject.parentView),
      subject.block,
    ),
  );
}
