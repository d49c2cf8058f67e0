import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, EMPTY_BYTES } from "../../core/bytes.ts";
import { type ChainRules, DEFAULT_RULES } from "../rules.ts";
import { OverlayLayer } from "../state/layer.ts";
import {
  BLOCK_NUMBER,
  COINBASE,
  CONTRACTS,
  genesis,
  hashOfBlock,
  loadGenesis,
  plan,
  SENDERS,
  signPlan,
} from "../testing/world.ts";
import { type CallRequest, callMessage } from "./call.ts";
import { decodeTransaction } from "./decode.ts";
import { messageEnvironment } from "./environment.ts";
import { type EstimatedOn, estimateGas } from "./estimate.ts";
import { MachinePool } from "./machine.ts";
import { runTransaction } from "./run.ts";

const RULES: ChainRules = { ...DEFAULT_RULES, chainId: 161299n, gasLimit: 30_000_000n };
const HEADER = {
  number: BLOCK_NUMBER,
  coinbase: COINBASE,
  timestamp: 1_700_000_000n,
  prevRandao: new Uint8Array(32),
  gasLimit: RULES.gasLimit,
  baseFeePerGas: 7n,
};
const pool = new MachinePool(RULES, []);
const SENDER = SENDERS[0]!;
const CONTRACT = CONTRACTS[0]!;

/** A state with one contract and one rich sender. */
function stateWith(code: Uint8Array | readonly number[], balance = 10n ** 18n): OverlayLayer {
  const layer = new OverlayLayer();
  loadGenesis(layer, [
    { address: CONTRACT, nonce: 1n, balance: 0n, code: Uint8Array.from(code), storage: [] },
    { address: SENDER, nonce: 3n, balance, code: EMPTY_BYTES, storage: [] },
  ]);
  return layer;
}

const call = (state: OverlayLayer, request: CallRequest) =>
  pool.use(new OverlayLayer(state), hashOfBlock, (machine) => callMessage(machine, request, HEADER, RULES));

function on(state: OverlayLayer): EstimatedOn & { calls: number } {
  const counted = {
    calls: 0,
    state,
    call(request: CallRequest) {
      counted.calls++;
      return call(state, request);
    },
  };
  return counted;
}

const estimate = (on: EstimatedOn, request: CallRequest, gasCap = RULES.gasLimit) =>
  estimateGas(on, request, RULES, HEADER.gasLimit, gasCap);

/** Returns the word that `opcode` pushes. */
const returning = (opcode: number) => [opcode, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3];

