/** The host's own loop against @ethereumjs/evm's, on random programs: everything that a frame gives and leaves. */
import { Address } from "@ethereumjs/util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToHex, concatBytes, hexToBytes } from "../../core/bytes.ts";
import { createCommon } from "../common.ts";
import { DEFAULT_RULES } from "../rules.ts";
import { LayerStateManager } from "../state/ethereumjs-adapter.ts";
import { OverlayLayer } from "../state/layer.ts";
import { program } from "../testing/programs.ts";
import { ADDRESSES, BLOCK_NUMBER, COINBASE, CONTRACTS, hashOfBlock, loadGenesis, SENDERS } from "../testing/world.ts";
import { messageEnvironment } from "../tx/environment.ts";
import { failureWord } from "../tx/message.ts";
import { createHost } from "./host.ts";

const RULES = { ...DEFAULT_RULES, chainId: 161299n };
const { block } = messageEnvironment(
  {
    number: BLOCK_NUMBER,
    coinbase: COINBASE,
    timestamp: 1_700_000_000n,
    prevRandao: new Uint8Array(32).fill(0x77),
    gasLimit: 30_000_000n,
    baseFeePerGas: 7n,
  },
  RULES,
);
const SENDER = SENDERS[0]!;

interface Run {
  readonly codes: readonly Uint8Array[];
  readonly data: Uint8Array;
  readonly value: bigint;
  readonly gasLimit: bigint;
}

/** Runs programs, each on a state of its own. */
function runner(hardfork: "prague" | "osaka", stockLoop: boolean) {
  const stateManager = new LayerStateManager(new OverlayLayer());
  const common = createCommon({ ...RULES, hardfork });
  const host = createHost({ common, stateManager, precompiles: [], blockHash: hashOfBlock, stockLoop });
  return async ({ codes, data, value, gasLimit }: Run) => {
    const layer = new OverlayLayer();
    const storage = [[1, 1]] as const;
    loadGenesis(layer, [
      { address: SENDER, nonce: 1n, balance: 10n ** 18n, code: new Uint8Array(0), storage: [] },
      ...codes.map((code, i) => ({ address: CONTRACTS[i]!, nonce: 1n, balance: 100n, code, storage })),
    ]);
    stateManager.setLayer(layer);
    layer.beginTransaction();
    host.journal.cleanJournal();
    const [caller, to] = [new Address(SENDER), new Address(CONTRACTS[0]!)];
    const call = { block, caller, to, data, value, gasLimit, gasPrice: 9n, skipNonceIncrement: true };
    const { execResult: result } = await host.runCall(call);
    await host.journal.cleanup();
    return {
      failure: result.exceptionError && failureWord(result.exceptionError),
      output: bytesToHex(result.returnValue),
      gasUsed: result.executionGasUsed,
      gasRefund: result.gasRefund,
      logs: result.logs,
      selfdestruct: result.selfdestruct,
      createdAddresses: result.createdAddresses,
      accounts: layer.accounts,
      storages: layer.storages,
      codes: layer.codes,
    };
  };
}

const bytes = (...codes: number[]) => Uint8Array.from(codes);
const pushed = (value: bigint, size: number) =>
  concatBytes(
    bytes(0x5f + size),
    hexToBytes(
      `0x${BigInt.asUintN(8 * size, value)
        .toString(16)
        .padStart(2 * size, "0")}`,
    ),
  );
/** Offsets and sizes that fit memory, numbers near the edges, anything. */
const push = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt({ min: 0n, max: 200n }).map((value) => pushed(value, 1)) },
  { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 16n }).map((value) => pushed(value, 3)) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(0n, 1n, 2n, 31n, 32n, 33n, 255n, 256n, 257n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 64n, 2n ** 255n)
      .chain((edge) => fc.constantFrom(edge, edge - 1n, -edge))
      .map((value) => pushed(value, 32)),
  },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }).map((value) => pushed(value, 32)) },
  { weight: 1, arbitrary: fc.constantFrom(...ADDRESSES).map((address) => concatBytes(bytes(0x73), address)) },
);
const opcode = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0x01, max: 0x1e }) },
  { weight: 3, arbitrary: fc.integer({ min: 0x20, max: 0x4a }) },
  { weight: 8, arbitrary: fc.integer({ min: 0x50, max: 0x5f }) },
  { weight: 6, arbitrary: fc.integer({ min: 0x80, max: 0xa4 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0xf0, max: 0xff }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xff }) },
);
const soup = fc
  .array(fc.oneof({ weight: 3, arbitrary: push }, { weight: 4, arbitrary: opcode.map((code) => bytes(code)) }), {
    maxLength: 120,
  })
  .map((parts) => concatBytes(...parts));
/** PUSH2 to where it leads, JUMP or JUMPI, over something that need not be code. */
const jump = fc
  .tuple(fc.constantFrom(0x56, 0x57), fc.uint8Array({ maxLength: 40 }), fc.boolean())
  .map(([code, over, isRight]) => (at: number) => {
    const to = at + 6 + over.length + (isRight ? 0 : 1);
    return concatBytes(bytes(0x60, 1, 0x61, to >> 8, to & 0xff, code), over, bytes(0x5b));
  });
const withJumps = fc
  .array(
    fc.oneof(
      jump,
      soup.map((code) => () => code),
    ),
    { maxLength: 5 },
  )
  .map((parts) => {
    let code = new Uint8Array(0);
    for (const part of parts) code = concatBytes(code, part(code.length)) as Uint8Array<ArrayBuffer>;
    return code;
  });
