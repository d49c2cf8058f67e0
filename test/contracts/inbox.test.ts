/** The batch inbox on a real L1. */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { type Abi, type Address, encodeFunctionData, type Hex, keccak256, parseEventLogs, sha256, toHex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import artifact from "../../contracts/artifacts/BatchInbox.json" with { type: "json" };
import proxyArtifact from "../../contracts/artifacts/TransparentUpgradeableProxy.json" with { type: "json" };
import { hexToBytes } from "../../core/bytes.ts";
import { ANVIL_ACCOUNTS, type Anvil, deployContract, startAnvil } from "../helpers/anvil.ts";
import { refusalOf } from "../helpers/revert.ts";
import { compileSolidity } from "../helpers/solidity.ts";

const abi = artifact.abi as Abi;
const poster = ANVIL_ACCOUNTS[0]!.address;
const hashOf = (i: number): Hex => keccak256(toHex(i, { size: 32 }));

let anvil: Anvil;
let address: Address;
beforeAll(async () => {
  anvil = await startAnvil();
  const { client } = anvil;
  const code = await deployContract(client, { abi, bytecode: artifact.bytecode as Hex });
  const args = [code, poster, encodeFunctionData({ abi, functionName: "initialize" })];
  address = await deployContract(client, proxyArtifact as { abi: Abi; bytecode: Hex }, args);
});
afterAll(() => anvil.stop());

const recordedAt = (hash: Hex): Promise<unknown> =>
  anvil.client.readContract({ address, abi, functionName: "recordedAt", args: [hash] });

/** All of its elements are `value`: a constant polynomial, whose commitment and proof need no trusted setup. */
const blobOf = (value: number): Uint8Array => hexToBytes(`0x${toHex(value, { size: 32 }).slice(2).repeat(4_096)}`);
const kzg = {
  blobToKzgCommitment: (blob: Uint8Array): Uint8Array =>
    bls12_381.G1.Point.BASE.multiply(BigInt(toHex(blob.subarray(0, 32)))).toBytes(true),
  computeBlobKzgProof: (): Uint8Array => Uint8Array.of(0xc0, ...new Uint8Array(47)),
};
const versionedHash = (value: number): Hex => `0x01${sha256(kzg.blobToKzgCommitment(blobOf(value))).slice(4)}`;

async function sendBlobs(values: readonly number[], said: bigint, hash: Hex) {
  const sent = await anvil.client.sendTransaction({
    to: address,
    data: encodeFunctionData({ abi, functionName: "postBlobs", args: [9n, hash, said] }),
    blobs: values.map(blobOf),
    kzg,
    gas: 200_000n,
    maxFeePerBlobGas: 1_000_000_000n,
  });
  return anvil.client.waitForTransactionReceipt({ hash: sent });
}

describe("a batch in calldata", () => {
  it("records its last block, and who posted it", async () => {
    const hash = hashOf(1);
    expect(await recordedAt(hash)).toBe(0n);
    const sent = await anvil.client.writeContract({ address, abi, functionName: "post", args: [7n, hash, "0xabcd"] });
    const receipt = await anvil.client.waitForTransactionReceipt({ hash: sent });
    expect(await recordedAt(hash)).toBe(receipt.blockNumber);
    const [event] = parseEventLogs({ abi, logs: receipt.logs });
    expect(event).toMatchObject({
      eventName: "BatchPosted",
      args: { lastNumber: 7n, lastHash: hash, poster, blobs: [] },
    });
  });

  it("may come again, and the first block stays recorded", async () => {
    const hash = hashOf(2);
    const post = async () => {
      const sent = await anvil.client.writeContract({ address, abi, functionName: "post", args: [8n, hash, "0x01"] });
      return anvil.client.waitForTransactionReceipt({ hash: sent });
    };
    const first = await post();
    expect((await post()).logs).toHaveLength(1);
    expect(await recordedAt(hash)).toBe(first.blockNumber);
  });

  it("is refused when it is empty, and from within a contract, where nobody would find it", async () => {
    const post = (batch: Hex, account: Address) =>
      anvil.client.simulateContract({ address, abi, functionName: "post", args: [1n, hashOf(3), batch], account });
    expect(await refusalOf(post("0x", poster))).toEqual({ name: "EmptyBatch", args: [] });
    const relay = compileSolidity("test/contracts/Relay.sol", "Relay");
    const relayAt = await deployContract(anvil.client, relay);
    const data = encodeFunctionData({ abi, functionName: "post", args: [1n, hashOf(3), "0x01"] });
    const relayed = anvil.client.simulateContract({
      address: relayAt,
      abi: [...relay.abi, ...abi],
      functionName: "call",
      args: [address, data],
    });
    expect(await refusalOf(relayed)).toEqual({ name: "NotFromAccount", args: [] });
  });
});

describe("a batch in blobs", () => {
  it("names all blobs of the transaction, in order", async () => {
    const hash = hashOf(4);
    const receipt = await sendBlobs([5, 3, 4], 3n, hash);
    expect(receipt.status).toBe("success");
    expect(await recordedAt(hash)).toBe(receipt.blockNumber);
    const [event] = parseEventLogs({ abi, logs: receipt.logs });
    const blobs = [5, 3, 4].map(versionedHash);
    expect(event).toMatchObject({ eventName: "BatchPosted", args: { lastNumber: 9n, lastHash: hash, poster, blobs } });
  });

  it("is refused with another number of blobs than it says, or with none", async () => {
    for (const said of [1n, 3n, 2n ** 256n - 1n]) {
      expect((await sendBlobs([5, 6], said, hashOf(5))).status).toBe("reverted");
    }
    expect(await recordedAt(hashOf(5))).toBe(0n);
    const post = (blobs: bigint) =>
      anvil.client.simulateContract({ address, abi, functionName: "postBlobs", args: [1n, hashOf(5), blobs] });
    expect(await refusalOf(post(0n))).toEqual({ name: "EmptyBatch", args: [] });
    expect(await refusalOf(post(1n))).toEqual({ name: "WrongBlobs", args: [1n] });
  });
});
