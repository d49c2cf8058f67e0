/** The portal beside the one that the OP Stack publishes: whatever is asked of both, both answer. */
import {
  type Abi,
  type Address,
  createPublicClient,
  encodeDeployData,
  encodeFunctionData,
  fromRlp,
  type Hex,
  http,
  keccak256,
  type Log,
  maxUint256,
  pad,
  size,
  toFunctionSelector,
  toHex,
  toRlp,
  zeroAddress,
} from "viem";
import { getWithdrawalHashStorageSlot, getWithdrawalStatus } from "viem/op-stack";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { depositFromLog } from "../../bridge/deposit.ts";
import { withdrawalSlot } from "../../bridge/output.ts";
import proxyArtifact from "../../contracts/artifacts/TransparentUpgradeableProxy.json" with { type: "json" };
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import { gasRequirement } from "../../execution/tx/intrinsic.ts";
import { MULTICALL3_ADDRESS } from "../../genesis/predeploys.ts";
import { ANVIL_ACCOUNTS } from "../helpers/anvil.ts";
import {
  type Contract,
  HOLDER,
  hashOf,
  PERIOD_SECONDS,
  PortalWorld,
  STRANGER,
  SUPPLY,
  type TestWithdrawal,
} from "../helpers/portal-world.ts";
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
const AGGREGATE3 = [
  {
    type: "function",
    name: "aggregate3",
    stateMutability: "payable",
    inputs: [
      {
        type: "tuple[]",
        name: "calls",
        components: [
          { type: "address", name: "target" },
          { type: "bool", name: "allowFailure" },
          { type: "bytes", name: "callData" },
        ],
      },
    ],
    outputs: [],
  },
] as const;
const multicall = { address: MULTICALL3_ADDRESS as Address, abi: AGGREGATE3 };

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
      abi: AGGREGATE3,
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

/** Gas limits that give two withdrawals trie keys with the first eight nibbles in common: their leaves have 31 bytes. */
function twins(withdrawal: TestWithdrawal): readonly [bigint, bigint] {
  const seen = new Map<string, bigint>();
  for (let gasLimit = 0n; gasLimit < 2_000_000n; gasLimit++) {
    const prefix = keccak256(withdrawalSlot(hexToBytes(hashOf({ ...withdrawal, gasLimit })))).slice(2, 10);
    const other = seen.get(prefix);
    if (other !== undefined) return [other, gasLimit];
    seen.set(prefix, gasLimit);
  }
  throw new Error("no twins");
}

/** What viem's op-stack actions make of a proof. */
function withInnerNode(hash: Hex, proof: readonly Hex[]): readonly Hex[] {
  const key = keccak256(withdrawalSlot(hexToBytes(hash)));
  const branch = fromRlp(proof.at(-1)!, "hex") as readonly (Hex | readonly [Hex, Hex])[];
  const inner = branch.filter((item) => typeof item !== "string" && key.endsWith(item[0].slice(3)));
  return [...proof, ...inner.map((item) => toRlp(item))];
}

