/**
 * Strict ABI codec, compiled once from the `as const` ABIs in interfaces/.
 *
 * Decoding accepts canonical encodings only: whole words, exact padding with zeros, bool 0 or 1, enums in range, UTF-8
 * strings, offsets that lay the dynamic parts out in order without gaps or overlap, and no byte after them. So calldata
 * either is refused or encodes back to the same bytes, and what is allocated is bounded by the calldata itself.
 *
 * Values: uint8 to uint32 and enums are numbers, wider integers bigints; address, bytesN and bytes are Uint8Arrays;
 * tuples are objects by field name. A string stays its UTF-8 bytes: precompiles only measure, hash and forward it.
 */
export interface Param {
  readonly name?: string;
  readonly type: string;
  readonly internalType?: string;
  readonly indexed?: boolean;
  readonly components?: readonly Param[];
}

type Elementary = {
  uint8: number;
  uint16: number;
  uint32: number;
  uint64: bigint;
  uint128: bigint;
  uint256: bigint;
  address: Uint8Array;
  bool: boolean;
  bytes32: Uint8Array;
  bytes: Uint8Array;
  string: Uint8Array;
};

export type Value<P extends Param> = P["type"] extends keyof Elementary
  ? Elementary[P["type"]]
  : P["type"] extends `${infer Item}[]`
    ? readonly Value<{ type: Item; components: NonNullable<P["components"]> }>[]
    : P["type"] extends "tuple"
      ? Fields<NonNullable<P["components"]>>
      : never;

export type Fields<Params extends readonly Param[]> = {
  readonly [P in Params[number] as P["name"] extends string ? P["name"] : never]: Value<P>;
};

/** Members of each enum by its Solidity name: the ABI does not say. */
export type EnumSizes = Readonly<Record<string, number>>;

/** The calldata is not canonical. */
export class NonCanonical extends Error {}

/** How one ABI type is read and written. Positions are byte offsets; `at` is where the type's own encoding starts. */
export interface Codec {
  readonly dynamic: boolean;
  /** Bytes of the encoding when static; of the tuple's head when it is a dynamic tuple. */
  readonly headBytes: number;
  read(reader: Reader, at: number): unknown;
  /** Bytes of the whole encoding, not counting an offset that points to it. */
  sizeOf(value: unknown): number;
  write(view: DataView, at: number, value: unknown): void;
}

/** `next` is where the next dynamic part must start. */
interface Reader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  next: number;
}

/** Reads `bytes` from `start` to the end as the parameter list. Throws NonCanonical. */
export function decode(codec: Codec, bytes: Uint8Array, start: number): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader: Reader = { bytes, view, next: start };
  const value = readPart(codec, reader);
  if (reader.next !== bytes.length) throw new NonCanonical("bytes after the arguments");
  return value;
}

/** Writes the value after `prefix`. Throws RangeError when a number does not fit its type. */
export function encode(codec: Codec, value: unknown, prefix: Uint8Array): Uint8Array {
  const size = prefix.length + codec.sizeOf(value);
  // V8 keeps short arrays on its heap and moves them out for a DataView, which costs more than the encoding.
  const isShort = size <= short.length;
  const out = isShort ? short : new Uint8Array(size);
  if (isShort) out.fill(0);
  out.set(prefix);
  codec.write(isShort ? shortView : new DataView(out.buffer), prefix.length, value);
  return isShort ? out.slice(0, size) : out;
}

const short = new Uint8Array(64);
const shortView = new DataView(short.buffer);

export function compile(param: Param, enums: EnumSizes): Codec {
  const { type } = param;
  if (type.endsWith("[]")) return arrayCodec(compile({ ...param, type: type.slice(0, -2) }, enums));
  if (type === "tuple") return tupleCodec(param.components ?? [], enums);
  if (type === "string") return bytesCodec(true);
  if (type === "bytes") return bytesCodec(false);
  if (type === "bool") return boolCodec;
  if (type === "address") return fixedBytesCodec(12, 20);
  if (type === "bytes32") return fixedBytesCodec(0, 32);
  if (param.internalType?.startsWith("enum ")) {
    const members = enums[param.internalType.slice(5)];
    if (members === undefined) throw new Error(`size of ${param.internalType} is not declared`);
    return smallUintCodec(members - 1);
  }
  const bits = /^uint(\d+)$/.exec(type)?.[1];
  if (bits === undefined) throw new Error(`ABI type ${type} is not supported`);
  return Number(bits) <= 32 ? smallUintCodec(2 ** Number(bits) - 1) : bigUintCodec(BigInt(bits));
}