/** Twelve words to begin with, so that opcodes find some. */
const primed = fc
  .tuple(fc.array(push, { minLength: 12, maxLength: 12 }), withJumps)
  .map(([words, code]) => concatBytes(...words, code));

/** By how many words they take: opcodes that give one. */
const GIVING: readonly (readonly number[])[] = [
  [
    0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3a, 0x3d, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x4a, 0x58, 0x59,
    0x5a,
  ],
  [0x15, 0x19, 0x1e, 0x31, 0x35, 0x35, 0x3b, 0x3f, 0x40, 0x49, 0x51, 0x54, 0x5c],
  [
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0a, 0x0b, 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a, 0x1b,
    0x1c, 0x1d, 0x20,
  ],
  [0x08, 0x09],
];
const small = fc.bigInt({ min: 0n, max: 200n }).map((value) => pushed(value, 1));
const few = fc.bigInt({ min: 0n, max: 3n }).map((value) => pushed(value, 1));
const args = (count: number, of = push) =>
  fc.array(of, { minLength: count, maxLength: count }).map((words) => concatBytes(...words));
/** Puts the topmost word where the end of the program returns it from. */
const kept = fc.bigInt({ min: 0n, max: 15n }).map((slot) => concatBytes(pushed(32n * slot, 2), bytes(0x52)));
const giving = fc
  .integer({ min: 0, max: 3 })
  .chain((count) =>
    fc.tuple(args(count, count === 2 ? fc.oneof(push, small) : push), fc.constantFrom(...GIVING[count]!), kept),
  )
  .map(([words, code, keep]) => concatBytes(words, bytes(code), keep));
const memory = fc
  .tuple(args(4, small), fc.constantFrom(0x37, 0x39, 0x3e, 0x3e, 0x52, 0x53, 0x5e, 0xa0, 0xa1, 0xa2))
  .map(([words, code]) => concatBytes(words, bytes(code)));
const storage = fc
  .tuple(args(2, few), fc.constantFrom(0x55, 0x55, 0x5d))
  .map(([words, code]) => concatBytes(words, bytes(code)));
const calling = fc
  .tuple(
    args(4, small),
    fc.constantFrom(...CONTRACTS.slice(0, 3), ...ADDRESSES),
    fc.constantFrom(0xf1, 0xf2, 0xf4, 0xfa),
    kept,
  )
  .map(([ranges, address, code, keep]) =>
    concatBytes(ranges, code < 0xf4 ? bytes(0x5f) : bytes(), bytes(0x73), address, bytes(0x5a, code), keep),
  );
const END = concatBytes(pushed(512n, 2), bytes(0x5f, 0xf3));
/** Statements whose results are returned. */
const statements = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: giving },
      { weight: 3, arbitrary: memory },
      { weight: 3, arbitrary: storage },
      { weight: 1, arbitrary: calling },
    ),
    { minLength: 1, maxLength: 14 },
  )
  .map((parts) => concatBytes(...parts, END));

const runs = (code: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Run> =>
  fc.record({
    codes: fc.array(code, { minLength: 2, maxLength: 3 }),
    data: fc.uint8Array({ maxLength: 100 }),
    value: fc.constantFrom(0n, 1n),
    gasLimit: fc.oneof(fc.bigInt({ min: 0n, max: 60_000n }), fc.constant(1_000_000n)),
  });

describe.each(["prague", "osaka"] as const)("%s", (hardfork) => {
  test.each([
    ["opcodes in any order", runs(primed), 150],
    ["statements", runs(statements), 250],
    ["programs", runs(program(ADDRESSES, BLOCK_NUMBER)), 30],
  ] as const)("%s give and leave what they do on the loop of @ethereumjs/evm", async (_name, arbitrary, numRuns) => {
    const [own, stock] = [runner(hardfork, false), runner(hardfork, true)];
    await fc.assert(
      fc.asyncProperty(arbitrary, async (run) => {
        expect(await own(run)).toEqual(await stock(run));
      }),
      { numRuns },
    );
  });

  test.each([
    ["1,024 words, and one more", [...new Array(1_024).fill(0x5f), 0x80], 100_000],
    ["1,025 words", new Array(1_025).fill(0x5f), 100_000],
    ["a jump into data", [0x60, 4, 0x56, 0x60, 0x5b], 100],
    ["a jump beyond the end", [0x61, 0xff, 0xff, 0x56, 0x5b], 100],
    ["a jump beyond all numbers", [0x7f, ...new Array(32).fill(0xff), 0x56], 100],
    ["memory that nobody can pay", [0x5f, 0x7f, ...new Array(32).fill(0xff), 0x52], 1_000_000],
    ["topics that are missing", [0x5f, 0x5f, 0xa1], 100_000],
    ["a PUSH that is cut off", [0x5f, 0x63, 0xff], 100],
  ])("%s", async (_name, code, gasLimit) => {
    const run = { codes: [Uint8Array.from(code)], data: bytes(), value: 0n, gasLimit: BigInt(gasLimit) };
    expect(await runner(hardfork, false)(run)).toEqual(await runner(hardfork, true)(run));
  });

  test("SSTORE needs more than 2,300 gas", async () => {
    const [own, stock] = [runner(hardfork, false), runner(hardfork, true)];
    for (let gasLimit = 2_300n; gasLimit < 2_420n; gasLimit++) {
      // Warm, and the value that is there: 100 gas.
      const codes = [bytes(0x60, 1, 0x60, 1, 0x54, 0x50, 0x60, 1, 0x60, 1, 0x55)];
      const run = { codes, data: bytes(), value: 0n, gasLimit: gasLimit + 2_108n };
      expect(await own(run)).toEqual(await stock(run));
    }
  });
});
