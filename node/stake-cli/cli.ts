/** Runs `openledger stake`. What it prints is one value a line, with --json a JSON object. */
import { resolve } from "node:path";
import { BaseError, ContractFunctionRevertedError, formatEther, HttpRequestError, parseEther } from "viem";
import { actor } from "../bridge-cli/actor.ts";
import { stakeOptions } from "../commands/stake.ts";
import { dataDirectory, readOptions, type Values } from "../config.ts";
import { EXIT, OperationError, UsageError } from "../errors.ts";
import { readNetworkFile } from "../network.ts";
import { identityOf, publicKeyOf } from "./key.ts";
import { addStake, exit, register, requireUnregistered, snapshot, withdrawStake } from "./moves.ts";
import { report } from "./report.ts";
import { openStakes, type Place, readMember, readPlaces, type Stakes, validatorId } from "./stakes.ts";
import { leftAt, withdrawalOf } from "./withdrawal.ts";

const ACTIONS = {
  register: { takesFile: false, run: runRegister },
  add: { takesFile: false, run: runAdd },
  exit: { takesFile: false, run: runExit },
  withdraw: { takesFile: false, run: runWithdraw },
  snapshot: { takesFile: false, run: runSnapshot },
  report: { takesFile: true, run: runReport },
  status: { takesFile: false, run: runStatus },
} as const;

interface Call {
  readonly stakes: Stakes;
  readonly values: Partial<Values>;
  /** Of the action that takes one; absolute. */
  readonly file: string;
}

/** Resolves to the exit code. Throws UsageError, DataError, OperationError. */
export async function runStake(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const action = ACTIONS[name as keyof typeof ACTIONS];
  if (name === undefined || !Object.hasOwn(ACTIONS, name)) {
    throw new UsageError(`stake needs one of: ${Object.keys(ACTIONS).join(", ")}; see openledger stake --help`);
  }
  const file = action.takesFile ? rest.shift() : "";
  if (file === undefined || file.startsWith("-")) throw new UsageError(`stake ${name} needs a FILE`);
  const values = readOptions(rest, process.env, stakeOptions);
  const stakes = openStakes(readNetworkFile(dataDirectory(values, "devnet")));
  try {
    await action.run({ stakes, values, file: resolve(file) });
  } catch (error) {
    if (error instanceof BaseError) throw new OperationError(oneLine(error), { cause: error });
    throw error;
  }
  return EXIT.ok;
}

/** The registry's refusals that say too little by themselves. */
const MEANING: Readonly<Record<string, string>> = {
  NothingToSlash: "it was slashed for this view already, or nothing is left of its stake",
  NotConflicting: "an honest validator signs both",
  TooManyValidators: "there are as many validators as there can be",
  NobodyLeft: "a set without validators could never be followed by another",
};

/** viem's messages have many lines with all that was sent. */
function oneLine(error: BaseError): string {
  const revert = error.walk((cause) => cause instanceof ContractFunctionRevertedError);
  if (revert instanceof ContractFunctionRevertedError && revert.data !== undefined) {
    const { errorName, args = [] } = revert.data;
    const meaning = MEANING[errorName];
    return `L1 refuses it: ${errorName}(${args.join(", ")})${meaning === undefined ? "" : `, ${meaning}`}`;
  }
  const unanswered = error.walk((cause) => cause instanceof HttpRequestError);
  // The rest of an address may be a secret.
  if (unanswered instanceof HttpRequestError) return `${new URL(unanswered.url).host} does not answer`;
  return error.shortMessage.replaceAll(/\s*\n\s*/g, " ");
}

type Field = string | number | undefined | Readonly<Record<string, string | number | undefined>>;

function print(values: Partial<Values>, fields: Readonly<Record<string, Field>>): void {
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify(fields)}\n`);
    return;
  }
  for (const [name, field] of Object.entries(fields)) {
    if (field === undefined) continue;
    const text =
      typeof field !== "object"
        ? String(field)
        : Object.entries(field)
            .flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${value}`]))
            .join(", ");
    process.stdout.write(`${name.padEnd(12)}${text}\n`);
  }
}

