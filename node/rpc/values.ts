/**
 * JSON values -> domain values. Decoders throw `InvalidValue`; the dispatcher names the argument. Quantities are hex
 * without leading zeros, data are hex of whole bytes, as the execution-apis specification has them.
 */
export class InvalidValue extends Error {}

export type Decoder<T> = (value: unknown) => T;

export interface Parameter<T> {
  readonly decode: Decoder<T>;
  /** Present for an optional parameter: what null or nothing stands for. */
  readonly fallback?: () => T;
}

export function required<T>(decode: Decoder<T>): Parameter<T> {
  return { decode };
}

export function optional<T>(decode: Decoder<T>, fallback: T): Parameter<T> {
  return { decode, fallback: () => fallback };
}

export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

export const boolean: Decoder<boolean> = (value) => {
  if (typeof value !== "boolean") throw new InvalidValue(`want true or false, have ${show(value)}`);
  return value;
};

export const text: Decoder<string> = (value) => {
  if (typeof value !== "string") throw new InvalidValue(`want a string, have ${show(value)}`);
  return value;
};

/** Unsigned integer of at most `bits` bits, at most 256. */
export function quantity(bits: number): Decoder<bigint> {
  const longest = 2 + bits / 4;
  return (value) => {
    if (typeof value !== "string") throw new InvalidValue(`want a hex quantity, have ${show(value)}`);
    if (!value.startsWith("0x")) throw new InvalidValue(`hex string without 0x prefix: ${show(value)}`);
    if (value.length === 2) throw new InvalidValue('hex string "0x"');
    if (value.length > 3 && value[2] === "0")
      throw new InvalidValue(`hex number with leading zero digits: ${show(value)}`);
    if (value.length > longest) throw new InvalidValue(`hex number > ${bits} bits: ${show(value)}`);
    if (!/^0x[0-9a-fA-F]+$/.test(value)) throw new InvalidValue(`invalid hex string: ${show(value)}`);
    return BigInt(value);
  };
}

export const uint64 = quantity(64);
export const uint256 = quantity(256);

/** Whole bytes; exactly `length` when given. */
export function bytes(length?: number): Decoder<Uint8Array> {
  return (value) => {
    if (typeof value !== "string") throw new InvalidValue(`want hex data, have ${show(value)}`);
    if (!value.startsWith("0x")) throw new InvalidValue(`hex string without 0x prefix: ${show(value)}`);
    if (value.length % 2 !== 0) throw new InvalidValue(`hex string of odd length: ${show(value)}`);
    const size = (value.length - 2) / 2;
    if (length !== undefined && size !== length) {
      throw new InvalidValue(`hex string has length ${size * 2}, want ${length * 2}`);
    }
    // Buffer stops at the first character that is not hex, so a short result is an invalid one.
    const decoded = Buffer.from(value.slice(2), "hex");
    if (decoded.length !== size) throw new InvalidValue(`invalid hex string: ${show(value)}`);
    return new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.length);
  };
}

export const data = bytes();
export const address = bytes(20);
export const hash = bytes(32);

/** `limitName` appears in the error: "exceed max topics". */
export function list<T>(item: Decoder<T>, limit: number, limitName: string): Decoder<T[]> {
  return (value) => {
    if (!Array.isArray(value)) throw new InvalidValue(`want an array, have ${show(value)}`);
    if (value.length > limit) throw new InvalidValue(`exceed max ${limitName}: ${value.length}, limit ${limit}`);
    return value.map(item);
  };
}

/** Own field of an object; null counts as absent. */
export function field<T>(object: Readonly<Record<string, unknown>>, name: string, decode: Decoder<T>): T | undefined {
  if (!Object.hasOwn(object, name)) return undefined;
  const value = object[name];
  if (value === null || value === undefined) return undefined;
  try {
    return decode(value);
  } catch (error) {
    if (error instanceof InvalidValue) throw new InvalidValue(`${name}: ${error.message}`);
    throw error;
  }
}

/** Fields that an object must have; `what` names it where one is missing. */
export const partsOf =
  (entry: Readonly<Record<string, unknown>>, what: string) =>
  <T>(name: string, decode: Decoder<T>): T => {
    const found = field(entry, name, decode);
    if (found === undefined) throw new InvalidValue(`${what} without ${name}`);
    return found;
  };

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export const object: Decoder<Record<string, unknown>> = (value) => {
  if (!isObject(value)) throw new InvalidValue(`want an object, have ${show(value)}`);
  return value;
};
