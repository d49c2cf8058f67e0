/** geth's genesis files: the rules, the first block and the first state of a foreign chain. */

import { Hardfork } from "@ethereumjs/common";
import { type Hex, hexToBytes } from "../../core/bytes.ts";
import type { ExecutedBlock, Header } from "../../core/chain.ts";
import { EMPTY_BLOOM } from "../block/bloom.ts";
import { hashHeader, protocolFields } from "../block/header.ts";
import { openStateDatabase } from "../state/database.ts";
import { EMPTY_TRIE_ROOT } from "../state/trie-node.ts";
import type { BatchWriter, KeyValueReader } from "../state/types.ts";
import { type BlobSchedule, FORK_BLOCK_KEYS, FORK_TIME_KEYS, type ForkSchedule, type Forks } from "./forks.ts";
import { blobTerms } from "./header-rules.ts";

/** A genesis file that cannot be used, with every reason that was found. */
export class ForeignGenesisError extends Error {
  constructor(problems: readonly string[]) {
    super(`invalid genesis: ${problems.join("; ")}`);
    this.name = "ForeignGenesisError";
  }
}

export interface ForeignAccount {
  readonly address: Uint8Array;
  readonly balance: bigint;
  readonly nonce: bigint;
  readonly code: Uint8Array;
  /** 32-byte slot and value. */
  readonly storage: readonly (readonly [slot: Uint8Array, value: Uint8Array])[];
}

export interface ForeignGenesis {
  readonly schedule: ForkSchedule;
  readonly fields: Pick<
    Header,
    | "parentHash"
    | "coinbase"
    | "difficulty"
    | "number"
    | "gasLimit"
    | "gasUsed"
    | "timestamp"
    | "extraData"
    | "prevRandao"
    | "nonce"
    | "baseFeePerGas"
    | "excessBlobGas"
    | "blobGasUsed"
    | "parentBeaconBlockRoot"
  >;
  readonly alloc: readonly ForeignAccount[];
}

type Json = unknown;
type JsonObject = Readonly<Record<string, Json>>;

/** EIP-1559's first base fee. */
const INITIAL_BASE_FEE = 1_000_000_000n;
/** geth's, where a file has none. */
const DEFAULT_GAS_LIMIT = 4_712_388n;
const ZERO_HASH = `0x${"0".repeat(64)}`;

/** Whether a JSON document is a genesis file of geth's, and not one of a network of our own. */
export const isForeignGenesis = (json: unknown): boolean =>
  typeof json === "object" && json !== null && "config" in json && "alloc" in json;

/** JSON with integers as bigints, whatever their size: chain ids and balances pass 2^53. Throws SyntaxError. */
export function parseJson(text: string): unknown {
  const revive = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
    const { source } = context ?? {};
    return typeof value === "number" && source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
  };
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}

/** `json`: of `parseJson`. Unknown keys are passed over, as geth does. Throws ForeignGenesisError. */
export function parseForeignGenesis(json: unknown): ForeignGenesis {
  const problems: string[] = [];
  const read = new Values(problems);
  const file = read.object(json, "genesis");
  const config = read.object(file.config, "config");
  const schedule = scheduleOf(config, read);
  const genesis: ForeignGenesis = {
    schedule,
    fields: {
      parentHash: read.bytes(file.parentHash ?? ZERO_HASH, "parentHash", 32),
      coinbase: read.bytes(file.coinbase ?? `0x${"0".repeat(40)}`, "coinbase", 20),
      difficulty: read.integer(file.difficulty ?? 0n, "difficulty"),
      number: read.integer(file.number ?? 0n, "number"),
      gasLimit: read.integer(file.gasLimit ?? 0n, "gasLimit") || DEFAULT_GAS_LIMIT,
      gasUsed: read.integer(file.gasUsed ?? 0n, "gasUsed"),
      timestamp: read.integer(file.timestamp ?? 0n, "timestamp"),
      extraData: read.bytes(file.extraData ?? "0x", "extraData"),
      prevRandao: read.bytes(file.mixHash ?? file.mixhash ?? ZERO_HASH, "mixHash", 32),
      nonce: read.nonce(file.nonce ?? 0n, "nonce"),
      baseFeePerGas: read.integer(file.baseFeePerGas ?? INITIAL_BASE_FEE, "baseFeePerGas"),
      excessBlobGas: read.integer(file.excessBlobGas ?? 0n, "excessBlobGas"),
      blobGasUsed: read.integer(file.blobGasUsed ?? 0n, "blobGasUsed"),
      parentBeaconBlockRoot: read.bytes(file.parentBeaconBlockRoot ?? ZERO_HASH, "parentBeaconBlockRoot", 32),
    },
    alloc: Object.entries(read.object(file.alloc, "alloc")).map(([address, account]) =>
      accountOf(address, account, read),
    ),
  };
  if (genesis.fields.number !== 0n) problems.push("number must be 0");
  if (problems.length > 0) throw new ForeignGenesisError(problems);
  return genesis;
}

