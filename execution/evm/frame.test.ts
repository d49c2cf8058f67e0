/** The frame's storage prices against the interpreter's own SLOAD and SSTORE, operation by operation. */
import { createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import { Account, Address } from "@ethereumjs/util";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToHex, concatBytes, EMPTY_BYTES } from "../../core/bytes.ts";
import { KECCAK_EMPTY } from "../../core/crypto.ts";
import { type Precompile, type PrecompileContext, PrecompileRevert } from "../../core/precompile.ts";
import { LayerStateManager } from "../state/ethereumjs-adapter.ts";
import { OverlayLayer } from "../state/layer.ts";
import type { WarmSets } from "./frame.ts";
import { FrameHalt, PrecompileFrame } from "./frame.ts";
import { createHost } from "./host.ts";

const PRECOMPILE = new Uint8Array(20).fill(9);
const CONTRACT = new Uint8Array(20).fill(8);
const SENDER = new Uint8Array(20).fill(7);

type StorageOperation = { readonly slot: number; readonly value: number | undefined };

const word = (value: number): Uint8Array => {
  const out = new Uint8Array(32);
  out[31] = value;
  return out;
};

/** What a precompile does, as bytecode: PUSH value, PUSH slot, SSTORE; or PUSH slot, SLOAD, POP. */
function bytecode(operations: readonly StorageOperation[]): { code: Uint8Array; overhead: bigint } {
  let code: Uint8Array = EMPTY_BYTES;
  let overhead = 0n;
  for (const { slot, value } of operations) {
    const store = value !== undefined;
    code = concatBytes(code, Uint8Array.from(store ? [0x60, value, 0x60, slot, 0x55] : [0x60, slot, 0x54, 0x50]));
    overhead += store ? 6n : 5n;
  }
  return { code, overhead };
}

function setUp(precompile: (context: PrecompileContext) => Uint8Array) {
  const layer = new OverlayLayer();
  const state = new LayerStateManager(layer);
  const common = createCustomCommon({ chainId: 1 }, Mainnet, { hardfork: Hardfork.Prague });
  const table: Precompile = { address: PRECOMPILE, name: "probe", run: precompile };
  const host = createHost({ common, stateManager: state, precompiles: [table] });
  return { layer, state, host };
}

const call = (host: ReturnType<typeof setUp>["host"], to: Uint8Array, gasLimit = 10_000_000n) =>
  host.runCall({ caller: new Address(SENDER), to: new Address(to), gasLimit, data: EMPTY_BYTES });

