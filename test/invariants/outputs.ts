/** Batches, outputs, and what the guardian does about them. */
import { type Abi, decodeFunctionData, encodeFunctionData, type Hex } from "viem";
import { encodeParts } from "../../bridge/batch.ts";
import oracleArtifact from "../../contracts/artifacts/OutputOracle.json" with { type: "json" };
import { bytesToHex } from "../../core/bytes.ts";
import { INBOX_ABI, ORACLE_ABI } from "../../node/l1/abi.ts";
import { buildBatch } from "../../node/l1/build-batch.ts";
import { compress } from "../../node/l1/compression.ts";
import { proposalCall } from "../../node/l1/proposal.ts";
import { EPOCH_BLOCKS } from "../helpers/l1-world.ts";
import { DEPLOYER, HOLDERS, POSTER } from "./l1.ts";
import type { L1Action } from "./ledger.ts";
import type { World } from "./world.ts";

const BATCH_BYTES = 100_000;
const L1_GAS = 10_000_000n;
const OUTPUT_GAS = 4_000_000n;

/** The blocks that L1 has no good batch of yet, up to the newest certificate of their epoch. */
export async function nextBatch(world: World): Promise<readonly L1Action[]> {
  const { l1, l2, model } = world;
  await l2.follow();
  const limits = { epochBlocks: BigInt(EPOCH_BLOCKS), targetBytes: 3 * BATCH_BYTES, maxBytes: 1_000_000 };
  const built = buildBatch(l2.chain, l2.safe + 1n, limits);
  if (built === undefined) return [];
  const hash = bytesToHex(built.lastHash);
  const parts = encodeParts(await compress(built.payload), BATCH_BYTES);
  return parts.map((part) => ({
    kind: "batch",
    from: POSTER,
    to: l1.contracts.inbox,
    data: encodeFunctionData({ abi: INBOX_ABI, functionName: "post", args: [built.last, hash, bytesToHex(part)] }),
    gas: L1_GAS,
    expected: () => "taken",
    settle: () => model.posted(hash, built.last),
  }));
}

interface Choice {
  readonly target: bigint;
  readonly certified: bigint;
  readonly hash: Hex;
}

/** A block that may be the next output, and a posted block at or above it. */
function chooseOutput({ model, random }: World): Choice | undefined {
  const { epochBlocks, submissionInterval } = model.rules;
  const epoch = model.knownEpochs - 1n;
  const latest = model.outputs.at(-1)!.l2Number;
  const choices = [...model.recorded].flatMap(([hash, certified]) => {
    if (certified / epochBlocks !== epoch) return [];
    const isLast = (certified + 1n) % epochBlocks === 0n;
    const lowest = latest + submissionInterval;
    if (certified >= lowest) {
      const target = random.chance(0.6) ? certified : lowest + BigInt(random.below(Number(certified - lowest) + 1));
      return [{ target, certified, hash }];
    }
    return isLast && certified > latest ? [{ target: certified, certified, hash }] : [];
  });
  // The last of the epoch gets on; the others are in between.
  return choices.length === 0 ? undefined : random.chance(0.5) ? choices.at(-1) : random.pick(choices);
}

function output(world: World, { target, certified, hash }: Choice): L1Action | undefined {
  const { l1, l2, model, random } = world;
  const call = proposalCall(l2.chain, target, certified);
  if (call === undefined) return undefined;
  const root = l2.rootAt(target);
  return {
    kind: "output",
    from: random.pick(HOLDERS),
    to: l1.contracts.oracle,
    data: bytesToHex(call),
    gas: OUTPUT_GAS,
    expected: () => model.expectOutput(target, certified, hash),
    settle: (timestamp) => model.proposed({ root, l2Number: target, timestamp }),
  };
}

