/** The portal beside the one that the OP Stack publishes: whatever is asked of both, both answer. */
import {
  type Abi,
  type Address,
  encodeDeployData,
  encodeFunctionData,
  type Hex,
  type Log,
  maxUint256,
  multicall3Abi,
  pad,
  size,
  toFunctionSelector,
  toHex,
  zeroAddress,
} from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { depositFromLog } from "../../bridge/deposit.ts";
import proxyArtifact from "../../contracts/artifacts/TransparentUpgradeableProxy.json" with { type: "json" };
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { gasRequirement } from "../../execution/tx/intrinsic.ts";
import { MULTICALL3_ADDRESS } from "../../genesis/predeploys.ts";
import { ANVIL_ACCOUNTS } from "../helpers/anvil.ts";
import { type Contract, HOLDER, PortalWorld, STRANGER, SUPPLY } from "../helpers/portal-world.ts";
import { seededRandom } from "../helpers/random.ts";

let world: PortalWorld;
let both: readonly [Contract, Contract];
beforeAll(async () => {
  world = await PortalWorld.start();
  both = [world.ours, world.theirs];
  for (const portal of both) await world.must(world.token, "approve", [portal.address, maxUint256]);
}, 60_000);
afterAll(() => world?.anvil.stop());

const randomBelow = (random: () => number, bound: number): number => Math.floor(random() * bound);

type Deposit = readonly [to: Address, mint: bigint, value: bigint, gas: bigint, isCreation: boolean, data: Hex];
const multicall = { address: MULTICALL3_ADDRESS as Address, abi: multicall3Abi };

const deposited = (logs: readonly Log[], portal: Contract) =>
  logs
    .filter(({ address }) => address.toLowerCase() === portal.address.toLowerCase())
    .map(({ topics, data }) => ({ topics, data }));

