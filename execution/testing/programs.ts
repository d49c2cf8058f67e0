/** Random EVM programs for differential tests: every snippet leaves the stack as it found it. */
import fc from "fast-check";
import { bigIntToFixed, concatBytes } from "../../core/bytes.ts";

const push = (value: bigint | number): Uint8Array => concatBytes(Uint8Array.of(0x7f), bigIntToFixed(BigInt(value), 32));
const pushBytes = (bytes: Uint8Array): Uint8Array => concatBytes(Uint8Array.of(0x5f + bytes.length), bytes);
const op = (...codes: number[]): Uint8Array => Uint8Array.from(codes);
const [POP, MSTORE, SLOAD, SSTORE, GAS] = [0x50, 0x52, 0x54, 0x55, 0x5a];
const [CREATE, CALL, CALLCODE, RETURN, DELEGATECALL, CREATE2, STATICCALL] = [0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xfa];

/** Puts `bytes` into memory from 0 on. */
function memory(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 32) {
    const word = new Uint8Array(32);
    word.set(bytes.subarray(at, at + 32));
    parts.push(concatBytes(op(0x7f), word), push(at), op(MSTORE));
  }
  return concatBytes(...parts);
}

/** Init code that runs `before` and deploys `code`. */
export function initCode(code: Uint8Array, before: Uint8Array = new Uint8Array(0)): Uint8Array {
  return concatBytes(before, memory(code), push(code.length), push(0), op(RETURN));
}

const slot = fc.integer({ min: 0, max: 3 });
const value = fc.integer({ min: 0, max: 2 });
const toSlot = (body: Uint8Array) => slot.map((key) => concatBytes(body, push(key), op(SSTORE)));

/** Every value that a block or transaction gives to the EVM. */
const CONTEXT = [
  0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3a, 0x3d, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x4a, 0x58, 0x59,
  0x5a,
];
const LAST_WORDS = [
  op(0xfe),
  op(0x00),
  op(0x56),
  op(0x01),
  concatBytes(push(0), push(0), op(0xfd)),
  concatBytes(push(64), push(0), op(0xfd)),
];

/** Straight-line code that touches, calls, creates and destroys around the given addresses. */
export function program(addresses: readonly Uint8Array[], blockNumber: bigint): fc.Arbitrary<Uint8Array> {
  const address = fc.constantFrom(...addresses).map(pushBytes);
  const call = fc
    .record({
      code: fc.constantFrom(CALL, CALLCODE, DELEGATECALL, STATICCALL),
      to: address,
      value,
      size: fc.constantFrom(0, 5, 64, 96, 128, 192, 213, 256, 288, 384),
      gas: fc.constantFrom(undefined, 1, 700, 2_500, 30_000),
      key: slot,
    })
    .map(({ code, to, value, size, gas, key }) =>
      concatBytes(
        ...[push(64), push(0), push(size), push(0)],
        code === CALL || code === CALLCODE ? push(value) : op(),
        to,
        gas === undefined ? op(GAS) : push(gas),
        op(code),
        ...[push(key), op(SSTORE)],
      ),
    );
  const deployed = fc.oneof(
    fc.constantFrom(op(), op(0x00), op(0xef), op(0xef, 1, 0), op(0x5b, 0x5b)),
    address.map((beneficiary) => concatBytes(beneficiary, op(0xff))),
    fc.tuple(slot, value).map(([key, v]) => concatBytes(push(v), push(key), op(SSTORE))),
  );
  const setup = fc.oneof(
    fc.constant(op()),
    fc.tuple(slot, value).map(([key, v]) => concatBytes(push(v), push(key), op(SSTORE))),
    address.map((beneficiary) => concatBytes(beneficiary, op(0xff))),
    fc.constantFrom(...LAST_WORDS),
  );
  const create = fc
    .record({ code: fc.constantFrom(CREATE, CREATE2), deployed, setup, value, key: slot, callIt: fc.boolean() })
    .map(({ code, deployed, setup, value, key, callIt }) => {
      const init = initCode(deployed, setup);
      const created = concatBytes(
        memory(init),
        code === CREATE2 ? push(7) : op(),
        ...[push(init.length), push(0), push(value), op(code)],
      );
      if (!callIt) return concatBytes(created, push(key), op(SSTORE));
      const zeros = concatBytes(push(0), push(0), push(0), push(0), push(1));
      return concatBytes(created, zeros, op(0x85, GAS, CALL, POP, POP));
    });

  const snippet = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(slot, value).map(([key, v]) => concatBytes(push(v), push(key), op(SSTORE))) },
    { weight: 2, arbitrary: slot.map((key) => concatBytes(push(key), op(SLOAD, POP))) },
    { weight: 1, arbitrary: fc.tuple(slot, value).map(([key, v]) => concatBytes(push(v), push(key), op(0x5d))) },
    { weight: 1, arbitrary: slot.chain((key) => toSlot(concatBytes(push(key), op(0x5c)))) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.integer({ min: 0, max: 4 }), fc.constantFrom(0, 1, 40))
        .map(([n, size]) =>
          concatBytes(...Array.from({ length: n }, (_, i) => push(i)), push(size), push(0), op(0xa0 + n)),
        ),
    },
    { weight: 2, arbitrary: fc.constantFrom(...CONTEXT).chain((code) => toSlot(op(code))) },
    {
      weight: 1,
      arbitrary: fc
        .integer({ min: -1, max: 300 })
        .chain((back) => toSlot(concatBytes(push(BigInt.asUintN(64, blockNumber - BigInt(back))), op(0x40)))),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(address, fc.constantFrom(0x31, 0x3b, 0x3f))
        .chain(([a, code]) => toSlot(concatBytes(a, op(code)))),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(0, 33, 200).chain((size) => toSlot(concatBytes(push(size), push(0), op(0x20)))),
    },
    {
      weight: 1,
      arbitrary: fc.constant(concatBytes(push(60), push(0), push(3), op(0x37), push(40), push(1), push(9), op(0x5e))),
    },
    { weight: 5, arbitrary: call },
    { weight: 2, arbitrary: create },
  );
  const last = fc.oneof(
    { weight: 6, arbitrary: fc.constant(op()) },
    { weight: 2, arbitrary: fc.constantFrom(...LAST_WORDS) },
    { weight: 1, arbitrary: address.map((beneficiary) => concatBytes(beneficiary, op(0xff))) },
  );
  return fc
    .tuple(fc.array(snippet, { minLength: 1, maxLength: 6 }), last)
    .map(([snippets, end]) => concatBytes(...snippets, end));
}
