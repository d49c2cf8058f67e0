/** Brings what a validator signed against itself to L1, which slashes it: a file of node/evidence.ts. */
import { readFileSync, statSync } from "node:fs";
import { type Account, type Hash, type Hex, hexToBytes, parseEventLogs } from "viem";
import { decodeVote } from "../../consensus/codec.ts";
import { voteDigest } from "../../consensus/scheme.ts";
import type { Vote } from "../../consensus/types.ts";
import { blsSignatureForEvm, blsVerify } from "../../core/bls.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { decodeValidators } from "../../core/validators.ts";
import { succeeded, writer } from "../bridge-cli/moves.ts";
import { OperationError } from "../errors.ts";
import { type Stakes, validatorId } from "./stakes.ts";

const MAX_FILE_BYTES = 64 * 1024;

export interface Slashed {
  readonly hash: Hash;
  readonly validator: Hash;
  /** Of the stake, wei. */
  readonly amountWei: bigint;
  /** What of it the reporter got. */
  readonly rewardWei: bigint;
}

/** Throws OperationError when the file holds no two votes of one validator of this network, or L1 refuses them. */
export async function report(stakes: Stakes, account: Account, file: string): Promise<Slashed> {
  const { l1, network, registry, oracle } = stakes;
  const votes = readEvidence(file);
  const { epoch, signer } = votes[0];
  const setHash = await setHashOf(stakes, epoch);
  const encoded = await l1.readContract({ ...registry, functionName: "encodedSet", args: [setHash] });
  if (encoded === "0x") throw new OperationError(`L1 knows no validator set ${setHash}, that of epoch ${epoch}`);
  const publicKey = decodeValidators(hexToBytes(encoded)).validators[signer]?.publicKey;
  if (publicKey === undefined) throw new OperationError(`${file}: epoch ${epoch} has no validator ${signer}`);
  const domain = { chainId: BigInt(network.l2.id), l1Contract: hexToBytes(oracle.address) };
  for (const vote of votes) {
    if (blsVerify([publicKey], voteDigest(domain, hexToBytes(setHash), vote), vote.signature)) continue;
    throw new OperationError(`${file}: validator ${signer} of epoch ${epoch} of this network did not sign it`);
  }
  const [first, second] = [voteForL1(votes[0]), voteForL1(votes[1])];
  const args = [{ setHash, signer: BigInt(signer), first, second }] as const;
  const { request } = await l1.simulateContract({ ...registry, functionName: "slash", args, account });
  const hash = await writer(network.l1, network.l1Url, account).writeContract(request);
  const { logs } = await succeeded(l1, hash, "report");
  const [slashed] = parseEventLogs({ abi: registry.abi, eventName: "Slashed", logs });
  if (slashed === undefined) throw new OperationError(`${hash} slashed nobody`);
  const { amount, reward } = slashed.args;
  return { hash, validator: validatorId(publicKey), amountWei: amount, rewardWei: reward };
}

/** What the oracle says; of an epoch that L1 does not know yet, what the last block of the one before says. */
async function setHashOf({ l1, l2, oracle }: Stakes, epoch: number): Promise<Hash> {
  const known = await l1.readContract({ ...oracle, functionName: "knownEpochs" });
  if (epoch < known)
    return (await l1.readContract({ ...oracle, functionName: "epochs", args: [BigInt(epoch)] })).setHash;
  const epochBlocks = await l1.readContract({ ...oracle, functionName: "epochBlocks" });
  return (await l2.getBlock({ blockNumber: BigInt(epoch) * epochBlocks - 1n })).extraData;
}

function readEvidence(file: string): readonly [Vote, Vote] {
  try {
    const { size } = statSync(file);
    if (size > MAX_FILE_BYTES) throw new Error(`it has ${size} bytes`);
    const { votes } = JSON.parse(readFileSync(file, "utf8")) as { votes?: unknown };
    if (!Array.isArray(votes) || votes.length !== 2) throw new Error("it has no two votes");
    const [first, second] = votes.map((vote) => decodeVote(bytesOf(vote)));
    if (first!.signer !== second!.signer || first!.epoch !== second!.epoch) {
      throw new Error("its votes are not of one validator and epoch");
    }
    return [first!, second!];
  } catch (cause) {
    throw new OperationError(`${file} is no evidence: ${(cause as Error).message}`, { cause });
  }
}

function bytesOf(value: unknown): Uint8Array {
  if (typeof value === "string" && /^0x(?:[0-9a-fA-F]{2})+$/.test(value)) return hexToBytes(value as Hex);
  throw new Error("a vote is no hex text");
}

const voteForL1 = ({ kind, epoch, view, parentView, block, signature }: Vote) => ({
  subject: {
    kind,
    epoch: BigInt(epoch),
    viewNumber: BigInt(view),
    parentView: BigInt(parentView),
    block: bytesToHex(block),
  },
  signature: bytesToHex(blsSignatureForEvm(signature)),
});
