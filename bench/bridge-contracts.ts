/** What users pay on L1, beside the contracts that the OP Stack publishes, on the same anvil and the same withdrawals. */
import { maxUint256 } from "viem";
import {
  type Contract,
  HOLDER,
  hashOf,
  PERIOD_SECONDS,
  PortalWorld,
  type TestWithdrawal,
} from "../test/helpers/portal-world.ts";

export interface SideBySide {
  readonly ours: bigint;
  readonly theirs: bigint;
}

export interface ContractGas {
  readonly deposit: SideBySide;
  readonly prove: SideBySide;
  readonly finalize: SideBySide;
  /** OP's L2OutputOracle: takes what its proposer says. */
  readonly theirOutput: bigint;
}

const AMOUNT = 10n ** 18n;
/** A trie of some depth. */
const MESSAGES = 200;

/** Gas of whole transactions, each the second of its kind, so that nobody pays for being the first. */
export async function measureContracts(): Promise<ContractGas> {
  const world = await PortalWorld.start();
  try {
    return await measure(world);
  } finally {
    await world.anvil.stop();
  }
}

async function measure(world: PortalWorld): Promise<ContractGas> {
  const { token, ours, theirs, messages } = world;
  const portals = [ours, theirs];
  for (const { address } of portals) await world.must(token, "approve", [address, maxUint256]);
  const second = async (run: (portal: Contract, round: number) => Promise<bigint>): Promise<SideBySide> => {
    for (const portal of portals) await run(portal, 0);
    return { ours: await run(ours, 1), theirs: await run(theirs, 1) };
  };
  const deposit = await second(async (portal) => {
    // Also OP's portal pays withdrawals out of what it has.
    const args = [HOLDER, AMOUNT, AMOUNT, 100_000n, false, "0x"];
    return (await world.must(portal, "depositERC20Transaction", args)).gasUsed;
  });

  const withdrawals: TestWithdrawal[] = [];
  for (let i = 0; i < MESSAGES; i++) withdrawals.push(await messages.send({ value: AMOUNT / 4n }));
  const { index, output } = await world.propose();
  const prove = await second(async (portal, round) => {
    const withdrawal = withdrawals[round]!;
    const args = [withdrawal, index, output, await messages.proof(withdrawal)];
    return (await world.must(portal, "proveWithdrawalTransaction", args)).gasUsed;
  });
  const { gasUsed: theirOutput } = await proposeAlone(world);
  await world.pass(PERIOD_SECONDS + 1);
  const finalize = await second(async (portal, round) => {
    const receipt = await world.must(portal, "finalizeWithdrawalTransaction", [withdrawals[round]!]);
    if (!(await world.read(portal, "finalizedWithdrawals", [hashOf(withdrawals[round]!)]))) {
      throw new Error("the withdrawal is not finalized");
    }
    return receipt.gasUsed;
  });
  return { deposit, prove, finalize, theirOutput };
}

async function proposeAlone(world: PortalWorld) {
  const block = await world.read<bigint>(world.oracle, "nextBlockNumber");
  const args = [`0x${"5a".repeat(32)}`, block, `0x${"00".repeat(32)}`, 0n];
  return world.must(world.oracle, "proposeL2Output", args);
}
