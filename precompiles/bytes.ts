/** Small byte helpers of the precompiles. */
import { equalsBytes } from "../core/bytes.ts";
import { compileList, encode } from "./codec.ts";

export const sameBytes: (a: Uint8Array, b: Uint8Array) => boolean = equalsBytes;

const three = compileList(
  ["a", "b", "c"].map((name) => ({ name, type: "string" })),
  {},
);
const two = compileList(
  ["a", "b"].map((name) => ({ name, type: "string" })),
  {},
);

/** abi.encode of two or three strings. */
export const encodeStrings = (a: Uint8Array, b: Uint8Array, c?: Uint8Array): Uint8Array =>
  c === undefined ? encode(two, { a, b }, new Uint8Array(0)) : encode(three, { a, b, c }, new Uint8Array(0));
