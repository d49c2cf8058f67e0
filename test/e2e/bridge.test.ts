/** OPEN across a devnet's L1 and L2, with viem's op-stack actions as they are and with the program's own commands. */
import { join } from "node:path";
import { erc20Abi, type Hash, parseAbi, parseEther, type TransactionReceipt } from "viem";
import { getL2TransactionHashes, getWithdrawals } from "viem/op-stack";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { devnetAccount } from "../../node/accounts.ts";
import { bridgedClients } from "../helpers/bridged-clients.ts";
import {
  BRIDGED,
  type Devnet,
  FAST_BLOCKS,
  runCommand,
  runHere,
  startDevnet,
  temporaryDirectory,
} from "../helpers/devnet-process.ts";
import { movesAnotherToken, poolsWrappedOpen } from "./bridge/tokens.ts";

const portalAbi = parseAbi([
  "function depositERC20Transaction(address to, uint256 mint, uint256 value, uint64 gasLimit, bool isCreation, bytes data)",
]);

let devnet: Devnet;
const directory = temporaryDirectory();

/** Each test acts as somebody else, because they run at the same time. */
const clients = (index: number) => ({ account: devnetAccount(index), ...bridgedClients(devnet, devnetAccount(index)) });

beforeAll(async () => {
  devnet = await startDevnet(directory.path, [...FAST_BLOCKS, ...BRIDGED]);
}, 120_000);

afterAll(async () => {
  await devnet?.stop();
  directory.remove();
});

const command = async (...args: string[]): Promise<Record<string, string>> => {
  const { code, output } = await runCommand(["bridge", ...args, "--json", "--datadir", devnet.datadir]);
  expect(code, output).toBe(0);
  return JSON.parse(output.trim().split("\n").at(-1)!);
};

describe.concurrent("moving", () => {
  it("viem deposits OPEN: it appears under the hash that getL2TransactionHashes gives, to the wei", async () => {
    const { account, l1, l2, walletL1, token, portal } = clients(1);
    const amount = parseEther("12.5") + 1n;
    const before = await l2.getBalance({ address: account.address });
    const approve = { address: token, abi: erc20Abi, functionName: "approve", args: [portal, amount] } as const;
    await l1.waitForTransactionReceipt({ hash: await walletL1.writeContract(approve) });
    const args = [account.address, amount, amount, 100_000n, false, "0x"] as const;
    const hash = await walletL1.writeContract({
      address: portal,
      abi: portalAbi,
      functionName: "depositERC20Transaction",
      args,
    });
    const [l2Hash] = getL2TransactionHashes(await l1.waitForTransactionReceipt({ hash }));
    const receipt = await l2.waitForTransactionReceipt({ hash: l2Hash!, timeout: 60_000 });
    expect(receipt).toMatchObject({ status: "success", from: account.address.toLowerCase(), type: "0x7e" });
    expect(await l2.getBalance({ address: account.address })).toBe(before + amount);
    const tx = await l2.getTransaction({ hash: l2Hash! });
    expect(tx).toMatchObject({ type: "deposit", mint: amount, value: amount });
  });

  it("viem withdraws: every status on the way, and L1 pays to the wei", async () => {
    const { account, l1, l2, walletL1, walletL2, token, chain } = clients(6);
    const to = devnetAccount(7).address;
    const balance = () => l1.readContract({ address: token, abi: erc20Abi, functionName: "balanceOf", args: [to] });
    const before = await balance();
    const value = parseEther("3") + 7n;
    const request = { to, value, gas: 100_000n } as const;
    const hash = await walletL2.initiateWithdrawal({ request });
    const receipt = (await l2.waitForTransactionReceipt({ hash })) as TransactionReceipt;
    const status = () => l1.getWithdrawalStatus({ receipt, targetChain: chain });
    expect(await status()).toBe("waiting-to-prove");
    const { output, withdrawal } = await l1.waitToProve({ receipt, targetChain: chain });
    expect(await status()).toBe("ready-to-prove");
    const proof = await l2.buildProveWithdrawal({ account, output, withdrawal });
    await l1.waitForTransactionReceipt({ hash: await walletL1.proveWithdrawal(proof) });
    expect(await status()).toBe("waiting-to-finalize");
    const { withdrawalHash } = getWithdrawals(receipt)[0]!;
    await l1.waitToFinalize({ withdrawalHash, targetChain: chain });
    expect(await status()).toBe("ready-to-finalize");
    const finalized = await walletL1.finalizeWithdrawal({ withdrawal, targetChain: chain });
    expect((await l1.waitForTransactionReceipt({ hash: finalized })).status).toBe("success");
    expect(await status()).toBe("finalized");
    expect(await balance()).toBe(before + value);
  }, 180_000);

  it("openledger bridge moves OPEN both ways, a step a command", async () => {
    const { l1, l2, token } = clients(2);
    const to = devnetAccount(8).address;
    const before = await l2.getBalance({ address: to });
    const deposited = await command("deposit", "--amount", "2.5", "--account", "2", "--to", to);
    expect(await l2.getBalance({ address: to })).toBe(before + parseEther("2.5"));
    expect(await command("status", deposited.l1!)).toMatchObject({ deposit: deposited.l2, status: "arrived" });

    const balance = () => l1.readContract({ address: token, abi: erc20Abi, functionName: "balanceOf", args: [to] });
    const had = await balance();
    const { withdrawal } = await command("withdraw", "--amount", "1", "--account", "2", "--to", to);
    await command("prove", withdrawal!, "--account", "2");
    expect(await command("status", withdrawal!)).toMatchObject({ amount: "1" });
    await command("finalize", withdrawal!, "--account", "3");
    expect(await command("status", withdrawal!)).toMatchObject({ status: "finalized" });
    expect(await balance()).toBe(had + parseEther("1"));
  }, 240_000);

  it(
    "an ERC-20 of L1 goes to L2 and back by the standard bridge; ether is refused",
    () => movesAnotherToken(devnet, devnetAccount(4)),
    240_000,
  );

  it(
    "an unmodified Uniswap v2 pool works with wrapped OPEN",
    () => poolsWrappedOpen(devnet, devnetAccount(5)),
    120_000,
  );
});