describe("deposits", () => {
  it("are the same event of the same bytes, and the OPEN is locked", async () => {
    const random = seededRandom(1);
    for (let round = 0; round < 40; round++) {
      const length = randomBelow(random, round % 8 === 0 ? 3_000 : 100);
      const data = bytesToHex(
        Uint8Array.from({ length }, () => (randomBelow(random, 3) === 0 ? 0 : randomBelow(random, 256))),
      );
      const isCreation = randomBelow(random, 4) === 0;
      const to = isCreation ? zeroAddress : pad(toHex(randomBelow(random, 2 ** 32)), { size: 20 });
      const mint = BigInt(randomBelow(random, 2 ** 40));
      const gas = BigInt(60_000 + 40 * length + randomBelow(random, 100_000));
      const deposit: Deposit = [to, mint, BigInt(randomBelow(random, 2 ** 40)), gas, isCreation, data];
      const before = await world.balanceOf(world.ours.address);
      const events = [];
      for (const portal of both) {
        const name = round % 3 === 0 ? "depositTransaction" : "depositERC20Transaction";
        const args = round % 3 === 0 ? deposit.toSpliced(1, 1) : deposit;
        events.push(deposited((await world.must(portal, name, args)).logs, portal));
      }
      expect(events[0]).toHaveLength(1);
      expect(events[0]).toEqual(events[1]);
      const locked = round % 3 === 0 ? 0n : mint;
      expect(await world.balanceOf(world.ours.address)).toBe(before + locked);
      // And the node reads of it what was asked.
      const { topics, data: opaque } = events[0]![0]!;
      const log = { address: hexToBytes(world.ours.address), topics: topics.map(hexToBytes), data: hexToBytes(opaque) };
      const read = depositFromLog(log, new Uint8Array(32), 0);
      expect(read).toMatchObject({ mintWei: locked, valueWei: deposit[2], gasLimit: gas, isSystem: false });
      expect(bytesToHex(read.from)).toBe(HOLDER.toLowerCase());
      expect([read.to && bytesToHex(read.to), bytesToHex(read.data)]).toEqual([isCreation ? undefined : to, data]);
    }
    const held = await world.balanceOf(world.ours.address);
    expect(await world.read(world.ours, "balance")).toBe(held);
    expect(held - SUPPLY).toBe(await world.read(world.theirs, "balance"));
  });

  it("alias contracts, which pay for themselves", async () => {
    await world.must(world.token, "transfer", [MULTICALL3_ADDRESS, 1_000n]);
    const events = [];
    for (const portal of both) {
      const call = (contract: Contract, functionName: string, args: readonly unknown[]) => ({
        target: contract.address,
        allowFailure: false,
        callData: encodeFunctionData({ abi: contract.abi, functionName, args }),
      });
      const deposit: Deposit = [STRANGER, 9n, 5n, 100_000n, false, "0x1234"];
      const calls = [
        call(world.token, "approve", [portal.address, 9n]),
        call(portal, "depositERC20Transaction", deposit),
        call(portal, "depositTransaction", deposit.toSpliced(1, 1)),
      ];
      events.push(deposited((await world.must(multicall, "aggregate3", [calls])).logs, portal));
    }
    expect(events[0]).toHaveLength(2);
    expect(events[0]).toEqual(events[1]);
    const alias = toHex(BigInt(MULTICALL3_ADDRESS) + BigInt("0x1111000000000000000000000000000000001111"), {
      size: 20,
    });
    expect(events[0]![0]!.topics[1]).toBe(pad(alias));
  });

  it("leave an account that has delegated (EIP-7702) its own address, whoever calls it", async () => {
    const { client } = world;
    const account = ANVIL_ACCOUNTS[7]!;
    const authorization = await client.signAuthorization({ account, contractAddress: MULTICALL3_ADDRESS });
    const callData = encodeFunctionData({
      abi: world.ours.abi,
      functionName: "depositTransaction",
      args: [STRANGER, 5n, 100_000n, false, "0x"],
    });
    const data = encodeFunctionData({
      abi: multicall3Abi,
      functionName: "aggregate3",
      args: [[{ target: world.ours.address, allowFailure: false, callData }]],
    });
    const hash = await client.sendTransaction({ to: account.address, data, authorizationList: [authorization] });
    const { logs } = await client.waitForTransactionReceipt({ hash });
    expect(deposited(logs, world.ours)[0]!.topics[1]).toBe(pad(account.address.toLowerCase() as Hex));
  });

  const bytes = (length: number): Hex => `0x${"11".repeat(length)}`;
  it.each<[string, Deposit]>([
    ["a creation with a target", [STRANGER, 0n, 0n, 100_000n, true, "0x"]],
    ["no gas", [STRANGER, 0n, 0n, 0n, false, "0x"]],
    ["a wei of gas too little", [STRANGER, 0n, 0n, 20_999n, false, "0x"]],
    ["gas below 16 a byte", [STRANGER, 0n, 0n, 21_000n + 15_999n, false, bytes(1_000)]],
    ["too much data", [STRANGER, 0n, 0n, 5_000_000n, false, bytes(120_001)]],
    ["more gas than a block of L1 may sell", [STRANGER, 0n, 0n, 14_000_001n, false, "0x"]],
  ])("refuse %s for the same reason", async (_, deposit) => {
    const reasons = [];
    for (const portal of both) {
      reasons.push(await world.refusal(portal, "depositERC20Transaction", deposit));
      reasons.push(await world.refusal(portal, "depositTransaction", deposit.toSpliced(1, 1)));
    }
    expect(reasons[0]).toMatch(/^[A-Z]\w+$/);
    expect(new Set(reasons).size).toBe(1);
  });

  it("refuse ETH", async () => {
    const args = [STRANGER, 1n, 100_000n, false, "0x"];
    for (const portal of both)
      expect(await world.refusal(portal, "depositTransaction", args, { value: 1n })).toBe("NoValue");
    const sent = world.client.call({ account: HOLDER, to: world.ours.address, value: 1n });
    await expect(sent).rejects.toThrow();
  });

  it("refuse OPEN that the sender does not have or did not approve", async () => {
    const args: Deposit = [STRANGER, 1n, 0n, 100_000n, false, "0x"];
    const refusal = await world.refusal(world.ours, "depositERC20Transaction", args, { from: STRANGER });
    expect(refusal).toBe("ERC20InsufficientAllowance");
  });

  it("need, where OP asks for less, all the gas that L2 takes before it runs them (EIP-7623)", async () => {
    for (const [isCreation, data] of [
      [false, "0x"],
      [false, bytes(1_000)],
      [true, "0x"],
      [true, bytes(1_000)],
      [true, bytes(3_000)],
      [true, bytes(49_152)],
    ] as const) {
      const to = isCreation ? undefined : hexToBytes(STRANGER);
      const need = gasRequirement({ to, data: hexToBytes(data), accessList: [], authorizationList: [] });
      const minimum = need.floor > need.intrinsic ? need.floor : need.intrinsic;
      const args = (gas: bigint): Deposit => [isCreation ? zeroAddress : STRANGER, 0n, 0n, gas, isCreation, data];
      expect(await world.refusal(world.ours, "depositERC20Transaction", args(minimum - 1n))).toBe("SmallGasLimit");
      expect(await world.refusal(world.ours, "depositERC20Transaction", args(minimum))).toBeUndefined();
      const theirs = await world.read<bigint>(world.theirs, "minimumGasLimit", [BigInt(size(data))]);
      expect(minimum).toBeGreaterThanOrEqual(theirs);
    }
    const large: Deposit = [zeroAddress, 0n, 0n, 5_000_000n, true, bytes(49_153)];
    expect(await world.refusal(world.ours, "depositERC20Transaction", large)).toBe("LargeCalldata");
  });
});

