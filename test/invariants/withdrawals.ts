/** Random withdrawals on L2, and what is done about them on L1: proofs, true and forged, and finalizations. */
import { type Abi, type Address, concatHex, encodeFunctionData, hexToBytes as fromHex, type Hex, parseAbi } from "viem";
import portalArtifact from "../../contracts/artifacts/OpenLedgerPortal.json" with { type: "json" };
import type { Transaction } from "../../core/chain.ts";
import { signed } from "../../node/testing/world.ts";
import { PASSER_ABI, randomAddress, randomWei } from "./deposits.ts";
import { DEPLOYER, HOLDERS, L2_ACCOUNTS } from "./l1.ts";
import { BURNING_INIT_CODE, PASSER, type WithdrawalProof } from "./l2.ts";
import type { L1Action } from "./ledger.ts";
import type { SentWithdrawal } from "./model.ts";
import type { World } from "./world.ts";

const PORTAL_ABI = portalArtifact.abi as Abi;
const L1_GAS = 6_000_000n;
/** A withdrawal asks at most for so much, unless it can never be finalized. */
const MOST_GAS = 700_000n;
const CONFIG_ABI = parseAbi(["function pause(string identifier)", "function unpause()"]);
const NOBODY: Address = "0x0000000000000000000000000000000000000000";
/** How many of the newest withdrawals are looked at when one is to be chosen. */
const WITHIN_REACH = 400;

// On L2

interface Request {
  readonly target: Address;
  readonly value: bigint;
  readonly gasLimit?: bigint;
  readonly data?: Hex;
}

const struct = ({ nonce, sender, target, value, gasLimit, data }: SentWithdrawal) => ({
  nonce,
  sender,
  target,
  value,
  gasLimit,
  data,
});

const finalizing = (withdrawal: SentWithdrawal): Hex =>
  encodeFunctionData({ abi: PORTAL_ABI, functionName: "finalizeWithdrawalTransaction", args: [struct(withdrawal)] });

function request(world: World): Request {
  const { l1, random } = world;
  const { portal, token, rejecting, callingBack } = l1.contracts;
  const value = randomWei(random);
  return random.pick<() => Request>([
    () => ({ target: randomAddress(random), value }),
    () => ({ target: randomAddress(random), value: 0n }),
    () => ({ target: randomAddress(random), value, data: "0x1234" }),
    () => ({ target: random.pick(HOLDERS), value: 15n * randomWei(random) }),
    () => ({ target: token, value, data: "0x095ea7b3" }),
    () => ({ target: portal, value }),
    () => ({ target: NOBODY, value: value + 1n }),
    () => ({ target: rejecting, value, data: "0x01" }),
    () => ({ target: rejecting, value }),
    () => ({ target: randomAddress(random), value, gasLimit: 2n ** 70n, data: "0x01" }),
    () => ({ target: callingBack, value, gasLimit: MOST_GAS, data: reentry(world, value) }),
    () => ({ target: callingBack, value, gasLimit: MOST_GAS, data: reentry(world, value) }),
  ])();
}

/** What the target calls the portal with while it is paid. */
function reentry({ model, random }: World, value: bigint): Hex {
  const other = random.chance(0.5) ? model.withdrawals.at(-1 - random.below(20)) : undefined;
  if (other !== undefined) return finalizing(other);
  const args = [randomAddress(random), value, value / 2n, 60_000n, false, "0x"];
  return encodeFunctionData({ abi: PORTAL_ABI, functionName: "depositERC20Transaction", args });
}

/** For one L2 block. */
export function randomTransactions(world: World): readonly Transaction[] {
  const { l2, random } = world;
  const passer = fromHex(PASSER);
  const count = random.pick([0, 1, 1, 2, 2, 3]);
  const nonces = Array.from({ length: L2_ACCOUNTS }, (_, account) => l2.nonceOf(account));
  return Array.from({ length: count }, () => {
    const account = random.below(L2_ACCOUNTS);
    const nonce = nonces[account]!++;
    const place = random.real();
    if (place < 0.1) return signed(account, nonce, { value: randomWei(random), to: fromHex(randomAddress(random)) });
    if (place < 0.14) {
      const data = fromHex(encodeFunctionData({ abi: PASSER_ABI, functionName: "burn" }));
      return signed(account, nonce, { to: passer, value: 0n, data, gasLimit: 200_000n });
    }
    if (place < 0.18) {
      const fields = { to: undefined, data: fromHex(BURNING_INIT_CODE), value: randomWei(random), gasLimit: 100_000n };
      return signed(account, nonce, fields);
    }
    if (place < 0.25) return signed(account, nonce, { to: passer, value: randomWei(random), gasLimit: 300_000n });
    const { target, value, gasLimit = 100_000n, data = "0x" } = request(world);
    const args = [target, gasLimit, data] as const;
    const call = fromHex(encodeFunctionData({ abi: PASSER_ABI, functionName: "initiateWithdrawal", args }));
    // Sometimes too little for what it does: it fails on L2.
    const gas = random.chance(0.06) ? 50_000n + BigInt(call.length) * 40n : 600_000n;
    return signed(account, nonce, { to: passer, value, data: call, gasLimit: gas });
  });
}