describe("withdrawals", () => {
  const prove = "proveWithdrawalTransaction";
  const finalize = "finalizeWithdrawalTransaction";

  /** As viem's actions see it, which take the time of this machine for L1's. */
  async function status(portal: Contract, withdrawal: TestWithdrawal, l2BlockNumber: bigint): Promise<string> {
    const { anvil, client, oracle } = world;
    const { timestamp } = await client.getBlock();
    vi.useFakeTimers({ toFake: ["Date"], now: Number(timestamp) * 1_000 });
    try {
      return await getWithdrawalStatus(
        createPublicClient({
          chain: { ...client.chain, contracts: { multicall3: { address: MULTICALL3_ADDRESS } } },
          transport: http(anvil.url),
        }),
        {
          portalAddress: portal.address,
          l2OutputOracleAddress: oracle.address,
          l2BlockNumber,
          sender: withdrawal.sender,
          withdrawalHash: hashOf(withdrawal),
        },
      );
    } finally {
      vi.useRealTimers();
    }
  }

  it("have the hash and the slot that viem gives them", async () => {
    const withdrawal = await world.messages.send({ data: "0xabcdef", value: 5n });
    const encoded = hashOf(withdrawal);
    expect(getWithdrawalHashStorageSlot({ withdrawalHash: encoded })).toBe(
      bytesToHex(withdrawalSlot(hexToBytes(encoded))),
    );
    const { output, index } = await world.propose();
    const proof = await world.messages.proof(withdrawal);
    const { logs } = await world.must(world.ours, prove, [withdrawal, index, output, proof]);
    expect(logs[0]!.topics[1]).toBe(encoded);
  });

  it("have the same status at each step, by viem", async () => {
    const withdrawal = await world.messages.send({ value: 12n });
    const block = await world.read<bigint>(world.oracle, "nextBlockNumber");
    const seen: string[] = [];
    const note = async () => {
      const [ours, theirs] = [
        await status(world.ours, withdrawal, block),
        await status(world.theirs, withdrawal, block),
      ];
      expect(ours).toBe(theirs);
      seen.push(ours);
    };
    const refusals = async (name: string, args: readonly unknown[]) => {
      const [ours, theirs] = [
        await world.refusal(world.ours, name, args),
        await world.refusal(world.theirs, name, args),
      ];
      expect(ours?.replace("OpenLedgerPortal", "OptimismPortal")).toBe(theirs);
      return theirs;
    };
    await note();
    expect(await refusals(finalize, [withdrawal])).toMatch(/has not been proven yet/);
    const { index, output } = await world.propose();
    await note();
    const proof = await world.messages.proof(withdrawal);
    const args = [withdrawal, index, output, proof];
    // How a proof fails to lead there is the business of whoever walks it; there is no output to name either.
    for (const wrong of [
      [{ ...withdrawal, value: 13n }, index, output, proof],
      [withdrawal, index, output, proof.slice(0, -1)],
      [withdrawal, index + 1n, output, proof],
    ]) {
      for (const portal of both) expect(await world.refusal(portal, prove, wrong)).toBeDefined();
    }
    expect(await refusals(prove, [withdrawal, index, { ...output, stateRoot: keccak256("0x") }, proof])).toMatch(
      /invalid output root proof/,
    );
    for (const portal of both) await world.must(portal, prove, args);
    await note();
    expect(await refusals(prove, args)).toMatch(/has already been proven/);
    expect(await refusals(finalize, [withdrawal])).toMatch(/proven withdrawal finalization period has not elapsed/);
    await world.pass(PERIOD_SECONDS + 12);
    await note();
    await world.must(world.token, "transfer", [world.theirs.address, 0n]);
    const before = await world.balanceOf(STRANGER);
    for (const portal of both) {
      const { logs } = await world.must(portal, finalize, [withdrawal]);
      const { topics, data } = logs.at(-1)!;
      expect([topics.length, topics[1], BigInt(data)]).toEqual([2, hashOf(withdrawal), 1n]);
    }
    expect(await world.balanceOf(STRANGER)).toBe(before + 24n);
    await note();
    expect(await refusals(finalize, [withdrawal])).toMatch(/has already been finalized/);
    expect(seen).toEqual([
      "waiting-to-prove",
      "ready-to-prove",
      "waiting-to-finalize",
      "ready-to-finalize",
      "finalized",
    ]);
  });

  it("call their target with their data, as their sender; a failing call keeps the OPEN", async () => {
    const { ours, messages } = world;
    const transfer = encodeFunctionData({ abi: AGGREGATE3, functionName: "aggregate3", args: [[]] });
    const good = await messages.send({ target: MULTICALL3_ADDRESS, data: transfer });
    const bad = await messages.send({ target: MULTICALL3_ADDRESS, data: "0xdeadbeef" });
    const lean = await messages.send({ target: MULTICALL3_ADDRESS, data: transfer, gasLimit: 2_000_000n });
    const absurd = await messages.send({ target: MULTICALL3_ADDRESS, data: transfer, gasLimit: maxUint256 });
    for (const each of [good, bad, lean, absurd]) await world.prove(ours, each);
    await world.pass(PERIOD_SECONDS + 1);
    const before = await world.balanceOf(MULTICALL3_ADDRESS);
    for (const [each, success] of [
      [good, 1n],
      [bad, 0n],
    ] as const) {
      expect(BigInt((await world.must(ours, finalize, [each])).logs.at(-1)!.data)).toBe(success);
    }
    expect(await world.balanceOf(MULTICALL3_ADDRESS)).toBe(before + 2_000n);
    // With less gas than was promised nothing happens, and it can be tried again.
    expect((await world.write(ours, finalize, [lean], { gas: 1_900_000n })).status).toBe("reverted");
    expect(await world.read(ours, "finalizedWithdrawals", [hashOf(lean)])).toBe(false);
    await world.must(ours, finalize, [lean], { gas: 2_500_000n });
    expect(await world.refusal(ours, finalize, [absurd])).toBe("SafeCall: Not enough gas");
  });

  it("are proven where nodes of the trie lie inside of others", async () => {
    const { messages, ours } = world;
    const first = await messages.send();
    const sent: TestWithdrawal[] = [];
    for (const gasLimit of twins(first)) sent.push(await messages.send({ nonce: first.nonce, gasLimit }));
    const { index, output } = await world.propose();
    for (const withdrawal of sent) {
      const proof = await messages.proof(withdrawal);
      const args = (nodes: readonly Hex[]) => [withdrawal, index, output, nodes];
      const whole = withInnerNode(hashOf(withdrawal), proof);
      expect(whole.length).toBe(proof.length + 1);
      expect(size(whole.at(-1)!)).toBeLessThan(32);
      // viem gives it as OP's contract wants it, with the inner node for itself too; nodes answer without.
      for (const portal of both) expect(await world.refusal(portal, prove, args(whole))).toBeUndefined();
      expect(await world.refusal(ours, prove, args([...whole, whole.at(-1)!]))).toBeDefined();
      await world.must(ours, prove, args(proof));
    }
  });
});