const tell = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

const whoActs = ({ stakes, values }: Call) =>
  actor(stakes.network.l2.id, values.account as number | undefined, values.keyfile as string | undefined);

const ownKey = ({ stakes, values }: Call): Uint8Array => publicKeyOf(stakes.network.l2.id, values);

function amountOf(values: Partial<Values>): bigint {
  if (values.amount === undefined) throw new UsageError("--amount is missing: how much OPEN");
  const amount = parseEther(values.amount as string);
  if (amount === 0n || amount >= 1n << 128n) throw new UsageError("--amount must be above 0 and below 2^128 wei");
  return amount;
}

async function runRegister(call: Call): Promise<void> {
  const { stakes, values } = call;
  const [account, amount] = [whoActs(call), amountOf(values)];
  // Before anybody is asked for a password.
  await requireUnregistered(stakes, validatorId(ownKey(call)));
  const identity = await identityOf(stakes.network.l2.id, values);
  const hash = await register(stakes, account, identity, amount, tell);
  print(values, { validator: validatorId(identity.publicKey), account: account.address, registered: hash });
}

async function runAdd(call: Call): Promise<void> {
  const [account, amount, validator] = [whoActs(call), amountOf(call.values), validatorId(ownKey(call))];
  print(call.values, { validator, added: await addStake(call.stakes, account, validator, amount, tell) });
}

async function runExit(call: Call): Promise<void> {
  const [account, validator] = [whoActs(call), validatorId(ownKey(call))];
  print(call.values, { validator, left: await exit(call.stakes, account, validator) });
}

async function runWithdraw(call: Call): Promise<void> {
  const [account, validator] = [whoActs(call), validatorId(ownKey(call))];
  const { hash, amountWei } = await withdrawStake(call.stakes, account, validator);
  print(call.values, { validator, withdrawn: hash, amount: formatEther(amountWei), to: account.address });
}

async function runSnapshot(call: Call): Promise<void> {
  const { number, sent } = await snapshot(call.stakes, whoActs(call), tell);
  if (sent === undefined) tell(`nothing has changed since snapshot ${number}, which L2 has`);
  print(call.values, {
    snapshot: Number(number),
    l1: sent?.l1Hash,
    l2: sent?.l2Hash,
    block: sent && Number(sent.blockNumber),
  });
}

async function runReport(call: Call): Promise<void> {
  const { hash, validator, amountWei, rewardWei } = await report(call.stakes, whoActs(call), call.file);
  print(call.values, { validator, slashed: formatEther(amountWei), reward: formatEther(rewardWei), report: hash });
}

async function runStatus(call: Call): Promise<void> {
  const { stakes, values } = call;
  const publicKey = ownKey(call);
  const validator = validatorId(publicKey);
  const blockNumber = await stakes.l1.getBlockNumber({ cacheTime: 0 });
  const member = await readMember(stakes, validator, blockNumber);
  const { current, pending, newest } = await readPlaces(stakes, publicKey, blockNumber);
  const leaves = member.state === "leaving" || member.state === "slashed";
  const withdrawal = leaves ? await withdrawalOf(stakes, member) : undefined;
  print(values, {
    validator,
    state: member.state,
    account: member.state === "unregistered" ? undefined : member.account,
    stake: member.state === "unregistered" ? undefined : formatEther(member.stakeWei),
    current: placeFields(current),
    pending: pending && placeFields(pending),
    newest: placeFields(newest),
    left: leaves ? (await leftAt(stakes, validator))?.toISOString() : undefined,
    withdrawal: withdrawal?.type === "waits" ? withdrawal.why : withdrawal?.type,
    until: withdrawal?.type === "waits" ? withdrawal.until?.toISOString() : undefined,
  });
}

/** Of who is not in the set: its number alone. */
const placeFields = ({ snapshot: number, index, weightWei }: Place) => ({
  snapshot: Number(number),
  index,
  weight: formatEther(weightWei),
});