// On L1

const proving = (withdrawal: SentWithdrawal, index: number, { outputRootProof, nodes }: WithdrawalProof): Hex =>
  encodeFunctionData({
    abi: PORTAL_ABI,
    functionName: "proveWithdrawalTransaction",
    args: [struct(withdrawal), BigInt(index), outputRootProof, nodes],
  });

const newest = ({ model }: World): readonly SentWithdrawal[] => model.withdrawals.slice(-WITHIN_REACH);

/** An output at or above the withdrawal's block, if there is one. */
function outputFor({ model, random }: World, { l2Number }: SentWithdrawal): number | undefined {
  const { outputs } = model;
  const first = outputs.findIndex((output) => output.l2Number >= l2Number);
  if (first === -1) return undefined;
  return random.chance(0.8) ? first : random.between(first, outputs.length - 1);
}

function proof(world: World, withdrawal: SentWithdrawal, index: number): L1Action {
  const { l1, l2, model, random } = world;
  const { root, l2Number } = model.outputs[index]!;
  const isAgain = model.proofOf(withdrawal.hash) !== undefined;
  return {
    kind: isAgain ? "proof, again" : "proof",
    from: random.pick(HOLDERS),
    to: l1.contracts.portal,
    gas: L1_GAS,
    data: proving(withdrawal, index, l2.prove(withdrawal.hash, l2Number)),
    expected: () => model.expectProof(withdrawal, index, root),
    settle: (timestamp) => model.proven(withdrawal.hash, { root, index, timestamp }),
  };
}

export function randomProofs(world: World): readonly L1Action[] {
  const { model, random } = world;
  const isOpen = ({ hash, target }: SentWithdrawal) =>
    random.chance(0.05) || (model.proofOf(hash) === undefined && !model.rules.refusedTargets.includes(target));
  const candidates = newest(world).filter(
    (withdrawal) => isOpen(withdrawal) && outputFor(world, withdrawal) !== undefined,
  );
  if (candidates.length === 0) return [];
  const chosen = random.shuffled(candidates).slice(0, random.between(1, 6));
  // Each once: what the second one of a block must be depends on the first.
  return chosen.flatMap((withdrawal) => {
    const index = outputFor(world, withdrawal);
    return index === undefined ? [] : [proof(world, withdrawal, index)];
  });
}

/** Of what L2 never sent, or not before that output, or shown by nodes that do not. */
export function forgedProof(world: World): readonly L1Action[] {
  const { l1, l2, model, random } = world;
  const withdrawals = newest(world);
  if (withdrawals.length < 2 || model.outputs.length < 2) return [];
  const withdrawal = random.pick(withdrawals);
  const index = outputFor(world, withdrawal) ?? model.outputs.length - 1;
  const { l2Number } = model.outputs[index]!;
  const honest = l2.prove(withdrawal.hash, l2Number);
  // One that is there: the way to what is not there may end at the withdrawal itself.
  const other = withdrawals.find(({ hash, l2Number: begun }) => hash !== withdrawal.hash && begun <= l2Number);
  const last = honest.nodes.at(-1)!;
  const { outputRootProof } = honest;
  const forged = random.pick<readonly [string, Hex]>([
    ["value", proving({ ...withdrawal, value: withdrawal.value + 1n }, index, honest)],
    ["target", proving({ ...withdrawal, target: randomAddress(random) }, index, honest)],
    ["sender", proving({ ...withdrawal, sender: randomAddress(random) }, index, honest)],
    ["nonce", proving({ ...withdrawal, nonce: withdrawal.nonce + 1_000_000n }, index, honest)],
    ["data", proving({ ...withdrawal, data: concatHex([withdrawal.data, "0x00"]) }, index, honest)],
    [
      "nodes of another",
      proving(withdrawal, index, other ? l2.prove(other.hash, l2Number) : l2.prove(withdrawal.hash, 0n)),
    ],
    ["no nodes", proving(withdrawal, index, { outputRootProof, nodes: [] })],
    ["a node less", proving(withdrawal, index, { outputRootProof, nodes: honest.nodes.slice(0, -1) })],
    [
      "a changed node",
      proving(withdrawal, index, { outputRootProof, nodes: [...honest.nodes.slice(0, -1), flipped(last)] }),
    ],
    [
      "another state root",
      proving(withdrawal, index, { ...honest, outputRootProof: { ...outputRootProof, stateRoot: withdrawal.hash } }),
    ],
    ["an output before it", proving(withdrawal, 0, l2.prove(withdrawal.hash, 0n))],
    ["no such output", proving(withdrawal, model.outputs.length + 5, honest)],
  ]);
  const [what, data] = forged;
  const common = { from: random.pick(HOLDERS), to: l1.contracts.portal, gas: L1_GAS };
  return [{ ...common, kind: `forged proof: ${what}`, data, expected: () => "refused: forged" }];
}