describe("metering", () => {
  const params = async (portal: Contract) => world.read<readonly [bigint, bigint, bigint]>(portal, "params");
  const deposit = (portal: Contract, gas: bigint) =>
    world.must(portal, "depositTransaction", [STRANGER, 0n, gas, false, "0x"], { gas: 29_000_000n });

  it("moves the price as OP's does, up with demand and down with time", async () => {
    const random = seededRandom(2);
    for (let round = 0; round < 12; round++) {
      const gas = BigInt(randomBelow(random, 3) === 0 ? 21_000 : 1_000_000 + randomBelow(random, 3_000_000));
      const passed = [0, 0, 1, 3, 40][randomBelow(random, 5)]!;
      if (passed > 0) await world.client.mine({ blocks: passed });
      // Each in a block of its own: for each the other's block is one without demand.
      for (const portal of both) await deposit(portal, gas);
      const [ours, theirs] = [await params(world.ours), await params(world.theirs)];
      const difference = ours[0] > theirs[0] ? ours[0] - theirs[0] : theirs[0] - ours[0];
      // OP takes the power by logarithms.
      expect(difference * 10n ** 9n).toBeLessThanOrEqual(theirs[0]);
      expect([ours[1], ours[2]]).toEqual([theirs[1], theirs[2] - 1n]);
    }
    expect((await params(world.ours))[0]).toBeGreaterThan(0n);
  });

  it("sells no more in one L1 block than less than half of an L2 block", async () => {
    await world.client.mine({ blocks: 200 });
    await world.client.setAutomine(false);
    const data = (gas: bigint) =>
      encodeFunctionData({
        abi: world.ours.abi,
        functionName: "depositTransaction",
        args: [STRANGER, 0n, gas, false, "0x"],
      });
    const hashes: Hex[] = [];
    for (const gas of [9_000_000n, 5_000_000n, 21_000n]) {
      hashes.push(await world.client.sendTransaction({ to: world.ours.address, data: data(gas), gas: 9_900_000n }));
    }
    await world.client.setBlockGasLimit({ gasLimit: 60_000_000n });
    await world.client.mine({ blocks: 1 });
    await world.client.setAutomine(true);
    const receipts = await Promise.all(hashes.map((hash) => world.client.getTransactionReceipt({ hash })));
    expect(new Set(receipts.map(({ blockNumber }) => blockNumber)).size).toBe(1);
    expect(receipts.map(({ status }) => status)).toEqual(["success", "success", "reverted"]);
    expect((await params(world.ours))[1]).toBe(14_000_000n);
    const config = await world.read<{ maxResourceLimit: number }>(world.config, "resourceConfig");
    const gasLimit = await world.read<bigint>(world.config, "gasLimit");
    expect(BigInt(config.maxResourceLimit) * 2n).toBeLessThan(gasLimit);
  });

  it("no configuration sells half of an L2 block", async () => {
    const implementation = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";
    const slot = await world.client.getStorageAt({ address: world.config.address, slot: implementation });
    const present = await world.read<Record<string, unknown>>(world.config, "resourceConfig");
    const reason = async (changes: object) => {
      const args = [HOLDER, HOLDER, 30_000_000n, { ...present, ...changes }, 1n, 1n];
      const data = encodeFunctionData({ abi: world.config.abi, functionName: "initialize", args });
      const { abi } = proxyArtifact;
      const creation = encodeDeployData({
        abi: [...(abi as Abi), ...world.config.abi.filter(({ type }) => type === "error")],
        bytecode: proxyArtifact.bytecode as Hex,
        args: [`0x${slot!.slice(26)}`, HOLDER, data],
      });
      return world.client.call({ data: creation, gas: 5_000_000n }).then(
        () => undefined,
        (error: Error) => error.message,
      );
    };
    expect(await reason({})).toBeUndefined();
    const invalid = toFunctionSelector("InvalidResourceConfig()");
    for (const changes of [
      { maxResourceLimit: 14_000_010 },
      { systemTxMaxGas: 1_000_001 },
      { maxResourceLimit: 13_999_999 },
      { maxResourceLimit: 0 },
      { elasticityMultiplier: 0 },
      { baseFeeMaxChangeDenominator: 1 },
      { minimumBaseFee: 2, maximumBaseFee: 1n },
    ]) {
      expect(await reason(changes)).toContain(invalid);
    }
  });

  it("burns L1 gas of the worth of the L2 gas", async () => {
    await world.client.mine({ blocks: 300 });
    const small = await deposit(world.ours, 21_000n);
    const large = await deposit(world.ours, 5_000_000n);
    // At 1 gwei of L1 and of the market: one for one.
    expect(Number(large.gasUsed)).toBeGreaterThan(5_000_000);
    expect(Number(large.gasUsed)).toBeLessThan(5_200_000);
    expect(Number(small.gasUsed)).toBeLessThan(100_000);
  });
});
