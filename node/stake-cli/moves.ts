/** What changes a stake on L1, one function a command. Everything is looked at first: a repeat sends nothing twice. */
import { type Account, formatEther, type Hash, parseEventLogs } from "viem";
import { getL2TransactionHashes } from "viem/op-stack";
import { blsSignatureForEvm } from "../../core/bls.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { allow, succeeded, writer } from "../bridge-cli/moves.ts";
import { OperationError } from "../errors.ts";
import type { PublicIdentity } from "../validator/keys.ts";
import { type Member, readMember, type Stakes, validatorId } from "./stakes.ts";
import { leftAt, withdrawalOf } from "./withdrawal.ts";

type Tell = (line: string) => void;

/** What L2 may take to include a deposit: L1 has to make the snapshot's block final before. */
const ARRIVAL_MS = 1_800_000;

const wallet = ({ network }: Stakes, account: Account) => writer(network.l1, network.l1Url, account);

/** Throws OperationError when the key was registered before. */
export async function requireUnregistered(stakes: Stakes, id: Hash): Promise<void> {
  const { state, account } = await readMember(stakes, id);
  if (state === "unregistered") return;
  const remedy =
    state === "active" ? "openledger stake add adds to its stake" : "a key registers once for ever: make another";
  throw new OperationError(`validator ${id} is registered already, by ${account}, and ${state}; ${remedy}`);
}

/** Registers the key with its proof of possession, and stakes. Resolves to the transaction. */
export async function register(
  stakes: Stakes,
  account: Account,
  { publicKey, proofOfPossession }: PublicIdentity,
  amountWei: bigint,
  tell: Tell,
): Promise<Hash> {
  const { l1, network, registry } = stakes;
  await requireUnregistered(stakes, validatorId(publicKey));
  const minimum = await l1.readContract({ ...registry, functionName: "minimumStake" });
  if (amountWei < minimum) {
    throw new OperationError(`${formatEther(amountWei)} OPEN is less than the least stake, ${formatEther(minimum)}`);
  }
  await allow(network, account, registry.address, amountWei, tell);
  const proof = bytesToHex(blsSignatureForEvm(proofOfPossession));
  const args = [bytesToHex(publicKey), proof, amountWei] as const;
  const { request } = await l1.simulateContract({ ...registry, functionName: "register", args, account });
  const hash = await wallet(stakes, account).writeContract(request);
  await succeeded(l1, hash, "registration");
  return hash;
}

/** Anybody may; it is a gift. */
export async function addStake(
  stakes: Stakes,
  account: Account,
  id: Hash,
  amountWei: bigint,
  tell: Tell,
): Promise<Hash> {
  const { l1, network, registry } = stakes;
  requireState(id, await readMember(stakes, id), ["active"]);
  await allow(network, account, registry.address, amountWei, tell);
  const args = [id, amountWei] as const;
  const { request } = await l1.simulateContract({ ...registry, functionName: "addStake", args, account });
  const hash = await wallet(stakes, account).writeContract(request);
  await succeeded(l1, hash, "addition");
  return hash;
}

export async function exit(stakes: Stakes, account: Account, id: Hash): Promise<Hash> {
  const { l1, registry } = stakes;
  const member = await readMember(stakes, id);
  requireState(id, member, ["active"]);
  requireOwner(id, member, account);
  const { request } = await l1.simulateContract({ ...registry, functionName: "exit", args: [id], account });
  const hash = await wallet(stakes, account).writeContract(request);
  await succeeded(l1, hash, "exit");
  return hash;
}

/** Throws OperationError that says why not yet, and since when it waits. */
export async function withdrawStake(
  stakes: Stakes,
  account: Account,
  id: Hash,
): Promise<{ readonly hash: Hash; readonly amountWei: bigint }> {
  const { l1, registry } = stakes;
  const member = await readMember(stakes, id);
  requireState(id, member, ["leaving", "slashed"]);
  requireOwner(id, member, account);
  const withdrawal = await withdrawalOf(stakes, member);
  if (withdrawal.type === "waits") {
    const [since, until] = [await leftAt(stakes, id), withdrawal.until];
    const times = [since && ` since ${since.toISOString()}`, until && ` until ${until.toISOString()}`];
    throw new OperationError(`the stake of validator ${id} waits${times.join("")}: ${withdrawal.why}`);
  }
  const args = [id, withdrawal.outputIndex] as const;
  const { request } = await l1.simulateContract({ ...registry, functionName: "withdraw", args, account });
  const hash = await wallet(stakes, account).writeContract(request);
  await succeeded(l1, hash, "withdrawal");
  return { hash, amountWei: member.stakeWei };
}

