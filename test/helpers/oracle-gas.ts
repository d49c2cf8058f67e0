/** What the output oracle, the registry and the inbox cost on L1: gas of whole transactions, through the proxies. */
import type { TransactionReceipt } from "viem";
import { baseView, KIND } from "../../consensus/types.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { hashHeader } from "../../execution/block/header.ts";
import {
  EVIDENCE_SECONDS,
  GUARDIAN,
  MINIMUM_STAKE,
  OracleWorld,
  PERIOD_SECONDS,
  setOf,
  type TestValidator,
  testHeader,
  testValidator,
  testVote,
} from "./oracle-world.ts";

/** More do not fit into the creation of the registry's proxy (EIP-3860). */
const GENESIS_VALIDATORS = 60;
const BATCH_BYTES = 1_000;

/** In the second epoch, with all of them in its set. */
async function withWorld<T>(
  count: number,
  run: (world: OracleWorld, validators: readonly TestValidator[]) => Promise<T>,
): Promise<T> {
  // Those who come later are within a third of the stake, so that they are in the next set.
  const validators = Array.from({ length: count }, (_, i) =>
    testValidator(i, i < GENESIS_VALIDATORS ? 3n * MINIMUM_STAKE : MINIMUM_STAKE),
  );
  const genesis = validators.slice(0, GENESIS_VALIDATORS);
  const world = await OracleWorld.start({ validators: genesis });
  try {
    for (const late of validators.slice(GENESIS_VALIDATORS)) await world.register(late);
    await world.send(world.registry, "snapshot", []);
    await world.endEpoch(0n, genesis, setOf(validators).hash);
    return await run(world, validators);
  } finally {
    await world.anvil.stop();
  }
}

/** An output of a block that is itself certified, by all of `count` validators and by the fewest that are a quorum. */
export function measureOutput(count: number): Promise<{ readonly all: bigint; readonly quorum: bigint }> {
  return withWorld(count, async (world, validators) => {
    const cost = async (number: bigint, signers: number): Promise<bigint> => {
      const header = testHeader(number);
      await world.post(header);
      const certificate = world.certify(header, validators, { signers: [...Array(signers).keys()] });
      return (await world.propose([header], certificate)).gasUsed;
    };
    const { totalStake } = setOf(validators);
    let quorum = 0;
    for (let stake = 0n; 3n * stake <= 2n * totalStake; quorum++) stake += validators[quorum]!.stake;
    return { all: await cost(13n, count), quorum: await cost(16n, quorum) };
  });
}

/** What else there is to pay for, with four validators. */
function measureOthers(): Promise<Record<string, bigint>> {
  return withWorld(4, async (world, validators) => {
    const { registry, inbox, oracle } = world;
    const gas: Record<string, bigint> = {};
    const note = (name: string, { gasUsed }: TransactionReceipt): void => {
      gas[name] = gasUsed;
    };
    const posted = [13n, bytesToHex(hashHeader(testHeader(13n))), `0x${"5a".repeat(BATCH_BYTES)}`];
    note(`post ${BATCH_BYTES} bytes as calldata`, await world.send(inbox, "post", posted));
    note("output, final through its fifth descendant", await world.output(13n, validators, {}, 5));
    const late = testValidator(10);
    note("register", await world.register(late));
    note("add stake", await addStake(world, late));
    note("snapshot of five", await world.send(registry, "snapshot", []));
    note("snapshot, unchanged", await world.send(registry, "snapshot", []));
    const next = [...validators, { ...late, stake: late.stake + 1n }];
    note("output that ends an epoch", await world.endEpoch(1n, validators, setOf(next).hash));
    note("delete an output", await world.send(oracle, "deleteL2Outputs", [3n], { from: GUARDIAN }));
    await world.endEpoch(1n, validators, setOf(next).hash);
    note("exit", await world.send(registry, "exit", [late.id]));
    await world.send(registry, "snapshot", []);
    note("slash", await slash(world, validators));
    await world.endEpoch(2n, next, setOf(validators).hash);
    await world.output(33n, validators);
    await world.pass(PERIOD_SECONDS + EVIDENCE_SECONDS);
    const index = await world.read<bigint>(oracle, "latestOutputIndex");
    note("withdraw", await world.send(registry, "withdraw", [late.id, index]));
    return gas;
  });
}

async function addStake(world: OracleWorld, { id }: TestValidator): Promise<TransactionReceipt> {
  await world.send(world.token, "approve", [world.registry.address, 1n]);
  return world.send(world.registry, "addStake", [id, 1n]);
}

function slash(world: OracleWorld, validators: readonly TestValidator[]): Promise<TransactionReceipt> {
  const { hash } = setOf(validators);
  const [first, second] = [1, 2].map((fill) =>
    testVote(world, validators[0]!, hash, {
      kind: KIND.finalize,
      epoch: 1,
      view: baseView(1) + 2,
      parentView: baseView(1) + 1,
      block: new Uint8Array(32).fill(fill),
    }),
  );
  return world.send(world.registry, "slash", [{ setHash: bytesToHex(hash), signer: 0n, first, second }]);
}

/** Gas by what is done. The same in every run. */
export async function measureOracleGas(): Promise<Record<string, bigint>> {
  const gas: Record<string, bigint> = {};
  for (const count of [4, 21, 100]) {
    const { all, quorum } = await measureOutput(count);
    gas[`output, all of ${count} validators`] = all;
    gas[`output, a quorum of ${count} validators`] = quorum;
  }
  return { ...gas, ...(await measureOthers()) };
}
