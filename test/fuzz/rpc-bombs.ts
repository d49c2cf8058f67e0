/** Calls that are made to cost: endless loops, memory, recursion, huge answers, precompiles at their dearest. */
import { bytesToHex, concatBytes } from "../../core/bytes.ts";
import type { Random } from "../sim/random.ts";

export interface Bomb {
  readonly name: string;
  /** What the called account's code is in place of its own. */
  readonly code?: string;
  /** Called, when not the overridden account. */
  readonly to?: string;
  readonly data?: string;
}

const hex = (code: string): string => `0x${code}`;
const repeat = (text: string, times: number): string => text.repeat(times);
/** JUMPDEST, the body, jump back. */
const loop = (body: string): string => hex(`5b${body}5f56`);
/** Calls `to` with this much of its empty memory as input, again and again. */
const callLoop = (to: string, inputBytes: number): string =>
  loop(`5f5f62${inputBytes.toString(16).padStart(6, "0")}5f5f73${to.slice(2)}5af150`);
const precompile = (number: number): string => `0x${number.toString(16).padStart(40, "0")}`;
const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

/** Length of base, exponent and modulus, then those. */
function modexp(bytes: number): string {
  const length = new Uint8Array(32);
  new DataView(length.buffer).setUint32(28, bytes);
  return bytesToHex(concatBytes(length, length, length, filled(3 * bytes, 0xfb)));
}

/** BLAKE2 F with this many rounds, each of which costs one gas (EIP-152). */
function blake2f(rounds: number): string {
  const input = filled(213, 7);
  new DataView(input.buffer).setUint32(0, rounds);
  input[212] = 1;
  return bytesToHex(input);
}

const SELF_CALL = "5f5f5f5f5f305af1";
const COPY_OF_ITSELF = "385f5f39385f5ff0";

/** Each runs until the gas, the depth or the time is used up. */
export const BOMBS: readonly Bomb[] = [
  { name: "endless loop", code: loop("") },
  { name: "endless arithmetic", code: loop(repeat("7fffffffffffffffffffffffffffffffff800a50", 1)) },
  { name: "endless exponentiation", code: loop(`7f${repeat("ff", 32)}7f${repeat("fe", 32)}0a50`) },
  { name: "endless hashing of memory", code: loop("6201000060002050") },
  {
    name: "endless growth of memory",
    code: loop("5959525959525959525959525959525959525959525959525959525959525959525959525959525950"),
  },
  { name: "endless copies of memory", code: loop("62010000600060015e") },
  { name: "endless reads of new slots", code: hex("5f5b8054506001018056") },
  { name: "endless reads of slots", code: loop("5a5450") },
  { name: "endless writes of slots", code: loop("5a5a55") },
  { name: "endless transient writes", code: loop("5a5a5d") },
  { name: "endless logs", code: loop("620100005fa0") },
  { name: "endless balances of others", code: loop("5a3150") },
  { name: "endless hashes of blocks", code: loop("5a4050") },
  { name: "endless calls of itself", code: hex(SELF_CALL) },
  { name: "tree of calls of itself", code: hex(repeat(`${SELF_CALL}50`, 8)) },
  { name: "tree of creations", code: hex(repeat(`${COPY_OF_ITSELF}50`, 4)) },
  { name: "endless creations", code: loop("5f5f5ff050") },
  { name: "huge answer", code: hex("62460000 5ff3".replaceAll(" ", "")) },
  { name: "huge revert", code: hex("62460000 5ffd".replaceAll(" ", "")) },
  { name: "huge memory at once", code: hex("67ffffffffffffffff51") },
  { name: "code of nothing but jump destinations", code: hex(`${repeat("5b", 600_000)}${SELF_CALL}`) },
  { name: "code of nothing but pushes", code: hex(repeat(`7f${repeat("5b", 32)}50`, 30_000)) },
  { name: "stack overflow", code: loop("58") },
  { name: "recovery, again and again", code: callLoop(precompile(1), 128) },
  { name: "sha256, again and again", code: callLoop(precompile(2), 65_536) },
  { name: "ripemd160, again and again", code: callLoop(precompile(3), 65_536) },
  { name: "identity, again and again", code: callLoop(precompile(4), 65_536) },
  { name: "pairings of nothing", code: callLoop(precompile(8), 192 * 32) },
  { name: "BLS pairings of nothing", code: callLoop(precompile(15), 384 * 8) },
  { name: "BLS sums of nothing", code: callLoop(precompile(12), 160 * 64) },
  { name: "modexp of 1,024 bytes", to: precompile(5), data: modexp(1_024) },
  { name: "modexp of 256 bytes", to: precompile(5), data: modexp(256) },
  { name: "modexp of more than is allowed", to: precompile(5), data: modexp(4_096) },
  { name: "blake2 of 40 million rounds", to: precompile(9), data: blake2f(40_000_000) },
  { name: "blake2 of 4 billion rounds", to: precompile(9), data: blake2f(2 ** 32 - 1) },
  { name: "pairing of 300 pairs", to: precompile(8), data: bytesToHex(filled(192 * 300, 0)) },
  { name: "BLS sum of 1,000", to: precompile(12), data: bytesToHex(filled(160 * 1_000, 0)) },
  { name: "BLS sum in G2 of 1,000", to: precompile(14), data: bytesToHex(filled(288 * 1_000, 0)) },
  { name: "BLS map", to: precompile(17), data: bytesToHex(filled(128, 1)) },
  { name: "KZG of nonsense", to: precompile(10), data: bytesToHex(filled(192, 1)) },
  { name: "datanets of nonsense", to: precompile(0x901), data: bytesToHex(filled(100_000, 0x11)) },
  { name: "models of nonsense", to: precompile(0x902), data: bytesToHex(filled(100_000, 0x22)) },
  { name: "attribution of nonsense", to: precompile(0x903), data: bytesToHex(filled(100_000, 0x33)) },
  { name: "attribution, again and again", code: callLoop(precompile(0x903), 4_096) },
];

