/**
 * A network's genesis: chain rules and the first state, in a JSON file. The `alloc` part has geth's format.
 * Chain rules live here and never in an operator's configuration: all nodes of a network must share them.
 */
import { type Hex, hexToBytes } from "../core/bytes.ts";
import { PARAMETER_SLOTS, type Parameters, PPM } from "../core/parameters.ts";

export interface GenesisAccount {
  readonly address: Uint8Array;
  readonly balanceWei: bigint;
  readonly nonce: bigint;
  readonly code: Uint8Array;
  /** 32-byte slot, 32-byte value. */
  readonly storage: readonly { readonly slot: Uint8Array; readonly value: Uint8Array }[];
}

export interface Genesis {
  readonly name: string;
  readonly chainId: bigint;
  /** Unix seconds. */
  readonly timestamp: bigint;
  readonly gasLimit: bigint;
  readonly baseFeeWei: bigint;
  /** Most bytes that a block may have on the wire. */
  readonly blockBytes: number;
  readonly parameters: Parameters;
  readonly alloc: readonly GenesisAccount[];
}

/** The largest transaction that a pool takes is 128 KiB; one that no block could hold would wait for ever. */
const MIN_BLOCK_BYTES = 256 * 1024;

export class GenesisError extends Error {
  constructor(problems: readonly string[]) {
    super(`invalid genesis: ${problems.join("; ")}`);
    this.name = "GenesisError";
  }
}

type Json = unknown;
type JsonObject = { readonly [key: string]: Json };

/** Collects every problem before it throws, so that a file is mended in one go. */
class Reader {
  readonly problems: string[] = [];

  object(value: Json, path: string, known?: readonly string[]): JsonObject {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.problems.push(`${path} must be an object`);
      return {};
    }
    for (const key of Object.keys(value)) {
      if (known !== undefined && !known.includes(key)) this.problems.push(`${path}.${key} is unknown`);
    }
    return value as JsonObject;
  }

  text(value: Json, path: string): string {
    if (typeof value === "string" && value.length > 0) return value;
    this.problems.push(`${path} must be a non-empty string`);
    return "";
  }

  /** A decimal or 0x string, or a safe integer; 0 ≤ value < 2^256. */
  integer(value: Json, path: string): bigint {
    const isText = typeof value === "string" && /^(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$/.test(value);
    if (isText || (typeof value === "number" && Number.isSafeInteger(value) && value >= 0)) {
      const parsed = BigInt(value as string | number);
      if (parsed < 1n << 256n) return parsed;
    }
    this.problems.push(`${path} must be an unsigned integer of at most 256 bits`);
    return 0n;
  }

  bytes(value: Json, path: string, length?: number): Uint8Array {
    if (typeof value === "string" && /^0x([0-9a-fA-F]{2})*$/.test(value)) {
      const parsed = hexToBytes(value as Hex);
      if (length === undefined || parsed.length === length) return parsed;
    }
    this.problems.push(`${path} must be 0x-prefixed hex${length === undefined ? "" : ` of ${length} bytes`}`);
    return new Uint8Array(length ?? 0);
  }
}

function parseAccount(reader: Reader, address: string, value: Json): GenesisAccount {
  const path = `alloc.${address}`;
  const fields = reader.object(value, path, ["balance", "nonce", "code", "storage"]);
  return {
    address: reader.bytes(address, `${path} (the address)`, 20),
    balanceWei: fields.balance === undefined ? 0n : reader.integer(fields.balance, `${path}.balance`),
    nonce: fields.nonce === undefined ? 0n : reader.integer(fields.nonce, `${path}.nonce`),
    code: fields.code === undefined ? new Uint8Array(0) : reader.bytes(fields.code, `${path}.code`),
    storage: Object.entries(reader.object(fields.storage ?? {}, `${path}.storage`)).map(([slot, word]) => ({
      slot: reader.bytes(slot, `${path}.storage`, 32),
      value: reader.bytes(word, `${path}.storage.${slot}`, 32),
    })),
  };
}

function parseParameters(reader: Reader, value: Json): Parameters {
  const fields = reader.object(value, "parameters", PARAMETER_SLOTS);
  const parameters = Object.fromEntries(
    PARAMETER_SLOTS.map((name) => [name, reader.integer(fields[name], `parameters.${name}`)]),
  ) as unknown as Parameters;
  const shares = parameters.treasuryPpm + parameters.modelPpm + parameters.stakersPpm + parameters.contributorsPpm;
  if (shares !== PPM) reader.problems.push(`parameters: the four shares sum to ${shares} ppm, not ${PPM}`);
  if (parameters.minSpanBytes < 1n || parameters.minSpanBytes > 1024n) {
    reader.problems.push("parameters.minSpanBytes must be from 1 to 1024");
  }
  return parameters;
}

/** Throws GenesisError that names every problem. */
export function parseGenesis(json: Json): Genesis {
  const reader = new Reader();
  const known = ["name", "chainId", "timestamp", "gasLimit", "baseFeeWei", "blockBytes", "parameters", "alloc"];
  const fields = reader.object(json, "genesis", known);
  const genesis: Genesis = {
    name: reader.text(fields.name, "name"),
    chainId: reader.integer(fields.chainId, "chainId"),
    timestamp: reader.integer(fields.timestamp, "timestamp"),
    gasLimit: reader.integer(fields.gasLimit, "gasLimit"),
    baseFeeWei: reader.integer(fields.baseFeeWei, "baseFeeWei"),
    blockBytes: Number(reader.integer(fields.blockBytes, "blockBytes")),
    parameters: parseParameters(reader, fields.parameters),
    alloc: Object.entries(reader.object(fields.alloc, "alloc")).map(([address, account]) =>
      parseAccount(reader, address, account),
    ),
  };
  if (genesis.blockBytes < MIN_BLOCK_BYTES) reader.problems.push(`blockBytes must be at least ${MIN_BLOCK_BYTES}`);
  if (reader.problems.length > 0) throw new GenesisError(reader.problems);
  return genesis;
}
