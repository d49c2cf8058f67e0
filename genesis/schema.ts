/**
 * A network's genesis: chain rules and the first state, in a JSON file. The `alloc` part has geth's format.
 * Chain rules live here and never in an operator's configuration: all nodes of a network must share them.
 */
import { MAX_L1_FEE_SCALAR, PARAMETER_SLOTS, type Parameters, PPM } from "../core/parameters.ts";
import type { ValidatorSet } from "../core/validators.ts";
import { type L1Parameters, parseL1, requireRoomForDeposits } from "./l1.ts";
import { type Json, type JsonObject, Reader } from "./reader.ts";
import { type ValidatorChange, ValidatorParser } from "./validators.ts";

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
  readonly consensus: ConsensusParameters;
  /** Of epoch 0. */
  readonly validators: ValidatorSet;
  /** Rising blocks. For test networks, in place of what stakes on L1. */
  readonly validatorChanges: readonly ValidatorChange[];
  readonly parameters: Parameters;
  /** Undefined: the network has no L1. */
  readonly l1: L1Parameters | undefined;
  readonly alloc: readonly GenesisAccount[];
}

export interface ConsensusParameters {
  /** Blocks of an epoch: block n is of epoch floor(n / epochBlocks). */
  readonly epochBlocks: number;
}

/** An epoch has to hold a block that submits a set, and its last one after it. */
const MIN_EPOCH_BLOCKS = 4;
/**
 * An epoch has 2^32 views (consensus/types.ts), so this leaves 256 to a block. The number of epochs is bounded too: views
 * are safe integers, so a chain ends after 2^21 epochs, 239 years of epochs of an hour, 97 days of the shortest at a
 * block a second.
 */
const MAX_EPOCH_BLOCKS = 2 ** 24;

/** The largest transaction that a pool takes is 128 KiB; one that no block could hold would wait for ever. */
const MIN_BLOCK_BYTES = 256 * 1024;

export class GenesisError extends Error {
  constructor(problems: readonly string[]) {
    super(`invalid genesis: ${problems.join("; ")}`);
    this.name = "GenesisError";
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

/** Files that are older than these parameters do not have them. */
const LATER_PARAMETERS = { l1BaseFeeScalar: 0, l1BlobBaseFeeScalar: 0, availabilityBondWei: "1000000000000000" };

function parseParameters(reader: Reader, value: Json): Parameters {
  const fields: JsonObject = { ...LATER_PARAMETERS, ...reader.object(value, "parameters", PARAMETER_SLOTS) };
  const parameters = Object.fromEntries(
    PARAMETER_SLOTS.map((name) => [name, reader.integer(fields[name], `parameters.${name}`)]),
  ) as unknown as Parameters;
  const shares = parameters.treasuryPpm + parameters.modelPpm + parameters.stakersPpm + parameters.contributorsPpm;
  if (shares !== PPM) reader.problems.push(`parameters: the four shares sum to ${shares} ppm, not ${PPM}`);
  if (parameters.minSpanBytes < 1n || parameters.minSpanBytes > 1024n) {
    reader.problems.push("parameters.minSpanBytes must be from 1 to 1024");
  }
  for (const name of ["l1BaseFeeScalar", "l1BlobBaseFeeScalar"] as const) {
    if (parameters[name] > MAX_L1_FEE_SCALAR) reader.problems.push(`parameters.${name} must be at most 32 bits`);
  }
  return parameters;
}

function parseConsensus(reader: Reader, value: Json): ConsensusParameters {
  const fields = reader.object(value, "consensus", ["epochBlocks"]);
  const epochBlocks = Number(reader.integer(fields.epochBlocks, "consensus.epochBlocks"));
  if (epochBlocks < MIN_EPOCH_BLOCKS || epochBlocks > MAX_EPOCH_BLOCKS) {
    reader.problems.push(`consensus.epochBlocks must be from ${MIN_EPOCH_BLOCKS} to ${MAX_EPOCH_BLOCKS}`);
  }
  return { epochBlocks };
}

const FIELDS = [
  "name",
  "chainId",
  "timestamp",
  "gasLimit",
  "baseFeeWei",
  "blockBytes",
  "consensus",
  "validators",
  "validatorChanges",
  "parameters",
  "l1",
  "alloc",
];

/** Throws GenesisError that names every problem. */
export function parseGenesis(json: Json): Genesis {
  const reader = new Reader();
  const validators = new ValidatorParser(reader);
  const fields = reader.object(json, "genesis", FIELDS);
  const timestamp = reader.integer(fields.timestamp, "timestamp");
  const genesis: Genesis = {
    name: reader.text(fields.name, "name"),
    chainId: reader.integer(fields.chainId, "chainId"),
    timestamp,
    gasLimit: reader.integer(fields.gasLimit, "gasLimit"),
    baseFeeWei: reader.integer(fields.baseFeeWei, "baseFeeWei"),
    blockBytes: Number(reader.integer(fields.blockBytes, "blockBytes")),
    consensus: parseConsensus(reader, fields.consensus),
    validators: validators.set(fields.validators, "validators"),
    validatorChanges: fields.validatorChanges === undefined ? [] : validators.changes(fields.validatorChanges),
    parameters: parseParameters(reader, fields.parameters),
    l1: fields.l1 === undefined ? undefined : parseL1(reader, fields.l1, timestamp),
    alloc: Object.entries(reader.object(fields.alloc, "alloc")).map(([address, account]) =>
      parseAccount(reader, address, account),
    ),
  };
  if (genesis.l1 !== undefined) requireRoomForDeposits(reader, genesis);
  if (genesis.blockBytes < MIN_BLOCK_BYTES) reader.problems.push(`blockBytes must be at least ${MIN_BLOCK_BYTES}`);
  if (reader.problems.length > 0) throw new GenesisError(reader.problems);
  return genesis;
}
