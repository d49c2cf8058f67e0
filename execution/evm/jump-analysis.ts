/**
 * Where code may jump to. @ethereumjs/evm looks through the whole code at the first jump of every call, and converts
 * every PUSH: 5 ms for 24 KB that a warm call (100 gas) reaches, so a transaction of 16 M gas took 79 s. Here a call
 * costs one pass over the bytes; what the interpreter asks per position is computed when it asks, until the code was
 * called often enough for the tables to pay.
 */
import { interpreterPrototype } from "./stock-interpreter.ts";
import { integerOf } from "./words.ts";

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

/** What the host's own loop wants to know of code. */
export class AnalysedCode {
  readonly bytes: Uint8Array;
  /** By position of their data, filled as they are pushed; undefined for code that is not called often. */
  readonly pushes: (bigint | undefined)[] | undefined;
  #jumps: Uint8Array | undefined;

  constructor(bytes: Uint8Array, isCalledOften: boolean) {
    this.bytes = bytes;
    this.pushes = isCalledOften ? new Array(bytes.length) : undefined;
  }

  /** 1 where a jump may go. */
  get jumps(): Uint8Array {
    this.#jumps ??= jumpDestinations(this.bytes);
    return this.#jumps;
  }
}

/**
 * Analyses of the code that one EVM runs: `analyse` for what is called often, `analyseOnce` for the rest. Code is known
 * by its array, so it must not be written.
 */
export class CodeAnalyses<T> {
  readonly #analyse: (code: Uint8Array) => T;
  readonly #analyseOnce: (code: Uint8Array) => T;
  readonly #calls = new WeakMap<Uint8Array, number>();
  /** The one used longest ago first. */
  readonly #kept = new Map<Uint8Array, T>();
  readonly #maxKeptBytes: number;
  #keptBytes = 0;
  /** The one used last, which mostly is the next one, too. */
  #last: { readonly code: Uint8Array; readonly analysis: T } | undefined;

  constructor(analyse: (code: Uint8Array) => T, analyseOnce: (code: Uint8Array) => T, keptBytes = KEPT_BYTES) {
    this.#analyse = analyse;
    this.#analyseOnce = analyseOnce;
    this.#maxKeptBytes = keptBytes;
  }

  of(code: Uint8Array): T {
    if (this.#last?.code === code) return this.#last.analysis;
    const known = this.#kept.get(code);
    if (known !== undefined) {
      this.#kept.delete(code);
      this.#kept.set(code, known);
      this.#last = { code, analysis: known };
      return known;
    }
    const calls = (this.#calls.get(code) ?? 0) + 1;
    this.#calls.set(code, calls);
    if (calls * BYTES_A_CALL < code.length) return this.#analyseOnce(code);
    const analysis = this.#analyse(code);
    this.#keep(code, analysis);
    return analysis;
  }

  #keep(code: Uint8Array, analysis: T): void {
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

/** For the stock loop, which reads the opcode table of its EVM. */
export const jumpAnalyses = (opcodes: readonly Opcode[], keptBytes?: number): CodeAnalyses<JumpAnalysis> =>
  new CodeAnalyses(
    (code) => analyse(code, opcodes),
    (code) => analyseOnDemand(code, opcodes),
    keptBytes,
  );

/** For the host's own loop. */
export const analysedCodes = (): CodeAnalyses<AnalysedCode> =>
  new CodeAnalyses(
    (bytes) => new AnalysedCode(bytes, true),
    (bytes) => new AnalysedCode(bytes, false),
  );

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
  if (length <= 6) {
    let value = 0;
    for (let i = 0; i < length; i++) value = value * 256 + (code[position + i] ?? 0);
    return BigInt(value);
  }
  const missing = Math.max(0, position + length - code.length);
  return integerOf(code.subarray(position, position + length)) << BigInt(8 * missing);
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

interface WithJumps {
  readonly _evm: object;
  _getValidJumpDestinations(code: Uint8Array): JumpAnalysis;
}

const byEvm = new WeakMap<object, CodeAnalyses<JumpAnalysis>>();

/** Interpreters of `evm` use the analyses from now on. */
export function useJumpAnalyses(evm: object, analyses: CodeAnalyses<JumpAnalysis>): void {
  byEvm.set(evm, analyses);
}

const interpreter = interpreterPrototype as WithJumps;
const original = interpreter._getValidJumpDestinations;
if (typeof original !== "function") {
  throw new Error("@ethereumjs/evm finds jump destinations in another way than this module replaces");
}
interpreter._getValidJumpDestinations = function (code) {
  return byEvm.get(this._evm)?.of(code) ?? original.call(this, code);
};