/** abi.encode of strings. */
export function encodeStrings(...texts: readonly Uint8Array[]): Uint8Array {
  const codec = compileList(
    texts.map((_, i) => ({ name: `${i}`, type: "string" })),
    {},
  );
  return encode(codec, { ...texts }, new Uint8Array(0));
}

/** A parameter list, as a tuple by name. */
export const compileList = (params: readonly Param[], enums: EnumSizes): Codec => tupleCodec(params, enums);

const WORD = 32;
const padded = (length: number): number => Math.ceil(length / WORD) * WORD;

function require(condition: boolean, what: string): asserts condition {
  if (!condition) throw new NonCanonical(what);
}

function requireZeros(bytes: Uint8Array, from: number, to: number): void {
  for (let i = from; i < to; i++) require(bytes[i] === 0, "padding is not zero");
}

/** Reads the part that starts at `reader.next` and moves behind it. */
function readPart(codec: Codec, reader: Reader): unknown {
  const at = reader.next;
  require(at + codec.headBytes <= reader.bytes.length, "calldata is too short");
  reader.next = at + codec.headBytes;
  return codec.read(reader, at);
}

/** Reads an offset, relative to `base`: it must point to where the next part is due. */
function readOffset(reader: Reader, at: number, base: number): void {
  require(readLength(reader, at) === reader.next - base, "offset is not in canonical order");
}

/** A length or offset. Above 2^32 it cannot be met by any calldata. */
function readLength({ bytes, view }: Reader, at: number): number {
  requireZeros(bytes, at, at + 28);
  return view.getUint32(at + 28);
}

/** Heads of `codecs` from `at`, then their dynamic parts. */
function writeParts(view: DataView, at: number, codecs: readonly Codec[], values: readonly unknown[]): void {
  let head = at;
  let tail = at;
  for (const codec of codecs) tail += codec.dynamic ? WORD : codec.headBytes;
  for (let i = 0; i < codecs.length; i++) {
    const codec = codecs[i]!;
    if (codec.dynamic) {
      view.setUint32(head + 28, tail - at);
      codec.write(view, tail, values[i]);
      tail += codec.sizeOf(values[i]);
      head += WORD;
    } else {
      codec.write(view, head, values[i]);
      head += codec.headBytes;
    }
  }
}

function tupleCodec(params: readonly Param[], enums: EnumSizes): Codec {
  const names = params.map((param, i) => param.name || `${i}`);
  const codecs = params.map((param) => compile(param, enums));
  const headBytes = codecs.reduce((sum, codec) => sum + (codec.dynamic ? WORD : codec.headBytes), 0);
  const dynamic = codecs.some((codec) => codec.dynamic);
  return {
    dynamic,
    headBytes,
    read(reader, base) {
      const fields: Record<string, unknown> = {};
      let at = base;
      for (let i = 0; i < codecs.length; i++) {
        const codec = codecs[i]!;
        if (codec.dynamic) {
          readOffset(reader, at, base);
          fields[names[i]!] = readPart(codec, reader);
          at += WORD;
        } else {
          fields[names[i]!] = codec.read(reader, at);
          at += codec.headBytes;
        }
      }
      return fields;
    },
    sizeOf(value) {
      if (!dynamic) return headBytes;
      const fields = value as Record<string, unknown>;
      let size = headBytes;
      for (let i = 0; i < codecs.length; i++) {
        const codec = codecs[i]!;
        if (codec.dynamic) size += codec.sizeOf(fields[names[i]!]);
      }
      return size;
    },
    write(view, at, value) {
      const fields = value as Record<string, unknown>;
      writeParts(
        view,
        at,
        codecs,
        names.map((name) => fields[name]),
      );
    },
  };
}

