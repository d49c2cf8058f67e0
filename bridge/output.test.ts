import passer from "@eth-optimism/contracts-bedrock/forge-artifacts/L2ToL1MessagePasser.sol/L2ToL1MessagePasser.json" with {
  type: "json",
};
import { createEVM } from "@ethereumjs/evm";
import { Account, Address, hexToBytes } from "@ethereumjs/util";
import fc from "fast-check";
import { decodeAbiParameters, encodeAbiParameters, encodeFunctionData, keccak256, parseAbi } from "viem";
import { getWithdrawalHashStorageSlot } from "viem/op-stack";
import { expect, test } from "vitest";
import { bytesToHex, type Hex } from "../core/bytes.ts";
import vectors from "../test/vectors/outputs.json" with { type: "json" };
import { messageNonce, outputRoot, withdrawalHash, withdrawalSlot } from "./output.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const uint256 = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n });

test("withdrawal hashes and slots are the ABI encoding's, as viem makes it", () => {
  const withdrawal = fc.record({
    nonce: uint256,
    sender: bytes(20),
    target: bytes(20),
    valueWei: uint256,
    gasLimit: uint256,
    data: fc.uint8Array({ maxLength: 100 }),
  });
  fc.assert(
    fc.property(withdrawal, (w) => {
      const types = ["uint256", "address", "address", "uint256", "uint256", "bytes"].map((type) => ({ type }));
      const values = [w.nonce, bytesToHex(w.sender), bytesToHex(w.target), w.valueWei, w.gasLimit, bytesToHex(w.data)];
      const hash = withdrawalHash(w);
      expect(bytesToHex(hash)).toBe(keccak256(encodeAbiParameters(types, values)));
      const slot = getWithdrawalHashStorageSlot({ withdrawalHash: bytesToHex(hash) });
      expect(bytesToHex(withdrawalSlot(hash))).toBe(slot);
    }),
  );
});

test("output roots are the ABI encoding's", () => {
  fc.assert(
    fc.property(bytes(32), bytes(32), bytes(32), (stateRoot, withdrawalsRoot, hash) => {
      const words = [new Uint8Array(32), stateRoot, withdrawalsRoot, hash].map(bytesToHex);
      const types = words.map(() => ({ type: "bytes32" }));
      const root = outputRoot({ stateRoot, withdrawalsRoot }, hash);
      expect(bytesToHex(root)).toBe(keccak256(encodeAbiParameters(types, words)));
    }),
  );
});

test("the OP Stack's own message passer gives the same nonce and hash and writes to the same slot", async () => {
  const evm = await createEVM();
  const address = new Address(hexToBytes("0x4200000000000000000000000000000000000016"));
  const sender = new Address(new Uint8Array(20).fill(0x31));
  await evm.stateManager.putAccount(address, new Account());
  await evm.stateManager.putCode(address, hexToBytes(passer.deployedBytecode.object as Hex));
  await evm.stateManager.putAccount(sender, new Account(0n, 10n ** 18n));
  const target = new Uint8Array(20).fill(0x77);
  const abi = parseAbi(["function initiateWithdrawal(address target, uint256 gasLimit, bytes data) payable"]);
  for (const [counter, data] of [new Uint8Array(0), new Uint8Array(33).fill(5)].entries()) {
    const args = [bytesToHex(target), 100_000n, bytesToHex(data)] as const;
    const { execResult } = await evm.runCall({
      to: address,
      caller: sender,
      value: 7n,
      gasLimit: 1_000_000n,
      data: hexToBytes(encodeFunctionData({ abi, args })),
    });
    expect(execResult.exceptionError).toBeUndefined();
    const [, topics, logData] = execResult.logs![0]!;
    const types = ["uint256", "uint256", "bytes", "bytes32"].map((type) => ({ type }));
    const [, , , hash] = decodeAbiParameters(types, bytesToHex(logData));
    const nonce = messageNonce(BigInt(counter));
    expect(BigInt(bytesToHex(topics[1]!))).toBe(nonce);
    const ours = withdrawalHash({ nonce, sender: sender.bytes, target, valueWei: 7n, gasLimit: 100_000n, data });
    expect(bytesToHex(ours)).toBe(hash);
    expect(await evm.stateManager.getStorage(address, withdrawalSlot(ours))).toEqual(Uint8Array.of(1));
  }
});

test("vectors", () => {
  for (const vector of vectors.withdrawals) {
    const hash = withdrawalHash({
      nonce: messageNonce(BigInt(vector.counter)),
      sender: hexToBytes(vector.sender as Hex),
      target: hexToBytes(vector.target as Hex),
      valueWei: BigInt(vector.valueWei),
      gasLimit: BigInt(vector.gasLimit),
      data: hexToBytes(vector.data as Hex),
    });
    expect(bytesToHex(hash)).toBe(vector.hash);
    expect(bytesToHex(withdrawalSlot(hash))).toBe(vector.slot);
  }
  for (const { stateRoot, withdrawalsRoot, blockHash, root } of vectors.outputs) {
    const header = { stateRoot: hexToBytes(stateRoot as Hex), withdrawalsRoot: hexToBytes(withdrawalsRoot as Hex) };
    expect(bytesToHex(outputRoot(header, hexToBytes(blockHash as Hex)))).toBe(root);
  }
});