/** One that is due; sometimes twice, or one that is not posted. */
export function randomOutput(world: World): readonly L1Action[] {
  const { l2, random } = world;
  if (random.chance(0.06)) {
    const certified = l2.chain.latestCertificate?.number;
    if (certified === undefined) return [];
    const early = output(world, { target: certified, certified, hash: bytesToHex(l2.chain.hashAt(certified)!) });
    return early === undefined ? [] : [{ ...early, kind: "output, perhaps not posted" }];
  }
  const choice = chooseOutput(world);
  const action = choice && output(world, choice);
  if (action === undefined) return [];
  return random.chance(0.1) ? [action, { ...action, kind: "output, again" }] : [action];
}

const flip = (bytes: Hex, at: number): Hex => {
  const position = 2 + 2 * at;
  const byte = Number.parseInt(bytes.slice(position, position + 2), 16) ^ 1;
  return `0x${bytes.slice(2, position)}${byte.toString(16).padStart(2, "0")}${bytes.slice(position + 2)}` as Hex;
};

/** A true one with something changed that the certificate does not cover, or does. */
export function forgedOutput(world: World): readonly L1Action[] {
  const { l2, random } = world;
  const choice = chooseOutput(world);
  const action = choice && output(world, choice);
  if (choice === undefined || action === undefined) return [];
  const [proposal] = decodeFunctionData({ abi: ORACLE_ABI, data: action.data }).args as never as [Proposal];
  const { headers, certificate } = proposal;
  const other = proposalCall(l2.chain, choice.certified - 1n) ?? proposalCall(l2.chain, choice.certified - 2n);
  const [kind, forged] = random.pick<readonly [string, Proposal]>([
    ["a byte of a header", { certificate, headers: [flip(headers[0]!, random.between(10, 400)), ...headers.slice(1)] }],
    ["a header more", { certificate, headers: [...headers, headers.at(-1)!] }],
    ["a signer less", { headers, certificate: { ...certificate, bitmap: "0x03" } }],
    ["a signer more", { headers, certificate: { ...certificate, bitmap: "0x0f" } }],
    ["another view", { headers, certificate: { ...certificate, viewNumber: certificate.viewNumber + 1n } }],
    ["another epoch", { headers, certificate: { ...certificate, epoch: certificate.epoch + 1n } }],
    [
      "another signature",
      { headers, certificate: { ...certificate, signature: signatureOf(other) ?? `0x${"00".repeat(256)}` } },
    ],
  ]);
  const data = encodeFunctionData({ abi: ORACLE_ABI, functionName: "proposeOutput", args: [forged] });
  const { from, to, gas } = action;
  return [{ kind: `forged output: ${kind}`, from, to, gas, data, expected: () => "refused: forged" }];
}

interface Proposal {
  readonly headers: readonly Hex[];
  readonly certificate: {
    readonly epoch: bigint;
    readonly viewNumber: bigint;
    readonly parentView: bigint;
    readonly bitmap: Hex;
    readonly signature: Hex;
  };
}

function signatureOf(call: Uint8Array | undefined): Hex | undefined {
  if (call === undefined) return undefined;
  const { args } = decodeFunctionData({ abi: ORACLE_ABI, data: bytesToHex(call) });
  return (args as never as [Proposal])[0].certificate.signature;
}

/** By the guardian, or by somebody who may not; mostly of what is not final in a block of this time. */
export function deletion({ l1, model, random }: World, timestamp: bigint): readonly L1Action[] {
  const all = [...model.outputs.keys()].slice(-10);
  const deletable = all.filter((index) => model.expectDeletion(index, timestamp) === "taken");
  const index = random.pick(deletable.length > 0 && random.chance(0.9) ? deletable : all);
  const isGuardian = random.chance(0.8);
  return [
    {
      kind: isGuardian ? "deletion of outputs" : "deletion by a stranger",
      from: isGuardian ? DEPLOYER : POSTER,
      to: l1.contracts.oracle,
      data: encodeFunctionData({
        abi: oracleArtifact.abi as Abi,
        functionName: "deleteL2Outputs",
        args: [BigInt(index)],
      }),
      gas: OUTPUT_GAS,
      expected: (timestamp) => (isGuardian ? model.expectDeletion(index, timestamp) : "refused: not the guardian"),
      settle: () => model.deleted(index),
    },
  ];
}
