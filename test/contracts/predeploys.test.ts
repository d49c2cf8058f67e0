/** The L2 side of the bridge as genesis writes it, run in an EVM. */
import {
  type Address,
  concatHex,
  encodeFunctionData,
  encodePacked,
  type Hex,
  numberToHex,
  pad,
  parseEther,
  serializeTransaction,
  stringToHex,
  toHex,
  zeroHash,
} from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attributesDeposit } from "../../bridge/l1-attributes.ts";
import gasOracleArtifact from "../../contracts/artifacts/GasPriceOracle.json" with { type: "json" };
import l1BlockArtifact from "../../contracts/artifacts/L1Block.json" with { type: "json" };
import messengerArtifact from "../../contracts/artifacts/op/L2CrossDomainMessenger.json" with { type: "json" };
import bridgeArtifact from "../../contracts/artifacts/op/L2StandardBridge.json" with { type: "json" };
import factoryArtifact from "../../contracts/artifacts/op/OptimismMintableERC20Factory.json" with { type: "json" };
import validatorSetArtifact from "../../contracts/artifacts/ValidatorSet.json" with { type: "json" };
import wrappedArtifact from "../../contracts/artifacts/WrappedOpen.json" with { type: "json" };
import { aliasAddress } from "../../core/addresses.ts";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { BRIDGE_PREDEPLOYS } from "../../genesis/bridge-predeploys.ts";
import { genesisAccounts } from "../../genesis/builder.ts";
import devnet from "../../genesis/networks/devnet.json" with { type: "json" };
import { parseGenesis } from "../../genesis/schema.ts";
import { submitCall } from "../../genesis/validator-set.ts";
import { ANVIL_ACCOUNTS, type Anvil, type AnvilClient, startAnvil } from "../helpers/anvil.ts";

const address = (index: number): Address => pad(toHex(index), { size: 20 });
const GENESIS = parseGenesis({
  ...devnet,
  timestamp: 1_700_000_000,
  parameters: { ...devnet.parameters, l1BaseFeeScalar: 3, l1BlobBaseFeeScalar: 5 },
  l1: {
    chainId: 31_337,
    portal: address(0xa1),
    oracle: address(0xa2),
    inbox: address(0xa3),
    registry: address(0xa4),
    token: address(0xa5),
    systemConfig: address(0xa6),
    l1StandardBridge: address(0xa7),
    l1Messenger: address(0xa8),
    origin: { number: 12, hash: `0x${"ab".repeat(32)}`, timestamp: 1_699_999_990 },
    finality: "finalized",
    maxDriftSeconds: 600,
  },
});
const L1_BLOCK = { address: BRIDGE_PREDEPLOYS.l1Block, abi: l1BlockArtifact.abi } as const;
const GAS_ORACLE = { address: BRIDGE_PREDEPLOYS.gasPriceOracle, abi: gasOracleArtifact.abi } as const;
const WOPEN = { address: BRIDGE_PREDEPLOYS.wrappedOpen, abi: wrappedArtifact.abi } as const;
const BRIDGE = { address: BRIDGE_PREDEPLOYS.l2StandardBridge, abi: bridgeArtifact.abi } as const;
const DEPOSITOR = "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001";
const VALIDATOR_SET = "0x4200000000000000000000000000000000000903";

let anvil: Anvil;
let client: AnvilClient;

beforeAll(async () => {
  anvil = await startAnvil();
  client = anvil.client;
  for (const account of genesisAccounts(GENESIS)) {
    if (account.code.length === 0) continue;
    const at = bytesToHex(account.address);
    await client.setCode({ address: at, bytecode: bytesToHex(account.code) });
    for (const { slot, value } of account.storage) {
      await client.setStorageAt({ address: at, index: bytesToHex(slot), value: bytesToHex(value) });
    }
  }
}, 60_000);
afterAll(() => anvil?.stop());

async function sendAs(account: Address, to: Address, data: Hex, value = 0n) {
  await client.impersonateAccount({ address: account });
  await client.setBalance({ address: account, value: parseEther("100") });
  const hash = await client.sendTransaction({ account, to, data, value, gas: 10_000_000n });
  return client.waitForTransactionReceipt({ hash });
}

