/** Other tokens across the OP Stack's standard bridge, and an unmodified Uniswap v2 pool with wrapped OPEN on L2. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import {
  type Abi,
  type Address,
  encodeFunctionData,
  type Hash,
  type HDAccount,
  type Hex,
  parseAbi,
  parseEther,
  parseEventLogs,
  type TransactionReceipt,
} from "viem";
import { getL2TransactionHashes, getWithdrawals } from "viem/op-stack";
import { expect } from "vitest";
import { bridgedClients } from "../../helpers/bridged-clients.ts";
import type { Devnet } from "../../helpers/devnet-process.ts";
import { compileSolidity } from "../../helpers/solidity.ts";

const WOPEN: Address = "0x4200000000000000000000000000000000000006";
const L2_BRIDGE: Address = "0x4200000000000000000000000000000000000010";
const TOKEN_FACTORY: Address = "0x4200000000000000000000000000000000000012";
const erc20 = parseAbi([
  "function approve(address spender, uint256 amount) returns (bool)",
  "function balanceOf(address account) view returns (uint256)",
  "function totalSupply() view returns (uint256)",
  "function deposit() payable",
  "function withdraw(uint256 amount)",
]);
const bridge = parseAbi([
  "function bridgeERC20To(address localToken, address remoteToken, address to, uint256 amount, uint32 minGasLimit, bytes extraData)",
  "function bridgeETHTo(address to, uint32 minGasLimit, bytes extraData) payable",
]);
const factoryAbi = parseAbi([
  "function createOptimismMintableERC20(address remoteToken, string name, string symbol) returns (address)",
  "event OptimismMintableERC20Created(address indexed localToken, address indexed remoteToken, address deployer)",
]);

type Side = "l1" | "l2";

/** Not estimated: a pool writes more when a second has passed since its last change. */
const GAS = 8_000_000n;

/** What one account does on both chains. */
function actor(devnet: Devnet, account: HDAccount) {
  const world = bridgedClients(devnet, account);

  async function settle(side: Side, hash: Promise<Hash>): Promise<TransactionReceipt> {
    const receipt = (await world[side].waitForTransactionReceipt({ hash: await hash })) as TransactionReceipt;
    expect(receipt.status).toBe("success");
    return receipt;
  }

  /** Chain-agnostic: the two wallets have types of their own. */
  const send = (side: Side, to: Address | undefined, data: Hex, value = 0n): Promise<TransactionReceipt> =>
    settle(
      side,
      side === "l1"
        ? world.walletL1.sendTransaction({ to, data, value, gas: GAS })
        : world.walletL2.sendTransaction({ to, data, value, gas: GAS }),
    );

  const call = (side: Side, to: Address, abi: Abi, functionName: string, args: readonly unknown[], value = 0n) =>
    send(side, to, encodeFunctionData({ abi, functionName, args }), value);

  const balanceOf = (side: Side, token: Address, of: Address = account.address) => {
    const request = { address: token, abi: erc20, functionName: "balanceOf", args: [of] } as const;
    return side === "l1" ? world.l1.readContract(request) : world.l2.readContract(request);
  };

  return { world, settle, send, call, balanceOf };
}

/** Ether is refused. */
export async function movesAnotherToken(devnet: Devnet, account: HDAccount): Promise<void> {
  const { world, settle, send, call, balanceOf } = actor(devnet, account);
  const l1Bridge = devnet.network.openledger.l1!.l1StandardBridge;
  const { bytecode } = compileSolidity("contracts/examples/Token.sol", "Token");
  const supply = parseEther("1000");
  const deployed = await send("l1", undefined, `${bytecode}${supply.toString(16).padStart(64, "0")}`);
  const onL1 = deployed.contractAddress as Address;
  const made = await call("l2", TOKEN_FACTORY, factoryAbi, "createOptimismMintableERC20", [onL1, "Example", "EX"]);
  const created = parseEventLogs({ abi: factoryAbi, eventName: "OptimismMintableERC20Created", logs: made.logs });
  const onL2 = created[0]!.args.localToken;

  const amount = parseEther("40");
  await call("l1", onL1, erc20, "approve", [l1Bridge, amount]);
  const deposit = await call("l1", l1Bridge, bridge, "bridgeERC20To", [
    onL1,
    onL2,
    account.address,
    amount,
    400_000,
    "0x",
  ]);
  const [hash] = getL2TransactionHashes(deposit);
  const arrived = await world.l2.waitForTransactionReceipt({ hash: hash!, timeout: 60_000 });
  expect(arrived.status).toBe("success");
  expect(await balanceOf("l2", onL2)).toBe(amount);
  expect(await balanceOf("l1", onL1)).toBe(supply - amount);

  const back = parseEther("15");
  const withdrawal = await call("l2", L2_BRIDGE, bridge, "bridgeERC20To", [
    onL2,
    onL1,
    account.address,
    back,
    200_000,
    "0x",
  ]);
  expect(await balanceOf("l2", onL2)).toBe(amount - back);
  const { l1, l2, walletL1, chain } = world;
  const { output, withdrawal: message } = await l1.waitToProve({ receipt: withdrawal, targetChain: chain });
  await settle("l1", walletL1.proveWithdrawal(await l2.buildProveWithdrawal({ account, output, withdrawal: message })));
  const { withdrawalHash } = getWithdrawals(withdrawal)[0]!;
  await l1.waitToFinalize({ withdrawalHash, targetChain: chain });
  await settle("l1", walletL1.finalizeWithdrawal({ withdrawal: message, targetChain: chain }));
  expect(await balanceOf("l1", onL1)).toBe(supply - amount + back);

  const ether = l1.simulateContract({
    account,
    address: l1Bridge,
    abi: bridge,
    functionName: "bridgeETHTo",
    args: [account.address, 100_000, "0x"],
    value: 1n,
  });
  await expect(ether).rejects.toThrow(/ETH|gas token|NoValue/i);
}