const flipped = (node: Hex): Hex => `0x${(BigInt(node) ^ 1n).toString(16).padStart(node.length - 2, "0")}`;

/** Whether its target can take it and its gas can be had. */
const isPossible = ({ target, value, gasLimit, data }: SentWithdrawal): boolean =>
  !(target === NOBODY && value > 0n) && (data === "0x" || gasLimit <= MOST_GAS);

function finalization({ l1, model, random }: World, withdrawal: SentWithdrawal): L1Action {
  const { hash, target, value } = withdrawal;
  const kind = model.isPaid(hash) ? "finalization, again" : "finalization";
  return {
    kind,
    from: random.pick(HOLDERS),
    to: l1.contracts.portal,
    gas: L1_GAS,
    data: finalizing(withdrawal),
    expected: (timestamp) =>
      isPossible(withdrawal) ? model.expectFinalization(withdrawal, timestamp) : "refused: the target or its gas",
    pays: { target, valueWei: value },
  };
}

/** Of what is due, mostly; of what is not yet, was paid already, or twice in one block. */
export function randomFinalizations(world: World, timestamp: bigint): readonly L1Action[] {
  const { model, random } = world;
  const withdrawals = newest(world);
  if (withdrawals.length === 0) return [];
  const any = random.pick(withdrawals);
  if (random.chance(0.12)) return [finalization(world, any)];
  const paid = withdrawals.filter(({ hash }) => model.isPaid(hash));
  if (paid.length > 0 && random.chance(0.08)) return [finalization(world, random.pick(paid))];
  for (const refusal of ["refused: the output is no more", "refused: above the rate limit"]) {
    const refused = withdrawals.filter((withdrawal) => model.expectFinalization(withdrawal, timestamp) === refusal);
    if (refused.length > 0 && random.chance(0.1)) return [finalization(world, random.pick(refused))];
  }
  const due = withdrawals.filter((withdrawal) => {
    const isTried = isPossible(withdrawal) || random.chance(0.005);
    return isTried && model.expectFinalization(withdrawal, timestamp) === "taken";
  });
  if (due.length === 0) return [];
  const first = random.pick(due);
  if (random.chance(0.1)) return [finalization(world, first), finalization(world, first)];
  if (first.data !== "0x" && first.gasLimit === MOST_GAS && random.chance(0.3)) {
    const action = finalization(world, first);
    return [{ ...action, kind: "finalization", gas: MOST_GAS, expected: () => "refused: too little gas" }];
  }
  return random
    .shuffled(due)
    .slice(0, random.between(1, 6))
    .map((withdrawal) => finalization(world, withdrawal));
}

export function pausing({ l1, model }: World): readonly L1Action[] {
  const isPaused = !model.isPaused;
  const data = isPaused
    ? encodeFunctionData({ abi: CONFIG_ABI, functionName: "pause", args: ["test"] })
    : encodeFunctionData({ abi: CONFIG_ABI, functionName: "unpause" });
  const settle = () => model.paused(isPaused);
  const to = l1.contracts.systemConfig;
  const kind = isPaused ? "pause" : "unpause";
  return [{ kind, from: DEPLOYER, to, data, gas: L1_GAS, expected: () => "taken", settle }];
}