describe("accounts with OP's code", () => {
  // Slots 0 to 299 hold everything but mappings.
  it.each([
    [messengerArtifact, BRIDGE_PREDEPLOYS.l2CrossDomainMessenger, [address(0xa8)]],
    [bridgeArtifact, BRIDGE_PREDEPLOYS.l2StandardBridge, [address(0xa7)]],
    [factoryArtifact, BRIDGE_PREDEPLOYS.optimismMintableERC20Factory, [BRIDGE_PREDEPLOYS.l2StandardBridge]],
  ] as const)("$contract: the storage is what initialize writes", async ({ abi, deployedBytecode }, at, args) => {
    const fresh = address(0xf001);
    const data = encodeFunctionData({ abi, functionName: "initialize", args });
    await client.setCode({ address: fresh, bytecode: deployedBytecode as Hex });
    const snapshot = await client.snapshot();
    expect((await sendAs(address(0xf002), fresh, data)).status).toBe("success");
    let written = 0;
    for (let slot = 0; slot < 300; slot++) {
      const [there, here] = await Promise.all(
        [fresh, at].map((contract) => client.getStorageAt({ address: contract, slot: numberToHex(slot) })),
      );
      expect([slot, here]).toEqual([slot, there]);
      if (there !== zeroHash) written += 1;
    }
    expect(written).toBeGreaterThan(0);
    expect((await sendAs(address(0xf002), at, data)).status).toBe("reverted");
    await client.revert({ id: snapshot });
  });

  it("refuse ETH's way with a clear error", async () => {
    const simulation = client.simulateContract({ ...BRIDGE, functionName: "bridgeETH", args: [0, "0x"], value: 1n });
    await expect(simulation).rejects.toThrow("cannot bridge ETH with custom gas token");
  });

  it("the factory makes tokens that only the bridge mints", async () => {
    const factory = { address: BRIDGE_PREDEPLOYS.optimismMintableERC20Factory, abi: factoryArtifact.abi } as const;
    const { result, request } = await client.simulateContract({
      ...factory,
      functionName: "createOptimismMintableERC20",
      args: [address(0xb1), "Test", "T"],
    });
    await client.waitForTransactionReceipt({ hash: await client.writeContract(request) });
    const abi = [
      ["bridge", "address"],
      ["remoteToken", "address"],
    ].map(([name, type]) => ({
      type: "function",
      name,
      inputs: [],
      outputs: [{ type }],
      stateMutability: "view",
    }));
    const read = (functionName: string) => client.readContract({ address: result as Address, abi, functionName });
    expect(await read("bridge")).toBe(BRIDGE_PREDEPLOYS.l2StandardBridge);
    expect(String(await read("remoteToken")).toLowerCase()).toBe(address(0xb1));
  });
});

describe("L1Block", () => {
  const read = (functionName: string) => client.readContract({ ...L1_BLOCK, functionName });

  it("begins with the origin of genesis, its scalars and OPEN", async () => {
    expect(await read("number")).toBe(12n);
    expect(await read("timestamp")).toBe(1_699_999_990n);
    expect(await read("hash")).toBe(`0x${"ab".repeat(32)}`);
    expect([await read("baseFeeScalar"), await read("blobBaseFeeScalar")]).toEqual([3, 5]);
    expect(String(await read("gasPayingToken")).toLowerCase()).toBe(`${address(0xa5)},18`);
    expect(await read("isCustomGasToken")).toBe(true);
  });

  const ATTRIBUTES = {
    number: 2n ** 63n + 7n,
    hash: hexToBytes(`0x${"cd".repeat(32)}`),
    timestamp: 2n ** 62n + 3n,
    baseFeeWei: 10n ** 9n + 7n,
    blobBaseFeeWei: 2n ** 200n + 1n,
    sequenceNumber: 2n ** 61n + 5n,
    baseFeeScalar: 2n ** 32n - 1n,
    blobBaseFeeScalar: 2n ** 31n + 1n,
  };

  it("takes the attributes that a block begins with, from the depositor only", async () => {
    const { data, to, from } = attributesDeposit(ATTRIBUTES);
    const snapshot = await client.snapshot();
    expect((await sendAs(address(0xf002), bytesToHex(to!), bytesToHex(data))).status).toBe("reverted");
    expect((await sendAs(DEPOSITOR, bytesToHex(to!), concatHex([bytesToHex(data), "0x00"]))).status).toBe("reverted");
    const receipt = await sendAs(bytesToHex(from), bytesToHex(to!), bytesToHex(data));
    expect(receipt.status).toBe("success");
    expect(await read("number")).toBe(ATTRIBUTES.number);
    expect(await read("timestamp")).toBe(ATTRIBUTES.timestamp);
    expect(await read("hash")).toBe(bytesToHex(ATTRIBUTES.hash));
    expect(await read("basefee")).toBe(ATTRIBUTES.baseFeeWei);
    expect(await read("blobBaseFee")).toBe(ATTRIBUTES.blobBaseFeeWei);
    expect(await read("sequenceNumber")).toBe(ATTRIBUTES.sequenceNumber);
    expect(await read("baseFeeScalar")).toBe(Number(ATTRIBUTES.baseFeeScalar));
    expect(await read("blobBaseFeeScalar")).toBe(Number(ATTRIBUTES.blobBaseFeeScalar));
    expect([await read("operatorFeeScalar"), await read("operatorFeeConstant")]).toEqual([0, 0n]);
    await client.revert({ id: snapshot });
  });

  it("has a place for the operator fee, which the gas oracle adds up", async () => {
    const packed = encodePacked(
      ["bytes4", "uint32", "uint32", "uint64", "uint64", "uint64", "uint256", "uint256"],
      ["0x098999be", 0, 0, 0n, 0n, 0n, 0n, 0n],
    );
    const operator = encodePacked(["bytes32", "bytes32", "uint32", "uint64"], [zeroHash, zeroHash, 2_000_000, 77n]);
    const snapshot = await client.snapshot();
    expect((await sendAs(DEPOSITOR, L1_BLOCK.address, concatHex([packed, operator]))).status).toBe("success");
    expect(await client.readContract({ ...GAS_ORACLE, functionName: "getOperatorFee", args: [10n] })).toBe(97n);
    await client.revert({ id: snapshot });
    expect(await client.readContract({ ...GAS_ORACLE, functionName: "getOperatorFee", args: [10n] })).toBe(0n);
  });

  it("the gas oracle computes the data fee by Ecotone's formula", async () => {
    const snapshot = await client.snapshot();
    const attributes = { ...ATTRIBUTES, baseFeeScalar: 1_368n, blobBaseFeeScalar: 810_949n, blobBaseFeeWei: 123_457n };
    await sendAs(DEPOSITOR, L1_BLOCK.address, bytesToHex(attributesDeposit(attributes).data));
    const raw = serializeTransaction({ type: "eip1559", chainId: 161_299, to: address(1), data: "0x00ff0001" });
    const gas = [...hexToBytes(raw)].reduce((sum, byte) => sum + (byte === 0 ? 4n : 16n), 68n * 16n);
    const scaled = 16n * attributes.baseFeeWei * 1_368n + attributes.blobBaseFeeWei * 810_949n;
    const read = (functionName: string) => client.readContract({ ...GAS_ORACLE, functionName, args: [raw] });
    expect(await read("getL1GasUsed")).toBe(gas);
    expect(await read("getL1Fee")).toBe((gas * scaled) / 16_000_000n);
    expect(await client.readContract({ ...GAS_ORACLE, functionName: "l1BaseFee" })).toBe(attributes.baseFeeWei);
    await client.revert({ id: snapshot });
  });
});