/** Liquidity in, a swap, liquidity out, through contracts as Uniswap publishes them. */
export async function poolsWrappedOpen(devnet: Devnet, account: HDAccount): Promise<void> {
  const { world, send, call, balanceOf } = actor(devnet, account);
  const require = createRequire(import.meta.url);
  const artifact = (name: string) =>
    JSON.parse(readFileSync(require.resolve(name), "utf8")) as { abi: Abi; bytecode: string };
  const factory = artifact("@uniswap/v2-core/build/UniswapV2Factory.json");
  const router = artifact("@uniswap/v2-periphery/build/UniswapV2Router02.json");
  const code = (bytecode: string): Hex => (bytecode.startsWith("0x") ? (bytecode as Hex) : `0x${bytecode}`);
  const word = (value: string | bigint): string => BigInt(value).toString(16).padStart(64, "0");

  const token = compileSolidity("contracts/examples/Token.sol", "Token");
  const supply = parseEther("1000000");
  const tokenAt = (await send("l2", undefined, `${token.bytecode}${word(supply)}`)).contractAddress as Address;
  const factoryAt = (await send("l2", undefined, `${code(factory.bytecode)}${word(account.address)}`))
    .contractAddress as Address;
  const routerAt = (await send("l2", undefined, `${code(router.bytecode)}${word(factoryAt)}${word(WOPEN)}`))
    .contractAddress as Address;

  // Wrapped one to one.
  await call("l2", WOPEN, erc20, "deposit", [], parseEther("2"));
  expect(await balanceOf("l2", WOPEN)).toBe(parseEther("2"));
  await call("l2", WOPEN, erc20, "withdraw", [parseEther("2")]);
  expect(await balanceOf("l2", WOPEN)).toBe(0n);

  const deadline = 2n ** 40n;
  const [tokens, open] = [parseEther("5000"), parseEther("10")];
  await call("l2", tokenAt, erc20, "approve", [routerAt, tokens]);
  await call("l2", routerAt, router.abi, "addLiquidityETH", [tokenAt, tokens, 0n, 0n, account.address, deadline], open);
  expect(await world.l2.getBalance({ address: WOPEN })).toBe(open);

  const before = await balanceOf("l2", tokenAt);
  const path = [WOPEN, tokenAt];
  await call(
    "l2",
    routerAt,
    router.abi,
    "swapExactETHForTokens",
    [0n, path, account.address, deadline],
    parseEther("1"),
  );
  // x * y = k with a fee of 0.3 %.
  const input = parseEther("1") * 997n;
  const expected = (input * tokens) / (open * 1000n + input);
  expect((await balanceOf("l2", tokenAt)) - before).toBe(expected);

  const pair = (await world.l2.readContract({
    address: factoryAt,
    abi: factory.abi,
    functionName: "getPair",
    args: [WOPEN, tokenAt],
  })) as Address;
  const liquidity = await balanceOf("l2", pair);
  await call("l2", pair, erc20, "approve", [routerAt, liquidity]);
  const remove = [tokenAt, liquidity, 0n, 0n, account.address, deadline];
  await call("l2", routerAt, router.abi, "removeLiquidityETH", remove);
  expect(await balanceOf("l2", pair)).toBe(0n);
}
