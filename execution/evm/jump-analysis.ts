/**
 * Where code may jump to. @ethereumjs/evm looks through the whole code at the first jump of every call, and converts
 * every PUSH: 5 ms for 24 KB that a warm call (100 gas) reaches, so a transaction of 16 M gas took 79 s. Here a call
 * costs one pass over the bytes; what the interpreter asks per position is computed when it asks, until the code was
 * called often enough for the tables to pay.
 */
import { createEVM } from "@ethereumjs/evm";
import { bytesToBigInt } from "../../core/bytes.ts";
import { createCommon } from "../rules.ts";
import { LayerStateManager } from "../state/ethereumjs-adapter.ts";
import { OverlayLayer } from "../state/layer.ts";

/** An entry of the interpreter's opcode table. */
type Opcode = object;

/** What @ethereumjs/evm's interpreter wants; `pushes` and `opcodesCached` by position. */
export interface JumpAnalysis {
  readonly jumps: Uint8Array;
  readonly pushes: Readonly<Record<number, bigint>>;
  readonly opcodesCached: readonly (Opcode | undefined)[];
}

const JUMPDEST = 0x5b;
const PUSH1 = 0x60;
const PUSH32 = 0x7f;

/** Calls that code of this many bytes needs for its tables to pay: making them costs about 200 ns a byte. */
const BYTES_A_CALL = 32;
/** Of code whose tables are kept, some 50 bytes each. */
const KEPT_BYTES = 512 * 1024;

/** Analyses for the interpreters of one EVM; code is known by its array, so it must not be written. */
export class JumpAnalyses {
  readonly #opcodes: readonly Opcode[];
  readonly #calls = new WeakMap<Uint8Array, number>();
  /** The one used longest ago first. */
  readonly #kept = new Map<Uint8Array, JumpAnalysis>();
  readonly #maxKeptBytes: number;
  #keptBytes = 0;

  constructor(opcodes: readonly Opcode[], keptBytes = KEPT_BYTES) {
    this.#opcodes = opcodes;
    this.#maxKeptBytes = keptBytes;
  }

  of(code: Uint8Array): JumpAnalysis {
    const known = this.#kept.get(code);
    if (known !== undefined) {
      this.#kept.delete(code);
      this.#kept.set(code, known);
      return known;
    }
    const calls = (this.#calls.get(code) ?? 0) + 1;
    this.#calls.set(code, calls);
    if (calls * BYTES_A_CALL < code.length) return analyseOnDemand(code, this.#opcodes);
    const analysis = analyse(code, this.#opcodes);
    this.#keep(code, analysis);
    return analysis;
  }

  #keep(code: Uint8Array, analysis: JumpAnalysis): void {
    this.#kept.set(code, analysis);
    this.#keptBytes += code.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes <= this.#maxKeptBytes) return;
      this.#kept.delete(oldest);
      this.#calls.delete(oldest);
      this.#keptBytes -= oldest.length;
    }
  }
}

/** Positions of JUMPDEST that are not data of a PUSH. */
export function jumpDestinations(code: Uint8Array): Uint8Array {
  const jumps = new Uint8Array(code.length);
  for (let i = 0; i < code.length; i++) {
    const opcode = code[i]!;
    if (opcode === JUMPDEST) jumps[i] = 1;
    else if (opcode >= PUSH1 && opcode <= PUSH32) i += opcode - PUSH1 + 1;
  }
  return jumps;
}

/** What the PUSH whose data start at `position` pushes; code ends in zeros. */
export function pushedAt(code: Uint8Array, position: number): bigint {
  const length = code[position - 1]! - PUSH1 + 1;
  const missing = Math.max(0, position + length - code.length);
  const there = code.subarray(position, position + length);
  return (there.length === 0 ? 0n : bytesToBigInt(there)) << BigInt(8 * missing);
}

function analyse(code: Uint8Array, opcodes: readonly Opcode[]): JumpAnalysis {
  const pushes: Record<number, bigint> = {};
  const opcodesCached = new Array<Opcode | undefined>(code.length);
  for (let i = 0; i < code.length; i++) {
    const opcode = code[i]!;
    opcodesCached[i] = opcodes[opcode];
    if (opcode < PUSH1 || opcode > PUSH32) continue;
    pushes[i + 1] = pushedAt(code, i + 1);
    i += opcode - PUSH1 + 1;
  }
  return { jumps: jumpDestinations(code), pushes, opcodesCached };
}

function analyseOnDemand(code: Uint8Array, opcodes: readonly Opcode[]): JumpAnalysis {
  return {
    jumps: jumpDestinations(code),
    pushes: new Proxy<Record<number, bigint>>({}, { get: (_, position) => pushedAt(code, Number(position)) }),
    opcodesCached: new Proxy<Opcode[]>([], { get: (_, position) => opcodes[code[Number(position)]!] }),
  };
}

interface Interpreter {
  readonly _evm: object;
  _getValidJumpDestinations(code: Uint8Array): JumpAnalysis;
}

const byEvm = new WeakMap<object, JumpAnalyses>();

/** Interpreters of `evm` use the analyses from now on. */
export function useJumpAnalyses(evm: object, analyses: JumpAnalyses): void {
  byEvm.set(evm, analyses);
}

/** The class is not exported, so an opcode of a throw-away EVM hands it out. */
async function interpreterPrototype(): Promise<Interpreter> {
  let prototype: Interpreter | undefined;
  const logicFunction = (runState: { readonly interpreter: object }) => {
    prototype = Object.getPrototypeOf(runState.interpreter) as Interpreter;
  };
  const customOpcodes = [{ opcode: 0x0c, opcodeName: "CAPTURE", baseFee: 1, logicFunction }];
  const common = createCommon({ chainId: 1n, hardfork: "prague" });
  const evm = await createEVM({ common, stateManager: new LayerStateManager(new OverlayLayer()), customOpcodes });
  await evm.runCode({ code: Uint8Array.of(0x0c), gasLimit: 100n });
  if (typeof prototype?._getValidJumpDestinations !== "function") {
    throw new Error("@ethereumjs/evm finds jump destinations in another way than this module replaces");
  }
  return prototype;
}

const interpreter = await interpreterPrototype();
const original = interpreter._getValidJumpDestinations;
interpreter._getValidJumpDestinations = function (code) {
  return byEvm.get(this._evm)?.of(code) ?? original.call(this, code);
};
