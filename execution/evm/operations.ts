/**
 * Opcodes of the host's own loop, as functions on a frame: what most code consists of, with the results, prices and
 * errors of @ethereumjs/evm under Prague and Osaka. The others come from its own table.
 */
import { EVMError } from "@ethereumjs/evm";
import { EMPTY_BYTES } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import type { CodeFrame } from "./code-frame.ts";
import { pushedAt } from "./jump-analysis.ts";
import { load, store } from "./storage-operations.ts";
import { copyTo, integerOf, readPadded, readWord, wordBytes, writeWord } from "./words.ts";

/** What an opcode does, its price paid. A promise only when there is something to wait for. */
export type Operation = (frame: CodeFrame) => Promise<void> | void;
type Synchronous = (frame: CodeFrame) => void;
/** Pays itself: `fee` is the part that does not depend on the frame. */
export type Priced = (fee: number) => Synchronous;

const COPY_WORD_GAS = 3;
const KECCAK_WORD_GAS = 6;
const EXP_BYTE_GAS = 50;
const LOG_TOPIC_GAS = 375;
const LOG_BYTE_GAS = 8;
/** Sizes beyond cost more than a frame has. */
const MAX_SIZE = 1n << 40n;

const { INVALID_JUMP, REVERT, STACK_UNDERFLOW, STATIC_STATE_CHANGE } = EVMError.errorMessages;

const WORD_BITS = 256n;
const MAX_WORD = 2n ** 256n - 1n;
const SIGN_BIT = 1n << 255n;

const unary =
  (of: (a: bigint) => bigint): Synchronous =>
  (frame) => {
    frame.need(1);
    const { stack, height } = frame;
    stack[height - 1] = of(stack[height - 1]!);
  };

const binary =
  (of: (a: bigint, b: bigint) => bigint): Synchronous =>
  (frame) => {
    frame.need(2);
    const { stack, height } = frame;
    stack[height - 2] = of(stack[height - 1]!, stack[height - 2]!);
    frame.height = height - 1;
  };

const given =
  (of: (frame: CodeFrame) => bigint): Synchronous =>
  (frame) =>
    frame.push(of(frame));

const truth = (value: boolean): bigint => (value ? 1n : 0n);
/** Two's complement numbers compare as these do. */
const signed = (a: bigint): bigint => a ^ SIGN_BIT;

const push =
  (bytes: number): Synchronous =>
  (frame) => {
    const at = frame.pc;
    const { pushes } = frame.code;
    let value = pushes?.[at];
    if (value === undefined) {
      value = pushedAt(frame.code.bytes, at);
      if (pushes !== undefined) pushes[at] = value;
    }
    frame.push(value);
    frame.pc = at + bytes;
  };

const duplicate =
  (depth: number): Synchronous =>
  (frame) => {
    frame.need(depth);
    frame.push(frame.stack[frame.height - depth]!);
  };

const swap =
  (depth: number): Synchronous =>
  (frame) => {
    const { stack, height } = frame;
    if (height <= depth) throw new EVMError(STACK_UNDERFLOW);
    const top = stack[height - 1]!;
    stack[height - 1] = stack[height - 1 - depth]!;
    stack[height - 1 - depth] = top;
  };

function jumpTo(frame: CodeFrame, destination: bigint): void {
  // Positions beyond the end are undefined.
  if (frame.code.jumps[Number(destination)] !== 1) throw new EVMError(INVALID_JUMP);
  frame.pc = Number(destination);
}

/** Copies from `of` to memory, zeros where it has no more. */
const copy =
  (of: (frame: CodeFrame) => Uint8Array): Priced =>
  (fee) =>
  (frame) => {
    frame.need(3);
    const { stack, height } = frame;
    const [to, from, length] = [stack[height - 1]!, stack[height - 2]!, stack[height - 3]!];
    frame.reach(to, length, fee + wordsOf(length) * COPY_WORD_GAS);
    frame.height = height - 3;
    if (length > 0n) copyTo(frame.memory, Number(to), of(frame), from, Number(length));
  };