test("loads and stores cost and refund what SLOAD and SSTORE do", async () => {
  const operation = fc.record({ slot: fc.nat(3), value: fc.option(fc.nat(2), { nil: undefined }) });
  const initial = fc.array(fc.nat(2), { minLength: 4, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(initial, fc.array(operation, { maxLength: 25 }), async (values, operations) => {
      const { layer, state, host } = setUp((context) => {
        for (const { slot, value } of operations) {
          if (value === undefined) context.load(word(slot));
          else context.store(word(slot), BigInt(value));
        }
        return EMPTY_BYTES;
      });
      const { code, overhead } = bytecode(operations);
      await state.putAccount(new Address(CONTRACT), new Account(1n));
      await state.putAccount(new Address(PRECOMPILE), new Account(1n));
      await state.putCode(new Address(CONTRACT), code);
      values.forEach((value, slot) => {
        for (const account of [CONTRACT, PRECOMPILE]) layer.setStorage(account, word(slot), word(value));
      });
      layer.beginTransaction();
      const native = await call(host, PRECOMPILE);
      await host.journal.cleanup();
      layer.beginTransaction();
      const interpreted = await call(host, CONTRACT);
      expect(native.execResult.exceptionError).toBeUndefined();
      expect(interpreted.execResult.exceptionError).toBeUndefined();
      expect(native.execResult.executionGasUsed).toBe(interpreted.execResult.executionGasUsed - overhead);
      expect(native.execResult.gasRefund).toBe(interpreted.execResult.gasRefund);
      for (let slot = 0; slot < 4; slot++) {
        expect(layer.storage(PRECOMPILE, word(slot))).toEqual(layer.storage(CONTRACT, word(slot)));
      }
    }),
    { numRuns: 300 },
  );
});

test("the refund is the transaction's counter, also over several calls from one contract", async () => {
  // Each call clears slot 0 when it is set and sets it when it is clear.
  const { layer, state, host } = setUp((context) => {
    context.store(word(0), context.load(word(0)) === 0n ? 1n : 0n);
    return EMPTY_BYTES;
  });
  await state.putAccount(new Address(PRECOMPILE), new Account(1n));
  layer.setStorage(PRECOMPILE, word(0), word(1));
  const once = concatBytes(
    Uint8Array.from([0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x73]),
    PRECOMPILE,
    Uint8Array.of(0x5a, 0xf1, 0x50),
  );
  for (const [times, refund] of [
    [1, 4_800n], // cleared
    [2, 2_800n], // cleared, then back to its value: the first refund is taken back
    [3, 2_800n + 4_800n], // and cleared again
  ] as const) {
    await state.putAccount(new Address(CONTRACT), new Account(1n));
    await state.putCode(new Address(CONTRACT), concatBytes(...new Array<Uint8Array>(times).fill(once)));
    layer.beginTransaction();
    layer.checkpoint();
    const { execResult } = await call(host, CONTRACT);
    layer.revert();
    await host.journal.cleanup();
    expect(execResult.gasRefund, `${times} calls`).toBe(refund);
  }
});

describe("a frame by itself", () => {
  const nothingWarm: WarmSets = {
    isWarmedAddress: () => false,
    addWarmedAddress: () => {},
    isWarmedStorage: () => false,
    addWarmedStorage: () => {},
  };
  const environment = {
    self: PRECOMPILE,
    caller: SENDER,
    value: 0n,
    isStatic: false,
    isTopLevel: true,
    chainId: 1n,
    blockNumber: 1n,
    timestamp: 1n,
  };
  const frame = (gas: bigint, isStatic = false, balance = 10n) => {
    const layer = new OverlayLayer();
    layer.setAccount(PRECOMPILE, { nonce: 1n, balance, codeHash: KECCAK_EMPTY, storageRoot: KECCAK_EMPTY });
    return { layer, frame: new PrecompileFrame({ ...environment, isStatic }, gas, layer, nothingWarm) };
  };

  test("prices", () => {
    const cost = (work: (context: PrecompileContext) => unknown): bigint => {
      const { frame: context } = frame(1_000_000n);
      work(context);
      return 1_000_000n - context.gasLeft;
    };
    expect(cost((context) => context.load(word(1)))).toBe(2_100n);
    expect(cost((context) => context.loadFrom(CONTRACT, word(1)))).toBe(2_100n);
    expect(cost((context) => context.keccak())).toBe(30n);
    expect(cost((context) => context.keccak(new Uint8Array(33)))).toBe(42n);
    expect(cost((context) => context.log([word(1), word(2)], new Uint8Array(10)))).toBe(375n + 750n + 80n);
    expect(cost((context) => context.recover(word(1), 0, word(1), word(1)))).toBe(3_000n);
    expect(cost((context) => context.credit(CONTRACT, 1n))).toBe(2_600n + 6_700n + 25_000n);
    expect(cost((context) => context.credit(CONTRACT, 0n))).toBe(0n);
    expect(cost((context) => context.credit(PRECOMPILE, 1n))).toBe(2_600n + 6_700n);
  });

  test("a store needs more than the stipend left, whatever it costs (EIP-2200)", () => {
    // Writing zero over zero costs 2,100 + 100.
    expect(() => frame(2_300n).frame.store(word(1), 0n)).toThrow(new FrameHalt("out of gas"));
    const { frame: context } = frame(2_301n);
    context.store(word(1), 0n);
    expect(context.gasLeft).toBe(101n);
  });

  test("writes, logs and credits halt a static frame before anything else", () => {
    const works: ((context: PrecompileContext) => void)[] = [
      (context) => context.store(word(1), 1n),
      (context) => context.log([], EMPTY_BYTES),
      (context) => context.credit(CONTRACT, 0n),
    ];
    for (const work of works) expect(() => work(frame(0n, true).frame)).toThrow(new FrameHalt("static state change"));
  });

  test("a static frame that writes loses all its gas and changes nothing, as SSTORE in a STATICCALL", async () => {
    const { state, host, layer } = setUp((context) => {
      context.store(word(1), 1n);
      return EMPTY_BYTES;
    });
    await state.putAccount(new Address(PRECOMPILE), new Account(1n));
    const to = new Address(PRECOMPILE);
    const { execResult } = await host.runCall({ caller: new Address(SENDER), to, gasLimit: 5_000n, isStatic: true });
    expect(execResult.exceptionError?.error).toBe("static state change");
    expect(execResult.executionGasUsed).toBe(5_000n);
    expect(layer.storage(PRECOMPILE, word(1))).toHaveLength(0);
  });

  test("more than the precompile owns cannot be credited: its accounting would be broken", () => {
    expect(() => frame(100_000n, false, 10n).frame.credit(CONTRACT, 11n)).toThrow(/does not cover/);
    expect(() => frame(100_000n).frame.credit(CONTRACT, -1n)).toThrow(RangeError);
    expect(() => frame(100_000n).frame.useGas(-1n)).toThrow(RangeError);
    expect(() => frame(100_000n).frame.store(word(1), 2n ** 256n)).toThrow(RangeError);
  });

  test("a credit moves exactly the amount", () => {
    const { layer, frame: context } = frame(100_000n);
    context.credit(CONTRACT, 4n);
    context.credit(CONTRACT, 5n);
    expect([layer.account(PRECOMPILE)?.balance, layer.account(CONTRACT)?.balance]).toEqual([1n, 9n]);
  });
});

describe("host", () => {
  test("a revert keeps unused gas and hands out the data; a bug in a precompile is not hidden as a revert", async () => {
    const reverting = setUp((context) => {
      context.useGas(123n);
      throw new PrecompileRevert(Uint8Array.of(1, 2), "x");
    });
    const { execResult } = await call(reverting.host, PRECOMPILE);
    expect(execResult).toMatchObject({ executionGasUsed: 123n, returnValue: Uint8Array.of(1, 2) });
    const broken = setUp(() => {
      throw new TypeError("bug");
    });
    await expect(call(broken.host, PRECOMPILE)).rejects.toThrow("bug");
  });

  test("a delegated call is refused even when it names the precompile itself", async () => {
    const { host } = setUp(() => Uint8Array.of(1));
    const to = new Address(PRECOMPILE);
    const { execResult } = await host.runCall({ to, gasLimit: 100_000n, delegatecall: true });
    expect(execResult.exceptionError?.error).toBe("revert");
  });

  test("BLOCKHASH asks the hook, and says so when there is none", async () => {
    const { host, state } = setUp(() => EMPTY_BYTES);
    await state.putAccount(new Address(CONTRACT), new Account(1n));
    // BLOCKHASH(0), returned.
    await state.putCode(new Address(CONTRACT), Uint8Array.from([0x5f, 0x40, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3]));
    const header = { number: 5n, coinbase: new Address(SENDER), timestamp: 0n, difficulty: 0n, slotNumber: 0n };
    const rest = { prevRandao: new Uint8Array(32), gasLimit: 1n, baseFeePerGas: 1n, getBlobGasPrice: () => 1n };
    const block = { header: { ...header, ...rest } };
    const run = () => host.runCall({ to: new Address(CONTRACT), gasLimit: 100_000n, block });
    await expect(run()).rejects.toThrow(/block 0/);
    host.blockHash = (number) => word(Number(number) + 6);
    expect(bytesToHex((await run()).execResult.returnValue)).toBe(bytesToHex(word(6)));
    const copy = host.shallowCopy();
    expect(copy).toBeInstanceOf(host.constructor);
    expect(bytesToHex(copy.blockHash(1n))).toBe(bytesToHex(word(7)));
  });
});

test("an account that the transaction only called does not exist for a credit", async () => {
  const recipient = new Uint8Array(20).fill(6);
  let paid = 0n;
  const { layer, host } = setUp((context) => {
    const frame = context as PrecompileFrame;
    const before = frame.gasLeft;
    context.credit(recipient, 1n);
    paid = before - frame.gasLeft;
    return EMPTY_BYTES;
  });
  const callOf = (to: Uint8Array) => [0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x73, ...to, 0x5a, 0xf1, 0x50];
  const codeHash = layer.addCode(Uint8Array.of(...callOf(recipient), ...callOf(PRECOMPILE)));
  layer.setAccount(CONTRACT, { nonce: 1n, balance: 0n, codeHash, storageRoot: KECCAK_EMPTY });
  layer.setAccount(PRECOMPILE, { nonce: 1n, balance: 1n, codeHash: KECCAK_EMPTY, storageRoot: KECCAK_EMPTY });
  await call(host, CONTRACT);
  expect(layer.account(recipient)?.balance).toBe(1n);
  expect(paid).toBe(100n + 6_700n + 25_000n); // warm, but new (EIP-161)
});