/** Forks by block of EIP-2124's fork identifier besides `FORK_BLOCK_KEYS`; the DAO's counts even where it was not supported. */
const OTHER_FORK_BLOCK_KEYS = ["daoForkBlock", "eip155Block", "mergeNetsplitBlock"];

function scheduleOf(config: JsonObject, read: Values): ForkSchedule {
  const { problems } = read;
  const at = (key: string): readonly (readonly [string, bigint])[] => {
    const value = config[key];
    return value === undefined || value === null ? [] : [[key, read.integer(value, `config.${key}`)]];
  };
  const blocks = new Map(FORK_BLOCK_KEYS.flatMap(at));
  const times = new Map(FORK_TIME_KEYS.flatMap(at));
  // Two keys for the parts of one fork; no chain sets them apart, and ethereumjs could not run one that does.
  const [eip155] = at("eip155Block");
  if (eip155?.[1] !== blocks.get("eip158Block")) {
    problems.push("config.eip155Block and config.eip158Block must be equal: they are one fork, Spurious Dragon");
  }
  if (config.daoForkSupport !== true) blocks.delete("daoForkBlock");
  // geth: where Petersburg is not named it comes with Constantinople, which nobody uses without.
  const constantinople = blocks.get("constantinopleBlock");
  if (constantinople !== undefined && !blocks.has("petersburgBlock")) blocks.set("petersburgBlock", constantinople);
  if ((config.verkleTime ?? null) !== null) problems.push("config.verkleTime: this fork is not known here");
  const chainId = read.integer(config.chainId, "config.chainId");
  if (chainId > BigInt(Number.MAX_SAFE_INTEGER)) problems.push(`config.chainId ${chainId} is above 2^53 - 1`);
  const blobs = Object.entries(read.object(config.blobSchedule ?? {}, "config.blobSchedule")).map(
    ([fork, value]): readonly [string, BlobSchedule] => {
      const path = `config.blobSchedule.${fork}`;
      const entry = read.object(value, path);
      const of = (key: string) => read.integer(entry[key], `${path}.${key}`);
      const schedule = { target: of("target"), max: of("max"), baseFeeUpdateFraction: of("baseFeeUpdateFraction") };
      // Prices are divided by both.
      for (const key of ["max", "baseFeeUpdateFraction"] as const) {
        if (schedule[key] === 0n) problems.push(`${path}.${key} must not be 0`);
      }
      return [fork, schedule];
    },
  );
  for (const key of ["bpo3Time", "bpo4Time", "bpo5Time"]) {
    const fork = key.slice(0, 4);
    const isSaid = blobs.some(([name]) => name === fork);
    if (times.has(key) && !isSaid) problems.push(`config.${key} needs config.blobSchedule.${fork}`);
  }
  const depositContract = config.depositContractAddress;
  return {
    chainId,
    blocks,
    times,
    startBlocks: [...new Set([...blocks.values(), ...OTHER_FORK_BLOCK_KEYS.flatMap(at).map(([, number]) => number)])]
      .filter((number) => number > 0n)
      .sort((a, b) => (a < b ? -1 : 1)),
    blobs: new Map(blobs),
    isClique: typeof config.clique === "object" && config.clique !== null,
    depositContract: typeof depositContract === "string" ? depositContract : undefined,
  };
}

function accountOf(address: string, value: Json, read: Values): ForeignAccount {
  const path = `alloc.${address}`;
  const account = read.object(value, path);
  return {
    address: read.bytes(address, path, 20),
    balance: read.integer(account.balance ?? 0n, `${path}.balance`),
    nonce: read.integer(account.nonce ?? 0n, `${path}.nonce`),
    code: read.bytes(account.code ?? "0x", `${path}.code`),
    storage: Object.entries(read.object(account.storage ?? {}, `${path}.storage`)).map(([slot, word]) => [
      read.word(slot, `${path}.storage`),
      read.word(word, `${path}.storage.${slot}`),
    ]),
  };
}

/** geth's lenience: hex with or without 0x, numbers in decimal or hex, words of storage that are short. */
class Values {
  readonly problems: string[];

  constructor(problems: string[]) {
    this.problems = problems;
  }