const wordsOf = (bytes: bigint): number =>
  bytes > MAX_SIZE ? Number.POSITIVE_INFINITY : Math.ceil(Number(bytes) / 32);

const log =
  (topics: number): Priced =>
  (fee) =>
  (frame) => {
    if (frame.runState.env.isStatic) throw new EVMError(STATIC_STATE_CHANGE);
    frame.need(2);
    const { stack, height } = frame;
    const [offset, length] = [stack[height - 1]!, stack[height - 2]!];
    frame.reach(offset, length, fee + topics * LOG_TOPIC_GAS + Number(length) * LOG_BYTE_GAS);
    frame.need(2 + topics);
    const words: Uint8Array[] = [];
    for (let i = 0; i < topics; i++) words.push(wordBytes(stack[height - 3 - i]!));
    frame.height = height - 2 - topics;
    frame.result.logs.push([frame.self, words, frame.read(offset, length)]);
  };

const end =
  (finish: (frame: CodeFrame, output: Uint8Array) => void): Priced =>
  (fee) =>
  (frame) => {
    frame.need(2);
    const { stack, height } = frame;
    const [offset, length] = [stack[height - 1]!, stack[height - 2]!];
    frame.reach(offset, length, fee);
    finish(frame, frame.read(offset, length));
  };

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) & MAX_WORD;
    square = (square * square) & MAX_WORD;
  }
  return result;
}

/** By opcode; paid by the loop. */
export const OPERATIONS: ReadonlyMap<number, Synchronous> = new Map<number, Synchronous>([
  [0x00, (frame) => frame.halt(undefined)],
  [0x01, binary((a, b) => (a + b) & MAX_WORD)],
  [0x02, binary((a, b) => (a * b) & MAX_WORD)],
  [0x03, binary((a, b) => BigInt.asUintN(256, a - b))],
  [0x04, binary((a, b) => (b === 0n ? 0n : a / b))],
  [0x06, binary((a, b) => (b === 0n ? 0n : a % b))],
  [0x10, binary((a, b) => truth(a < b))],
  [0x11, binary((a, b) => truth(a > b))],
  [0x12, binary((a, b) => truth(signed(a) < signed(b)))],
  [0x13, binary((a, b) => truth(signed(a) > signed(b)))],
  [0x14, binary((a, b) => truth(a === b))],
  [0x15, unary((a) => truth(a === 0n))],
  [0x16, binary((a, b) => a & b)],
  [0x17, binary((a, b) => a | b)],
  [0x18, binary((a, b) => a ^ b)],
  [0x19, unary((a) => a ^ MAX_WORD)],
  [0x1b, binary((shift, a) => (shift >= WORD_BITS ? 0n : BigInt.asUintN(256, a << shift)))],
  [0x1c, binary((shift, a) => (shift >= WORD_BITS ? 0n : a >> shift))],
  [0x30, given((frame) => integerOf(frame.self))],
  [0x33, given((frame) => integerOf(frame.runState.env.caller.bytes))],
  [0x34, given((frame) => frame.runState.env.callValue)],
  [0x35, unaryOnFrame((frame, offset) => readPadded(frame.runState.env.callData, offset))],
  [0x36, given((frame) => BigInt(frame.runState.env.callData.length))],
  [0x38, given((frame) => BigInt(frame.end))],
  [0x3d, given((frame) => BigInt(frame.runState.returnBytes.length))],
  [0x50, (frame) => void frame.pop()],
  [0x56, (frame) => jumpTo(frame, frame.pop())],
  [
    0x57,
    (frame) => {
      frame.need(2);
      const { stack, height } = frame;
      frame.height = height - 2;
      if (stack[height - 2] !== 0n) jumpTo(frame, stack[height - 1]!);
    },
  ],
  [0x58, given((frame) => BigInt(frame.pc - 1))],
  [0x59, given((frame) => BigInt(frame.words * 32))],
  [0x5a, given((frame) => BigInt(frame.gas))],
  [0x5b, () => {}],
  [0x5f, (frame) => frame.push(0n)],
  ...Array.from({ length: 32 }, (_, i) => [0x60 + i, push(i + 1)] as const),
  ...Array.from({ length: 16 }, (_, i) => [0x80 + i, duplicate(i + 1)] as const),
  ...Array.from({ length: 16 }, (_, i) => [0x90 + i, swap(i + 1)] as const),
]);

