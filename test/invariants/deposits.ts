/** Random deposits: of every kind that L1 takes, that fail on L2, and that L1 refuses. */
import { type Abi, type Address, encodeFunctionData, type Hex, padHex, parseAbi, toHex } from "viem";
import portalArtifact from "../../contracts/artifacts/OpenLedgerPortal.json" with { type: "json" };
import { VALIDATOR_SET_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { SENDERS } from "../../execution/testing/world.ts";
import type { Random } from "../sim/random.ts";
import { HOLDERS, L2_ACCEPTING, L2_REVERTING, STRANGER } from "./l1.ts";
import { BURNING_INIT_CODE, PASSER } from "./l2.ts";
import type { L1Action } from "./ledger.ts";
import type { Expectation } from "./model.ts";
import type { World } from "./world.ts";

export const PASSER_ABI = parseAbi([
  "function initiateWithdrawal(address target, uint256 gasLimit, bytes data) payable",
  "function burn()",
]);
const TOKEN_ABI = parseAbi(["function transfer(address to, uint256 amount) returns (bool)"]);
const DEPOSITOR_ABI = parseAbi(["function run(bytes[] calls)"]);
const NOBODY: Address = "0x0000000000000000000000000000000000000000";
const OPEN = 10n ** 18n;
const L1_GAS = 4_000_000n;
/** What creates a contract of one byte, and what fails to. */
const CREATING_INIT_CODE: Hex = "0x60015ff3";
const FAILING_INIT_CODE: Hex = "0x5f5ffd";
const CREATION_GAS = 120_000n;

interface Demand {
  readonly to: Address;
  readonly mint: bigint;
  readonly value: bigint;
  readonly gas: bigint;
  readonly isCreation?: boolean;
  readonly data?: Hex;
}

/** Wei: mostly small, of any number of digits. */
export const randomWei = (random: Random, most = OPEN): bigint =>
  random.chance(0.1) ? most : (BigInt(random.bits()) * most) / 2n ** 32n / 10n ** BigInt(random.below(12));

export const randomAddress = (random: Random): Address =>
  padHex(toHex(random.bits()), { size: 20, dir: "right" }).replace(/00$/, "77") as Address;

const callOf = ({ to, mint, value, gas, isCreation = false, data = "0x" }: Demand): Hex =>
  encodeFunctionData({
    abi: portalArtifact.abi as Abi,
    functionName: "depositERC20Transaction",
    args: [to, mint, value, gas, isCreation, data],
  });

const withoutMint = ({ to, value, gas, isCreation = false, data = "0x" }: Demand): Hex =>
  encodeFunctionData({
    abi: portalArtifact.abi as Abi,
    functionName: "depositTransaction",
    args: [to, value, gas, isCreation, data],
  });

const minimumGas = (data: Hex): bigint => 21_000n + 40n * BigInt((data.length - 2) / 2);

/** What L1 has to take, unless it has no more gas of L2 to sell. */
const DEMANDS: Readonly<Record<string, (random: Random) => Demand>> = {
  "to an account": (random) => {
    const mint = randomWei(random);
    const to = random.chance(0.5) ? bytesToHex(random.pick(SENDERS)) : randomAddress(random);
    return { to, mint, value: mint, gas: 60_000n };
  },
  "with value below mint": (random) => {
    const mint = randomWei(random);
    return { to: randomAddress(random), mint, value: mint / 3n, gas: 60_000n };
  },
  "to a contract": (random) => {
    const mint = randomWei(random);
    return { to: bytesToHex(L2_ACCEPTING), mint, value: mint, gas: 100_000n, data: toHex(random.bits()) };
  },
  "to a failing contract": (random) => {
    const mint = randomWei(random);
    return { to: bytesToHex(L2_REVERTING), mint, value: mint, gas: 100_000n };
  },
  "with more value than there is": (random) => {
    return { to: randomAddress(random), mint: randomWei(random), value: 10n ** 30n, gas: 60_000n };
  },
  "with too little gas to run": (random) => {
    const data = toHex(random.bits(), { size: 64 });
    return { to: PASSER, mint: randomWei(random), value: 1n, gas: minimumGas(data), data };
  },
  "of nothing": (random) => ({ to: randomAddress(random), mint: 0n, value: 0n, gas: 21_000n }),
  "of nothing, with data": (random) => {
    const data = toHex(random.bits(), { size: random.between(4, 600) });
    return { to: randomAddress(random), mint: 0n, value: 0n, gas: minimumGas(data) + 10_000n, data };
  },
  "of a creation": (random) => {
    const mint = randomWei(random);
    return { to: NOBODY, mint, value: mint, gas: CREATION_GAS, isCreation: true, data: CREATING_INIT_CODE };
  },
  "of a failing creation": (random) => {
    const mint = randomWei(random);
    return { to: NOBODY, mint, value: mint, gas: CREATION_GAS, isCreation: true, data: FAILING_INIT_CODE };
  },
  "of a creation that burns": (random) => {
    const mint = randomWei(random);
    return { to: NOBODY, mint, value: mint / 2n, gas: CREATION_GAS, isCreation: true, data: BURNING_INIT_CODE };
  },
  "that withdraws": (random) => {
    const mint = randomWei(random);
    return { to: PASSER, mint, value: mint, gas: 300_000n };
  },
  "that withdraws to another": (random) => {
    const args = [randomAddress(random), 100_000n, "0x"] as const;
    const data = encodeFunctionData({ abi: PASSER_ABI, functionName: "initiateWithdrawal", args });
    const mint = randomWei(random);
    return { to: PASSER, mint, value: mint, gas: 400_000n, data };
  },
  "that empties the message passer": () => {
    const data = encodeFunctionData({ abi: PASSER_ABI, functionName: "burn" });
    return { to: PASSER, mint: 0n, value: 0n, gas: 200_000n, data };
  },
  "to the validator set": (random) => {
    return {
      to: bytesToHex(VALIDATOR_SET_ADDRESS),
      mint: randomWei(random),
      value: 0n,
      gas: 100_000n,
      data: "0x12345678",
    };
  },
};

const KINDS = Object.keys(DEMANDS);

/** What L1 has to refuse. */
function refused({ l1, random }: World): Omit<L1Action, "expected" | "gas"> {
  const { portal } = l1.contracts;
  const from = random.pick(HOLDERS);
  const to = randomAddress(random);
  const demand: Demand = { to, mint: 5n, value: 5n, gas: 60_000n };
  const action = (kind: string, data: Hex, fields: Partial<L1Action> = {}) => ({
    kind: `deposit ${kind}`,
    from,
    to: portal,
    data,
    ...fields,
  });
  return random.pick([
    () => action("with Ether", withoutMint(demand), { value: 1n }),
    () => action("with less gas than its least", callOf({ ...demand, gas: 20_999n })),
    () => action("without gas for its data", callOf({ ...demand, gas: 21_039n, data: "0x01" })),
    () => action("of a creation at an address", callOf({ ...demand, isCreation: true, gas: CREATION_GAS })),
    () => action("without approval", callOf(demand), { from: STRANGER }),
    () => action("of more than there is", callOf({ ...demand, mint: 10n ** 27n })),
    () => action("of more than there can be", callOf({ ...demand, mint: 2n ** 256n - 1n })),
    () => action("for more gas than L1 sells", callOf({ ...demand, gas: 2n ** 32n })),
    () => action("of Ether alone", "0x", { value: 1n }),
  ])();
}

/** For one L1 block. */
export function randomDeposits(world: World): readonly L1Action[] {
  const { l1, random } = world;
  if (random.chance(0.12)) return [{ ...refused(world), gas: L1_GAS, expected: () => "refused: invalid" }];
  const { portal, token, depositor } = l1.contracts;
  const draw = () => {
    const kind = random.pick(KINDS);
    return { kind, demand: DEMANDS[kind]!(random) };
  };
  const from = random.pick(HOLDERS);
  const common = { from, to: portal, gas: L1_GAS, expected: (): Expectation => "either" };
  const place = random.real();
  if (place < 0.03) {
    const donatesWei = 1n + randomWei(random);
    const data = encodeFunctionData({ abi: TOKEN_ABI, functionName: "transfer", args: [portal, donatesWei] });
    return [{ ...common, kind: "tokens sent without a deposit", to: token, data, donatesWei, expected: () => "taken" }];
  }
  if (place < 0.05) {
    const { demand } = draw();
    const data = callOf({ ...demand, gas: BigInt(random.between(3_000_000, 13_000_000)) });
    return [{ ...common, kind: "deposit for much gas", gas: 30_000_000n, data }];
  }
  if (place < 0.2) {
    const { kind, demand } = draw();
    return [
      {
        ...common,
        kind: `deposit ${kind}, without a mint`,
        data: withoutMint({ ...demand, value: demand.value / 2n }),
      },
    ];
  }
  if (place < 0.35) {
    const calls = Array.from({ length: random.between(1, 5) }, () => callOf(draw().demand));
    const data = encodeFunctionData({ abi: DEPOSITOR_ABI, functionName: "run", args: [calls] });
    return [{ ...common, kind: "deposits of a contract", to: depositor, data, gas: 10_000_000n }];
  }
  return Array.from({ length: random.pick([1, 1, 1, 2, 4]) }, () => {
    const { kind, demand } = draw();
    return { ...common, from: random.pick(HOLDERS), kind: `deposit ${kind}`, data: callOf(demand) };
  });
}