  object(value: Json, path: string): JsonObject {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
    this.problems.push(`${path} must be an object`);
    return {};
  }

  integer(value: Json, path: string): bigint {
    const isText = typeof value === "string" && /^(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$/.test(value);
    const parsed = typeof value === "bigint" ? value : isText ? BigInt(value) : value === "0x" ? 0n : -1n;
    if (parsed >= 0n && parsed < 1n << 256n) return parsed;
    this.problems.push(`${path} must be an unsigned integer of at most 256 bits`);
    return 0n;
  }

  bytes(value: Json, path: string, length?: number): Uint8Array {
    const match = typeof value === "string" ? /^(?:0x)?((?:[0-9a-fA-F]{2})*)$/.exec(value) : null;
    const parsed = match && hexToBytes(`0x${match[1]}` as Hex);
    if (parsed && (length === undefined || parsed.length === length)) return parsed;
    this.problems.push(`${path} must be hex${length === undefined ? "" : ` of ${length} bytes`}`);
    return new Uint8Array(length ?? 0);
  }

  /** At most 32 bytes, padded on the left. */
  word(value: Json, path: string): Uint8Array {
    const match = typeof value === "string" ? /^(?:0x)?([0-9a-fA-F]{0,64})$/.exec(value) : null;
    if (match) return hexToBytes(`0x${match[1]!.padStart(64, "0")}` as Hex);
    this.problems.push(`${path} must be hex of at most 32 bytes`);
    return new Uint8Array(32);
  }

  nonce(value: Json, path: string): Uint8Array {
    const number = this.integer(value, path);
    if (number < 1n << 64n) return hexToBytes(`0x${number.toString(16).padStart(16, "0")}` as Hex);
    this.problems.push(`${path} must be an integer of at most 64 bits`);
    return new Uint8Array(8);
  }
}

/** Header fields that a block of the fork has. */
export function fieldCountOf(forks: Forks, fork: string): Header["fieldCount"] | 21 {
  const common = forks.common(fork);
  if (common.gteHardfork(Hardfork.Prague)) return 21;
  if (common.gteHardfork(Hardfork.Cancun)) return 20;
  if (common.gteHardfork(Hardfork.Shanghai)) return 17;
  return common.gteHardfork(Hardfork.London) ? 16 : 15;
}

export interface ForeignGenesisBlock {
  readonly block: ExecutedBlock;
  stageState(batch: BatchWriter): void;
}

/** `reader` is the empty store that the state will be written to. */
export function buildForeignGenesis(
  genesis: ForeignGenesis,
  forks: Forks,
  reader: KeyValueReader,
): ForeignGenesisBlock {
  const database = openStateDatabase({ reader, headRoot: EMPTY_TRIE_ROOT });
  const layer = database.head.fork();
  for (const { address, balance, nonce, code, storage } of genesis.alloc) {
    const codeHash = layer.addCode(code);
    layer.setAccount(address, { nonce, balance, codeHash, storageRoot: EMPTY_TRIE_ROOT });
    for (const [slot, value] of storage) layer.setStorage(address, slot, value);
  }
  const sealed = database.seal(layer);
  const { fields } = genesis;
  const count = fieldCountOf(forks, forks.forkOf(fields)) ?? 21;
  const header: Header = {
    ...fields,
    uncleHash: protocolFields.uncleHash,
    requestsHash: count < 21 ? new Uint8Array(32) : protocolFields.requestsHash,
    baseFeePerGas: count < 16 ? 0n : fields.baseFeePerGas,
    excessBlobGas: count < 20 ? 0n : fields.excessBlobGas,
    blobGasUsed: count < 20 ? 0n : fields.blobGasUsed,
    stateRoot: sealed.stateRoot,
    transactionsRoot: EMPTY_TRIE_ROOT,
    receiptsRoot: EMPTY_TRIE_ROOT,
    withdrawalsRoot: count < 17 ? new Uint8Array(32) : EMPTY_TRIE_ROOT,
    logsBloom: EMPTY_BLOOM,
    // The hash of no access list is that of no uncles: keccak(rlp([])).
    ...(forks.common(forks.forkOf(fields)).isActivatedEIP(7928) && {
      blockAccessListHash: protocolFields.uncleHash,
      slotNumber: 0n,
    }),
    ...(count < 21 && { fieldCount: count as 15 | 16 | 17 | 20 }),
  };
  const foreign = { uncles: [], withdrawals: [], ...blobTerms(header, forks.common(forks.forkOf(header))) };
  const block = { hash: hashHeader(header), header, transactions: [], receipts: [], foreign };
  return { block, stageState: (batch) => database.stage(sealed, batch) };
}