/** By opcode; what their price depends on is looked at first, as @ethereumjs/evm does. */
export const PRICED_OPERATIONS: ReadonlyMap<number, Priced> = new Map<number, Priced>([
  [
    0x0a,
    (fee) => (frame) => {
      frame.need(2);
      const { stack, height } = frame;
      const exponent = stack[height - 2]!;
      const bytes = exponent === 0n ? 0 : Math.ceil(exponent.toString(16).length / 2);
      frame.use(fee + bytes * EXP_BYTE_GAS);
      stack[height - 2] = power(stack[height - 1]!, exponent);
      frame.height = height - 1;
    },
  ],
  [
    0x20,
    (fee) => (frame) => {
      frame.need(2);
      const { stack, height } = frame;
      const [offset, length] = [stack[height - 1]!, stack[height - 2]!];
      frame.reach(offset, length, fee + wordsOf(length) * KECCAK_WORD_GAS);
      const start = Number(offset);
      const bytes = length === 0n ? EMPTY_BYTES : frame.memory.subarray(start, start + Number(length));
      stack[height - 2] = integerOf(keccak256(bytes));
      frame.height = height - 1;
    },
  ],
  [0x37, copy((frame) => frame.runState.env.callData)],
  [0x39, copy((frame) => frame.code.bytes)],
  [0x3e, returnDataCopy],
  [
    0x51,
    (fee) => (frame) => {
      frame.need(1);
      const { stack, height } = frame;
      const offset = stack[height - 1]!;
      frame.reach(offset, 32n, fee);
      stack[height - 1] = readWord(frame.view, Number(offset));
    },
  ],
  [
    0x52,
    (fee) => (frame) => {
      frame.need(1);
      const { stack, height } = frame;
      const offset = stack[height - 1]!;
      frame.reach(offset, 32n, fee);
      frame.need(2);
      writeWord(frame.view, Number(offset), stack[height - 2]!);
      frame.height = height - 2;
    },
  ],
  [
    0x53,
    (fee) => (frame) => {
      frame.need(1);
      const { stack, height } = frame;
      const offset = stack[height - 1]!;
      frame.reach(offset, 1n, fee);
      frame.need(2);
      frame.memory[Number(offset)] = Number(stack[height - 2]! & 0xffn);
      frame.height = height - 2;
    },
  ],
  [0x54, load],
  [0x55, store],
  [
    0x5e,
    (fee) => (frame) => {
      frame.need(3);
      const { stack, height } = frame;
      const [to, from, length] = [stack[height - 1]!, stack[height - 2]!, stack[height - 3]!];
      const furthest = to > from ? to : from;
      frame.reach(furthest, length, fee + wordsOf(length) * COPY_WORD_GAS);
      frame.height = height - 3;
      if (length > 0n) frame.memory.copyWithin(Number(to), Number(from), Number(from) + Number(length));
    },
  ],
  ...Array.from({ length: 5 }, (_, topics) => [0xa0 + topics, log(topics)] as const),
  [0xf3, end((frame, output) => frame.halt(output))],
  [
    0xfd,
    end((frame, output) => {
      frame.halt(output);
      throw new EVMError(REVERT);
    }),
  ],
]);

function unaryOnFrame(of: (frame: CodeFrame, a: bigint) => bigint): Synchronous {
  return (frame) => {
    frame.need(1);
    const { stack, height } = frame;
    stack[height - 1] = of(frame, stack[height - 1]!);
  };
}

/** EIP-211: unlike other copies it may not read beyond the end. */
function returnDataCopy(fee: number): Synchronous {
  const copyData = copy((frame) => frame.runState.returnBytes)(fee);
  return (frame) => {
    frame.need(3);
    const { stack, height } = frame;
    const { returnBytes } = frame.runState;
    if (stack[height - 2]! + stack[height - 3]! > BigInt(returnBytes.length)) frame.use(Number.POSITIVE_INFINITY);
    copyData(frame);
  };
}
