import { setLengthRight } from "@ethereumjs/util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesToBigInt } from "../../core/bytes.ts";
import { DEFAULT_RULES } from "../rules.ts";
import { OverlayLayer } from "../state/layer.ts";
import { BLOCK_NUMBER, COINBASE, CONTRACTS, hashOfBlock, loadGenesis } from "../testing/world.ts";
import { callMessage } from "../tx/call.ts";
import { MachinePool } from "../tx/machine.ts";
import { jumpAnalyses, jumpDestinations, pushedAt } from "./jump-analysis.ts";

const OPCODES = Array.from({ length: 256 }, (_, code) => ({ code }));

/** JUMPDEST and PUSH1 to PUSH32 are frequent. */
const code = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => {
  return bytes.map((byte, i) => (byte < 0x40 ? 0x5b : byte < 0x80 ? 0x60 + (i % 32) : byte));
});

/** Yellow Paper, 9.4.3, by the letter. */
function destinationsByDefinition(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (let i = 0; i < bytes.length; ) {
    const opcode = bytes[i]!;
    if (opcode === 0x5b) found.push(i);
    i += opcode >= 0x60 && opcode <= 0x7f ? opcode - 0x5f + 1 : 1;
  }
  return found;
}

describe("jump analysis", () => {
  test("finds the JUMPDESTs that are not data", () => {
    fc.assert(
      fc.property(code, (bytes) => {
        const jumps = jumpDestinations(bytes);
        expect([...jumps.keys()].filter((i) => jumps[i] === 1)).toEqual(destinationsByDefinition(bytes));
      }),
    );
  });

  test("what is computed on demand is what the tables hold", () => {
    fc.assert(
      fc.property(code, (bytes) => {
        const analyses = jumpAnalyses(OPCODES);
        const onDemand = analyses.of(bytes);
        let tables = onDemand;
        for (let call = 0; call < 10; call++) tables = analyses.of(bytes);
        expect(analyses.of(bytes)).toBe(tables);
        expect(onDemand.jumps).toEqual(tables.jumps);
        for (let i = 0; i < bytes.length; ) {
          const opcode = bytes[i]!;
          expect(onDemand.opcodesCached[i]).toBe(OPCODES[opcode]);
          expect(tables.opcodesCached[i]).toBe(OPCODES[opcode]);
          const length = opcode >= 0x60 && opcode <= 0x7f ? opcode - 0x5f : 0;
          if (length > 0) {
            const pushed = bytesToBigInt(setLengthRight(bytes.slice(i + 1, i + 1 + length), length));
            expect(onDemand.pushes[i + 1]).toBe(pushed);
            expect(tables.pushes[i + 1]).toBe(pushed);
          }
          i += 1 + length;
        }
      }),
    );
  });

  test("a PUSH at the end of the code pushes zeros", () => {
    expect(pushedAt(Uint8Array.of(0x63, 0x12), 1)).toBe(0x12000000n);
    expect(pushedAt(Uint8Array.of(0x7f), 1)).toBe(0n);
  });

  test("tables of the code used longest ago go when there are too many", () => {
    const analyses = jumpAnalyses(OPCODES, 5_000);
    const codes = [1, 2, 3].map((fill) => new Uint8Array(2_000).fill(fill));
    const tables = codes.map((bytes) => {
      for (let call = 0; call < 100; call++) analyses.of(bytes);
      return analyses.of(bytes);
    });
    const areKept = codes.map((bytes, i) => analyses.of(bytes) === tables[i]);
    expect(areKept).toEqual([false, true, true]);
  });

  test("the EVM uses it: calls of long code give the same with and without tables", async () => {
    const [caller, callee] = [CONTRACTS[0]!, CONTRACTS[1]!];
    // Jumps over 8 KB of PUSH1 and returns the word 7.
    const long = Uint8Array.of(
      0x61,
      0x20,
      0x04,
      0x56,
      ...new Uint8Array(8_192).fill(0x60),
      0x5b,
      0x60,
      7,
      0x5f,
      0x52,
      0x60,
      32,
      0x5f,
      0xf3,
    );
    // Adds up what 600 calls return.
    const CALL = [0x60, 32, 0x5f, 0x5f, 0x5f, 0x5f, 0x73, ...callee, 0x5a, 0xf1, 0x50, 0x5f, 0x51, 0x01];
    const REPEAT = [0x90, 0x60, 1, 0x90, 0x03, 0x90, 0x81, 0x60, 4, 0x57];
    const code = Uint8Array.of(0x61, 0x02, 0x58, 0x5f, 0x5b, ...CALL, ...REPEAT, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3);
    const layer = new OverlayLayer();
    loadGenesis(layer, [
      { address: caller, nonce: 1n, balance: 0n, code, storage: [] },
      { address: callee, nonce: 1n, balance: 0n, code: long, storage: [] },
    ]);
    const rules = { ...DEFAULT_RULES, chainId: 161299n };
    const header = {
      number: BLOCK_NUMBER,
      coinbase: COINBASE,
      timestamp: 1n,
      prevRandao: new Uint8Array(32),
      gasLimit: 10_000_000n,
      baseFeePerGas: 0n,
    };
    const pool = new MachinePool(rules, []);
    const result = await pool.use(layer, hashOfBlock, (machine) => callMessage(machine, { to: caller }, header, rules));
    expect(result).toMatchObject({ ok: true });
    expect(bytesToBigInt(result.output)).toBe(600n * 7n);
  });
});
