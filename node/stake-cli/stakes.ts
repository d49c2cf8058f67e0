/** What L1's registry and L2's ValidatorSet say of a validator. */
import { type Address, type Hash, type Hex, hexToBytes, zeroAddress } from "viem";
import { VALIDATOR_SET_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { decodeValidators } from "../../core/validators.ts";
import { bridgedNetwork } from "../bridge-cli/chains.ts";
import { readers } from "../bridge-cli/moves.ts";
import type { NetworkDescription } from "../network.ts";
import { ORACLE_ABI, REGISTRY_ABI, VALIDATOR_SET_ABI } from "./abi.ts";

/** The network as these commands reach it. Throws OperationError when it has no L1 or serves no JSON-RPC. */
export function openStakes(description: NetworkDescription) {
  const network = bridgedNetwork(description);
  const { registry, oracle } = description.openledger.l1!;
  return {
    network,
    ...readers(network),
    registry: { address: registry, abi: REGISTRY_ABI } as const,
    oracle: { address: oracle, abi: ORACLE_ABI } as const,
    validatorSet: { address: bytesToHex(VALIDATOR_SET_ADDRESS) as Address, abi: VALIDATOR_SET_ABI } as const,
  };
}
export type Stakes = ReturnType<typeof openStakes>;

/** The registry's name of a validator. `publicKey`: 96 bytes. */
export const validatorId = (publicKey: Uint8Array): Hash => bytesToHex(keccak256(publicKey));

export type State = "unregistered" | "active" | "leaving" | "slashed" | "withdrawn";

export interface Member {
  readonly state: State;
  /** Zero when it never registered. */
  readonly account: Address;
  readonly stakeWei: bigint;
  /** 1 + number of the snapshot from which on no set has it; 0 while one may. */
  readonly outSince: bigint;
}

/** `blockNumber` of L1: without it, now. */
export async function readMember({ l1, registry }: Stakes, id: Hash, blockNumber?: bigint): Promise<Member> {
  const member = await l1.readContract({
    ...registry,
    functionName: "validators",
    args: [id],
    ...(blockNumber === undefined ? {} : { blockNumber }),
  });
  const { account, stake, outSince, isGone, isSlashed, isLeaving } = member;
  const isUnknown = account === zeroAddress;
  const state = isUnknown
    ? "unregistered"
    : isGone
      ? "withdrawn"
      : isSlashed
        ? "slashed"
        : isLeaving
          ? "leaving"
          : "active";
  return { state, account, stakeWei: stake, outSince };
}

/** Where a key is in a set. */
export interface Place {
  /** The registry's number of the set. */
  readonly snapshot: bigint;
  /** Index of its votes; undefined: it is not in the set. */
  readonly index: number | undefined;
  readonly weightWei: bigint;
}

export interface Places {
  /** The set that L2 has. */
  readonly current: Place;
  /** The set that takes over with the next epoch; undefined: none. */
  readonly pending: Place | undefined;
  /** The newest that L1 has. */
  readonly newest: Place;
}

/** All of one block of L2 and one of L1 (`blockNumber`). `publicKey`: 96 bytes. */
export async function readPlaces(stakes: Stakes, publicKey: Uint8Array, blockNumber: bigint): Promise<Places> {
  const { l1, l2, registry, validatorSet } = stakes;
  const at = { ...validatorSet, blockNumber: await l2.getBlockNumber({ cacheTime: 0 }) };
  const ofL1 = async (snapshot: bigint, setHash: Hash): Promise<Place> => {
    const encoded = await l1.readContract({ ...registry, functionName: "encodedSet", args: [setHash], blockNumber });
    return placeIn(snapshot, encoded, publicKey);
  };
  const [number, encoded, pendingNumber, pendingHash, latestNumber, latestHash] = await Promise.all([
    l2.readContract({ ...at, functionName: "number" }),
    l2.readContract({ ...at, functionName: "encoded" }),
    l2.readContract({ ...at, functionName: "pendingNumber" }),
    l2.readContract({ ...at, functionName: "pendingHash" }),
    l1.readContract({ ...registry, functionName: "latestNumber", blockNumber }),
    l1.readContract({ ...registry, functionName: "latestSetHash", blockNumber }),
  ]);
  return {
    current: placeIn(number, encoded, publicKey),
    pending: pendingNumber === 0n ? undefined : await ofL1(pendingNumber, pendingHash),
    newest: await ofL1(latestNumber, latestHash),
  };
}

function placeIn(snapshot: bigint, encoded: Hex, publicKey: Uint8Array): Place {
  const { validators } = decodeValidators(hexToBytes(encoded));
  const index = validators.findIndex((validator) => equalsBytes(validator.publicKey, publicKey));
  if (index === -1) return { snapshot, index: undefined, weightWei: 0n };
  return { snapshot, index, weightWei: validators[index]!.stake };
}
