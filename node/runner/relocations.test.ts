/** Calls that pretend native code elsewhere, or code of their own in its place. */
import { expect, test } from "vitest";
import { bytesToHex, EMPTY_BYTES, hexToBytes } from "../../core/bytes.ts";
import type { AccountOverride } from "../../execution/tx/overrides.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";
import { Chain } from "../chain.ts";
import { contract, FakeStore, rich, testGenesis } from "../testing/world.ts";
import { Calls } from "./calls.ts";

const address = (last: string) => hexToBytes(`0x${last.padStart(40, "0")}`);
const [SHA256, IDENTITY, ELSEWHERE] = [address("2"), address("4"), address("e15e")];
const DATANET = PRECOMPILES[0]!.address;
/** Gives what 0x04 makes of its input: CALLDATACOPY, STATICCALL, RETURNDATACOPY, RETURN. */
const ASKS_IDENTITY = contract(
  address("a5"),
  hexToBytes("0x365f5f37 5f5f365f60045afa50 3d5f5f3e 3d5ff3".replaceAll(" ", "") as `0x${string}`),
);
const ANSWERS_42 = hexToBytes("0x602a5f5260205ff3");
const DATA = hexToBytes("0x0123456789");

async function open() {
  const chain = await Chain.open(new FakeStore(), testGenesis([rich(0), ASKS_IDENTITY]), PRECOMPILES);
  const calls = new Calls(chain, PRECOMPILES);
  const { header } = chain.headBlock;
  const call = async (to: Uint8Array, ...state: AccountOverride[]) => {
    const result = await calls.call({ to, data: DATA, gas: 100_000n }, header, { state });
    return [result.ok ? bytesToHex(result.output) : result.reason, result.gasUsed] as const;
  };
  return { calls, header, call };
}

test("a moved precompile runs at its new address, at the same price, and no longer at the old one", async () => {
  const { call } = await open();
  for (const native of [SHA256, IDENTITY]) {
    const move = { address: native, movePrecompileTo: ELSEWHERE };
    const original = await call(native);
    expect(original[0]).toMatch(/^0x.{10}/);
    expect(await call(ELSEWHERE, move)).toEqual(original);
    expect((await call(native, move))[0]).toBe("0x");
    // The next call, on the same EVM, pretends nothing.
    expect(await call(native)).toEqual(original);
    expect((await call(ELSEWHERE))[0]).toBe("0x");
  }
});

test("code that calls the precompile finds it gone", async () => {
  const { call } = await open();
  expect((await call(ASKS_IDENTITY.address))[0]).toBe(bytesToHex(DATA));
  expect((await call(ASKS_IDENTITY.address, { address: IDENTITY, movePrecompileTo: ELSEWHERE }))[0]).toBe("0x");
  // Whatever is moved there takes its place.
  const instead = { address: SHA256, movePrecompileTo: IDENTITY };
  expect((await call(ASKS_IDENTITY.address, instead))[0]).toBe((await call(SHA256))[0]);
});

test("code in a precompile's place runs instead of it, a balance changes nothing", async () => {
  const { call } = await open();
  const word = `0x${"2a".padStart(64, "0")}`;
  for (const native of [IDENTITY, DATANET]) {
    expect((await call(native, { address: native, code: ANSWERS_42 }))[0]).toBe(word);
    expect((await call(native, { address: native, code: EMPTY_BYTES }))[0]).toBe("0x");
    expect(await call(native, { address: native, balance: 7n })).toEqual(await call(native));
  }
});

test("what cannot be moved is refused, whatever is asked", async () => {
  const { calls, header, call } = await open();
  const refused: [AccountOverride[], RegExp][] = [
    [[{ address: ELSEWHERE, movePrecompileTo: SHA256 }], /^account 0x0{36}e15e is not a precompile$/],
    [[{ address: DATANET, movePrecompileTo: ELSEWHERE }], /stateful precompile, which cannot be moved/],
    [
      [
        { address: ELSEWHERE, nonce: 1n },
        { address: IDENTITY, movePrecompileTo: ELSEWHERE },
      ],
      /^account 0x0{36}e15e is already overridden$/,
    ],
  ];
  const bounds = { gas: 100_000n, withinMs: 5_000 };
  for (const [state, message] of refused) {
    expect((await call(IDENTITY, ...state))[0]).toMatch(message);
    const request = { to: IDENTITY, data: DATA };
    expect(await calls.accessList(request, header, { state })).toEqual({
      ok: false,
      message: expect.stringMatching(message),
    });
    const estimate = await calls.estimateGas(request, header, { state }, bounds);
    expect(estimate).toEqual({ ok: false, message: expect.stringMatching(message) });
    const simulation = await calls.simulate(
      { blocks: [{ calls: [], state }], isValidating: false, logsTransfers: false, gasBudget: 1n, maxBlocks: 1 },
      { header, hash: header.parentHash },
    );
    expect(simulation).toEqual({ ok: false, failure: { code: "override", message: expect.stringMatching(message) } });
  }
});

test("an estimate counts what the moved precompile costs", async () => {
  const { calls, header } = await open();
  const state = [{ address: SHA256, movePrecompileTo: ELSEWHERE }];
  const bounds = { gas: 100_000n, withinMs: 5_000 };
  const moved = await calls.estimateGas({ to: ELSEWHERE, data: DATA }, header, { state }, bounds);
  expect(moved).toEqual(await calls.estimateGas({ to: SHA256, data: DATA }, header, {}, bounds));
});
