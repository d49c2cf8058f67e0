import { createBlock } from "@ethereumjs/block";
import { createTxFromRLP } from "@ethereumjs/tx";
import { Address } from "@ethereumjs/util";
import { runTx } from "@ethereumjs/vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChainRules } from "../rules.ts";
import { DEFAULT_RULES } from "../rules.ts";
import { OverlayLayer } from "../state/layer.ts";
import {
  BLOCK_NUMBER,
  COINBASE,
  createOracle,
  genesis,
  hashOfBlock,
  loadGenesis,
  plan,
  signPlan,
  stateRootOf,
} from "../testing/world.ts";
import { decodeTransaction } from "./decode.ts";
import { messageEnvironment } from "./environment.ts";
import { MachinePool } from "./machine.ts";
import { runTransaction } from "./run.ts";

const CHAIN_ID = 161299n;
const HEADER = {
  number: BLOCK_NUMBER,
  coinbase: COINBASE,
  timestamp: 1_700_000_000n,
  prevRandao: new Uint8Array(32).fill(0x77),
  gasLimit: 30_000_000n,
  baseFeePerGas: 7n,
};

/** Burning, as Ethereum does, so that the oracle's state is the same. */
function ethereumRules(hardfork: ChainRules["hardfork"]): ChainRules {
  const { baseFeeRecipient: _, ...rules } = DEFAULT_RULES;
  return { ...rules, chainId: CHAIN_ID, hardfork, gasLimit: HEADER.gasLimit };
}

describe.each(["prague", "osaka"] as const)("%s", (hardfork) => {
  const rules = ethereumRules(hardfork);
  const pool = new MachinePool(rules, []);

  test("gas, status, logs, created address and state equal ethereumjs runTx", async () => {
    const seen = { applied: 0, failed: 0, rejected: 0, logs: 0 };
    await fc.assert(
      fc.asyncProperty(genesis, fc.array(plan, { minLength: 3, maxLength: 8 }), async (accounts, plans) => {
        const layer = new OverlayLayer();
        loadGenesis(layer, accounts);
        const oracle = await createOracle(rules, accounts);
        const block = createBlock(
          { header: { ...HEADER, coinbase: new Address(COINBASE), mixHash: HEADER.prevRandao, difficulty: 0n } },
          { common: oracle.common },
        );
        const environment = messageEnvironment(HEADER, rules);
        for (const each of plans) {
          const raw = signPlan(each, layer, CHAIN_ID);
          const decoded = decodeTransaction(raw, CHAIN_ID);
          if (!decoded.ok) throw new Error(decoded.message);
          const outcome = await pool.use(layer, hashOfBlock, async (machine) =>
            runTransaction(machine, decoded.tx, environment, HEADER.gasLimit, rules),
          );
          let expected: Awaited<ReturnType<typeof runTx>>;
          try {
            expected = await runTx(oracle.vm, { tx: createTxFromRLP(raw, { common: oracle.common }), block });
          } catch (error) {
            expect(outcome, `oracle refuses: ${(error as Error).message}`).toMatchObject({ ok: false });
            seen.rejected++;
            continue;
          }
          if (!outcome.ok) throw new Error(`oracle accepts what we refuse: ${outcome.message}`);
          const { execResult } = expected;
          expect(outcome.gasUsed).toBe(expected.totalGasSpent);
          expect(outcome.failure === undefined).toBe(execResult.exceptionError === undefined);
          expect(outcome.output).toEqual(execResult.returnValue);
          expect(outcome.logs.map(({ address, topics, data }) => [address, topics, data])).toEqual(
            execResult.logs ?? [],
          );
          expect(outcome.effectiveGasPrice * outcome.gasUsed).toBe(expected.amountSpent);
          if (expected.createdAddress !== undefined) {
            expect(outcome.contractAddress).toEqual(expected.createdAddress.bytes);
          }
          seen.applied++;
          seen.logs += outcome.logs.length;
          if (outcome.status === 0) seen.failed++;
        }
        expect(await stateRootOf(layer, rules)).toEqual(await oracle.state.getStateRoot());
      }),
      { numRuns: 60 },
    );
    // The generator must reach all of it.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5);
  });
});