describe("WOPEN", () => {
  it("wraps and unwraps wei for wei", async () => {
    const holder = ANVIL_ACCOUNTS[0]!.address;
    const balance = () => client.readContract({ ...WOPEN, functionName: "balanceOf", args: [holder] });
    const mined = async (hash: Hex) => (await client.waitForTransactionReceipt({ hash })).status;
    expect(await mined(await client.writeContract({ ...WOPEN, functionName: "deposit", value: 5n }))).toBe("success");
    expect(await mined(await client.sendTransaction({ to: WOPEN.address, value: 6n }))).toBe("success");
    expect(await balance()).toBe(11n);
    expect(await mined(await client.writeContract({ ...WOPEN, functionName: "withdraw", args: [4n] }))).toBe("success");
    expect(await balance()).toBe(7n);
    expect(await client.getBalance({ address: WOPEN.address })).toBe(7n);
    const excess = client.simulateContract({ ...WOPEN, functionName: "withdraw", args: [8n] });
    await expect(excess).rejects.toThrow("ERC20InsufficientBalance");
    const read = (functionName: string) => client.readContract({ ...WOPEN, functionName });
    expect([await read("name"), await read("symbol"), await read("decimals"), await read("totalSupply")]).toEqual([
      "Wrapped OPEN",
      "WOPEN",
      18,
      7n,
    ]);
  });
});

describe("ValidatorSet", () => {
  const encoded = concatHex([address(1), pad("0x05", { size: 16 }), pad(stringToHex("key"), { size: 96 })]);
  const submit = (number: bigint) => bytesToHex(submitCall(number, hexToBytes(encoded)));
  const pending = () =>
    client.readContract({ address: VALIDATOR_SET, abi: validatorSetArtifact.abi, functionName: "pendingNumber" });

  it("takes a set from the registry, whose address is aliased, and from nobody else", async () => {
    const registry = bytesToHex(aliasAddress(hexToBytes(address(0xa4))));
    expect((await sendAs(address(0xa4), VALIDATOR_SET, submit(1n))).status).toBe("reverted");
    expect(await pending()).toBe(0n);
    expect((await sendAs(registry, VALIDATOR_SET, submit(3n))).status).toBe("success");
    expect(await pending()).toBe(3n);
    // Old ones change nothing, so that they may come again.
    expect((await sendAs(registry, VALIDATOR_SET, submit(2n))).status).toBe("success");
    expect(await pending()).toBe(3n);
  });

  it("without an L1 only the protocol may submit, not even the zero address", async () => {
    const lonely = address(0xf003);
    await client.setCode({ address: lonely, bytecode: validatorSetArtifact.deployedBytecode as Hex });
    const call = { to: lonely, data: submit(1n), account: address(0) };
    await expect(client.call(call)).rejects.toThrow();
    await expect(
      client.call({ ...call, account: "0xfffffffffffffffffffffffffffffffffffffffe" }),
    ).resolves.toBeDefined();
  });
});
