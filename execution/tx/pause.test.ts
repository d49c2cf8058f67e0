import { describe, expect, test } from "vitest";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import { type ChainRules, DEFAULT_RULES } from "../rules.ts";
import { OverlayLayer } from "../state/layer.ts";
import { BLOCK_NUMBER, COINBASE, CONTRACTS, hashOfBlock, loadGenesis, SENDERS } from "../testing/world.ts";
import { type CallResult, callMessage } from "./call.ts";
import { MachinePool } from "./machine.ts";

const RULES: ChainRules = { ...DEFAULT_RULES, chainId: 161299n, gasLimit: 1_000_000n };
const HEADER = {
  number: BLOCK_NUMBER,
  coinbase: COINBASE,
  timestamp: 1_700_000_000n,
  prevRandao: new Uint8Array(32),
  gasLimit: RULES.gasLimit,
  baseFeePerGas: 7n,
};
const FROM = SENDERS[0]!;
const CONTRACT = CONTRACTS[0]!;

/** JUMPDEST PUSH0 JUMP */
const LOOP = [0x5b, 0x5f, 0x56];
/** CALL(gas, address of itself, 0, 0, 0, 0, 0) twice, without a jump. */
const CALL_ITSELF = [0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x30, 0x5a, 0xf1];
const RECURSION = [...CALL_ITSELF, ...CALL_ITSELF];

function call(
  pool: MachinePool,
  code: readonly number[],
  pause?: () => Promise<void> | undefined,
): Promise<CallResult> {
  const layer = new OverlayLayer();
  loadGenesis(layer, [
    { address: CONTRACT, nonce: 1n, balance: 0n, code: Uint8Array.from(code), storage: [] },
    { address: FROM, nonce: 0n, balance: 10n ** 18n, code: EMPTY_BYTES, storage: [] },
  ]);
  const request = { from: FROM, to: CONTRACT };
  return pool.use(layer, hashOfBlock, (machine) => callMessage(machine, request, HEADER, RULES), pause);
}

describe("a pool that pauses", () => {
  test.each([
    ["loop", LOOP, 10_000],
    ["recursion", RECURSION, 1_000],
  ])("asks in every %s, and the result is that of a pool that does not", async (_name, code, atLeast) => {
    let asked = 0;
    const paused = await call(new MachinePool(RULES, [], true), code, () => {
      asked++;
      return asked % 100 === 0 ? Promise.resolve() : undefined;
    });
    expect(asked).toBeGreaterThan(atLeast);
    expect(paused).toEqual(await call(new MachinePool(RULES, []), code));
  });

  test("other work has its turn", async () => {
    let turns = 0;
    const others = setInterval(() => turns++, 0);
    const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 1));
    let asked = 0;
    await call(new MachinePool(RULES, [], true), LOOP, () => (asked++ % 10_000 === 0 ? turn() : undefined));
    clearInterval(others);
    expect(turns).toBeGreaterThan(0);
  });

  test("what the pause throws ends the message, and the pool goes on", async () => {
    const pool = new MachinePool(RULES, [], true);
    let asked = 0;
    const enough = () => {
      if (asked++ > 500) throw new Error("enough");
      return undefined;
    };
    await expect(call(pool, RECURSION, enough)).rejects.toThrow("enough");
    expect(await call(pool, [0x00])).toMatchObject({ ok: true, gasUsed: 21_000n });
  });
});