describe("what is on L1", () => {
  it("finds the node's outputs on L1, and safe and finalized blocks that follow", async () => {
    const { l1, l2, chain } = clients(0);
    const output = await l1.getL2Output({ l2BlockNumber: 1n, targetChain: chain });
    const number = `0x${output.l2BlockNumber.toString(16)}`;
    const own = await l2.request({ method: "optimism_outputAtBlock", params: [number] } as never);
    expect(own).toMatchObject({ outputRoot: output.outputRoot });
    const status = (await l2.request({ method: "optimism_syncStatus" } as never)) as Record<string, { number: number }>;
    const [latest, safe, final] = await Promise.all(
      (["latest", "safe", "finalized"] as const).map((blockTag) => l2.getBlock({ blockTag })),
    );
    expect(Number(final!.number)).toBeGreaterThan(0);
    expect(final!.number).toBeLessThanOrEqual(safe!.number);
    expect(safe!.number).toBeLessThanOrEqual(latest!.number);
    expect(status.finalized_l2!.number).toBeGreaterThanOrEqual(Number(output.l2BlockNumber));
  });

  it("openledger derive rebuilds the chain from L1 alone and arrives at the same hashes", async () => {
    const { l2 } = clients(0);
    const { number } = await l2.getBlock({ blockTag: "finalized" });
    const l1Url = devnet.network.openledger.l1!.urls[0]!;
    const into = join(directory.path, "derived");
    const genesis = join(devnet.datadir, "l1", "genesis.json");
    const { code, output } = await runCommand([
      "derive",
      "--l1.urls",
      l1Url,
      "--genesis",
      genesis,
      "--datadir",
      into,
      "--json",
    ]);
    expect(code, output).toBe(0);
    const derived = JSON.parse(output.trim().split("\n").at(-1)!) as { number: number; hash: Hash };
    expect(derived.number).toBeGreaterThanOrEqual(Number(number));
    expect((await l2.getBlock({ blockNumber: BigInt(derived.number) })).hash).toBe(derived.hash);
  }, 120_000);
});

describe("openledger bridge", () => {
  it.each([
    [["deposit", "--amount", "0", "--account", "1"], /--amount must be above 0/],
    [["deposit", "--amount", "1.0000000000000000001", "--account", "1"], /at most 18 decimals/],
    [["deposit", "--amount", "1"], /name who acts/],
    [["deposit", "--amount", "999999999", "--account", "1"], /has \d+ wei of OPEN on L1, \d+ are needed/],
    [["withdraw", "--amount", "1", "--account", "1", "--to", `0x${"00".repeat(20)}`], /can never be paid out/],
    [["prove", "0x12", "--account", "1"], /needs a transaction hash/],
    [["status", `0x${"11".repeat(32)}`], /no transaction 0x1111/],
    [["teleport"], /bridge needs one of/],
  ])("refuses %j with one clear line", async (args, message) => {
    const { code, output } = await runHere(["bridge", ...args, "--datadir", devnet.datadir]);
    expect(output).toMatch(message);
    expect(output.trim().split("\n")).toHaveLength(1);
    expect(code).toBeGreaterThan(0);
  });
});
