/** Runs `openledger bridge`. Each step prints one line, with --json a JSON object. */
import { BaseError, formatEther, type Hash, parseEther, zeroAddress } from "viem";
import { getL2TransactionHashes, getWithdrawals } from "viem/op-stack";
import { bridgeOptions } from "../commands/bridge.ts";
import { dataDirectory, readOptions, type Values } from "../config.ts";
import { EXIT, OperationError, UsageError } from "../errors.ts";
import { readNetworkFile } from "../network.ts";
import { actor } from "./actor.ts";
import { type BridgedNetwork, bridgedNetwork } from "./chains.ts";
import { deposit, finalize, prove, readers, receiptOf, withdraw, withdrawalReceipt } from "./moves.ts";

const ACTIONS = {
  deposit: { takesHash: false, run: runDeposit },
  withdraw: { takesHash: false, run: runWithdraw },
  prove: { takesHash: true, run: runProve },
  finalize: { takesHash: true, run: runFinalize },
  status: { takesHash: true, run: runStatus },
} as const;

interface Call {
  readonly network: BridgedNetwork;
  readonly values: Partial<Values>;
  /** Of the action that takes one. */
  readonly hash: Hash;
}

/** Resolves to the exit code. Throws UsageError, DataError, OperationError. */
export async function runBridge(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const action = ACTIONS[name as keyof typeof ACTIONS];
  if (name === undefined || !Object.hasOwn(ACTIONS, name)) {
    throw new UsageError(`bridge needs one of: ${Object.keys(ACTIONS).join(", ")}; see openledger bridge --help`);
  }
  const hash = action.takesHash ? rest.shift() : undefined;
  if (action.takesHash && !/^0x[0-9a-fA-F]{64}$/.test(hash ?? "")) {
    throw new UsageError(`bridge ${name} needs a transaction hash: 0x and 64 hex digits`);
  }
  const values = readOptions(rest, process.env, bridgeOptions);
  const network = bridgedNetwork(readNetworkFile(dataDirectory(values, "devnet")));
  try {
    await action.run({ network, values, hash: hash as Hash });
  } catch (error) {
    // viem's messages have many lines with all that was sent; the first says it.
    if (error instanceof BaseError) throw new OperationError(error.shortMessage, { cause: error });
    throw error;
  }
  return EXIT.ok;
}

function print(values: Partial<Values>, fields: Readonly<Record<string, string | undefined>>): void {
  if (values.json === true) process.stdout.write(`${JSON.stringify(fields)}\n`);
  else {
    for (const [name, value] of Object.entries(fields)) {
      if (value !== undefined) process.stdout.write(`${name.padEnd(12)}${value}\n`);
    }
  }
}

const whoActs = ({ network, values }: Call) =>
  actor(network.l2.id, values.account as number | undefined, values.keyfile as string | undefined);

function amountOf(values: Partial<Values>): bigint {
  if (values.amount === undefined) throw new UsageError("--amount is missing: how much OPEN");
  const amount = parseEther(values.amount as string);
  if (amount === 0n) throw new UsageError("--amount must be above 0");
  return amount;
}

async function runDeposit(call: Call): Promise<void> {
  const { network, values } = call;
  const account = whoActs(call);
  const to = (values.to as Hash | undefined) ?? account.address;
  const tell = (line: string) => process.stderr.write(`${line}\n`);
  const { l1Hash, l2Hash } = await deposit(network, account, to, amountOf(values), tell);
  tell(`deposited on L1: ${l1Hash}; waiting for L2`);
  const { l2 } = readers(network);
  const receipt = await l2.waitForTransactionReceipt({ hash: l2Hash, timeout: 600_000 });
  const balance = formatEther(await l2.getBalance({ address: to }));
  print(values, { l1: l1Hash, l2: l2Hash, block: String(receipt.blockNumber), to, balance });
}

async function runWithdraw(call: Call): Promise<void> {
  const { network, values } = call;
  const account = whoActs(call);
  const to = (values.to as Hash | undefined) ?? account.address;
  // L1 pays none of them, ever.
  const never = [zeroAddress, network.token, network.portal].map((address) => address.toLowerCase());
  if (never.includes(to.toLowerCase())) throw new UsageError(`a withdrawal to ${to} can never be paid out`);
  const hash = await withdraw(network, account, to, amountOf(values));
  print(values, { withdrawal: hash, to });
}

async function runProve(call: Call): Promise<void> {
  const receipt = await withdrawalReceipt(readers(call.network), call.hash);
  print(call.values, { proof: await prove(call.network, whoActs(call), receipt) });
}

async function runFinalize(call: Call): Promise<void> {
  const receipt = await withdrawalReceipt(readers(call.network), call.hash);
  print(call.values, { payment: await finalize(call.network, whoActs(call), receipt) });
}

async function runStatus({ network, values, hash }: Call): Promise<void> {
  const { l1, l2 } = readers(network);
  const onL1 = await receiptOf(l1, hash);
  if (onL1 !== undefined) {
    const hashes = getL2TransactionHashes(onL1);
    if (hashes.length === 0) throw new OperationError(`${hash} is on L1 and deposits nothing`);
    for (const l2Hash of hashes) {
      const arrived = await receiptOf(l2, l2Hash);
      const status =
        arrived === undefined ? "waiting-for-l2" : arrived.status === "success" ? "arrived" : "failed-on-l2";
      print(values, { deposit: l2Hash, status, block: arrived && String(arrived.blockNumber) });
    }
    return;
  }
  const receipt = await withdrawalReceipt({ l1, l2 }, hash);
  const [withdrawal] = getWithdrawals(receipt);
  const status = await l1.getWithdrawalStatus({ receipt, targetChain: network.l2 });
  print(values, { withdrawal: withdrawal?.withdrawalHash, status, amount: formatEther(withdrawal?.value ?? 0n) });
}
