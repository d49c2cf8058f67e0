/** What the output oracle, the registry and the inbox cost on L1: gas of whole transactions through the proxies. */
import { MINIMUM_STAKE, OracleWorld, setOf, testHeader, testValidator } from "./oracle-world.ts";

/** More do not fit into the creation of the registry's proxy (EIP-3860). */
const GENESIS_VALIDATORS = 60;

async function withWorld<T>(
  count: number,
  run: (world: OracleWorld, validators: ReturnType<typeof testValidator>[]) => Promise<T>,
): Promise<T> {
  // Those who come later are within a third of the stake, so that they are in the next set.
  const validators = Array.from({ length: count }, (_, i) =>
    testValidator(i, i < GENESIS_VALIDATORS ? 3n * MINIMUM_STAKE : MINIMUM_STAKE),
  );
  const genesis = validators.slice(0, GENESIS_VALIDATORS);
  const world = await OracleWorld.start({ validators: genesis });
  try {
    const late = validators.slice(GENESIS_VALIDATORS);
    for (const validator of late) await world.register(validator);
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
    const all = await cost(13n, count);
    let quorum = 0;
    for (let stake = 0n; 3n * stake <= 2n * setOf(validators).totalStake; quorum++) stake += validators[quorum]!.stake;
    return { all, quorum: await cost(16n, quorum) };
  });
}
