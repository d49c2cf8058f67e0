/** Bytes that are almost right, and bytes that are not. */
import type { Random } from "../sim/random.ts";

const EDGES = [0x00, 0x01, 0x7f, 0x80, 0xb7, 0xb8, 0xc0, 0xf7, 0xf8, 0xfe, 0xff];

export function randomBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = random.bits();
  return bytes;
}

/** Short ones more often than long ones. */
export const noise = (random: Random, longest: number): Uint8Array =>
  randomBytes(random, Math.floor(longest * random.real() ** 4));

type Mutation = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array;

const position = (bytes: Uint8Array, random: Random): number => random.below(bytes.length + 1);

const MUTATIONS: readonly Mutation[] = [
  // One bit.
  (bytes, random) => {
    if (bytes.length > 0) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    return bytes;
  },
  // One byte, often one that means something.
  (bytes, random) => {
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.chance(0.5) ? random.pick(EDGES) : random.bits();
    return bytes;
  },
  // A number of four or eight bytes: none, all, or any.
  (bytes, random) => {
    const at = position(bytes, random);
    const value = random.pick([0, 0xff, undefined]);
    for (let i = at; i < Math.min(bytes.length, at + random.pick([4, 8])); i++) bytes[i] = value ?? random.bits();
    return bytes;
  },
  (bytes, random) => bytes.slice(0, position(bytes, random)),
  (bytes, random) => bytes.slice(position(bytes, random)),
  (bytes, random) => {
    const at = position(bytes, random);
    return concat(bytes.subarray(0, at), noise(random, 64), bytes.subarray(at));
  },
  // A piece is missing, twice there, or from elsewhere.
  (bytes, random) => {
    const [from, to] = [position(bytes, random), position(bytes, random)].sort((a, b) => a - b) as [number, number];
    return concat(bytes.subarray(0, from), bytes.subarray(to));
  },
  (bytes, random) => {
    const [from, to] = [position(bytes, random), position(bytes, random)].sort((a, b) => a - b) as [number, number];
    return concat(bytes.subarray(0, to), bytes.subarray(from));
  },
  (bytes, random, others) => {
    const other = random.pick(others);
    return concat(bytes.subarray(0, position(bytes, random)), other.subarray(position(other, random)));
  },
];

/** A copy of one of the samples with one to four changes. Precondition: there is a sample. */
export function mutate(samples: readonly Uint8Array[], random: Random): Uint8Array {
  let bytes: Uint8Array = random.pick(samples).slice();
  const changes = 1 + Math.floor(4 * random.real() ** 2);
  for (let change = 0; change < changes; change++) bytes = random.pick(MUTATIONS)(bytes, random, samples);
  return bytes;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