describe("callMessage", () => {
  test("gives what the transaction with the same fields gives", async () => {
    await fc.assert(
      fc.asyncProperty(genesis, plan, async (accounts, each) => {
        const state = new OverlayLayer();
        loadGenesis(state, accounts);
        const decoded = decodeTransaction(signPlan({ ...each, nonceOffset: 0n }, state, RULES.chainId), RULES.chainId);
        if (!decoded.ok) throw new Error(decoded.message);
        const { tx } = decoded;
        const layer = new OverlayLayer(state);
        const ran = await pool.use(layer, hashOfBlock, (machine) =>
          runTransaction(machine, tx, messageEnvironment(HEADER, RULES), RULES.gasLimit, RULES),
        );
        const { to, gasLimit, maxFeePerGas, maxPriorityFeePerGas, ...rest } = tx;
        const called = await call(state, {
          ...rest,
          ...(to && { to }),
          gas: gasLimit,
          maxFeePerGas,
          maxPriorityFeePerGas,
        });
        if (!ran.ok) {
          expect(called).toMatchObject({ ok: false, gasUsed: 0n, reason: ran.message });
        } else {
          expect(called.gasUsed).toBe(ran.gasUsed);
          expect(called.output).toEqual(ran.output);
          expect(called.ok ? undefined : called.reason).toBe(ran.failure);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("without a price needs no balance and no nonce, and BASEFEE and GASPRICE are zero", async () => {
    for (const opcode of [0x48, 0x3a]) {
      const free = await call(stateWith(returning(opcode), 0n), { to: CONTRACT });
      expect(free).toMatchObject({ ok: true, output: new Uint8Array(32) });
      const paid = await call(stateWith(returning(opcode)), {
        from: SENDER,
        to: CONTRACT,
        gas: 100_000n,
        gasPrice: 7n,
      });
      expect(paid).toMatchObject({ ok: true, output: bigIntToFixed(7n, 32) });
    }
  });

  test("sees the block as its environment", async () => {
    const output = async (opcode: number) => (await call(stateWith(returning(opcode)), { to: CONTRACT })).output;
    expect(await output(0x43)).toEqual(bigIntToFixed(BLOCK_NUMBER, 32));
    expect(await output(0x42)).toEqual(bigIntToFixed(HEADER.timestamp, 32));
    expect(await output(0x45)).toEqual(bigIntToFixed(RULES.gasLimit, 32));
    expect(await output(0x46)).toEqual(bigIntToFixed(RULES.chainId, 32));
    expect(await output(0x4a)).toEqual(bigIntToFixed(1n, 32));
    const hash = await call(stateWith([0x60, 1, 0x43, 0x03, ...returning(0x40)]), { to: CONTRACT });
    expect(hash.output).toEqual(hashOfBlock(BLOCK_NUMBER - 1n));
  });

  test("names what went wrong in geth's words", async () => {
    const reason = async (code: readonly number[], request: CallRequest = {}) => {
      const result = await call(stateWith(code), { from: SENDER, to: CONTRACT, ...request });
      return result.ok ? "succeeded" : result.reason;
    };
    const from = `address ${bytesToHex(SENDER)}`;
    expect(await reason([0x5f, 0x5f, 0xfd])).toBe("execution reverted");
    expect(await reason([0x5b, 0x5f, 0x56], { gas: 30_000n })).toBe("out of gas");
    expect(await reason([0x01])).toBe("stack underflow");
    expect(await reason([0x60, 9, 0x56])).toBe("invalid jump destination");
    expect(await reason([0xfe])).toMatch(/^invalid opcode/);
    expect(await reason([], { gas: 20_000n })).toBe("intrinsic gas too low: have 20000, want 21000");
    expect(await reason([], { value: 2n * 10n ** 18n })).toBe(`insufficient funds for transfer: ${from}`);
    expect(await reason([], { gas: 10n ** 7n, gasPrice: 10n ** 12n })).toBe(
      `insufficient funds for gas * price + value: ${from} have ${10n ** 18n} want ${10n ** 19n}`,
    );
    expect(await reason([], { maxFeePerGas: 6n, maxPriorityFeePerGas: 0n })).toBe(
      `max fee per gas less than block base fee: ${from}, maxFeePerGas: 6, baseFee: 7`,
    );
  });

  test("a creation returns the code; one that cannot pay its value is refused", async () => {
    const state = stateWith([]);
    const created = await call(state, {
      from: SENDER,
      data: Uint8Array.from([0x60, 0xaa, 0x5f, 0x53, 0x60, 1, 0x5f, 0xf3]),
    });
    expect(created).toMatchObject({ ok: true, output: Uint8Array.of(0xaa) });
    expect(await call(state, { from: CONTRACT, value: 1n })).toMatchObject({ ok: false });
    expect(state.account(SENDER)).toMatchObject({ nonce: 3n });
  });
});

describe("estimateGas", () => {
  test("a transfer costs 21,000, asked once", async () => {
    const chain = on(stateWith([]));
    expect(await estimate(chain, { from: SENDER, to: SENDERS[1]!, value: 1n })).toEqual({ ok: true, gas: 21_000n });
    expect(chain.calls).toBe(1);
  });

  test("what is estimated suffices, and is at most 1.5 % above a need that is known", async () => {
    // Reverts unless more than `need` gas is left after 21,000 and what the check costs.
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 100, max: 60_000 }), async (need) => {
        const code = [0x61, need >> 8, need & 0xff, 0x5a, 0x11, 0x60, 10, 0x57, 0x5f, 0x5f, 0xfd];
        code.splice(6, 1, 11);
        code.push(0x5b);
        const chain = on(stateWith(code));
        const result = await estimate(chain, { from: SENDER, to: CONTRACT });
        if (!("gas" in result)) throw new Error(JSON.stringify(result));
        const threshold = BigInt(21_000 + 5 + need + 1);
        expect(result.gas).toBeGreaterThanOrEqual(threshold);
        expect(Number(result.gas - threshold)).toBeLessThanOrEqual(Number(result.gas) * 0.015 + 1);
        expect((await chain.call({ from: SENDER, to: CONTRACT, gas: result.gas })).ok).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test("covers what calls keep back (EIP-150) and storage that is refunded", async () => {
    await fc.assert(
      fc.asyncProperty(genesis, plan, async (accounts, { tx, sender }) => {
        const state = new OverlayLayer();
        loadGenesis(state, accounts);
        const chain = on(state);
        const { to, gasLimit: _, maxFeePerGas: _m, maxPriorityFeePerGas: _p, ...rest } = tx;
        const request = { ...rest, from: SENDERS[sender]!, ...(to && { to }) };
        const result = await estimate(chain, request);
        if ("gas" in result) expect(await chain.call({ ...request, gas: result.gas })).toMatchObject({ ok: true });
        expect(chain.calls).toBeLessThan(40);
      }),
      { numRuns: 30 },
    );
  });

  test("a revert comes back with its data, a lack of gas or money in words", async () => {
    const word = [0x60, 0xaa, 0x5f, 0x53, 0x60, 1, 0x5f, 0xfd];
    expect(await estimate(on(stateWith(word)), { from: SENDER, to: CONTRACT })).toMatchObject({
      ok: false,
      reason: "execution reverted",
      output: Uint8Array.of(0xaa),
    });
    const endless = on(stateWith([0x5b, 0x5f, 0x56]));
    expect(await estimate(endless, { to: CONTRACT }, 100_000n)).toEqual({
      ok: false,
      message: "gas required exceeds allowance (100000)",
    });
    const poor = on(stateWith([0x5b, 0x5f, 0x56], 10n ** 6n));
    expect(await estimate(poor, { from: SENDER, to: CONTRACT, gasPrice: 20n })).toEqual({
      ok: false,
      message: "gas required exceeds allowance (50000)",
    });
    expect(await estimate(poor, { from: SENDER, to: CONTRACT, gasPrice: 20n, value: 10n ** 7n })).toEqual({
      ok: false,
      message: "insufficient funds for transfer",
    });
    expect(await estimate(poor, { from: SENDER, to: CONTRACT, value: 10n ** 7n })).toMatchObject({
      ok: false,
      message: expect.stringContaining("insufficient funds for transfer"),
    });
  });

  test("never exceeds the cap of a transaction (EIP-7825)", async () => {
    const chain = on(stateWith([0x5b, 0x5f, 0x56]));
    expect(await estimate(chain, { to: CONTRACT, gas: 25_000_000n }, 30_000_000n)).toEqual({
      ok: false,
      message: "gas required exceeds allowance (16777216)",
    });
  });
});