const VICTIM = "0x00000000000000000000000000000000deadbeef";

/**
 * A request for this bomb by one of the methods that run calls. `gas` undefined: as much as the node allows. Simulations
 * are of many calls when `isHeavy`.
 */
export function bombRequest(
  { code, to, data }: Bomb,
  random: Random,
  gas: string | undefined,
  isHeavy: boolean,
): { readonly method: string; readonly params: readonly unknown[] } {
  const call = {
    from: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
    to: to ?? VICTIM,
    ...(data !== undefined && { data }),
    ...(gas !== undefined && { gas }),
  };
  const overrides = code === undefined ? {} : { [VICTIM]: { code } };
  switch (random.below(6)) {
    case 0:
      return { method: "eth_estimateGas", params: [call, "latest", overrides] };
    case 1:
      return { method: "eth_createAccessList", params: [call, "latest", overrides] };
    case 2: {
      const isMany = isHeavy && (data?.length ?? 0) < 10_000;
      const calls = Array.from({ length: isMany ? random.pick([1, 3, 50]) : 1 }, () => call);
      // What is overridden stays so in the blocks after it.
      const others = Array.from({ length: isMany ? random.pick([0, 3, 255]) : 0 }, () => ({ calls }));
      const blocks = [{ stateOverrides: overrides, calls }, ...others];
      return { method: "eth_simulateV1", params: [{ blockStateCalls: blocks, traceTransfers: random.chance(0.5) }] };
    }
    case 3: {
      const tracer = random.pick([
        {},
        { enableMemory: true, enableReturnData: true },
        { tracer: "callTracer", tracerConfig: { withLog: true } },
        { tracer: "prestateTracer", tracerConfig: { diffMode: true } },
        { tracer: "4byteTracer" },
        { tracer: "muxTracer", tracerConfig: { callTracer: {}, prestateTracer: {}, "4byteTracer": {} } },
      ]);
      return { method: "debug_traceCall", params: [call, "latest", { ...tracer, stateOverrides: overrides }] };
    }
    default:
      return { method: "eth_call", params: [call, "latest", overrides] };
  }
}
