/**
 * Calls and simulated calls of random programs, on accounts that only overrides make, against anvil's. Not compared,
 * as geth and the specification have it otherwise than anvil: what a block of simulated calls looks like (its parent is
 * 0, and so is its number where none is given), logs of moved wei (anvil keeps those of what failed and has none of SELFDESTRUCT), BASEFEE of a call that pays
 * nothing (here 0), and words of errors.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, type Hex } from "../core/bytes.ts";
import { CONTRACTS, type GenesisAccount, genesis, SENDERS } from "../execution/testing/world.ts";
import { Chain } from "../node/chain.ts";
import { setup } from "../node/rpc/testing/setup.ts";
import { Calls } from "../node/runner/calls.ts";
import { FakeStore, testGenesis } from "../node/testing/world.ts";
import { PRECOMPILES } from "../precompiles/table.ts";
import { type Anvil, startAnvil } from "./helpers/anvil.ts";

// biome-ignore lint/suspicious/noExplicitAny: JSON of two programs, compared field by field
type Json = any;

const GAS_LIMIT = 30_000_000n;
const BLOCK = {
  time: "0x70000000",
  gasLimit: quantity(GAS_LIMIT),
  feeRecipient: `0x${"fe".repeat(20)}`,
  prevRandao: word(5),
};

let anvil: Anvil;
let ask: ReturnType<typeof setup>["ask"];
beforeAll(async () => {
  const fields = { chainId: 31_337n, gasLimit: GAS_LIMIT };
  const chain = await Chain.open(new FakeStore(), testGenesis([], fields), PRECOMPILES);
  ({ ask } = setup({ chain, runner: new Calls(chain, PRECOMPILES) }));
  anvil = await startAnvil({ hardfork: "osaka", args: ["--block-base-fee-per-gas", "0"] });
});
afterAll(() => anvil?.stop());

/** The result, or undefined where there is an error. */
const here = (method: string, ...params: unknown[]): Promise<Json> => ask(method, ...params).catch(() => undefined);
async function there(method: string, ...params: unknown[]): Promise<Json> {
  const response = await fetch(anvil.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  return ((await response.json()) as { result?: Json }).result;
}

function quantity(value: bigint | number): Hex {
  return `0x${value.toString(16)}`;
}

function word(value: number): Hex {
  return bytesToHex(bigIntToFixed(BigInt(value), 32));
}

const overridesOf = (accounts: readonly GenesisAccount[]) =>
  Object.fromEntries(
    accounts.map(({ address, nonce, balance, code, storage }) => [
      bytesToHex(address),
      {
        nonce: quantity(nonce),
        balance: quantity(balance),
        code: bytesToHex(code),
        state: Object.fromEntries(storage.map(([slot, value]) => [word(slot), word(value)])),
      },
    ]),
  );

const call = fc
  .record({
    from: fc.constantFrom(...SENDERS),
    to: fc.constantFrom(...CONTRACTS, ...CONTRACTS, ...SENDERS),
    value: fc.constantFrom(0, 0, 1, 50),
    data: fc.uint8Array({ maxLength: 40 }),
    gas: fc.constantFrom(30_000, 100_000, 1_000_000),
  })
  .map(({ from, to, value, data, gas }) => ({
    from: bytesToHex(from),
    to: bytesToHex(to),
    value: quantity(value),
    input: bytesToHex(data),
    gas: quantity(gas),
  }));

const shapeOf = (blocks: Json) =>
  blocks?.[0].calls.map(({ status, returnData, gasUsed, logs }: Json) => ({
    status,
    gasUsed,
    ...(status === "0x1" && {
      returnData,
      logs: logs.map(({ address, topics, data }: Json) => ({ address, topics, data })),
    }),
  }));

test("calls and simulated calls end as anvil's", async () => {
  let succeeded = 0;
  const calls = fc.array(call, { minLength: 1, maxLength: 3 });
  const property = fc.asyncProperty(genesis, calls, async (accounts, requests) => {
    const stateOverrides = overridesOf(accounts);
    const one = [requests[0], "latest", stateOverrides, { ...BLOCK, number: "0x10000" }];
    const output = await here("eth_call", ...one);
    expect(output).toEqual(await there("eth_call", ...one));
    if (output !== undefined) succeeded++;
    const payload = {
      blockStateCalls: [{ stateOverrides, blockOverrides: { ...BLOCK, number: "0x1" }, calls: requests }],
    };
    const ended = shapeOf(await here("eth_simulateV1", payload, "latest"));
    expect(ended).toEqual(shapeOf(await there("eth_simulateV1", payload, "latest")));
  });
  await fc.assert(property, { numRuns: 60 });
  expect(succeeded).toBeGreaterThan(5);
});

test("estimates and access lists are anvil's", async () => {
  const address = bytesToHex(CONTRACTS[0]!);
  const other = bytesToHex(CONTRACTS[1]!);
  const from = bytesToHex(SENDERS[0]!);
  // Reads slot 1 and the other's balance, writes slot 0, calls the other, which reads its slot 7.
  const code = `0x60015460005573${other.slice(2)}31505f5f5f5f5f73${other.slice(2)}5af15000`;
  await there("anvil_setCode", address, code);
  await there("anvil_setCode", other, "0x60075400");
  await there("anvil_setStorageAt", address, word(1), word(3));
  const state = { [address]: { code, state: { [word(1)]: word(3) } }, [other]: { code: "0x60075400" } };
  const request = { from, to: address };
  const sorted = (list: Json) => [...list].sort((a, b) => (a.address < b.address ? -1 : 1));
  const [ours, theirs] = [
    await here("eth_createAccessList", request, "latest", state),
    await there("eth_createAccessList", request, "latest"),
  ];
  const keys = (list: Json) =>
    sorted(list).map((entry: Json) => ({ ...entry, storageKeys: [...entry.storageKeys].sort() }));
  expect(keys(ours.accessList)).toEqual(keys(theirs.accessList));
  expect(ours.gasUsed).toBe(theirs.gasUsed);
  // Without the call, whose failure would go unnoticed: the least gas would be that with which it fails.
  const copy = "0x6001546000555a5f5500";
  await there("anvil_setCode", address, copy);
  const least = Number(await there("eth_estimateGas", request));
  const estimate = Number(
    await here("eth_estimateGas", request, "latest", { [address]: { ...state[address], code: copy } }),
  );
  // geth's search ends 1.5 % above the least at most.
  expect(estimate).toBeGreaterThanOrEqual(least);
  expect(estimate).toBeLessThanOrEqual(least * 1.015);
});
