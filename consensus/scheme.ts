/** The signature scheme as consensus sees it. core/bls.ts is the real one, tests and the simulator bring cheaper ones. */
import { bigIntToFixed, concatBytes, padTo32 } from "../core/bytes.ts";
import { keccak256 } from "../core/crypto.ts";
import type { Subject } from "./types.ts";

export interface Scheme {
  /** Whether `signature` is the sum of valid signatures of all `publicKeys` on `digest`. False for no keys at all. */
  verify(publicKeys: readonly Uint8Array[], digest: Uint8Array, signature: Uint8Array): boolean;
  /** Undefined when one of them is no point of the group. Precondition: at least one. */
  aggregate(signatures: readonly Uint8Array[]): Uint8Array | undefined;
  /** Whether each of these signatures on one digest is valid by itself; cheaper than one by one where it is offered. */
  verifyEach?(
    digest: Uint8Array,
    signed: readonly { readonly publicKey: Uint8Array; readonly signature: Uint8Array }[],
  ): boolean;
}

/** What ties a signature to one network: no vote of one is valid in another. */
export interface Domain {
  readonly chainId: bigint;
  /** 20 bytes: the L1 contract that verifies certificates; zero without an L1. */
  readonly l1Contract: Uint8Array;
}

const VOTE_DOMAIN = keccak256(new TextEncoder().encode("OpenLedger vote v1"));

/**
 * What is signed: keccak256 of nine 32-byte words, so that L1 computes it with abi.encode:
 *
 *   keccak256("OpenLedger vote v1") ‖ chainId ‖ l1Contract ‖ epoch ‖ setHash ‖ kind ‖ view ‖ parentView ‖ block
 *
 * The epoch and the set's hash are in it because a nullification of an old set must not skip a view of a new one.
 */
export function voteDigest(
  domain: Domain,
  setHash: Uint8Array,
  { kind, epoch, view, parentView, block }: Subject,
): Uint8Array {
  message.set(prefixOf(domain));
  put(3, epoch);
  message.set(setHash, 4 * 32);
  put(5, kind);
  put(6, view);
  put(7, parentView);
  message.set(block, 8 * 32);
  return keccak256(message);
}

/** Written anew for each digest: every vote is hashed by everybody, so that allocating it would be felt. */
const message = new Uint8Array(9 * 32);
const words = new DataView(message.buffer);

function put(word: number, value: number): void {
  words.setUint32(word * 32 + 24, Math.floor(value / 2 ** 32));
  words.setUint32(word * 32 + 28, value % 2 ** 32);
}

const prefixes = new WeakMap<Domain, Uint8Array>();

/** The first three words. */
function prefixOf(domain: Domain): Uint8Array {
  let prefix = prefixes.get(domain);
  if (prefix === undefined) {
    prefix = concatBytes(VOTE_DOMAIN, bigIntToFixed(domain.chainId, 32), padTo32(domain.l1Contract));
    prefixes.set(domain, prefix);
  }
  return prefix;
}