export interface Published {
  readonly number: bigint;
  readonly l1Hash: Hash;
  /** Of the deposit that takes it to L2. */
  readonly l2Hash: Hash;
}

/** Publishes the next set, or sends the newest to L2 again when nothing has changed since. */
export async function publishSnapshot({ l1, network, registry }: Stakes, account: Account): Promise<Published> {
  const call = { ...registry, functionName: "snapshot" } as const;
  // As "latest" has it: where the same snapshot is pending, sending it again would cost less than half. And the portal
  // burns gas by a price that moves from block to block.
  const estimate = await l1.estimateContractGas({ ...call, account: account.address, blockTag: "latest" });
  const wallet = writer(network.l1, network.l1Url, account);
  const l1Hash = await wallet.writeContract({ ...call, gas: (estimate * 3n) / 2n });
  const receipt = await succeeded(l1, l1Hash, "snapshot");
  const [published] = parseEventLogs({ abi: registry.abi, eventName: "SnapshotPublished", logs: receipt.logs });
  const [l2Hash] = getL2TransactionHashes(receipt);
  if (l2Hash === undefined) throw new OperationError(`${l1Hash} sent nothing to L2`);
  const at = { ...registry, functionName: "latestNumber", blockNumber: receipt.blockNumber } as const;
  return { number: published?.args.number ?? (await l1.readContract(at)), l1Hash, l2Hash };
}

/** The newest snapshot, when L2 has it and the next one would be the same. */
async function upToDate({ l1, l2, registry, validatorSet }: Stakes, account: Account): Promise<bigint | undefined> {
  const [{ result: next }, latest, current, pending] = await Promise.all([
    l1.simulateContract({ ...registry, functionName: "snapshot", account }),
    l1.readContract({ ...registry, functionName: "latestNumber" }),
    l2.readContract({ ...validatorSet, functionName: "number" }),
    l2.readContract({ ...validatorSet, functionName: "pendingNumber" }),
  ]);
  return next === latest && (current >= latest || pending >= latest) ? latest : undefined;
}

export interface Arrived {
  readonly number: bigint;
  /** Undefined: nothing has changed since this snapshot, and L2 has it. */
  readonly sent: (Published & { readonly blockNumber: bigint }) | undefined;
}

/** Publishes the next set, and waits until L2 has taken it. */
export async function snapshot(stakes: Stakes, account: Account, tell: Tell): Promise<Arrived> {
  const known = await upToDate(stakes, account);
  if (known !== undefined) return { number: known, sent: undefined };
  const published = await publishSnapshot(stakes, account);
  const { number, l1Hash, l2Hash } = published;
  tell(`snapshot ${number} is on L1: ${l1Hash}; waiting for L2`);
  const arrived = await stakes.l2.waitForTransactionReceipt({ hash: l2Hash, timeout: ARRIVAL_MS });
  if (arrived.status !== "success") throw new OperationError(`L2 did not take snapshot ${number}: ${l2Hash} failed`);
  return { number, sent: { ...published, blockNumber: arrived.blockNumber } };
}

function requireState(id: Hash, { state }: Member, wanted: readonly Member["state"][]): void {
  if (wanted.includes(state)) return;
  const what = {
    unregistered: "is not registered",
    active: "has not left; openledger stake exit lets it leave",
    leaving: "leaves already",
    slashed: "was slashed, and leaves for that",
    withdrawn: "has left, and its stake was withdrawn",
  }[state];
  throw new OperationError(`validator ${id} ${what}`);
}

function requireOwner(id: Hash, { account: owner }: Member, account: Account): void {
  if (owner.toLowerCase() === account.address.toLowerCase()) return;
  throw new OperationError(`validator ${id} is of ${owner}, not of ${account.address}`);
}