function arrayCodec(item: Codec): Codec {
  const stride = item.dynamic ? WORD : item.headBytes;
  return {
    dynamic: true,
    headBytes: WORD,
    read(reader, at) {
      const count = readLength(reader, at);
      const base = at + WORD;
      require(base + count * stride <= reader.bytes.length, "calldata is too short");
      reader.next = base + count * stride;
      const items: unknown[] = [];
      for (let i = 0; i < count; i++) {
        if (item.dynamic) {
          readOffset(reader, base + i * WORD, base);
          items.push(readPart(item, reader));
        } else {
          items.push(item.read(reader, base + i * stride));
        }
      }
      return items;
    },
    sizeOf(value) {
      const items = value as readonly unknown[];
      let size = WORD + items.length * stride;
      if (item.dynamic) for (const one of items) size += item.sizeOf(one);
      return size;
    },
    write(view, at, value) {
      const items = value as readonly unknown[];
      view.setUint32(at + 28, items.length);
      writeParts(view, at + WORD, new Array<Codec>(items.length).fill(item), items);
    },
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function bytesCodec(isText: boolean): Codec {
  return {
    dynamic: true,
    headBytes: WORD,
    read(reader, at) {
      const length = readLength(reader, at);
      const start = at + WORD;
      const end = start + padded(length);
      require(end <= reader.bytes.length, "calldata is too short");
      requireZeros(reader.bytes, start + length, end);
      reader.next = end;
      const value = reader.bytes.subarray(start, start + length);
      if (isText) {
        try {
          utf8.decode(value);
        } catch {
          throw new NonCanonical("a string is not UTF-8");
        }
      }
      return value;
    },
    sizeOf: (value) => WORD + padded((value as Uint8Array).length),
    write(view, at, value) {
      const bytes = value as Uint8Array;
      view.setUint32(at + 28, bytes.length);
      new Uint8Array(view.buffer).set(bytes, at + WORD);
    },
  };
}

function fixedBytesCodec(padding: number, length: number): Codec {
  return {
    dynamic: false,
    headBytes: WORD,
    read({ bytes }, at) {
      requireZeros(bytes, at, at + padding);
      return bytes.subarray(at + padding, at + WORD);
    },
    sizeOf: () => WORD,
    write(view, at, value) {
      const bytes = value as Uint8Array;
      if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes instead of ${length}`);
      new Uint8Array(view.buffer).set(bytes, at + padding);
    },
  };
}

const boolCodec: Codec = {
  dynamic: false,
  headBytes: WORD,
  read(reader, at) {
    const value = readLength(reader, at);
    require(value <= 1, "bool is neither 0 nor 1");
    return value === 1;
  },
  sizeOf: () => WORD,
  write: (view, at, value) => view.setUint8(at + 31, value === true ? 1 : 0),
};

/** Up to 32 bits, or an enum. */
function smallUintCodec(max: number): Codec {
  return {
    dynamic: false,
    headBytes: WORD,
    read(reader, at) {
      const value = readLength(reader, at);
      require(value <= max, "integer or enum out of range");
      return value;
    },
    sizeOf: () => WORD,
    write(view, at, value) {
      const number = value as number;
      if (!Number.isInteger(number) || number < 0 || number > max) throw new RangeError(`${number} is above ${max}`);
      view.setUint32(at + 28, number);
    },
  };
}

function bigUintCodec(bits: bigint): Codec {
  const bytesOfType = Number(bits) / 8;
  return {
    dynamic: false,
    headBytes: WORD,
    read({ bytes, view }, at) {
      const start = at + WORD - bytesOfType;
      requireZeros(bytes, at, start);
      let value = view.getBigUint64(at + 24);
      // Nearly all integers are short, and shifting long ones is slow.
      for (let word = at + 16, shift = 64n; word >= start; word -= 8, shift += 64n) {
        if (view.getUint32(word) !== 0 || view.getUint32(word + 4) !== 0) value |= view.getBigUint64(word) << shift;
      }
      return value;
    },
    sizeOf: () => WORD,
    write(view, at, value) {
      const integer = value as bigint;
      if (integer < 0n || integer >> bits !== 0n) throw new RangeError(`${integer} does not fit ${bits} bits`);
      for (let shift = 0n, to = at + 24; shift < bits; shift += 64n, to -= 8) {
        view.setBigUint64(to, (integer >> shift) & 0xffff_ffff_ffff_ffffn);
      }
    },
  };
}
